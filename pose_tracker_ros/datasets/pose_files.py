"""Annotated poses, one text file a frame with a 4x4 matrix, whose rotations are not always quite orthonormal."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from pose_tracker_ros.datasets.files import DatasetError, read_matrix
from pose_tracker_ros.geometry import make_pose

# Matrices of optimised or rounded poses are off by so much at most; beyond, something is wrong with the file.
LARGEST_DEVIATION = 5e-3
# Rounding to single precision or to six decimals is not worth a word.
NOTED_DEVIATION = 1e-5
logger = logging.getLogger(__name__)


class PoseFiles:
    """Poses (4, 4) of frames by number; all files are read together when the first is asked for."""

    def __init__(self, paths: Mapping[int, Path]) -> None:
        """``paths`` frame number -> text file of 16 numbers."""
        self._paths = dict(paths)

    def __len__(self) -> int:
        """Number of frames that have a file."""
        return len(self._paths)

    def pose(self, number: int) -> np.ndarray | None:
        """camera_T_object (4, 4) of a frame, None when it has no file.

        Raises DatasetError when the file is not a pose.
        """
        found = self._poses.get(number)
        if isinstance(found, DatasetError):
            raise found
        return found

    @cached_property
    def _poses(self) -> dict[int, np.ndarray | DatasetError]:
        """Poses, and for files that hold none what is wrong with them."""
        poses: dict[int, np.ndarray | DatasetError] = {}
        deviations = []
        for number, path in self._paths.items():
            try:
                matrix = read_matrix(path, (4, 4))
                poses[number] = rigid(matrix, str(path))
                deviations.append(deviation_from_rigid(matrix))
            except DatasetError as error:
                poses[number] = error
        off = [deviation for deviation in deviations if deviation > NOTED_DEVIATION]
        if off:
            folder = next(iter(self._paths.values())).parent
            logger.warning(
                "the rotations of %d of %d poses in %s are up to %.1e off rigid and were made orthonormal",
                len(off),
                len(self._paths),
                folder,
                max(off),
            )
        return poses


def deviation_from_rigid(matrix: np.ndarray) -> float:
    """How far the rotation R of a transform (4, 4) is from an orthonormal one: the largest entry of abs(R^T R - I)."""
    rotation = np.asarray(matrix, dtype=np.float64)[:3, :3]
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.abs(rotation.T @ rotation - np.eye(3)).max())


def rigid(matrix: np.ndarray, source: str) -> np.ndarray:
    """The transform (4, 4) with the rotation that is nearest to its own: U V^T of its singular value decomposition.

    Raises DatasetError that names the ``source`` when its rotation is more than 5e-3 off or turns left to right.
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    deviation = deviation_from_rigid(matrix)
    # Numbers that are too large make it NaN, of which LAPACK's decomposition never returns.
    if not deviation <= LARGEST_DEVIATION:
        fault = f"rotation is {deviation:.1e} off (largest entry of abs(R^T R - I))"
    elif np.linalg.det(matrix[:3, :3]) < 0:
        fault = "rotation turns left to right"
    elif np.abs(matrix[3] - (0, 0, 0, 1)).max() > NOTED_DEVIATION:
        fault = f"last row is {matrix[3].tolist()}"
    else:
        u, _, vt = np.linalg.svd(matrix[:3, :3])
        return make_pose(u @ vt, matrix[:3, 3])
    raise DatasetError(f"expected a rigid 4x4 transform (up to {LARGEST_DEVIATION:g}) in {source}, but its {fault}")
