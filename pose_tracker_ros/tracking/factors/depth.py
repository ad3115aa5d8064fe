"""The rendered surface against measured depth, point to plane."""

from __future__ import annotations

import numpy as np

from pose_tracker_ros.kernels import alignment
from pose_tracker_ros.tracking.noise import NoiseModel
from pose_tracker_ros.tracking.view import View


class DepthFactor:
    """Compares points of the rendering with the depth image, each through its own camera.

    weights: (N,) of the points at the last state, 0 for those that are not measured or outliers.
    """

    def __init__(self, view: View, noise: NoiseModel, limit_m: float) -> None:
        """``limit_m``: residuals beyond are something else's."""
        rows, columns = np.nonzero(view.rendering.mask)
        step = max(1, int(np.ceil(np.sqrt(len(rows) / noise.depth_points))))
        chosen = (rows % step == 0) & (columns % step == 0)
        rows, columns = rows[chosen], columns[chosen]
        pixels = np.column_stack([columns, rows])
        points = view.back_project(pixels, view.rendering.depth[rows, columns])
        self._points = np.ascontiguousarray(points, np.float32)
        self._normals = np.ascontiguousarray(view.rendering.normal[rows, columns])
        self._center = view.center
        self._depth = np.ascontiguousarray(view.frame.depth)
        camera = view.depth_camera
        self._camera = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
        self._depth_T_color = np.ascontiguousarray(view.depth_T_color)
        # Points that lie farther apart than an error reaches have errors of their own.
        apart = (step * view.scale) ** 2
        self._noise = (noise.depth_at_metre, noise.surface, limit_m, max(1.0, noise.depth_shared / apart))
        self.weights = np.zeros(len(rows), np.float32)

    def add(self, state: np.ndarray, hessian: np.ndarray, gradient: np.ndarray) -> float:
        """See :class:`pose_tracker_ros.tracking.factors.Factor`."""
        return alignment.add_depth(
            self._points,
            self._normals,
            self._center,
            self._depth,
            self._camera,
            self._depth_T_color,
            *self._noise,
            state,
            hessian,
            gradient,
            self.weights,
        )
