"""What an initializer looks at: one frame, the mask of one object in it, and where the object roughly is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.frame import Frame

MIN_MASK_PIXELS = 50
MIN_DEPTH_PIXELS = 30
GROUND_TOLERANCE_M = 0.006


class InitializationError(ValueError):
    """No pose can be found, and why."""


@dataclass(frozen=True)
class Observation:
    """A frame with one object's mask.

    mask: (height, width) bool, pixels that segmentation gives to the object; its largest parts.
    depth: (height, width) float32 metres, the frame's depth within the mask and near its middle depth, else 0.
    distance_m: median depth of the mask, None without depth.
    """

    frame: Frame
    mask: np.ndarray
    depth: np.ndarray
    distance_m: float | None

    @cached_property
    def middle(self) -> np.ndarray:
        """Mean pixel (2,) x, y of the mask."""
        rows, columns = np.nonzero(self.mask)
        return np.array([columns.mean(), rows.mean()])


class View(NamedTuple):
    """Observation through a crop camera: color (R, R, 3), depth (R, R) all of it, mask (R, R) bool."""

    camera: PinholeCamera
    color: np.ndarray
    depth: np.ndarray
    mask: np.ndarray


def view_of(observation: Observation, camera: PinholeCamera) -> View:
    """The observation as a crop camera sees it."""
    frame = observation.frame
    scale_x, scale_y = frame.camera.fx / camera.fx, frame.camera.fy / camera.fy
    matrix = np.array(
        [[scale_x, 0, frame.camera.cx - scale_x * camera.cx], [0, scale_y, frame.camera.cy - scale_y * camera.cy]]
    )
    size = (camera.width, camera.height)
    nearest = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return View(
        camera,
        cv2.warpAffine(frame.color, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP),
        cv2.warpAffine(frame.depth, matrix, size, flags=nearest),
        cv2.warpAffine(observation.mask.astype(np.uint8), matrix, size, flags=nearest).astype(bool),
    )


def observe(frame: Frame, mask: np.ndarray, diameter_m: float) -> Observation:
    """Check a mask (height, width), bool or non-zero = object, and take the depth that belongs to the object.

    Small specks apart from the object are dropped. Depth farther from the median than the object is large
    belongs to something else.
    Raises InitializationError for a mask of another size than the image, or of too few pixels.
    """
    mask = np.asarray(mask)
    if mask.shape != frame.depth.shape:
        raise InitializationError(
            f"expected a mask as large as the image, {frame.depth.shape[1]}x{frame.depth.shape[0]}, "
            f"got one of shape {mask.shape}; segment the colour image of the same stamp"
        )
    mask = _without_specks(mask != 0)
    if mask.sum() < MIN_MASK_PIXELS:
        raise InitializationError(
            f"expected a mask of at least {MIN_MASK_PIXELS} pixels, got {int(mask.sum())}; is the object in sight?"
        )
    measured = mask & (frame.depth > 0)
    if measured.sum() < MIN_DEPTH_PIXELS:
        return Observation(frame, mask, np.zeros_like(frame.depth), None)
    distance = float(np.median(frame.depth[measured]))
    near = measured & (np.abs(frame.depth - distance) < diameter_m)
    return Observation(frame, mask, np.where(near, frame.depth, np.float32(0)), distance)


def mask_from_box(frame: Frame, box: tuple[float, float, float, float], diameter_m: float) -> np.ndarray:
    """Mask (height, width) bool of the object in a box (left, top, right, bottom; pixels): what is as near as its middle.

    The object is taken to be in the middle of the box. Depth up to 0.6 diameters from there belongs to it; flat
    ground on which it stands is left out as far as it runs out of the box. Without depth the mask is the ellipse in the box.
    Raises InitializationError for a box that is not in the image.
    """
    height, width = frame.depth.shape
    left, top, right, bottom = box
    rows, columns = np.mgrid[:height, :width]
    inside = (columns >= left) & (columns <= right) & (rows >= top) & (rows <= bottom)
    if not np.all(np.isfinite(box)) or inside.sum() < MIN_MASK_PIXELS:
        raise InitializationError(
            f"expected a box of at least {MIN_MASK_PIXELS} pixels in the image of {width}x{height}, got left {left:.0f}, "
            f"top {top:.0f}, right {right:.0f}, bottom {bottom:.0f}"
        )
    across = (columns - (left + right) / 2) / max((right - left) / 2, 1)
    down = (rows - (top + bottom) / 2) / max((bottom - top) / 2, 1)
    middle = (np.maximum(np.abs(across), np.abs(down)) < 0.4) & inside & (frame.depth > 0)
    if middle.sum() < MIN_DEPTH_PIXELS:
        return inside & (across**2 + down**2 <= 1)
    distance = float(np.median(frame.depth[middle]))
    near = inside & (frame.depth > 0) & (np.abs(frame.depth - distance) < 0.6 * diameter_m)
    return near & ~_ground(frame, near, (left, top, right, bottom))


def _ground(frame: Frame, near: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """Pixels on the plane that most of the box's rim lies on, if most of it lies on one plane."""
    left, top, right, bottom = (round(value) for value in box)
    rim = np.zeros_like(near)
    for rows, columns in (
        (slice(max(top, 0), top + 4), slice(max(left, 0), right)),
        (slice(max(bottom - 4, 0), bottom), slice(max(left, 0), right)),
        (slice(max(top, 0), bottom), slice(max(left, 0), left + 4)),
        (slice(max(top, 0), bottom), slice(max(right - 4, 0), right)),
    ):
        rim[rows, columns] = True
    rim &= near
    if rim.sum() < MIN_DEPTH_PIXELS:
        return np.zeros_like(near)
    points = frame.camera.back_project(frame.depth)
    generator = np.random.default_rng(0)
    candidates = points[rim]
    best, best_count = None, 0
    for _ in range(60):
        corner, second, third = candidates[generator.choice(len(candidates), 3, replace=False)]
        normal = np.cross(second - corner, third - corner)
        if np.linalg.norm(normal) < 1e-9:
            continue
        normal /= np.linalg.norm(normal)
        count = int((np.abs((candidates - corner) @ normal) < GROUND_TOLERANCE_M).sum())
        if count > best_count:
            best, best_count = (normal, corner), count
    if best is None or best_count < 0.5 * rim.sum():
        return np.zeros_like(near)
    return near & (np.abs((points - best[1]) @ best[0]) < GROUND_TOLERANCE_M)


def _without_specks(mask: np.ndarray) -> np.ndarray:
    """The mask without parts smaller than a tenth of the largest."""
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count <= 2:
        return mask
    areas = statistics[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    return (areas >= 0.1 * areas.max())[labels] & mask


@dataclass(frozen=True)
class InitialPose:
    """A first pose with how well the image supports it.

    camera_T_object: (4, 4). score: 0..1, probability that it is right. accepted: True when the score is high enough to start from.
    reason: why it was not accepted, empty otherwise. seconds: time spent.
    """

    camera_T_object: np.ndarray
    score: float
    accepted: bool
    reason: str = ""
    seconds: float = 0.0
