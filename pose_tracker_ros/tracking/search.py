"""Where else could it be? Many guesses around a doubted pose, compared with the depth image without rendering them."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm, qmc

from pose_tracker_ros.geometry import so3_exp
from pose_tracker_ros.tracking.crop import Crop, depth_at, surface
from pose_tracker_ros.tracking.quality import tolerance_m

GUESSES = 512
# Standard deviations of the guesses.
DEVIATION_DIAMETERS, DEVIATION_RAD = 0.08, 0.2
# Points of the surface that are compared.
POINTS = 200
# Of two guesses that explain the depth alike the nearer one is likelier: what one deviation off costs, as a share of points.
COST_OF_DEVIATION = 0.02


def search(crop: Crop) -> np.ndarray:
    """The motion (6,) of the rendered object, of many around none, after which observed depth agrees best.

    Translation in metres before the rotation vector about the centre, in camera axes. The surface that is seen is taken
    to be the one that was rendered, which is near enough to start from. Zero for an empty rendering.
    """
    points, _ = surface(crop)
    if len(points) == 0:
        return np.zeros(6)
    points = points[:: -(-len(points) // POINTS)]
    guesses = _guesses()
    motions = guesses * np.array([DEVIATION_DIAMETERS * crop.diameter_m] * 3 + [DEVIATION_RAD] * 3)
    moved = np.einsum("mij,nj->mni", so3_exp(motions[:, 3:]), points - crop.center)
    moved += (crop.center + motions[:, :3])[:, None]
    observed, valid = depth_at(crop, moved)
    difference = observed - moved[..., 2]
    tolerance = tolerance_m(crop.diameter_m)
    agreeing = (valid & (np.abs(difference) <= tolerance)).mean(axis=1)
    contradicting = (valid & (difference > tolerance)).mean(axis=1)
    cost = COST_OF_DEVIATION * np.linalg.norm(guesses, axis=1)
    return motions[np.argmax(agreeing - contradicting - cost)]


def _guesses() -> np.ndarray:
    """Evenly spread samples (GUESSES, 6) of a standard normal distribution, the first of them zero."""
    spread = norm.ppf(qmc.Sobol(6, scramble=True, rng=0).random(GUESSES))
    spread[0] = 0
    return spread
