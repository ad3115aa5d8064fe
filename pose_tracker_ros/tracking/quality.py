"""Is the pose still on the object? Agreement of the observed depth with the rendering."""

from __future__ import annotations

import numpy as np

from pose_tracker_ros.geometry import so3_exp
from pose_tracker_ros.tracking.crop import Crop, depth_at, surface

# Depth agrees within this much: a floor for sensor noise, and a share of the object's size.
MIN_TOLERANCE_M = 0.006
TOLERANCE_SHARE = 0.05
# An object of which something nearer covers this share is hidden.
HIDDEN_SHARE = 0.95
# Seeing this share of the rendered surface is as good as seeing all of it.
ENOUGH_SUPPORT = 0.25


def tolerance_m(diameter_m: float) -> float:
    """Within how many metres depth agrees."""
    return max(MIN_TOLERANCE_M, TOLERANCE_SHARE * diameter_m)


def moved_by(points: np.ndarray, center: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """Points (N, 3) after a ``motion`` (6,) about the object's ``center`` (3,)."""
    return (points - center) @ so3_exp(motion[3:]).T + center + motion[:3]


def score(crop: Crop, motion: np.ndarray | None = None) -> float:
    """Support of the rendered pose by the observed depth, 0 (contradicted or nothing seen) to 1.

    Pixels that see farther than the rendered surface contradict the pose; pixels that see something
    nearer are hidden and say nothing. The score is the share of agreement among those that speak, lowered when
    agreement covers only a small part of the surface.

    Parameters: ``motion`` (6,) small motion of the object since the rendering, translation in metres before
    the rotation vector about its centre, both in camera axes.
    """
    points, _ = surface(crop)
    if len(points) == 0:
        return 0.0
    if motion is not None:
        points = moved_by(points, crop.center, motion)
    observed, valid = depth_at(crop, points)
    difference = (observed - points[:, 2])[valid]
    tolerance = tolerance_m(crop.diameter_m)
    agreeing = int((np.abs(difference) <= tolerance).sum())
    contradicting = int((difference > tolerance).sum())
    if agreeing == 0:
        return 0.0
    return agreeing / (agreeing + contradicting) * min(1.0, agreeing / (ENOUGH_SUPPORT * len(points)))


def is_hidden(crop: Crop, motion: np.ndarray) -> bool:
    """Whether something nearer covers the rendered object after a ``motion`` (6,), so that looking for it is in vain."""
    points, _ = surface(crop)
    if len(points) == 0:
        return False
    points = moved_by(points, crop.center, motion)
    observed, valid = depth_at(crop, points)
    nearer = valid & (observed < points[:, 2] - tolerance_m(crop.diameter_m))
    return bool(nearer.sum() >= HIDDEN_SHARE * max(valid.sum(), 1))
