"""The rendered surface against measured depth, point to plane."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.kernels import alignment
from pose_tracker_ros.tracking.noise import NoiseModel
from pose_tracker_ros.tracking.view import View


class DepthFactor(NamedTuple):
    """Points of the rendering and the depth image, each with its own camera; see ``kernels.alignment.add_depth``.

    weights: (N,) of the points at the best state, 0 for those that are not measured or outliers.
    """

    points: np.ndarray
    normals: np.ndarray
    depth: np.ndarray
    camera: np.ndarray
    depth_T_color: np.ndarray
    noise: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(
        cls, view: View, noise: NoiseModel, limit_m: float, depth_range: tuple[float, float], is_used: bool = True
    ) -> DepthFactor:
        """``limit_m``: residuals beyond are something else's; ``depth_range``: of depths to believe, metres above 0.

        Says nothing unless ``is_used``.
        """
        rendering = view.rendering
        shown = np.count_nonzero(rendering.mask)
        step = max(1, math.ceil(math.sqrt(shown / noise.depth_points)))
        points, normals = np.empty((shown, 3), np.float32), np.empty((shown, 3), np.float32)
        images = (rendering.mask, rendering.depth, rendering.normal)
        count = alignment.choose_points(*images, view.camera.numbers, step, points, normals) if is_used else 0
        # Points that lie farther apart than an error reaches have errors of their own.
        shared = max(1.0, noise.depth_shared_px(view.depth_camera) / (step * view.scale) ** 2)
        return cls(
            points[:count],
            normals[:count],
            view.frame.depth,
            view.depth_camera.numbers,
            view.frame.depth_T_color,
            np.array([noise.depth_at_metre, noise.surface, limit_m, shared, *depth_range]),
            np.zeros(count, np.float32),
        )

    @property
    def shown_share(self) -> float:
        """Share of the variance that residuals are taken to have which they show, see :func:`pose_tracker_ros.kernels.alignment.shown_share`."""
        return alignment.shown_share(self.points, self.normals, self.noise, self.weights)
