"""Where a relocalizer says that the camera was in every frame of a sequence, and how far that is right."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.table import Table
from scipy.spatial.transform import Rotation

from pose_tracker_ros.evaluation.camera_poses import (
    RECALL_DEG,
    RECALL_M,
    CameraPoseScore,
    camera_pose_errors,
    score_camera_poses,
)
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import make_pose, quaternion_from_matrix
from pose_tracker_ros.relocalization.relocalizer import Location, Relocalizer

COLUMNS = ("index", "stamp", "x", "y", "z", "qx", "qy", "qz", "qw", "confidence", "accepted", "inliers", "depth", "looks", "ms")
# Fewer poses leave open how two frames of reference lie to each other.
LEAST_ALIGNED = 3


class LocatedFrame(NamedTuple):
    """A frame's number, its stamp in seconds, its true pose (4, 4) or None, where the relocalizer says that it is, and the
    regressed pose (4, 4), None where nothing was asked for it."""

    index: int
    stamp: float
    truth: np.ndarray | None
    location: Location
    regressed: np.ndarray | None = None


class LocationScores(NamedTuple):
    """Scores by what gave the pose, None without any truth; shares of all frames; times in milliseconds."""

    by_source: dict[str, CameraPoseScore]
    accepted: float
    accepted_wrong: int
    median_ms: float
    high_ms: float


def locate_frames(
    relocalizer: Relocalizer, frames: Iterable[Frame], regress: Callable[[Frame], np.ndarray] | None = None
) -> Iterator[LocatedFrame]:
    """Each frame by itself: nothing is known of the ones before. ``regress`` gives map_T_camera (4, 4) to compare with."""
    for frame in frames:
        regressed = None if regress is None else regress(frame)
        yield LocatedFrame(frame.index, frame.stamp, frame.world_T_camera, relocalizer.locate(frame), regressed)


def in_frame_of_truth(located: Sequence[LocatedFrame], least_confidence: float) -> list[LocatedFrame]:
    """The same with true poses taken to the map's frame, for maps whose frame is that of their first image.

    The rigid motion that fits positions and directions of accepted poses best. Raises ValueError for fewer than three.
    """
    pairs = [(one.location.map_T_camera, one.truth) for one in located
             if one.truth is not None and one.location.is_sure(least_confidence)]  # fmt: skip
    if len(pairs) < LEAST_ALIGNED:
        raise ValueError(
            f"expected {LEAST_ALIGNED} or more frames that are surely located to compare with the sequence's own frame of "
            f"reference, got {len(pairs)}; is this the map of that room?"
        )
    estimates, truths = (np.stack(poses) for poses in zip(*pairs))
    # The camera's axes, a metre long, count as points.
    rotation = Rotation.from_matrix(estimates[:, :3, :3] @ np.swapaxes(truths[:, :3, :3], 1, 2)).mean().as_matrix()
    translation = np.median(estimates[:, :3, 3] - truths[:, :3, 3] @ rotation.T, axis=0)
    map_T_world = make_pose(rotation, translation)
    return [one if one.truth is None else one._replace(truth=map_T_world @ one.truth) for one in located]


def score(located: Sequence[LocatedFrame], least_confidence: float, selection: str) -> LocationScores:
    """Scores of all frames with a known pose; ``selection`` names what chose keyframes."""
    known = [one for one in located if one.truth is not None]
    truths = [one.truth for one in known]
    accepted = np.array([one.location.is_sure(least_confidence) for one in located])
    times = [one.location.seconds * 1e3 for one in located]
    by_source: dict[str, CameraPoseScore] = {}
    wrong = 0
    if known:
        refined = [one.location.map_T_camera for one in known]
        sure = [one for one in known if one.location.is_sure(least_confidence)]
        by_source[f"{selection} alone"] = score_camera_poses([one.location.selected for one in known], truths)
        if known[0].regressed is not None:
            by_source["regression alone"] = score_camera_poses([one.regressed for one in known], truths)
        by_source["refined, every frame"] = score_camera_poses(refined, truths)
        if sure:
            poses = [one.location.map_T_camera for one in sure]
            by_source["refined, accepted"] = score_camera_poses(poses, [one.truth for one in sure])
            errors = camera_pose_errors(poses, [one.truth for one in sure])
            wrong = int(((errors[:, 0] > 2 * RECALL_M) | (errors[:, 1] > 2 * RECALL_DEG)).sum())
    return LocationScores(by_source, float(accepted.mean()), wrong, float(np.median(times)), float(np.percentile(times, 95)))


def score_table(scores: LocationScores, title: str) -> Table:
    """A row for every source of poses."""
    table = Table(title=title)
    recall = f"within {100 * RECALL_M:.0f} cm, {RECALL_DEG:.0f} deg"
    for name in ("pose", "frames", "median cm", "median deg", recall):
        table.add_column(name, justify="left" if name == "pose" else "right")
    for name, one in scores.by_source.items():
        table.add_row(
            name, str(one.frames), f"{100 * one.position_m:.2f}", f"{one.orientation_deg:.2f}", f"{100 * one.recall:.1f} %"
        )
    return table


def write_locations(path: Path, located: Sequence[LocatedFrame], least_confidence: float) -> None:
    """One row a frame: pose of the camera in the map (metres), confidence, evidence, milliseconds."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for one in located:
            found = one.location
            pose = [""] * 7
            if found.map_T_camera is not None:
                numbers = (*found.map_T_camera[:3, 3], *quaternion_from_matrix(found.map_T_camera[:3, :3]))
                pose = [f"{value:.9g}" for value in numbers]
            shares = (f"{found.agreement.depth:.4f}", f"{found.agreement.looks:.4f}", f"{found.seconds * 1e3:.1f}")
            accepted = int(found.is_sure(least_confidence))
            confidence = f"{found.confidence:.4f}"
            writer.writerow([one.index, repr(float(one.stamp)), *pose, confidence, accepted, found.inliers, *shares])
