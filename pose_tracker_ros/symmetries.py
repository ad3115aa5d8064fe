"""The turns after which an object looks the same, and what they leave of a pose that images can tell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pose_tracker_ros.geometry import is_pose, make_pose

if TYPE_CHECKING:
    from pose_tracker_ros.objects import ObjectModel


@dataclass(frozen=True)
class ContinuousSymmetry:
    """Rotation by any angle about the line through ``offset`` (3,) metres along ``axis`` (3,), which is made a unit vector.

    Raises ValueError for an axis without a direction.
    """

    axis: np.ndarray
    offset: np.ndarray

    def __post_init__(self) -> None:
        length = np.linalg.norm(self.axis)
        if not length > 1e-9:
            raise ValueError(f"expected the axis of a continuous symmetry to have a direction, got {self.axis.tolist()}")
        object.__setattr__(self, "axis", self.axis / length)

    @cached_property
    def across(self) -> np.ndarray:
        """The matrix (3, 3) that takes a vector to the cross product of the axis and it."""
        x, y, z = self.axis
        return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])

    def turn(self, radians: float) -> np.ndarray:
        """The rotation (4, 4) by an angle, radians, by Rodrigues' formula."""
        rotation = np.eye(3) + math.sin(radians) * self.across + (1 - math.cos(radians)) * self.across @ self.across
        return make_pose(rotation, self.offset - rotation @ self.offset)

    def turned_towards(self, pose: np.ndarray, other: np.ndarray) -> np.ndarray:
        """``other`` (4, 4) turned about the axis until its rotation is as near that of ``pose`` (4, 4) as can be."""
        relative = other[:3, :3].T @ pose[:3, :3]
        return other @ self.turn(math.atan2(np.vdot(self.across, relative), -np.vdot(self.across @ self.across, relative)))


def parse_symmetries(
    description: dict, metres_per_unit: float = 1.0
) -> tuple[np.ndarray, tuple[ContinuousSymmetry, ...]]:
    """Symmetries of a mapping with ``discrete`` (4x4 matrices, flat or nested) and ``continuous`` (axis, offset).

    Raises ValueError for a matrix that is no rigid transform, or an axis without a direction.
    """
    discrete = np.array([_rigid(matrix) for matrix in description.get("discrete") or []]).reshape(-1, 4, 4)
    discrete[:, :3, 3] *= metres_per_unit
    continuous = tuple(
        ContinuousSymmetry(_three(item, "axis"), _three(item, "offset", (0, 0, 0)) * metres_per_unit)
        for item in description.get("continuous") or []
    )
    return discrete, continuous


def check_symmetries(vertices: np.ndarray, discrete: np.ndarray, continuous: tuple[ContinuousSymmetry, ...]) -> None:
    """Raise ValueError where a symmetry turns vertices (V, 3) metres about a place where they are not.

    No rotation maps a body onto itself that moves its middle farther than the body is large.
    """
    center = (vertices.min(axis=0).astype(np.float64) + vertices.max(axis=0)) / 2
    size = float(np.linalg.norm(np.ptp(vertices, axis=0)))
    moves = [float(np.linalg.norm(pose[:3, :3] @ center + pose[:3, 3] - center)) for pose in discrete]
    for symmetry in continuous:
        moves.append(2 * float(np.linalg.norm(symmetry.across @ (center - symmetry.offset))))
    if moves and max(moves) > size:
        raise ValueError(
            f"expected symmetries that map the object onto itself, but one moves its middle by {max(moves):.3g} m, "
            f"and it is {size:.3g} m large; translations and offsets are in metres"
        )


def _rigid(matrix: object) -> np.ndarray:
    try:
        pose = np.array(matrix, dtype=np.float64).reshape(4, 4)
    except (TypeError, ValueError):
        pose = None
    if pose is None or not is_pose(pose):
        raise ValueError(f"expected discrete symmetries to be rigid transforms of 4 x 4 numbers, got {str(matrix)[:200]}")
    return pose


