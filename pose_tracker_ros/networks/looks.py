"""The convolutions of a network, tensors in and tensors out, as runtimes run them; what lies between is compiled."""

from __future__ import annotations

import torch
from torch import nn

from pose_tracker_ros.networks.crops import OBSERVED_CHANNELS, RENDERED_CHANNELS
from pose_tracker_ros.networks.refining import RefiningNetwork
from pose_tracker_ros.networks.residual import CompactNetwork


class Look(nn.Module):
    """A method of a network as a module."""

    def __init__(self, network: CompactNetwork, method: str) -> None:
        super().__init__()
        self.network, self._method = network, method

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Always a tuple."""
        result = getattr(self.network, self._method)(*tensors)
        return result if isinstance(result, tuple) else (result,)


def first_look(network: CompactNetwork) -> Look:
    """Images of Crops to the network's output, and what a second look needs."""
    return Look(network, "look")


def second_look(network: CompactNetwork) -> Look | None:
    """What the first look gave beside its output, places and facts, to another output; None without a second look."""
    return Look(network, "look_again") if isinstance(network, RefiningNetwork) else None


@torch.inference_mode()
def example_inputs(network: CompactNetwork, resolution: int) -> tuple[tuple[torch.Tensor, ...], ...]:
    """Inputs of the first and of the second look, by shapes alone, for a batch of one."""
    images = tuple(torch.zeros(1, len(names), resolution, resolution) for names in (RENDERED_CHANNELS, OBSERVED_CHANNELS))
    cells = resolution // network.stride
    _, *seen = network.look(*images)
    return images, (*seen, torch.zeros(1, cells, cells, 2), torch.zeros(1, 9, cells, cells))
