"""Running a tracker over a sequence with starts and re-starts as benchmarks prescribe them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from pose_tracker_ros.datasets.sequence import FrameSequence
from pose_tracker_ros.evaluation import metrics
from pose_tracker_ros.evaluation.trajectory import PoseEstimate
from pose_tracker_ros.frame import Frame

LostRule = Callable[[np.ndarray, np.ndarray], bool]


@dataclass(frozen=True)
class StartPolicy:
    """Where poses are given to the tracker.

    first: pose (4, 4) of the first frame, None for the true one.
    at_frames: frame index -> pose (4, 4) to restart from in that frame, None for the true one (the
    published re-initialisations of se(3)-TrackNet and PoseRBPF are such lists).
    lost: rule on (estimate, truth); after a frame in which it holds, the next one starts from the truth.
    score_starts: True scores the given pose itself in frames that start (YCB-Video as published), False
    scores what the tracker makes of it (YCBInEOAT as published).
    """

    first: np.ndarray | None = None
    at_frames: Mapping[int, np.ndarray | None] = field(default_factory=dict)
    lost: LostRule | None = None
    score_starts: bool = False


def lost_beyond(
    translation_m: float = 0.05, rotation_deg: float = 5.0, symmetries: np.ndarray | None = None
) -> LostRule:
    """The rule of RBOT (Tjaden et al., TPAMI 2019): off by 5 cm or 5 deg. Symmetries (K, 4, 4) as in metrics."""
    symmetries = np.eye(4)[None] if symmetries is None else symmetries

    def lost(estimate: np.ndarray, truth: np.ndarray) -> bool:
        translation, rotation = metrics.pose_errors_with_symmetry(estimate[None], truth[None], symmetries)
        return bool(translation[0] > translation_m or rotation[0] > np.radians(rotation_deg))

    return lost


def track_with_starts(
    sequence: FrameSequence,
    object_name: str,
    start: Callable[[np.ndarray], None],
    step: Callable[[Frame], PoseEstimate],
    policy: StartPolicy | None = None,
) -> tuple[list[PoseEstimate], list[int]]:
    """Track an object through a sequence.

    Parameters: ``start`` gives the tracker a pose (4, 4) to continue from; ``step`` tracks one frame.
    Returns the estimates, one a frame, and the indices of the frames that were re-initialised (the
    first start is not one). Raises ValueError when a true pose is needed in a frame that has none.
    """
    policy = policy or StartPolicy()
    estimates: list[PoseEstimate] = []
    restarts: list[int] = []
    started, lost = False, False
    for frame in sequence:
        given = _given_pose(frame, object_name, policy, started, lost)
        if given is not None:
            start(given)
            if started:
                restarts.append(frame.index)
            started = True
        if given is not None and policy.score_starts:
            estimate = PoseEstimate(frame.stamp, frame.index, given, state="initialised")
        else:
            estimate = step(frame)
        estimates.append(estimate)
        lost = _is_lost(estimate, frame.truth.get(object_name), policy)
    return estimates, restarts


def _given_pose(frame: Frame, object_name: str, policy: StartPolicy, started: bool, lost: bool) -> np.ndarray | None:
    """The pose with which to start in this frame, None to go on."""
    if not started and policy.first is not None:
        return policy.first
    if started and not lost and frame.index not in policy.at_frames:
        return None
    pose = policy.at_frames.get(frame.index)
    pose = frame.truth.get(object_name) if pose is None else pose
    if pose is None and not lost:
        raise ValueError(f"expected the true pose of {object_name!r} in frame {frame.index} to start from, it has none")
    return pose


def _is_lost(estimate: PoseEstimate, truth: np.ndarray | None, policy: StartPolicy) -> bool:
    if policy.lost is None or truth is None:
        return False
    return estimate.camera_T_object is None or policy.lost(estimate.camera_T_object, truth)