def _three(item: object, key: str, default: tuple[float, ...] | None = None) -> np.ndarray:
    try:
        vector = np.array(item.get(key, default), dtype=np.float64)  # type: ignore[attr-defined]
    except (AttributeError, TypeError, ValueError):
        vector = np.zeros(0)
    if vector.shape != (3,) or not np.all(np.isfinite(vector)):
        raise ValueError(f"expected continuous symmetries with an {key} of three numbers, got {str(item)[:200]}")
    return vector


def symmetry_transforms(model: ObjectModel, largest_step: float = 0.01) -> np.ndarray:
    """All symmetries (K, 4, 4) of an object in metres, the identity first.

    Continuous ones are cut into equal steps so that no surface point moves further than ``largest_step``
    diameters in a step (the rule of BOP, Hodan et al., ECCV 2018: the farthest point is half a diameter
    from the axis); each is combined with every discrete one.
    """
    discrete = np.concatenate([np.eye(4)[None], model.discrete_symmetries])
    transforms = discrete
    for symmetry in model.continuous_symmetries:
        count = math.ceil(math.pi / largest_step)
        turns = np.stack([symmetry.turn(2 * math.pi * step / count) for step in range(count)])
        transforms = np.einsum("aij,bjk->abik", turns, transforms).reshape(-1, 4, 4)
    return transforms


def nearest_equivalent(pose: np.ndarray, other: np.ndarray, symmetries: np.ndarray) -> np.ndarray:
    """Of all poses (4, 4) that look like ``other``, the one that is turned least from ``pose``.

    Parameters: ``symmetries`` (K, 4, 4) from :func:`symmetry_transforms`.
    """
    equivalents = other @ symmetries
    # The trace of the relative rotation grows as its angle falls.
    traces = np.einsum("ij,kij->k", pose[:3, :3], equivalents[:, :3, :3])
    return equivalents[int(np.argmax(traces))]


def turned_least(pose: np.ndarray, other: np.ndarray, model: ObjectModel) -> np.ndarray:
    """``other`` (4, 4) after those turns about the model's continuous symmetries that leave it turned least from ``pose`` (4, 4)."""
    for symmetry in model.continuous_symmetries:
        other = symmetry.turned_towards(pose, other)
    return other


def observable_directions(model: ObjectModel, camera_T_object: np.ndarray) -> np.ndarray:
    """Orthonormal twists (6, F) about the object's centre that no continuous symmetry makes, in camera axes."""
    turns = _unseen_turns(model, camera_T_object)
    if not turns.size:
        return np.eye(6)
    directions, sizes, _ = np.linalg.svd(turns)
    # Axes that repeat others add no direction.
    rank = int(np.sum(sizes > 1e-6 * sizes[0]))
    return directions[:, rank:]


def with_unseen_turns(covariance: np.ndarray, model: ObjectModel, camera_T_object: np.ndarray) -> np.ndarray:
    """Covariance (6, 6) of a twist about the object's centre, metres and radians, in camera axes, when each turn about a continuous symmetry is as likely as
    any other: what it says of them is replaced by the variance of an even distribution over a whole turn."""
    turns = _unseen_turns(model, camera_T_object)
    if not turns.size:
        return covariance
    # What none of the turns adds to: a projection.
    seen = np.eye(6)
    for turn in turns.T:
        new = seen @ turn
        if new @ new > 1e-12 * (turn @ turn):
            seen -= np.outer(new, new) / (new @ new)
    return seen @ covariance @ seen + math.pi**2 / 3 * turns @ turns.T


def _unseen_turns(model: ObjectModel, camera_T_object: np.ndarray) -> np.ndarray:
    """Twists (6, K) about the object's centre by a radian about each continuous symmetry, in camera axes."""
    rotation = camera_T_object[:3, :3]
    turns = np.zeros((6, len(model.continuous_symmetries)))
    for turn, symmetry in zip(turns.T, model.continuous_symmetries):
        turn[:3], turn[3:] = rotation @ symmetry.across @ (model.center_m - symmetry.offset), rotation @ symmetry.axis
    return turns
