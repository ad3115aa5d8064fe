"""Reconstructions of VisualSFM: cameras and the points that each of them sees (its N-View Match format, version 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pose_tracker_ros.datasets.files import DatasetError, read_text

_CAMERA_WORDS, _POINT_WORDS, _MEASUREMENT_WORDS = 11, 7, 4


@dataclass(frozen=True)
class Reconstruction:
    """focal_px: of each image by its name without suffix; points: (N, 3) float64 in the world; seen: image name -> rows
    of the points that it sees."""

    focal_px: Mapping[str, float]
    points: np.ndarray
    seen: Mapping[str, np.ndarray]


def read_reconstruction(path: Path) -> Reconstruction:
    """The first model of an ``.nvm`` file; raises DatasetError when it is not one or cut short."""
    lines = iter(read_text(path).splitlines())
    if not next(lines, "").startswith("NVM_V3"):
        raise DatasetError(f"expected a reconstruction that begins with NVM_V3 in {path}")
    try:
        names, focal_px = [], {}
        for _ in range(_count(lines)):
            words = next(lines).rsplit(maxsplit=_CAMERA_WORDS - 1)
            names.append(words[0].rpartition(".")[0] or words[0])
            focal_px[names[-1]] = float(words[1])
        points, rows = [], [[] for _ in names]
        for row in range(_count(lines)):
            words = next(lines).split()
            points.append([float(word) for word in words[:3]])
            end = _POINT_WORDS + _MEASUREMENT_WORDS * int(words[_POINT_WORDS - 1])
            if len(words) != end:
                raise ValueError(f"point {row} has {len(words)} numbers, not {end}")
            for image in words[_POINT_WORDS:end:_MEASUREMENT_WORDS]:
                rows[int(image)].append(row)
    except (StopIteration, ValueError, IndexError) as error:
        raise DatasetError(
            f"expected a whole reconstruction in {path}, got {error or 'its end'}; copy it again"
        ) from error
    seen = {name: np.array(of_image, dtype=int) for name, of_image in zip(names, rows)}
    return Reconstruction(focal_px, np.array(points, dtype=np.float64).reshape(-1, 3), seen)


def _count(lines) -> int:
    """The number on the next line that is not empty."""
    return int(next(line for line in lines if line.strip()))
