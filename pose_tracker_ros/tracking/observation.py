"""What a frame shows in the window of a view, and in which part of the window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.kernels import observation as kernels
from pose_tracker_ros.tracking.noise import NoiseModel
from pose_tracker_ros.tracking.view import View

# No depth camera measures nearer or farther.
ANY_DEPTH_M = (0.001, 1000.0)
# A depth camera beside the colour camera is asked for what is at least so near, as a share of the object's distance. What is
# nearer is seen far from the object's place in its image.
NEAREST_SHARE = 0.5


class Observation(NamedTuple):
    """What was measured, as a crop's camera sees it (nearest neighbour for depth).

    color: (R, R, 3) uint8. depth: (R, R) float32 metres, 0 = none. window: (4,) int64, the part of the crop that the image
    covers: first column and row, column and row after the last.
    """

    color: np.ndarray
    depth: np.ndarray
    window: np.ndarray

    @classmethod
    def whole(cls, color: np.ndarray, depth: np.ndarray) -> Observation:
        """Of a crop that lies within the image."""
        return cls(color, depth, np.array([0, 0, depth.shape[1], depth.shape[0]]))


def observe(
    view: View, shift: Sequence[float] = (0.0, 0.0), depth_range: tuple[float, float] = ANY_DEPTH_M
) -> Observation:
    """What a view's frame shows in the view's window.

    ``shift`` (2,): of the colour image against depth, pixels of the depth image: what depth has at p is seen in colour at
    p + shift; ``depth_range``: of depths to believe, metres.
    """
    frame, side, scale = view.frame, view.camera.height, view.scale
    color, depth = np.empty((side, side, 3), np.uint8), np.empty((side, side), np.float32)
    window = np.array(kernels.cut_color(frame.color, view.left, view.top, scale, color))
    across, along = float(shift[0]), float(shift[1])
    if frame.registered:
        kernels.cut_depth(frame.depth, view.left - round(across), view.top - round(along), scale, *depth_range, depth)
    else:
        part = _part_of_depth(view, max(depth_range[0], NEAREST_SHARE * float(view.center[2])), depth_range[1])
        cameras = frame.depth_camera.numbers, part, np.array(frame.color_T_depth, np.float64), view.camera.numbers
        kernels.warp_depth(frame.depth, *cameras, across, along, *depth_range, depth)
    return Observation(color, depth, window)


def changed_since(
    view: View, before: Observation, frame: Frame, shift: Sequence[float], noise: NoiseModel
) -> float:
    """By which share 0..1 of their variance the object's pixels in a ``frame`` differ from those ``before`` it in a view."""
    shown = (frame.color, frame.depth, view.left, view.top, view.scale, round(float(shift[0])), round(float(shift[1])))
    if not frame.registered:
        now = observe(replace(view, frame=frame), shift)
        shown = (now.color, now.depth, 0, 0, 1, 0, 0)
    deviations = noise.depth_at_metre, noise.surface, noise.paint
    return kernels.changed_share(view.rendering.mask, before.color, before.depth, *shown, *deviations)


def image_window(camera: PinholeCamera, crop: PinholeCamera) -> np.ndarray:
    """The part (4,) int64 of a crop that an image of ``camera`` covers: see :class:`Observation`."""
    first, after = [], []
    for size, begin, ratio, whole in (
        (crop.width, crop.cx - crop.fx / camera.fx * camera.cx, crop.fx / camera.fx, camera.width),
        (crop.height, crop.cy - crop.fy / camera.fy * camera.cy, crop.fy / camera.fy, camera.height),
    ):
        first.append(min(max(math.ceil(begin), 0), size))
        after.append(max(min(math.floor(begin + ratio * (whole - 1)) + 1, size), first[-1]))
    return np.array([*first, *after])


def _part_of_depth(view: View, nearest_m: float, farthest_m: float) -> np.ndarray:
    """The part (4,) int64 of the depth image that sees what is in the window between two distances."""
    camera, pose = view.frame.depth_camera, view.frame.color_T_depth
    ends = np.array([0, view.camera.height - 1])
    x, y = np.meshgrid((ends - view.camera.cx) / view.camera.fx, (ends - view.camera.cy) / view.camera.fy)
    rays = np.column_stack([x.ravel(), y.ravel(), np.ones(4)])
    corners = np.vstack([nearest_m * rays, farthest_m * rays])
    pixels = camera.project((corners - pose[:3, 3]) @ pose[:3, :3])
    if not np.isfinite(pixels).all():
        return np.array([0, 0, camera.width, camera.height])
    size = np.array([camera.width, camera.height])
    first = np.clip(np.floor(pixels.min(axis=0)), 0, size)
    after = np.clip(np.ceil(pixels.max(axis=0)) + 1, first, size)
    return np.concatenate([first, after]).astype(np.int64)
