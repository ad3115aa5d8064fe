"""One RGB-D image with everything that is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pose_tracker_ros.camera import PinholeCamera


@dataclass(frozen=True)
class Frame:
    """A registered colour and depth image.

    color: (height, width, 3) uint8 RGB.
    depth: (height, width) float32 metres, 0 = no measurement, never NaN.
    camera: intrinsics of both images.
    stamp: seconds.
    index: number of the frame in its sequence, as the data set counts.
    truth: object name -> camera_T_object (4, 4), where it is known.
    masks: object name -> visible mask (height, width) bool, where it is known.
    """

    color: np.ndarray
    depth: np.ndarray
    camera: PinholeCamera
    stamp: float
    index: int = 0
    truth: Mapping[str, np.ndarray] = field(default_factory=dict)
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        size = (self.camera.height, self.camera.width)
        if self.color.shape != (*size, 3) or self.color.dtype != np.uint8:
            raise ValueError(
                f"expected colour of {size[1]}x{size[0]} uint8 RGB as the camera says, "
                f"got {self.color.dtype} of shape {self.color.shape}"
            )
        if self.depth.shape != size or self.depth.dtype != np.float32:
            raise ValueError(
                f"expected depth of {size[1]}x{size[0]} float32 metres, registered to the colour image, "
                f"got {self.depth.dtype} of shape {self.depth.shape}"
            )
