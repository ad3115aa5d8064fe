"""Estimated poses on disk: our trajectory CSV and the results CSV of BOP."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.datasets.files import DatasetError
from pose_tracker_ros.evaluation.result_tables import TableRow, numbers_of, read_table, whole_number
from pose_tracker_ros.geometry import is_pose, make_pose, matrix_from_quaternion, quaternion_from_matrix

QUATERNION_COLUMNS = ("x", "y", "z", "qx", "qy", "qz", "qw")
TRAJECTORY_COLUMNS = ("stamp", "index", "state", "score", "latency_ms", *QUATERNION_COLUMNS)
# Other programs write the upper three rows of the pose's matrix.
MATRIX_COLUMNS = tuple(f"m{row}{column}" for row in range(3) for column in range(4))
CALIBRATION_COLUMNS = ("color_dx", "color_dy", "depth_bias_m")
COVARIANCE_COLUMNS = tuple(f"c{row}{column}" for row in range(6) for column in range(row, 6))
BOP_COLUMNS = ("scene_id", "im_id", "obj_id", "score", "R", "t", "time")
MM_PER_METRE = 1000.0


@dataclass(frozen=True)
class PoseEstimate:
    """What a tracker said about one frame.

    stamp: seconds, of the frame; index: number of the frame as its data set counts;
    camera_T_object: (4, 4), or None when the tracker gave no pose (object lost);
    state: the tracker's state, e.g. ``tracking``; score: confidence, larger is better;
    latency_ms: from image to pose, NaN when not measured;
    color_dx, color_dy: pixels by which the colour image is shifted against depth, so that a point which depth alone
    would put at pixel p is seen in colour at p + (dx, dy); depth_bias_m: what the depth camera reads too much;
    covariance: (6, 6) of a twist (translation in metres, then rotation in radians) about the object's centre in camera
    axes, None when not known.
    """

    stamp: float
    index: int
    camera_T_object: np.ndarray | None
    state: str = "tracking"
    score: float = 1.0
    latency_ms: float = float("nan")
    color_dx: float = 0.0
    color_dy: float = 0.0
    depth_bias_m: float = 0.0
    covariance: np.ndarray | None = None


class BopEstimate(NamedTuple):
    """One row of a BOP results file; camera_T_object (4, 4) in metres, time in seconds or -1."""

    scene_id: int
    im_id: int
    obj_id: int
    score: float
    camera_T_object: np.ndarray
    time: float = -1.0


def write_trajectory(path: str | Path, estimates: Iterable[PoseEstimate]) -> None:
    """Write one row a frame; translations in metres, a frame without a pose has empty pose columns.

    The columns of the colour image's shift and the depth camera's bias, and those of the covariance (its upper
    triangle), are there when some frame has them.
    """
    estimates = list(estimates)
    calibrated = any(any(_calibration(estimate)) for estimate in estimates)
    certain = any(estimate.covariance is not None for estimate in estimates)
    header = TRAJECTORY_COLUMNS + calibrated * CALIBRATION_COLUMNS + certain * COVARIANCE_COLUMNS
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for estimate in estimates:
            cells = [repr(float(estimate.stamp)), estimate.index, estimate.state]
            cells += [f"{estimate.score:.6g}", f"{estimate.latency_ms:.3f}", *_pose_cells(estimate.camera_T_object)]
            if calibrated:
                cells += [f"{value:.6g}" for value in _calibration(estimate)]
            if certain:
                cells += _covariance_cells(estimate.covariance)
            writer.writerow(cells)


def read_trajectory(path: str | Path) -> list[PoseEstimate]:
    """Read what :func:`write_trajectory` wrote, or a file of another program.

    Needed are ``index`` and the pose, as ``x y z qx qy qz qw`` or as the matrix ``m00 m01 ... m23`` (metres); the other
    columns of ours are optional, and those that are not ours are not looked at.
    Raises FileNotFoundError, or ValueError that names the line at fault.
    """
    path = Path(path)
    rows = _rows(path, ("index",), either=(QUATERNION_COLUMNS, MATRIX_COLUMNS))
    return [_parse_row(row, f"{path}, line {line}") for line, row in rows]


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
    """Read a results file of the BOP challenge, as its toolkit or others write it: with or without the line of names.

    Raises FileNotFoundError, or ValueError that names the line at fault.
    """
    path = Path(path)
    rows = list(read_table(path))
    order: Sequence[int] = range(len(BOP_COLUMNS))
    if rows and _names_bop_columns(rows[0].cells):
        order = [_place(rows[0].cells, name) for name in BOP_COLUMNS]
        rows = rows[1:]
    return [_parse_bop_row(row, order, path) for row in rows]


def is_bop_results(path: str | Path) -> bool:
    """True when the first line with content of a file is that of BOP's results files, or one of their rows."""
    try:
        first = next(read_table(Path(path)), None)
    except DatasetError:
        return False
    if first is None:
        return False
    if _names_bop_columns(first.cells):
        return True
    try:
        _parse_bop_row(first, range(len(BOP_COLUMNS)), Path(path))
    except ValueError:
        return False
    return True


