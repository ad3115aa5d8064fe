"""Batches of freshly rendered pairs, made by worker processes beside the training."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from pose_tracker_ros.networks.crop import to_tensors
from pose_tracker_ros.networks.crops import Crops
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.training.scene import Pair, PairGenerator, SceneConfig


class Batch(NamedTuple):
    """Crops with their true residuals: translation (B, 3) metres, rotation (B, 3) radians."""

    crops: Crops
    translation: torch.Tensor
    rotation: torch.Tensor

    def to(self, device: torch.device | str) -> Batch:
        """The same batch in float32 on a device."""
        return Batch(self.crops.to(device), self.translation.to(device), self.rotation.to(device))

    def moved(self, device: torch.device | str) -> Batch:
        """The same batch as it is on a device."""
        crops, translation, rotation = self
        crops = Crops(*(tensor.to(device, non_blocking=True) for tensor in crops))
        return Batch(crops, *(tensor.to(device, non_blocking=True) for tensor in (translation, rotation)))


class PairStream(IterableDataset):
    """Endless batches; every worker renders its own, and starts clean before the scenes become hard.

    Parameters: ``first_batch`` continues the curriculum and the seeds of an interrupted run;
    ``curriculum`` is the number of batches over which difficulty grows from 0 to 1.
    """

    def __init__(
        self,
        models: Sequence[ObjectModel],
        config: SceneConfig,
        batch_size: int,
        seed: int,
        first_batch: int,
        curriculum: int,
    ) -> None:
        self._models, self._config = list(models), config
        self._batch_size, self._seed = batch_size, seed
        self._first_batch, self._curriculum = first_batch, curriculum

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        index, count = (worker.id, worker.num_workers) if worker else (0, 1)
        torch.set_num_threads(1)
        if worker:
            # Its threads would be in the way of the other workers'.
            cv2.setNumThreads(1)
        generator = PairGenerator(self._models, self._config, seed=hash((self._seed, self._first_batch, index)) % 2**32)
        batch = self._first_batch + index
        while True:
            generator.difficulty = min(1.0, batch / max(self._curriculum, 1))
            yield make_batch(generator, self._batch_size)
            batch += count


def make_batch(generator: PairGenerator, size: int) -> Batch:
    """``size`` new pairs."""
    return batch_of([generator.sample() for _ in range(size)])


def batch_of(pairs: Sequence[Pair]) -> Batch:
    """Pairs as tensors; half precision for images, as they travel between processes."""
    crops = to_tensors([pair.crop for pair in pairs])
    crops = crops._replace(rendered=crops.rendered.half(), observed=crops.observed.half())
    translation = torch.from_numpy(np.stack([pair.translation for pair in pairs])).float()
    rotation = torch.from_numpy(np.stack([pair.rotation for pair in pairs])).float()
    return Batch(crops, translation, rotation)


def loader(stream: IterableDataset, workers: int, pinned: bool = False) -> DataLoader:
    """Batches of a stream from ``workers`` processes; spawned, since threads of libraries do not survive fork().

    ``pinned``: in memory from which a GPU takes them while it and this process do something else.
    """
    return DataLoader(
        stream,
        batch_size=None,
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,
        prefetch_factor=4 if workers else None,
        persistent_workers=bool(workers),
        worker_init_fn=_ignore_signals,
        pin_memory=pinned,
    )


@contextmanager
def loaded(batches: DataLoader) -> Iterator[Iterator[Any]]:
    """The batches of a loader, whose workers end with the block.

    torch ends them once nothing refers to the batches, but the traceback of what ended the block does; and at exit it
    sends the signal that they ignore, and some of its versions wait for them for ever.
    """
    iterator = iter(batches)
    try:
        yield iterator
    finally:
        if batches.num_workers:
            _end_workers(iterator)


def _end_workers(batches: Any) -> None:
    try:
        # A worker that hands over a batch when it is told to end may fail; nobody waits for that batch any more.
        with suppress(RuntimeError):
            # Waits a few seconds for those in the middle of a batch.
            batches._shutdown_workers()
    finally:
        for process in batches._workers:
            if process.is_alive():
                process.kill()
                process.join()


def _ignore_signals(worker: int) -> None:
    """Terminals, torchrun and schedulers signal all processes; the training ends its workers itself, after its step."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def worker_errors() -> Iterator[None]:
    """Says as ChildProcessError that a worker died, which torch may notice at any time, not only when a batch is due."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise ChildProcessError(
            f"a process that makes pairs ended unexpectedly ({error}), often for lack of memory; set workers lower, and start "
            "again: the same command goes on from the last checkpoint"
        ) from error
