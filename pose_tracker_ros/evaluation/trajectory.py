"""Estimated poses on disk: our trajectory CSV and the results CSV of BOP."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.geometry import make_pose, matrix_from_quaternion, quaternion_from_matrix

TRAJECTORY_COLUMNS = ("stamp", "index", "state", "score", "latency_ms", "x", "y", "z", "qx", "qy", "qz", "qw")
BOP_COLUMNS = ("scene_id", "im_id", "obj_id", "score", "R", "t", "time")
MM_PER_METRE = 1000.0


@dataclass(frozen=True)
class PoseEstimate:
    """What a tracker said about one frame.

    stamp: seconds, of the frame; index: number of the frame as its data set counts;
    camera_T_object: (4, 4), or None when the tracker gave no pose (object lost);
    state: the tracker's state, e.g. ``tracking``; score: confidence, larger is better;
    latency_ms: from image to pose, NaN when not measured.
    """

    stamp: float
    index: int
    camera_T_object: np.ndarray | None
    state: str = "tracking"
    score: float = 1.0
    latency_ms: float = float("nan")


class BopEstimate(NamedTuple):
    """One row of a BOP results file; camera_T_object (4, 4) in metres, time in seconds or -1."""

    scene_id: int
    im_id: int
    obj_id: int
    score: float
    camera_T_object: np.ndarray
    time: float = -1.0


def write_trajectory(path: str | Path, estimates: Iterable[PoseEstimate]) -> None:
    """Write one row a frame; translations in metres, a frame without a pose has empty pose columns."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(TRAJECTORY_COLUMNS)
        for estimate in estimates:
            writer.writerow(
                [repr(float(estimate.stamp)), estimate.index, estimate.state]
                + [f"{estimate.score:.6g}", f"{estimate.latency_ms:.3f}", *_pose_cells(estimate.camera_T_object)]
            )


def read_trajectory(path: str | Path) -> list[PoseEstimate]:
    """Read what :func:`write_trajectory` wrote.

    Raises FileNotFoundError, or ValueError that names the line at fault.
    """
    path = Path(path)
    return [_parse_row(row, f"{path}, line {line}") for line, row in _rows(path, TRAJECTORY_COLUMNS)]


def write_bop_results(path: str | Path, estimates: Iterable[BopEstimate]) -> None:
    """Write a results file of the BOP challenge (millimetres; rows of R are joined by spaces)."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(BOP_COLUMNS)
        for estimate in estimates:
            pose = estimate.camera_T_object
            rotation = " ".join(repr(float(value)) for value in pose[:3, :3].ravel())
            translation = " ".join(repr(float(value)) for value in pose[:3, 3] * MM_PER_METRE)
            writer.writerow([*estimate[:4], rotation, translation, estimate.time])


def read_bop_results(path: str | Path) -> list[BopEstimate]:
    """Read a results file of the BOP challenge.

    Raises FileNotFoundError, or ValueError that names the line at fault.
    """
    path = Path(path)
    estimates = []
    for line, row in _rows(path, BOP_COLUMNS):
        try:
            rotation = np.array(row["R"].split(), dtype=np.float64).reshape(3, 3)
            translation = np.array(row["t"].split(), dtype=np.float64).reshape(3) / MM_PER_METRE
            ids = (int(row["scene_id"]), int(row["im_id"]), int(row["obj_id"]))
            estimates.append(
                BopEstimate(*ids, float(row["score"]), make_pose(rotation, translation), float(row["time"]))
            )
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(
                f"expected 3 ids, a score, 9 numbers for R, 3 for t and a time in {path}, line {line}: {error}"
            ) from error
    return estimates


def is_bop_results(path: str | Path) -> bool:
    """True when the first line of a CSV file is that of BOP's results files."""
    with open(path, newline="") as file:
        return tuple(next(csv.reader(file), ())) == BOP_COLUMNS


def to_bop_estimates(estimates: Sequence[PoseEstimate], scene_id: int, obj_id: int) -> list[BopEstimate]:
    """The frames that have a pose, as rows of a BOP results file."""
    return [
        BopEstimate(scene_id, estimate.index, obj_id, estimate.score, estimate.camera_T_object, _seconds(estimate))
        for estimate in estimates
        if estimate.camera_T_object is not None
    ]


def _seconds(estimate: PoseEstimate) -> float:
    return estimate.latency_ms / 1000.0 if np.isfinite(estimate.latency_ms) else -1.0


def _pose_cells(pose: np.ndarray | None) -> list[str]:
    if pose is None:
        return [""] * 7
    return [f"{value:.9g}" for value in (*pose[:3, 3], *quaternion_from_matrix(pose[:3, :3]))]


def _rows(path: Path, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    if not path.is_file():
        raise FileNotFoundError(f"expected a CSV file at {path}, but there is no such file")
    with open(path, newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"expected the columns {','.join(columns)} in {path}, missing {', '.join(missing)}")
        return [(reader.line_num, row) for row in reader]


def _parse_row(row: dict[str, str], place: str) -> PoseEstimate:
    try:
        cells = [row[name] for name in ("x", "y", "z", "qx", "qy", "qz", "qw")]
        pose = None
        if any(cells):
            numbers = np.array(cells, dtype=np.float64)
            pose = make_pose(matrix_from_quaternion(numbers[3:]), numbers[:3])
        return PoseEstimate(
            stamp=float(row["stamp"]),
            index=int(row["index"]),
            camera_T_object=pose,
            state=row["state"],
            score=float(row["score"]),
            latency_ms=float(row["latency_ms"]),
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected {','.join(TRAJECTORY_COLUMNS)} in {place}: {error}") from error
