"""Training in several processes: one for each GPU, or several on CPUs, started by torchrun.

Every process sees its share of each batch. Losses are sums and batch normalisation uses the statistics of the whole
batch, so a step is the one that a single process would take with all pairs of the batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed, nn
from torch.utils.data import IterableDataset

from pose_tracker_ros.networks.device import choose_device
from pose_tracker_ros.training.pairs import Batch


@dataclass(frozen=True)
class Processes:
    """This process, number ``rank`` of ``size``, and the device it works on. The first one writes files."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process validates, writes files and talks."""
        return self.rank == 0

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, without a gradient."""
        values = values.detach().clone()
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def from_first(self, data: bytes) -> bytes:
        """What the first process has as ``data``, in all of them."""
        if self.size == 1:
            return data
        length = torch.tensor([len(data)], device=self.device)
        distributed.broadcast(length, 0)
        content = torch.zeros(int(length), dtype=torch.uint8, device=self.device)
        if self.is_first and data:
            content.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        distributed.broadcast(content, 0)
        return content.cpu().numpy().tobytes()

    def share_of(self, batch_size: int) -> int:
        """Pairs of a batch that this process sees; raises ValueError when they cannot be shared equally."""
        if batch_size % self.size:
            raise ValueError(
                f"expected a batch_size that {self.size} processes can share equally, got {batch_size}; "
                f"take {self.size * max(1, round(batch_size / self.size))}"
            )
        return batch_size // self.size

    def together(self, step: nn.Module) -> nn.Module:
        """The module with its batch normalisations and gradients shared by all processes."""
        if self.size == 1:
            return step
        if self.device.type == "cuda":
            step = nn.SyncBatchNorm.convert_sync_batchnorm(step)
        else:
            share_batch_norms(step)
        devices = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(step, device_ids=devices)


def is_first_process() -> bool:
    """Whether this process was started alone, or as the first by torchrun."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def joined_processes(device: str) -> Iterator[Processes]:
    """The processes that torchrun started, connected while the context lasts; one process where it did not.

    ``device`` auto or cuda gives each its own GPU. Raises ValueError when there are too few, or one is named for all.
    Inside another such context the processes stay connected as they are: torchrun's store connects them once.
    """
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size == 1:
        yield Processes(0, 1, choose_device(device))
        return
    if device.startswith("cuda:"):
        raise ValueError(
            f"expected device auto, cuda or cpu with {size} processes, each of which has its own; got {device!r}"
        )
    if device == "cuda" or (device == "auto" and torch.cuda.is_available()):
        device = f"cuda:{os.environ['LOCAL_RANK']}"
    chosen = choose_device(device)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    connects = not distributed.is_initialized()
    if connects:
        distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Processes(distributed.get_rank(), size, chosen)
    finally:
        if connects:
            distributed.destroy_process_group()


class ShareOfBatches(IterableDataset):
    """Every ``size``-th pair, from number ``rank`` on, of each of some batches."""

    def __init__(self, batches: Iterable[Batch], processes: Processes) -> None:
        self._batches, self._rank, self._size = batches, processes.rank, processes.size

    def __iter__(self) -> Iterator[Batch]:
        part = slice(self._rank, None, self._size)
        for crops, translation, rotation in self._batches:
            yield Batch(type(crops)(*(tensor[part] for tensor in crops)), translation[part], rotation[part])


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the batches of all processes; torch has one for GPUs alone."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> the same shape."""
        if not self.training:
            return super().forward(images)
        channels = images.to(torch.promote_types(images.dtype, torch.float32))
        count = _SumOfProcesses.apply(channels.new_tensor(float(channels[:, 0].numel())))
        mean = _SumOfProcesses.apply(channels.sum(dim=(0, 2, 3))) / count
        centred = channels - mean[:, None, None]
        variance = _SumOfProcesses.apply(centred.square().sum(dim=(0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight / (variance + self.eps).sqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(images.dtype)


class _SumOfProcesses(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(context: torch.autograd.function.FunctionCtx, values: torch.Tensor) -> torch.Tensor:
        values = values.clone()
        distributed.all_reduce(values)
        return values

    @staticmethod
    def backward(context: torch.autograd.function.FunctionCtx, gradient: torch.Tensor) -> torch.Tensor:
        gradient = gradient.contiguous().clone()
        distributed.all_reduce(gradient)
        return gradient


def share_batch_norms(module: nn.Module) -> None:
    """Make all batch normalisations in a module SharedBatchNorm2d, of the same parameters and buffers."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            shared = SharedBatchNorm2d(child.num_features, eps=child.eps, momentum=child.momentum)
            shared._parameters, shared._buffers = child._parameters, child._buffers
            setattr(module, name, shared)
        else:
            share_batch_norms(child)
