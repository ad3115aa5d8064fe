"""Poses and intrinsics as people write them in options."""

from __future__ import annotations

import numpy as np

from pose_tracker_ros.geometry import make_pose, matrix_from_quaternion


def parse_pose(text: str) -> np.ndarray:
    """Pose (4, 4) of 'x y z qx qy qz qw', metres; raises ValueError for anything else."""
    try:
        numbers = np.array(text.replace(",", " ").split(), dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"expected a pose as 7 numbers 'x y z qx qy qz qw', got {text!r}") from error
    if numbers.shape != (7,) or not np.all(np.isfinite(numbers)):
        raise ValueError(f"expected a pose as 7 numbers 'x y z qx qy qz qw', got {text!r}")
    return make_pose(matrix_from_quaternion(numbers[3:]), numbers[:3])


def parse_intrinsics(text: str) -> np.ndarray:
    """Intrinsic matrix (3, 3) of 'fx fy cx cy', pixels; raises ValueError for anything else."""
    try:
        fx, fy, cx, cy = (float(word) for word in text.replace(",", " ").split())
    except ValueError as error:
        raise ValueError(f"expected intrinsics as 4 numbers 'fx fy cx cy' in pixels, got {text!r}") from error
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
