"""Results of one track as different tools write them, told by their content.

Ours and BOP's tables (see trajectory.py), trajectories of the TUM RGB-D benchmark (lines "time x y z qx qy qz qw";
https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats), and folders of one 4x4 matrix a frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.datasets.files import DatasetError, read_matrix, read_text
from pose_tracker_ros.datasets.numbered_files import numbered_files
from pose_tracker_ros.datasets.pose_files import rigid
from pose_tracker_ros.datasets.sequence import Annotation, FrameSequence
from pose_tracker_ros.evaluation.trajectory import PoseEstimate, read_trajectory
from pose_tracker_ros.geometry import make_pose, matrix_from_quaternion

MATRIX_SUFFIXES = (".txt",)
TUM_NUMBERS = 8
_TUM_LINES_LOOKED_AT = 20


class TimedPose(NamedTuple):
    """A pose (4, 4) and its time in seconds."""

    time: float
    camera_T_object: np.ndarray


def read_track(path: Path, sequence: FrameSequence) -> list[PoseEstimate]:
    """The track of one object in a sequence, from a trajectory CSV, a TUM trajectory or a folder of matrices.

    Times are found again among the stamps of the sequence's frames.
    Raises FileNotFoundError or ValueError that says what was expected.
    """
    if path.is_dir():
        return read_matrices(path)
    if is_tum_trajectory(path):
        return at_frames(read_tum(path), sequence, path)
    return read_trajectory(path)


def has_matrices(folder: Path) -> bool:
    """Whether a folder holds text files with a number in their names."""
    return folder.is_dir() and any(
        file.suffix in MATRIX_SUFFIXES and any(letter.isdigit() for letter in file.stem) for file in folder.iterdir()
    )


def read_matrices(folder: Path) -> list[PoseEstimate]:
    """One 4x4 matrix (metres) a file, by the number of the frame in its name; others beside plain numbers are passed over.

    Raises DatasetError for a file that is no pose.
    """
    plain = {int(file.stem): file for file in sorted(folder.glob("*.txt")) if file.stem.isdecimal()}
    files = dict(sorted(plain.items())) or numbered_files(folder, MATRIX_SUFFIXES)
    if not files:
        raise DatasetError(f"expected files such as 0000012.txt with a 4x4 matrix each in {folder}, found none")
    return [
        PoseEstimate(float("nan"), number, rigid(read_matrix(file, (4, 4)), str(file))) for number, file in files.items()
    ]


def is_tum_trajectory(path: Path) -> bool:
    """Whether the first lines of a text file are eight numbers each."""
    rows = [row for _, row in _tum_rows(path)][:_TUM_LINES_LOOKED_AT]
    return bool(rows) and all(len(row) == TUM_NUMBERS and all(map(_is_number, row)) for row in rows)


def read_tum(path: Path) -> list[TimedPose]:
    """Poses of lines "time x y z qx qy qz qw", metres and seconds; raises DatasetError that names the line at fault."""
    poses = []
    for line, row in _tum_rows(path):
        try:
            time, *numbers = (float(word) for word in row)
            if len(numbers) != TUM_NUMBERS - 1 or not np.all(np.isfinite([time, *numbers])):
                raise ValueError(f"got {len(row)} words")
            poses.append(TimedPose(time, make_pose(matrix_from_quaternion(np.array(numbers[3:])), np.array(numbers[:3]))))
        except ValueError as error:
            raise DatasetError(f"expected 'time x y z qx qy qz qw' in {path}, line {line}: {error}") from error
    return poses


def at_frames(poses: list[TimedPose], sequence: FrameSequence, source: object) -> list[PoseEstimate]:
    """Poses as estimates of the frames whose stamps they have, to half the time between frames; of several the nearest.

    Where the times are the frames' numbers instead they count as such. Raises DatasetError where they are neither.
    """
    known = list(sequence.annotations())
    stamps = np.array([annotation.stamp for annotation in known])
    times = np.array([pose.time for pose in poses])
    if not len(stamps) or not len(times):
        raise DatasetError(f"expected poses in {source} and frames with stamps in {sequence.name}, got {len(times)} and {len(stamps)}")
    tolerance = 0.5 / sequence.rate_hz
    nearest = _nearest(times, stamps)
    fitting = np.abs(times - stamps[nearest]) <= tolerance
    by_number = {annotation.index: annotation for annotation in known}
    if fitting.mean() < 0.5 and all(time in by_number for time in times):
        return [_estimate(pose, by_number[int(pose.time)]) for pose in poses]
    if not fitting.any():
        raise DatasetError(
            f"expected times in {source} that are stamps of sequence {sequence.name!r} ({stamps[0]:.3f} to {stamps[-1]:.3f} s) "
            f"or its frame numbers, got {times[0]:.3f} to {times[-1]:.3f}"
        )
    # Trackers of a higher rate have several poses a frame.
    best = {int(nearest[row]): row for row in np.argsort(-np.abs(times - stamps[nearest]), kind="stable") if fitting[row]}
    return [_estimate(poses[row], known[place]) for place, row in sorted(best.items())]


def _nearest(times: np.ndarray, stamps: np.ndarray) -> np.ndarray:
    """Index of the nearest stamp (S,), in any order, to each time (T,), without a table of both."""
    order = np.argsort(stamps, kind="stable")
    after = np.searchsorted(stamps[order], times).clip(1, max(len(stamps) - 1, 1))
    pair = order[np.stack([after - 1, np.minimum(after, len(stamps) - 1)])]
    return pair[np.abs(stamps[pair] - times).argmin(axis=0), np.arange(len(times))]


def _estimate(pose: TimedPose, annotation: Annotation) -> PoseEstimate:
    return PoseEstimate(annotation.stamp, annotation.index, pose.camera_T_object)


def _tum_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Line numbers and words of the lines that are no comments."""
    if not path.is_file():
        raise FileNotFoundError(f"expected results at {path}, but there is no such file")
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        words = line.partition("#")[0].replace(",", " ").replace(";", " ").split()
        if words:
            rows.append((number, words))
    return rows


def _is_number(word: str) -> bool:
    try:
        return bool(np.isfinite(float(word)))
    except ValueError:
        return False
