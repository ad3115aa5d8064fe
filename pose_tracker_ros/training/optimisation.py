"""What a training step is made of: loss, precision, optimizer, learning rate, running average."""

from __future__ import annotations

import math

import torch
from torch import nn

from pose_tracker_ros.networks.crops import Crops
from pose_tracker_ros.networks.losses import LossTerms, point_distance, squared_error
from pose_tracker_ros.networks.residual import CompactNetwork, ResidualNetwork

LOSSES = ("auto", "pixels", "mse", "points")
OPTIMIZERS = ("adamw", "adam")
SCHEDULES = ("cosine", "step", "constant")
PRECISIONS = ("bfloat16", "float16", "float32")
BETA1 = 0.9
# The step schedule: a tenth of the learning rate after each of the first two thirds.
STEP_SHARES, STEP_FACTOR = (1 / 3, 2 / 3), 0.1


class TrainingLoss(nn.Module):
    """A network with one of LOSSES as a module, so that its forward pass can be shared by several processes."""

    def __init__(self, network: ResidualNetwork, name: str) -> None:
        """Raises ValueError for a loss that the network cannot be trained with."""
        super().__init__()
        if name == "pixels" and not isinstance(network, CompactNetwork):
            raise ValueError("expected a network of per-pixel motion for loss pixels; use loss mse, points or auto")
        self.network, self.name = network, name

    def forward(self, crops: Crops, translation: torch.Tensor, rotation: torch.Tensor) -> LossTerms:
        """Parameters: as of :meth:`ResidualNetwork.loss_terms`."""
        network = self.network
        if self.name in ("auto", "pixels"):
            return network.loss_terms(crops, translation, rotation)
        predicted = network.predict(crops)
        if self.name == "points":
            return point_distance(predicted, crops, translation, rotation)
        return squared_error(
            predicted, crops.diameter, translation, rotation, network.max_translation, network.max_rotation
        )


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """A context in which the network computes in one of PRECISIONS."""
    return torch.autocast(device.type, dtype=getattr(torch, precision), enabled=precision != "float32")


def make_optimizer(
    network: nn.Module, name: str, learning_rate: float, beta2: float, weight_decay: float
) -> torch.optim.Optimizer:
    """One of OPTIMIZERS. Weight decay of ``adam`` is added to the gradient, as published; that of ``adamw`` is apart."""
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[name]
    return kind(network.parameters(), lr=learning_rate, betas=(BETA1, beta2), weight_decay=weight_decay)


def learning_rate(step: int, steps: int, peak: float, warmup_steps: int, schedule: str = "cosine") -> float:
    """Rising to ``peak`` over the warm-up, then one of SCHEDULES up to ``steps``."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if schedule == "constant":
        return peak
    if schedule == "step":
        return peak * STEP_FACTOR ** sum(step >= share * steps for share in STEP_SHARES)
    done = (step - warmup_steps) / max(1, steps - warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * done))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Let the next step take this learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def running_average(network: nn.Module, decay: float) -> torch.optim.swa_utils.AveragedModel:
    """The exponential average of a network's weights and buffers, which ``update_parameters`` carries on."""
    return torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(decay), use_buffers=True
    )
