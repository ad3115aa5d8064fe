"""How a simulated object moves: smoothly as by hand, or along a recorded trajectory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pose_tracker_ros.geometry import make_pose, matrix_from_quaternion, random_rotation, rotation_angle, so3_exp

# Half the space in which the object is moved, metres, and how far it is turned, radians.
REACH_M = np.array([0.14, 0.07, 0.10])
TURN_RAD = np.array([0.7, 0.7, 0.9])
WAVES = 3


def hand_motion(
    frames: int, middle: np.ndarray, speed_m: float, speed_rad: float, generator: np.random.Generator
) -> np.ndarray:
    """Poses camera_T_object (frames, 4, 4) that wander about ``middle`` (3,) metres.

    Sums of sines whose mean step from frame to frame is ``speed_m`` metres and ``speed_rad`` radians.
    """
    way = waves(frames, REACH_M, speed_m, generator)
    first = random_rotation(generator)
    turns = waves(frames, TURN_RAD, speed_rad, generator, _turn_angles)
    rotations = so3_exp(turns) @ first
    return np.stack([make_pose(rotation, middle + offset) for rotation, offset in zip(rotations, way)])


def random_poses(frames: int, middle: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Unrelated poses camera_T_object (frames, 4, 4): turned anyhow, within the reach of a hand about ``middle`` (3,)."""
    offsets = generator.uniform(-REACH_M, REACH_M, (frames, 3))
    return np.stack([make_pose(random_rotation(generator), middle + offset) for offset in offsets])


def _turn_angles(turns: np.ndarray) -> np.ndarray:
    rotations = so3_exp(turns)
    return rotation_angle(rotations[1:] @ np.swapaxes(rotations[:-1], 1, 2))


def _step_lengths(offsets: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.diff(offsets, axis=0), axis=1)


def waves(
    frames: int,
    reach: np.ndarray,
    speed: float,
    generator: np.random.Generator,
    steps: Callable[[np.ndarray], np.ndarray] = _step_lengths,
) -> np.ndarray:
    """Sums of sines (frames, 3) within ``reach`` (3,), their time scaled until the mean of ``steps`` is ``speed`` a frame."""
    frequencies = generator.uniform(0.5, 1.5, (WAVES, 3))
    phases = generator.uniform(0, 2 * np.pi, (WAVES, 3))
    weights = generator.uniform(0.5, 1.0, (WAVES, 3))
    weights *= reach / weights.sum(axis=0)

    def sample(rate: float) -> np.ndarray:
        angle = rate * np.arange(frames)[:, None, None] * frequencies + phases
        return (weights * np.sin(angle)).sum(axis=1)

    if speed <= 0 or frames < 2:
        return np.repeat(sample(0.0)[:1], frames, axis=0)
    rate = 0.01
    for _ in range(8):
        rate *= speed / max(float(steps(sample(rate)).mean()), 1e-9)
    return sample(rate)


def read_trajectory_poses(path: str | Path) -> np.ndarray:
    """Poses camera_T_object (N, 4, 4) of a text file with lines ``t x y z qx qy qz qw``.

    Raises FileNotFoundError, or ValueError when the file holds something else.
    """
    try:
        rows = np.loadtxt(path, ndmin=2)
    except ValueError as error:
        raise ValueError(f"expected lines 't x y z qx qy qz qw' in {path}: {error}") from error
    if rows.shape[1] != 8:
        raise ValueError(f"expected 8 numbers a line (t x y z qx qy qz qw) in {path}, got {rows.shape[1]}")
    return np.stack([make_pose(matrix_from_quaternion(row[4:]), row[1:4]) for row in rows])
