"""What an image shows, coarse enough to be compared in milliseconds: points with normals, and brightness."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.frame import Frame

# Images are compared at about this width.
WIDTH = 320
# Brightness is compared so much coarser, smoothed to that: depth of consumer cameras is not registered to colour better.
LOOKS_STEP = 4
# Consumer depth cameras measure little beyond.
FARTHEST_M = 8.0
# Neighbours whose depths differ by more than this share of them lie on different surfaces.
STEP = 0.03


class Surface(NamedTuple):
    """``points`` and unit ``normals`` (h, w, 3) float32 in the frame of a coarse ``camera``; z = 0 where nothing was measured,
    a normal of zeros where the surface has none. ``brightness`` (h / LOOKS_STEP, w / LOOKS_STEP) float32 grey levels."""

    camera: PinholeCamera
    points: np.ndarray
    normals: np.ndarray
    brightness: np.ndarray

    @classmethod
    def of(cls, frame: Frame) -> Surface:
        """Of a frame: every n-th pixel of depth, none interpolated.

        Raises ValueError for depth that is not registered to colour.
        """
        frame.require_registered("relocalization")
        step = max(1, round(frame.camera.width / WIDTH))
        depth = frame.depth[::step, ::step]
        depth = np.where(depth < FARTHEST_M, depth, np.float32(0))
        height, width = depth.shape
        camera = PinholeCamera(
            width, height, *(value / step for value in (frame.camera.fx, frame.camera.fy, frame.camera.cx, frame.camera.cy))
        )
        points = camera.back_project(depth)
        return cls(camera, points, _normals(points), _brightness(frame.color[::step, ::step]))


def _brightness(color: np.ndarray) -> np.ndarray:
    smooth = cv2.GaussianBlur(cv2.cvtColor(np.ascontiguousarray(color), cv2.COLOR_RGB2GRAY), None, LOOKS_STEP)
    return smooth[::LOOKS_STEP, ::LOOKS_STEP].astype(np.float32)


def _normals(points: np.ndarray) -> np.ndarray:
    """Of the plane through the four pixels at distance two, where they lie on one surface."""
    normals = np.zeros_like(points)
    middle = points[2:-2, 2:-2, 2]
    across = points[2:-2, 4:] - points[2:-2, :-4]
    down = points[4:, 2:-2] - points[:-4, 2:-2]
    product = np.cross(down, across)
    length = np.linalg.norm(product, axis=2)
    around = (points[2:-2, 4:, 2], points[2:-2, :-4, 2], points[4:, 2:-2, 2], points[:-4, 2:-2, 2])
    smooth = (middle > 0) & (length > 0)
    for depth in around:
        smooth &= np.abs(depth - middle) < STEP * middle
    inside = normals[2:-2, 2:-2]
    inside[smooth] = product[smooth] / length[smooth][:, None]
    return normals