def _names_bop_columns(cells: Sequence[str]) -> bool:
    return {name.lower() for name in cells}.issuperset(name.lower() for name in BOP_COLUMNS[:-1])


def _place(cells: Sequence[str], name: str) -> int:
    """Where a column is, -1 where it is not."""
    names = [cell.lower() for cell in cells]
    return names.index(name.lower()) if name.lower() in names else -1


def _parse_bop_row(row: TableRow, order: Sequence[int], path: Path) -> BopEstimate:
    """The estimate of a row whose columns stand in this order; the time may be absent."""
    try:
        cells = [row.cells[place] if 0 <= place < len(row.cells) else "" for place in order]
        rotation, translation = (np.array(numbers_of(cell)) for cell in cells[4:6])
        pose = make_pose(rotation.reshape(3, 3), translation.reshape(3) / MM_PER_METRE)
        ids = [whole_number(cell) for cell in cells[:3]]
        return BopEstimate(*ids, float(cells[3]), pose, float(cells[6] or -1.0))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"expected 3 ids, a score, 9 numbers for R, 3 for t and a time in {path}, line {row.line}: {error}"
        ) from error


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


def _calibration(estimate: PoseEstimate) -> tuple[float, float, float]:
    """Values of CALIBRATION_COLUMNS."""
    return estimate.color_dx, estimate.color_dy, estimate.depth_bias_m


def _covariance_cells(covariance: np.ndarray | None) -> list[str]:
    if covariance is None:
        return [""] * len(COVARIANCE_COLUMNS)
    return [f"{value:.6g}" for value in covariance[np.triu_indices(6)]]


def _rows(
    path: Path, columns: tuple[str, ...], either: tuple[tuple[str, ...], ...] = ()
) -> list[tuple[int, dict[str, str]]]:
    """Line numbers and cells of a CSV file that has ``columns`` and one of the groups of ``either``."""
    rows = read_table(path)
    header = next(rows, TableRow(0, ())).cells
    alternatives = " or ".join(",".join(group) for group in either)
    missing = [name for name in columns if name not in header]
    if either and not any(set(header).issuperset(group) for group in either):
        missing.append(alternatives)
    if missing:
        wanted = ",".join(columns) + (f" and {alternatives}" if either else "")
        raise ValueError(f"expected the columns {wanted} in {path}, missing {', '.join(missing)}")
    return [(row.line, dict(zip(header, row.cells))) for row in rows]


def _parse_row(row: dict[str, str], place: str) -> PoseEstimate:
    try:
        if not row.get("index"):
            raise ValueError("it has no index")
        return PoseEstimate(
            stamp=_number(row, "stamp", float("nan")),
            index=whole_number(row["index"]),
            camera_T_object=_parse_pose(row),
            state=row.get("state") or "tracking",
            score=_number(row, "score", 1.0),
            latency_ms=_number(row, "latency_ms", float("nan")),
            **{name: _number(row, name, 0.0) for name in CALIBRATION_COLUMNS},
            covariance=_parse_covariance(row),
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected a row of a trajectory in {place}: {error}") from error


def _number(row: dict[str, str], name: str, default: float) -> float:
    text = row.get(name)
    return float(text) if text else default


def _parse_pose(row: dict[str, str]) -> np.ndarray | None:
    """The pose of a row, None where its cells are empty; raises ValueError for what is none."""
    numbers = _numbers(row, QUATERNION_COLUMNS)
    if numbers is not None:
        return make_pose(matrix_from_quaternion(numbers[3:]), numbers[:3])
    numbers = _numbers(row, MATRIX_COLUMNS)
    if numbers is None:
        return None
    pose = np.vstack([numbers.reshape(3, 4), [0.0, 0.0, 0.0, 1.0]])
    if not is_pose(pose):
        raise ValueError(f"expected the rows m00 to m23 of a rigid transform, got {numbers.tolist()}")
    return pose


def _parse_covariance(row: dict[str, str]) -> np.ndarray | None:
    numbers = _numbers(row, COVARIANCE_COLUMNS)
    if numbers is None:
        return None
    covariance = np.zeros((6, 6))
    covariance[np.triu_indices(6)] = numbers
    return covariance + np.triu(covariance, 1).T


def _numbers(row: dict[str, str], names: tuple[str, ...]) -> np.ndarray | None:
    """The cells of these columns, None where they are all empty or absent; raises ValueError where some are."""
    cells = [row.get(name) for name in names]
    if not any(cells):
        return None
    if not all(cells):
        raise ValueError(f"expected a number in each of {','.join(names)}, got {cells}")
    return np.array(cells, dtype=np.float64)
