"""How good estimated camera poses are: median errors, and the share that is near the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.geometry import quaternion_from_matrix

# A pose counts as recalled within these (Shotton et al., CVPR 2013).
RECALL_M, RECALL_DEG = 0.05, 5.0


class CameraPoseScore(NamedTuple):
    """Medians over all frames, and the share 0..1 of them within RECALL_M and RECALL_DEG."""

    position_m: float
    orientation_deg: float
    recall: float
    frames: int

    def __str__(self) -> str:
        return (
            f"median {100 * self.position_m:.1f} cm, {self.orientation_deg:.2f} deg; "
            f"within {100 * RECALL_M:.0f} cm and {RECALL_DEG:.0f} deg: {self.recall:.0%}"
        )


def orientation_error_deg(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angles (...) in degrees between rotations given as quaternions (..., 4) of any length but zero.

    2 acos |<q1, q2>|: without the factor the angle is half of what it is, without the absolute value q and -q differ.
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    product = (first * second).sum(axis=-1)
    cosine = np.abs(product) / (np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1))
    return np.degrees(2 * np.arccos(np.clip(cosine, 0.0, 1.0)))


def camera_pose_errors(estimates: Sequence[np.ndarray | None], truths: Sequence[np.ndarray]) -> np.ndarray:
    """Errors (N, 2) of poses (4, 4): position in metres, orientation in degrees; infinite where there is no estimate."""
    errors = np.full((len(truths), 2), np.inf)
    for row, estimate, truth in zip(errors, estimates, truths, strict=True):
        if estimate is not None:
            row[0] = np.linalg.norm(estimate[:3, 3] - truth[:3, 3])
            row[1] = orientation_error_deg(*(quaternion_from_matrix(pose[:3, :3]) for pose in (estimate, truth)))
    return errors


def score_camera_poses(estimates: Sequence[np.ndarray | None], truths: Sequence[np.ndarray]) -> CameraPoseScore:
    """Score of poses map_T_camera (4, 4), None where nothing was found, which counts as infinitely wrong.

    Raises ValueError without frames.
    """
    if not truths:
        raise ValueError("expected at least one frame with a true camera pose, got none")
    errors = camera_pose_errors(estimates, truths)
    recalled = (errors[:, 0] <= RECALL_M) & (errors[:, 1] <= RECALL_DEG)
    position_m, orientation_deg = np.median(errors, axis=0)
    return CameraPoseScore(float(position_m), float(orientation_deg), float(recalled.mean()), len(errors))
