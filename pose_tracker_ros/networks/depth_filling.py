"""Small holes of a depth image filled, so that measured and rendered depth look alike to a network."""

from __future__ import annotations

import cv2
import numpy as np

# Holes narrower than this in pixels are filled, and nothing is filled from farther away.
HOLE_PX = 9
# Depth beyond is left as it is and fills nothing.
MAX_DEPTH_M = 3.0
# Two sides of a hole, or neighbours, whose depth differs less, relative to their depth, lie on one surface.
SAME_SURFACE = 0.05
SMOOTHING_STEPS = 8
# Inverse depth of no measurement where the farthest is looked for, 1/m.
NEARER_THAN_ALL = np.float32(1e3)


def fill_depth_holes(depth: np.ndarray, hole_px: int = HOLE_PX, max_depth_m: float = MAX_DEPTH_M) -> np.ndarray:
    """Depth (H, W) float32 metres with holes narrower than ``hole_px`` filled; 0 = no measurement, as before.

    For the bidirectional alignment of se(3)-TrackNet (arXiv 2007.13866), in the manner of morphological completion (Ku et
    al., arXiv 1802.00036): a closing of the inverse depth, which fills what has measurements on opposite sides and
    nothing else, so that the surroundings of objects and large gaps stay empty. A hole beside a step gets the depth of
    the farther side: a camera's second eye is blind there because the nearer side hides it. Within one surface the values
    are smoothed; planes stay planes in inverse depth. Measured pixels are never changed.
    """
    usable = (depth > 0) & (depth <= np.float32(max_depth_m))
    inverse = np.zeros_like(depth)
    np.divide(1, depth, out=inverse, where=usable)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (hole_px | 1, hole_px | 1))
    farther = cv2.morphologyEx(inverse, cv2.MORPH_CLOSE, kernel)
    filled = (farther > 0) & (depth == 0)
    if not filled.any():
        return depth
    nearer = cv2.morphologyEx(np.where(usable, inverse, NEARER_THAN_ALL), cv2.MORPH_OPEN, kernel)
    one_surface = nearer - farther < np.float32(SAME_SURFACE) * farther
    values = np.where(filled, np.where(one_surface, (nearer + farther) / 2, farther), inverse)
    _smooth(values, filled & one_surface)
    result = depth.copy()
    np.divide(1, values, out=result, where=filled)
    return result


def _smooth(inverse: np.ndarray, where: np.ndarray) -> None:
    """Relax pixels to the mean of their neighbours, in place, unless these lie on different surfaces."""
    kernel = np.ones((3, 3), np.uint8)
    spread = cv2.dilate(inverse, kernel) - cv2.erode(inverse, kernel)
    within = (where & (spread < np.float32(SAME_SURFACE) * inverse)).view(np.uint8)
    for _ in range(SMOOTHING_STEPS):
        cv2.copyTo(cv2.blur(inverse, (3, 3)), within, inverse)
