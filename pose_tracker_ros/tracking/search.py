"""Where else could it be? Many guesses around a doubted pose, compared with the depth image without rendering them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.stats import norm, qmc

from pose_tracker_ros.geometry import so3_exp
from pose_tracker_ros.tracking.crop import Crop, pixels_of, surface
from pose_tracker_ros.tracking.quality import tolerance_m

GUESSES = 512
# So many of the best are looked around, so much closer in each round.
KEPT = 16
CLOSER = (0.4, 0.15)
# Standard deviations of the guesses.
DEVIATION_DIAMETERS, DEVIATION_RAD = 0.08, 0.2
# Points of the surface that are compared.
POINTS = 200
# Of two guesses that explain the depth alike the nearer one is likelier: what one deviation off costs, as a share of points.
COST_OF_DEVIATION = 0.02


def search(crop: Crop, spread: np.ndarray | None = None, likeness: np.ndarray | None = None) -> np.ndarray:
    """The motion (6,) of the rendered object, of many around none, after which the observation agrees best.

    Translation in metres before the rotation vector about the centre, in camera axes. The surface that is seen is taken
    to be the one that was rendered, which is near enough to start from. Guesses are drawn widely first, then around
    the best ones. Zero for an empty rendering.

    Parameters: ``spread`` (6,) standard deviations of the first guesses, at least those of this module; ``likeness`` (R, R)
    0..1, how usual the observed colours are for the object.
    """
    points, _ = surface(crop)
    if len(points) == 0:
        return np.zeros(6)
    points = points[:: -(-len(points) // POINTS)]
    least = np.array([DEVIATION_DIAMETERS * crop.diameter_m] * 3 + [DEVIATION_RAD] * 3)
    spread = least if spread is None else np.maximum(spread, least)
    motions = _guesses(GUESSES) * spread
    for closer in CLOSER:
        agreement = _agreement(crop, points, motions, likeness) - COST_OF_DEVIATION * np.linalg.norm(
            motions / spread, axis=1
        )
        best = motions[np.argsort(-agreement)[:KEPT]]
        around = _guesses(GUESSES // KEPT)
        motions = np.concatenate([best, *(motion + around[1:] * spread * closer for motion in best)])
    agreement = _agreement(crop, points, motions, likeness) - COST_OF_DEVIATION * np.linalg.norm(
        motions / spread, axis=1
    )
    return motions[np.argmax(agreement)]


def _agreement(crop: Crop, points: np.ndarray, motions: np.ndarray, likeness: np.ndarray | None) -> np.ndarray:
    """Of surface points (N, 3) after each motion (M, 6): the share (M,) that depth agrees with less that it contradicts."""
    moved = np.einsum("mij,nj->mni", so3_exp(motions[:, 3:]), points - crop.center)
    moved += (crop.center + motions[:, :3])[:, None]
    rows, columns, inside = pixels_of(crop, moved)
    rows, columns = np.where(inside, rows, 0), np.where(inside, columns, 0)
    observed = crop.depth[rows, columns]
    difference = observed - moved[..., 2]
    valid = inside & (observed > 0)
    tolerance = tolerance_m(crop.diameter_m)
    agreeing = (valid & (np.abs(difference) <= tolerance)).astype(np.float32)
    if likeness is not None:
        agreeing *= likeness[rows, columns]
    return agreeing.mean(axis=1) - (valid & (difference > tolerance)).mean(axis=1)


@lru_cache(maxsize=4)
def _guesses(count: int) -> np.ndarray:
    """Evenly spread samples (count, 6) of a standard normal distribution, the first of them zero."""
    spread = norm.ppf(qmc.Sobol(6, scramble=True, rng=0).random(count))
    spread[0] = 0
    return spread
