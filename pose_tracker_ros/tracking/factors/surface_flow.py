"""Points of the surface, as its paint or an earlier view shows it, followed by optical flow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pose_tracker_ros.geometry import invert, transform_points
from pose_tracker_ros.tracking.keyframes import (
    LEAST_POINTS,
    Keyframe,
    follow,
    grey_in,
    grey_shift_px,
    paint_in,
    structure_in,
)
from pose_tracker_ros.tracking.noise import NoiseModel
from pose_tracker_ros.tracking.view import View

# Followed forth and back a point has to come back to itself, pixels.
RETURN_PX = 0.5
# So many points of paint show which of them are wrong (with 10 and more their mean is off by up to 0.13 px, with 1 to 8 by 1; simulated).
ENOUGH = 3 * LEAST_POINTS
# Tukey's limit, standard deviations.
LIMIT = 8.0


class FollowedPoints(NamedTuple):
    """Points (N, 3) in the object's axes, the pixels (N, 2) of the colour image where they are seen, the view's pixel, pixels of the
    image, and the deviation of what all are off by together, such pixels."""

    points: np.ndarray
    seen: np.ndarray
    scale: int
    common_px: float

    @classmethod
    def none(cls) -> FollowedPoints:
        """Nothing is followed."""
        return cls(np.zeros((0, 3)), np.zeros((0, 2), np.float32), 1, 0.0)

    @classmethod
    def in_view(cls, view: View, keyframe: Keyframe | None, noise: NoiseModel) -> FollowedPoints:
        """From what the paint of a painted view shows of the surface, or, where that is too little, a keyframe did, to where the view's
        image shows it.

        Either is drawn as at the view's pose, so that only what that is off by is left to follow; around the object it is filled by
        the image itself, or the object's outline would be followed.
        """
        grey = grey_in(view)
        followed = cls._followed(*paint_in(view, grey), grey, view, noise.flow_paint_px, ENOUGH)
        if len(followed.points) or keyframe is None or not keyframe.has_structure:
            return followed
        return cls._followed(*keyframe.shown_in(view, grey), grey, view, noise.flow_common_px)

    @classmethod
    def _followed(
        cls, earlier: np.ndarray, known: np.ndarray, grey: np.ndarray, view: View, common_px: float, least: int = LEAST_POINTS
    ) -> FollowedPoints:
        """From grey values (R, R), where those of the surface are ``known`` (R, R), to a view's (R, R), if there are at least so many."""
        start = structure_in(earlier, known)
        if len(start) < least:
            return cls.none()
        end, found = follow(earlier, grey, start)
        back, returned = follow(grey, earlier, end)
        kept = found & returned & (np.linalg.norm(back - start, axis=1) < RETURN_PX)
        if np.count_nonzero(kept) < least:
            return cls.none()
        start, moved = start[kept], (end - start)[kept]
        columns, rows = start.T.round().astype(int)
        # Depth at a pixel's centre, moved along its ray to where the point is.
        points = view.back_project(start.astype(np.float64), view.rendering.depth[rows, columns])
        pixels = np.array([view.left, view.top]) + view.scale * (start + moved) + grey_shift_px(view.scale)
        return cls(transform_points(invert(view.camera_T_object), points), pixels.astype(np.float32), view.scale, common_px)


class SurfaceFlowFactor(NamedTuple):
    """Points of a view and where they are seen; see ``kernels.alignment.add_flow``.

    weights: (N,) of the points at the best state, 0 for outliers.
    """

    points: np.ndarray
    seen: np.ndarray
    camera: np.ndarray
    noise: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, followed: FollowedPoints, view: View, noise: NoiseModel) -> SurfaceFlowFactor:
        """Of points, at a view's pose; without any it says nothing."""
        points = followed.points
        if len(points):
            points = transform_points(view.camera_T_object, points)
        points = points.astype(np.float32)
        deviation = noise.flow_px * followed.scale
        # The variance of a mean of N that have an error in common: 1/N of each one's own, and the common one's.
        shared = 1 + len(points) * (followed.common_px / deviation) ** 2
        numbers = np.array([deviation, LIMIT * deviation, shared])
        return cls(points, followed.seen, view.frame.camera.numbers, numbers, np.zeros(len(points), np.float32))
