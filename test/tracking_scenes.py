"""Perfect frames of one object before a wall, rendered for the tracker's tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets import Frame
from pose_tracker_ros.geometry import make_pose, so3_exp
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering.raycast import RaycastRenderer

CAMERA = PinholeCamera(320, 240, 310.0, 300.0, 161.0, 118.0)
WALL_M = 1.2
START = make_pose(so3_exp(np.array([1.9, 0.3, -0.2])), np.array([0.03, -0.02, 0.6]))


def frame_of(
    model: ObjectModel, pose: np.ndarray, stamp: float = 0.0, bar: tuple[int, int] | None = None, index: int = 0
) -> Frame:
    """The object at a pose in front of a wall; ``bar``: first and last column of something 15 cm nearer."""
    rendering = RaycastRenderer(model.mesh).render(CAMERA, pose)
    color = np.where(rendering.mask[..., None], rendering.color, np.uint8(90))
    depth = np.where(rendering.mask, rendering.depth, np.float32(WALL_M))
    if bar:
        color[:, bar[0] : bar[1]] = (200, 60, 60)
        depth[:, bar[0] : bar[1]] = pose[2, 3] - 0.15
    return Frame(color.astype(np.uint8), depth.astype(np.float32), CAMERA, stamp, index, {model.name: pose})


def noisy(frame: Frame, random: np.random.Generator) -> Frame:
    """A frame as cameras see it: noise of 1 mm in depth and of 3 grey values."""
    depth = frame.depth + 0.001 * random.standard_normal(frame.depth.shape)
    color = np.clip(frame.color + 3.0 * random.standard_normal(frame.color.shape), 0, 255)
    return replace(frame, color=color.astype(np.uint8), depth=depth.astype(np.float32))


def blank_frame(stamp: float) -> Frame:
    """A frame in which nothing was seen."""
    size = (CAMERA.height, CAMERA.width)
    return Frame(np.zeros((*size, 3), np.uint8), np.zeros(size, np.float32), CAMERA, stamp)
