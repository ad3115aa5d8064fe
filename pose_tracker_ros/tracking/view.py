"""A view of the object at a pose: rendered in a window of the camera's own pixels, not resampled."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.kernels.distance import distance_around
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import Renderer, Rendering

# Side of the window, diameters: room for the outline's lines around the object.
WINDOW_DIAMETERS = 1.3
# Objects whose centre is nearer than this, metres, are within the blind range of any depth camera.
NEAREST_M = 0.05


@dataclass(frozen=True)
class Drawn:
    """An object drawn at a pose by a crop's camera; center (3,), diameter_m: of the object, metres in the camera."""

    camera: PinholeCamera
    rendering: Rendering
    center: np.ndarray
    diameter_m: float

    @property
    def diameter_px(self) -> float:
        """So many pixels of the crop the object measures."""
        return self.camera.fx * self.diameter_m / self.center[2]

    @cached_property
    def around_px(self) -> np.ndarray:
        """(R, R) float32, how far each pixel is from the silhouette."""
        return distance_around(self.rendering.mask)


@dataclass(frozen=True)
class View(Drawn):
    """The object rendered at ``camera_T_object`` (4, 4), and the frame that it is compared with.

    The camera is that of the window, whose pixel (row, column) is the image's (top + scale row, left + scale column).
    """

    frame: Frame
    left: int
    top: int
    scale: int
    camera_T_object: np.ndarray

    @property
    def depth_camera(self) -> PinholeCamera:
        """Intrinsics of the depth image."""
        return self.frame.depth_camera or self.frame.camera

    def painted(self, renderer: Renderer) -> View:
        """This with colours of the object."""
        rendering = renderer.render(self.camera, self.camera_T_object)
        return self if rendering is self.rendering else replace(self, rendering=rendering)

    def back_project(self, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Points (N, 3) in the colour camera of pixels (N, 2) of the window with depths (N,) metres."""
        x = (pixels[:, 0] - self.camera.cx) / self.camera.fx
        y = (pixels[:, 1] - self.camera.cy) / self.camera.fy
        return np.column_stack([x * depth, y * depth, depth])


def make_view(
    frame: Frame,
    renderer: Renderer,
    model: ObjectModel,
    camera_T_object: np.ndarray,
    largest_px: int,
    color: bool = False,
) -> View | None:
    """The object at a pose (4, 4), in a window of at most ``largest_px`` on a side; None where that is not in the image.

    ``color``: whether its colours are rendered, too.
    """
    center = camera_T_object[:3, :3] @ model.center_m + camera_T_object[:3, 3]
    x, y, z = center.tolist()
    if z < NEAREST_M:
        return None
    image = frame.camera
    half = WINDOW_DIAMETERS / 2 * model.diameter_m * max(image.fx, image.fy) / z
    scale = max(1, math.ceil(2 * half / largest_px))
    side = math.ceil(2 * half / scale)
    left, top = round(image.fx * x / z + image.cx - half), round(image.fy * y / z + image.cy - half)
    reach = side * scale
    if left + reach <= 0 or top + reach <= 0 or left >= image.width or top >= image.height:
        return None
    camera = PinholeCamera(
        side, side, image.fx / scale, image.fy / scale, (image.cx - left) / scale, (image.cy - top) / scale
    )
    rendering = renderer.render(camera, camera_T_object, color=color)
    return View(camera, rendering, center, model.diameter_m, frame, left, top, scale, camera_T_object)
