"""Batches put together from what workers render, and pairs that are seen several times."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from pose_tracker_ros.networks.crops import Crops
from pose_tracker_ros.training.pairs import Batch
from pose_tracker_ros.training.turned_views import QUARTERS, mirrored, turned

# Pairs that a worker hands over at once: few enough that none waits for another worker's long batch.
CHUNK_PAIRS = 64
# So many batches of pairs are there before the first step sees some of them again.
FIRST_BATCHES = 4


def chunk_size(fresh: int) -> int:
    """The most pairs, up to CHUNK_PAIRS, that divide the fresh ones of a batch."""
    return next(size for size in range(min(fresh, CHUNK_PAIRS), 0, -1) if fresh % size == 0)


def joined(chunks: Iterator[Batch], size: int) -> Iterator[Batch]:
    """Batches of ``size`` pairs from smaller ones."""
    while True:
        parts = [next(chunks)]
        while sum(len(part.rotation) for part in parts) < size:
            parts.append(next(chunks))
        yield parts[0] if len(parts) == 1 else concatenated(parts)


def reused(fresh: Iterator[Batch], times: int, pool: PairPool) -> Iterator[Batch]:
    """Batches ``times`` as large as the ``fresh`` ones: these, and pairs of the pool in views of their own.

    So every pair is seen once as it is, and on average ``times`` in all.
    """
    for batch in fresh:
        pool.add(batch)
        count = len(batch.rotation)
        if len(pool) < min(FIRST_BATCHES * times * count, pool.size):
            continue
        yield concatenated([batch, *pool.draw((times - 1) * count)])


class PairPool:
    """The last pairs on a device, of which any number may be drawn."""

    def __init__(self, size: int, mirrors: bool, seed: int, device: torch.device) -> None:
        """``mirrors``: whether some of the views are mirrored."""
        self.size = size
        self._mirrors, self._count, self._place = mirrors, 0, 0
        self._generator = torch.Generator(device).manual_seed(seed)
        self._pairs: list[torch.Tensor] = []

    def __len__(self) -> int:
        return self._count

    def add(self, batch: Batch) -> None:
        """Keep pairs instead of the oldest."""
        tensors = _tensors(batch)
        if not self._pairs:
            self._pairs = [tensor.new_empty((self.size, *tensor.shape[1:])) for tensor in tensors]
        places = torch.arange(self._place, self._place + len(batch.rotation), device=batch.rotation.device) % self.size
        for kept, tensor in zip(self._pairs, tensors):
            kept[places] = tensor
        self._place = (self._place + len(batch.rotation)) % self.size
        self._count = min(self.size, self._count + len(batch.rotation))

    def draw(self, count: int) -> list[Batch]:
        """Pairs at random, in batches of one view each."""
        device = self._pairs[0].device
        chosen = torch.randint(self._count, (count,), generator=self._generator, device=device)
        views = []
        for number, part in enumerate(chosen.tensor_split(QUARTERS * (1 + self._mirrors))):
            if len(part):
                view = turned(_batch([kept[part] for kept in self._pairs]), number)
                views.append(mirrored(view) if number >= QUARTERS else view)
        return views


def concatenated(batches: list[Batch]) -> Batch:
    """One batch of all pairs."""
    return _batch([torch.cat(parts) for parts in zip(*map(_tensors, batches))])


def _tensors(batch: Batch) -> list[torch.Tensor]:
    return [*batch.crops, batch.translation, batch.rotation]


def _batch(tensors: list[torch.Tensor]) -> Batch:
    *crops, translation, rotation = tensors
    return Batch(Crops(*crops), translation, rotation)
