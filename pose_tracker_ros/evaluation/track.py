"""Running the tracker over a sequence, as fast as it goes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np

from pose_tracker_ros.datasets import Frame
from pose_tracker_ros.evaluation.trajectory import PoseEstimate
from pose_tracker_ros.geometry import apply_residual, random_unit_vector
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.tracking import Tracker, TrackResult, TrackState


def track_frames(
    tracker: Tracker, name: str, frames: Iterable[Frame], camera_T_object: np.ndarray
) -> Iterator[PoseEstimate]:
    """Track an object from an initial pose (4, 4) in the first frame on; one estimate a frame, without a pose while lost."""
    tracker.start(name, camera_T_object)
    for frame in frames:
        start = time.perf_counter()
        result = tracker.step(frame)[name]
        yield estimate_of(result, frame.stamp, frame.index, (time.perf_counter() - start) * 1e3)


def estimate_of(result: TrackResult, stamp: float, index: int, latency_ms: float) -> PoseEstimate:
    """The outcome of one frame as a row of a trajectory."""
    lost = result.state is TrackState.LOST
    pose, covariance = (None, None) if lost else (result.camera_T_object, result.covariance)
    color_dx, color_dy, _, depth_bias_m = (float(value) for value in result.errors.mean)
    return PoseEstimate(
        stamp,
        index,
        pose,
        result.state.value,
        result.score,
        latency_ms,
        color_dx=color_dx,
        color_dy=color_dy,
        depth_bias_m=depth_bias_m,
        covariance=covariance,
    )


def perturbed(
    model: ObjectModel, camera_T_object: np.ndarray, offset_m: float, angle_deg: float, seed: int = 0
) -> np.ndarray:
    """The pose moved by ``offset_m`` and turned about the object's centre by ``angle_deg``, both in random directions."""
    generator = np.random.default_rng(seed)
    translation = random_unit_vector(generator) * offset_m
    rotation = random_unit_vector(generator) * np.radians(angle_deg)
    return apply_residual(camera_T_object, translation, rotation, model.center_m)
