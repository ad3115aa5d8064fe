"""The pinhole camera and the crop camera that looks at an object through it.

Pixel centres are at integer coordinates (OpenCV), the camera frame is the
REP-103 optical frame: x right, y down, z forward.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class PinholeCamera:
    """Intrinsics of a rectified pinhole camera, in pixels.

    Raises ValueError for sizes or focal lengths that no camera has.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        numbers = (self.fx, self.fy, self.cx, self.cy)
        if self.width <= 0 or self.height <= 0 or not all(map(math.isfinite, numbers)) or self.fx <= 0 or self.fy <= 0:
            raise ValueError(
                "expected camera intrinsics with positive size and focal lengths, got "
                f"{self.width}x{self.height}, fx {self.fx}, fy {self.fy}, cx {self.cx}, cy {self.cy}; "
                "is the camera calibrated and its CameraInfo published?"
            )

    @classmethod
    def from_matrix(cls, matrix: np.ndarray, width: int, height: int) -> PinholeCamera:
        """Camera of a 3x3 (or flat 9) intrinsic matrix K and an image size in pixels."""
        matrix = np.asarray(matrix, dtype=np.float64).reshape(3, 3)
        return cls(int(width), int(height), *(float(matrix[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2))))

    @property
    def matrix(self) -> np.ndarray:
        """Intrinsic matrix K (3, 3)."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], dtype=np.float64)

    @cached_property
    def numbers(self) -> np.ndarray:
        """fx, fy, cx, cy (4,), as kernels take them; not to be written to."""
        return np.array([self.fx, self.fy, self.cx, self.cy], np.float64)

    def rays(self) -> np.ndarray:
        """Directions (height, width, 3) float32 through the pixel centres, with z = 1."""
        u = (np.arange(self.width, dtype=np.float32) - np.float32(self.cx)) / np.float32(self.fx)
        v = (np.arange(self.height, dtype=np.float32) - np.float32(self.cy)) / np.float32(self.fy)
        rays = np.empty((self.height, self.width, 3), dtype=np.float32)
        rays[..., 0] = u
        rays[..., 1] = v[:, None]
        rays[..., 2] = 1.0
        return rays

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of points (..., 3) in the camera frame; NaN for points not in front."""
        z = np.where(points[..., 2] > 0, points[..., 2], np.nan)
        return np.stack([self.fx * points[..., 0] / z + self.cx, self.fy * points[..., 1] / z + self.cy], axis=-1)

    def back_project(self, depth: np.ndarray) -> np.ndarray:
        """Points (height, width, 3) in metres of a depth image (height, width); zero where depth is zero."""
        return self.rays() * depth[..., None]

    def scaled(self, factor: float) -> PinholeCamera:
        """The camera of the image resized by ``factor`` about the pixel corners, as image resizing does."""
        return PinholeCamera(
            round(self.width * factor),
            round(self.height * factor),
            self.fx * factor,
            self.fy * factor,
            (self.cx + 0.5) * factor - 0.5,
            (self.cy + 0.5) * factor - 0.5,
        )


def crop_camera(center_in_camera: np.ndarray, side_m: float, resolution: int) -> PinholeCamera:
    """Camera of a square crop around a point, at the optical centre of the full camera.

    The crop is the square of side ``side_m`` metres that is parallel to the image plane and centred on
    the point (crop of se(3)-TrackNet, arXiv 2007.13866). It has the same optical centre and axes as
    the camera it is cut from and square pixels, whatever that camera's focal lengths.

    Parameters: ``center_in_camera`` (3,) metres; ``resolution`` in pixels.
    Raises ValueError when the point is not in front of the camera.
    """
    x, y, z = (float(value) for value in center_in_camera)
    if not z > 0:
        raise ValueError(f"expected an object in front of the camera, got one at z = {z:.3f} m")
    focal = resolution * z / side_m
    middle = (resolution - 1) / 2
    return PinholeCamera(resolution, resolution, focal, focal, middle - focal * x / z, middle - focal * y / z)
