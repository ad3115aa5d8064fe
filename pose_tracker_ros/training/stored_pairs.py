"""Pairs on disk: written once from the stream, read back bit by bit as the stream gave them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.utils.data import IterableDataset, get_worker_info

from pose_tracker_ros.configuration import make_config
from pose_tracker_ros.networks.crops import OBSERVED_CHANNELS, RENDERED_CHANNELS, Crops
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.training.pairs import Batch
from pose_tracker_ros.training.scene import SceneConfig

INDEX_NAME = "pairs.json"
FORMAT_VERSION = 1


def write_pairs(
    folder: Path, batches: Iterable[Batch], models: Sequence[ObjectModel], scene: SceneConfig, facts: dict[str, Any]
) -> Path:
    """Write batches as ``batch_000000.safetensors`` and so on, then the index; returns the folder.

    ``facts`` about the run, such as its seed, are kept in the index. Batches that are there already are not written again, so
    that an interrupted run goes on. Raises FileExistsError when the folder holds a finished data set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / INDEX_NAME).exists():
        raise FileExistsError(f"there is a data set at {folder} already; name another folder, or remove it")
    count = pairs = 0
    for batch in batches:
        path = _batch_path(folder, count)
        if not path.exists():
            temporary = path.with_suffix(".partial")
            tensors = {**batch.crops._asdict(), "translation": batch.translation, "rotation": batch.rotation}
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)
            temporary.replace(path)
        count, pairs = count + 1, pairs + len(batch.translation)
    index = {
        "version": FORMAT_VERSION,
        "batches": count,
        "pairs": pairs,
        "objects": {model.name: model.diameter_m for model in models},
        "scene": asdict(scene),
        "rendered_channels": RENDERED_CHANNELS,
        "observed_channels": OBSERVED_CHANNELS,
        **facts,
    }
    (folder / INDEX_NAME).write_text(json.dumps(index, indent=1))
    return folder


class StoredPairs(IterableDataset):
    """Endless batches from a folder, in their order, from the beginning again at the end.

    ``first_batch`` goes on where an interrupted training stopped. With several workers each reads its own.
    """

    def __init__(self, folder: Path, first_batch: int = 0) -> None:
        """Raises FileNotFoundError without a data set, ValueError for one of another version or of other channels."""
        self._folder = Path(folder)
        path = self._folder / INDEX_NAME
        if not path.is_file():
            raise FileNotFoundError(
                f"expected a finished data set with {INDEX_NAME} at {folder}; write it: pose-tracker render"
            )
        self.index = json.loads(path.read_text())
        channels = (tuple(self.index["rendered_channels"]), tuple(self.index["observed_channels"]))
        if self.index.get("version") != FORMAT_VERSION or channels != (RENDERED_CHANNELS, OBSERVED_CHANNELS):
            raise ValueError(f"the data set {folder} is of another version of this package; render it again")
        self._first_batch = first_batch

    @property
    def scene(self) -> SceneConfig:
        """How the scenes were made."""
        return make_config(SceneConfig, self.index["scene"])

    def __len__(self) -> int:
        """Number of batches before they repeat."""
        return int(self.index["batches"])

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        number = self._first_batch + first
        while True:
            yield self.read(number % len(self))
            number += step

    def read(self, number: int) -> Batch:
        """One batch; raises ValueError when its file is missing or cut off."""
        path = _batch_path(self._folder, number)
        try:
            tensors = load_file(path)
            crops = Crops(**{name: tensors[name] for name in Crops._fields})
            return Batch(crops, tensors["translation"], tensors["rotation"])
        except (SafetensorError, OSError, KeyError) as error:
            raise ValueError(
                f"expected a complete batch at {path}: {error}; copy or render the data set again"
            ) from error


def _batch_path(folder: Path, number: int) -> Path:
    return folder / f"batch_{number:06d}.safetensors"
