"""What an initializer looks at: one frame, the mask of one object in it, and where the object roughly is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pose_tracker_ros.frame import Frame

MIN_MASK_PIXELS = 50
MIN_DEPTH_PIXELS = 30


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

    @property
    def middle(self) -> np.ndarray:
        """Mean pixel (2,) x, y of the mask."""
        rows, columns = np.nonzero(self.mask)
        return np.array([columns.mean(), rows.mean()])


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

    camera_T_object: (4, 4). score: 0..1. accepted: True when the score is high enough to start from.
    reason: why it was not accepted, empty otherwise. seconds: time spent.
    """

    camera_T_object: np.ndarray
    score: float
    accepted: bool
    reason: str = ""
    seconds: float = 0.0
