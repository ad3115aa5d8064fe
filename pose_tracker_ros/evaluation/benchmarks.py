"""The published benchmarks: folders of results in, errors of every track out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pose_tracker_ros.datasets.bop import BopSequence
from pose_tracker_ros.datasets.files import DatasetError
from pose_tracker_ros.datasets.sequence import FrameSequence
from pose_tracker_ros.datasets.ycb_video import YcbVideoSequence
from pose_tracker_ros.datasets.ycbineoat import OBJECT_OF_VIDEO, YcbInEoatSequence
from pose_tracker_ros.evaluation.metrics import NO_POSE
from pose_tracker_ros.evaluation.protocol import ScoredObject, TrackErrors, evaluate_track, pose_errors
from pose_tracker_ros.evaluation.result_files import has_matrices, read_matrices
from pose_tracker_ros.evaluation.trajectory import BopEstimate, PoseEstimate, read_trajectory
from pose_tracker_ros.geometry import make_pose, matrix_from_quaternion

GROUND_TRUTH = "ground_truth"


def keyframe_methods(root: str | Path) -> list[str]:
    """Methods whose results a folder of YCB-Video keyframe results holds."""
    poses = Path(root) / "poses"
    return sorted(path.name for path in poses.iterdir() if path.is_dir() and path.name != GROUND_TRUTH)


def is_keyframe_results(root: str | Path) -> bool:
    """True for the layout that :func:`evaluate_keyframe_results` reads."""
    return (Path(root) / "poses" / GROUND_TRUTH).is_dir() and (Path(root) / "points").is_dir()


def evaluate_keyframe_results(root: str | Path, method: str) -> list[TrackErrors]:
    """YCB-Video's keyframe protocol on results with one row a keyframe.

    The layout: ``poses/<method>/0048_025_mug.txt`` with rows ``qw qx qy qz tx ty tz`` in metres, a row of
    zeros where nothing was detected; ``poses/ground_truth`` alike; ``points/025_mug.xyz`` the benchmark's
    model points. No symmetries are used: the benchmark gives ADD and ADD-S for every object.
    Raises DatasetError for missing or unequal files.
    """
    poses = Path(root) / "poses"
    truth_paths = sorted((poses / GROUND_TRUTH).glob("*.txt"))
    if not truth_paths:
        raise DatasetError(f"expected files such as 0048_025_mug.txt in {poses / GROUND_TRUTH}, found none")
    scored: dict[str, ScoredObject] = {}
    tracks = []
    for truth_path in truth_paths:
        video, _, name = truth_path.stem.partition("_")
        if name not in scored:
            scored[name] = ScoredObject.from_points(name, read_points(Path(root) / "points" / f"{name}.xyz"))
        path = poses / method / truth_path.name
        truths, estimates = read_keyframe_poses(truth_path), read_keyframe_poses(path)
        if len(estimates) != len(truths):
            raise DatasetError(f"expected {len(truths)} rows in {path} as in {truth_path}, got {len(estimates)}")
        tracks.append(pose_errors(estimates, truths, scored[name], video))
    return tracks


def evaluate_ycb_video(results: str | Path, videos: str | Path, points_folder: str | Path) -> list[TrackErrors]:
    """YCB-Video's keyframe protocol on tracks of whole videos.

    Parameters: ``results`` with one trajectory a file, ``0048_025_mug.csv``; ``videos`` the data set's
    ``data`` folder; ``points_folder`` the data set's ``models`` (with ``<object>/points.xyz``).
    """
    tracks = []
    for path in sorted(Path(results).glob("[0-9][0-9][0-9][0-9]_*.csv")):
        video, _, name = path.stem.partition("_")
        sequence = YcbVideoSequence(Path(videos) / video, masks=False)
        if not sequence.keyframes:
            raise DatasetError(f"expected the keyframes of video {video} in keyframe.txt of {Path(videos).parent}")
        scored = ScoredObject.from_points(name, read_points(Path(points_folder) / name / "points.xyz"))
        tracks.append(
            evaluate_track(
                read_trajectory(path),
                sequence.annotations(),
                scored,
                sequence_name=video,
                frames=sequence.keyframes,
            )
        )
    if not tracks:
        raise DatasetError(f"expected trajectories such as 0048_025_mug.csv in {results}, found none")
    return tracks


def evaluate_ycbineoat(
    results: str | Path, videos: str | Path, models_folder: str | Path | None = None
) -> list[TrackErrors]:
    """YCBInEOAT's protocol: all frames of all videos that have results.

    Parameters: ``results`` with ``<video>.csv`` (our trajectory) or ``<video>/0000000.txt``, ... (one 4x4
    matrix a frame, the layout of the published results); ``videos`` the data set's folder;
    ``models_folder`` with ``<object>/textured.obj``, and ``points.xyz`` beside it where there is one.
    """
    tracks = []
    for folder in sorted(path for path in Path(videos).iterdir() if (path / "rgb").is_dir()):
        estimates = _read_video_results(Path(results), folder.name)
        if estimates is None:
            continue
        sequence = YcbInEoatSequence(folder, models_folder=models_folder)
        if sequence.object_name is None:
            names = ", ".join(OBJECT_OF_VIDEO)
            raise DatasetError(f"expected a video named after one of {names}, got {folder.name!r}; rename its folder")
        model = sequence.load_model(sequence.object_name)
        points_path = Path(models_folder or folder.parent / "models") / model.name / "points.xyz"
        points = read_points(points_path) if points_path.is_file() else None
        scored = ScoredObject.from_model(model, points)
        tracks.append(evaluate_track(estimates, sequence.annotations(), scored, sequence_name=folder.name))
    if not tracks:
        raise DatasetError(f"expected results such as <video>.csv or <video>/0000000.txt in {results} for {videos}")
    return tracks


def estimates_for_scene(
    estimates: Sequence[BopEstimate], sequence: FrameSequence, object_name: str
) -> list[PoseEstimate]:
    """The best-scored estimate of every image, for one object of a BOP scene, as a track.

    Raises DatasetError when the sequence is not a BOP scene or does not show the object.
    """
    if not isinstance(sequence, BopSequence) or object_name not in sequence.obj_ids:
        raise DatasetError(f"expected a BOP scene that shows {object_name!r} for BOP results, got {sequence.name!r}")
    best: dict[int, BopEstimate] = {}
    for estimate in estimates:
        if (estimate.scene_id, estimate.obj_id) == (sequence.scene_id, sequence.obj_ids[object_name]):
            if estimate.im_id not in best or estimate.score > best[estimate.im_id].score:
                best[estimate.im_id] = estimate
    return [
        PoseEstimate(
            stamp=row.im_id / sequence.rate_hz,
            index=row.im_id,
            camera_T_object=row.camera_T_object,
            score=row.score,
            latency_ms=row.time * 1000 if row.time >= 0 else float("nan"),
        )
        for row in (best[im_id] for im_id in sorted(best))
    ]


def read_keyframe_poses(path: Path) -> np.ndarray:
    """Poses (N, 4, 4) of rows ``qw qx qy qz tx ty tz``; NaN for rows of zeros."""
    rows = _read_rows(path, 7)
    poses = np.tile(NO_POSE, (len(rows), 1, 1))
    for number in np.flatnonzero(np.any(rows[:, :4] != 0, axis=1)):
        poses[number] = make_pose(matrix_from_quaternion(rows[number, [1, 2, 3, 0]]), rows[number, 4:])
    return poses


def read_points(path: Path) -> np.ndarray:
    """Model points (P, 3) in metres of an .xyz file."""
    return _read_rows(path, 3)


def _read_rows(path: Path, columns: int) -> np.ndarray:
    if not path.is_file():
        raise DatasetError(f"expected rows of {columns} numbers at {path}, but there is no such file")
    try:
        rows = np.loadtxt(path, dtype=np.float64, ndmin=2)
    except ValueError as error:
        raise DatasetError(f"expected rows of {columns} numbers in {path}: {error}") from error
    if rows.shape[1] != columns:
        raise DatasetError(f"expected rows of {columns} numbers in {path}, got {rows.shape[1]}")
    return rows


def _read_video_results(results: Path, video: str) -> list[PoseEstimate] | None:
    if (results / f"{video}.csv").is_file():
        return read_trajectory(results / f"{video}.csv")
    return read_matrices(results / video) if has_matrices(results / video) else None
