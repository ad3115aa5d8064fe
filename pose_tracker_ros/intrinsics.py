"""From what a camera says of itself to a pinhole camera, for nodes, recordings and readers alike.

Meaning of the fields: sensor_msgs/CameraInfo and REP-104. Distortion models: OpenCV's calib3d and fisheye modules.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from pose_tracker_ros.camera import PinholeCamera

# How images are treated whose camera has distortion coefficients.
DISTORTION = ("auto", "undistort", "rectified", "refuse")
POLYNOMIAL_MODELS = ("plumb_bob", "rational_polynomial", "thin_prism", "radtan", "brown_conrady")
FISHEYE_MODELS = ("equidistant", "fisheye", "kannala_brandt4")
_POLYNOMIAL_COUNTS, _FISHEYE_COUNT = (4, 5, 8, 12, 14), 4
_RECTIFIED_WORDS = {"rect", "rectified", "undistorted", "undist"}
_NO_DISTORTION = 1e-9
# Calibrations are rounded when they are published, pixels.
_SAME_PIXELS = 0.01


@dataclass(frozen=True)
class Calibration:
    """What is known of a camera, in pixels of its full resolution, width x height.

    k: intrinsic matrix K of the raw image, row by row; d: distortion coefficients of a ``model``; p: projection matrix P
    (3 x 4) of the rectified image, row by row, or nothing; binning: pixels across and down that are one of the image;
    roi: left, top, width and height of the part that the image shows, all 0 for all of it.
    """

    width: int
    height: int
    k: tuple[float, ...]
    d: tuple[float, ...] = ()
    model: str = "plumb_bob"
    p: tuple[float, ...] = ()
    binning: tuple[int, int] = (1, 1)
    roi: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def is_distorted(self) -> bool:
        """Whether there are coefficients that are not 0."""
        return any(not abs(value) <= _NO_DISTORTION for value in self.d)

    @property
    def has_projection(self) -> bool:
        """Whether P is set."""
        return len(self.p) == 12 and self.p[0] > 0 and self.p[5] > 0


class Undistortion:
    """Takes raw images of a camera to those of a pinhole camera of the same size."""

    def __init__(self, camera: PinholeCamera, d: Sequence[float], model: str) -> None:
        """``camera``: of the raw image and of the undistorted one; raises ValueError for a model that is not known."""
        self._camera, self._coefficients = camera, np.array(d, np.float64)
        self._is_fisheye = _is_fisheye(model, self._coefficients)
        make = cv2.fisheye.initUndistortRectifyMap if self._is_fisheye else cv2.initUndistortRectifyMap
        size = (camera.width, camera.height)
        maps = make(camera.matrix, self._coefficients, np.eye(3), camera.matrix, size, cv2.CV_32FC1)
        self._smooth = cv2.convertMaps(*maps, cv2.CV_16SC2)
        self._nearest, _ = cv2.convertMaps(*maps, cv2.CV_16SC2, nninterpolation=True)

    def color(self, image: np.ndarray) -> np.ndarray:
        """Colours (H, W[, C]) between pixels; where the raw image ends its last colours go on, so that no edge arises."""
        return cv2.remap(image, *self._smooth, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def labels(self, image: np.ndarray) -> np.ndarray:
        """Depth, masks or labels (H, W) of the nearest pixel; 0 where the raw image ends."""
        pixels = image.view(np.uint8) if image.dtype == bool else image
        return cv2.remap(pixels, self._nearest, None, cv2.INTER_NEAREST, borderValue=0).view(image.dtype)

    def points(self, pixels: np.ndarray) -> np.ndarray:
        """Where pixels (N, 2) of the raw image are in the undistorted one."""
        undistort = cv2.fisheye.undistortPoints if self._is_fisheye else cv2.undistortPoints
        matrix = self._camera.matrix
        return undistort(np.float64(pixels).reshape(-1, 1, 2), matrix, self._coefficients, P=matrix).reshape(-1, 2)


class ImageGeometry(NamedTuple):
    """Camera of an image, and what has to be done to the image before it is that camera's; None for nothing."""

    camera: PinholeCamera
    undistortion: Undistortion | None = None

    def color(self, image: np.ndarray) -> np.ndarray:
        """Colours (H, W, 3) as the camera sees them."""
        return image if self.undistortion is None else self.undistortion.color(image)

    def labels(self, image: np.ndarray) -> np.ndarray:
        """Depth, mask or labels (H, W) as the camera sees them."""
        return image if self.undistortion is None else self.undistortion.labels(image)

    def points(self, pixels: np.ndarray) -> np.ndarray:
        """Where pixels (N, 2) of the image are as the camera sees them."""
        return pixels if self.undistortion is None else self.undistortion.points(pixels)


class Intrinsics:
    """Gives :func:`image_geometry` of the calibrations of one camera, made once for each change of them."""

    def __init__(self) -> None:
        self._asked: tuple | None = None
        self._geometry: ImageGeometry | None = None

    def geometry(
        self, calibration: Calibration, size: tuple[int, int], name: str = "", distortion: str = "auto"
    ) -> ImageGeometry:
        """As :func:`image_geometry`."""
        asked = (calibration, size, name, distortion)
        if asked != self._asked:
            self._geometry, self._asked = image_geometry(*asked), asked
        return self._geometry


def image_geometry(
    calibration: Calibration, size: tuple[int, int], name: str = "", distortion: str = "auto"
) -> ImageGeometry:
    """The pinhole camera of an image and how the image becomes that camera's.

    P holds for rectified images, K for raw ones, which are undistorted to K. ``size``: width and height of the image;
    ``name``: its topic or file, whose words tell a rectified image (``image_rect``) from a raw one; ``distortion``: what to
    do where there are coefficients: ``auto``, go by the name; ``undistort``, the image is raw; ``rectified``, it is not;
    ``refuse``, raw images are an error.
    Raises ValueError, in one sentence, for a size that is not the calibration's, a model that is not known, numbers that no
    camera has, a matrix that is missing, or a raw image that is to be refused.
    """
    if distortion not in DISTORTION:
        raise ValueError(f"expected distortion as one of {', '.join(DISTORTION)}, got {distortion!r}")
    rectified = distortion == "rectified" or (distortion != "undistort" and is_named_rectified(name))
    raw = calibration.is_distorted and not rectified
    if raw and distortion == "refuse":
        raise ValueError(
            f"expected rectified images, got {calibration.model} coefficients {_numbers(calibration.d)}; subscribe to the "
            "image of image_proc (image_rect), or set distortion to undistort, or to rectified if they are"
        )
    if distortion != "rectified":
        _require_matrix_of_image(calibration, raw)
    camera = _part_of(calibration, _matrix(calibration, raw or ("raw" in _words(name) and not rectified)), size)
    return ImageGeometry(camera, Undistortion(camera, calibration.d, calibration.model) if raw else None)


def _require_matrix_of_image(calibration: Calibration, raw: bool) -> None:
    """Of a lens that distorts the rectified image has another matrix than the raw one: neither stands for the other."""
    if raw and not calibration.k[0] > 0:
        raise ValueError("expected the matrix K of raw images with distortion, got none; is the camera calibrated, or are they rectified?")
    if calibration.is_distorted and not raw and not calibration.has_projection:
        raise ValueError(
            "expected the matrix P of rectified images, got none; publish it, or set distortion to rectified if K is that of these images"
        )


def _matrix(calibration: Calibration, is_raw: bool) -> np.ndarray:
    """Intrinsic matrix (3, 3) of the full resolution; the other one where a driver leaves that of the image empty."""
    if calibration.has_projection and not (is_raw and calibration.k[0] > 0):
        return np.array(calibration.p).reshape(3, 4)[:, :3]
    return np.array(calibration.k).reshape(3, 3)


def _part_of(calibration: Calibration, matrix: np.ndarray, size: tuple[int, int]) -> PinholeCamera:
    """Camera of the region and binning that an image has of the full resolution."""
    across, down = (max(1, number) for number in calibration.binning)
    # Drivers that leave the size empty mean the image's.
    full = (calibration.width or size[0] * across, calibration.height or size[1] * down)
    left, top, width, height = calibration.roi
    if not width or not height:
        left, top, (width, height) = 0, 0, full
    # An odd pixel more at the border is left out or not.
    fits = all(number in (of // by, -(-of // by)) for number, of, by in zip(size, (width, height), (across, down)))
    inside = left + width <= full[0] and top + height <= full[1]
    if not fits or not inside:
        part = f", region {width}x{height} at ({left}, {top})" if calibration.roi[2] else ""
        part += f", binning {across}x{down}" if (across, down) != (1, 1) else ""
        raise ValueError(
            f"expected CameraInfo of the image's size {size[0]}x{size[1]}, got {full[0]}x{full[1]}"
            f"{part}; subscribe to the camera_info of this image, whose region and binning are to be the image's"
        )
    # Pixel centres are whole numbers: the first binned pixel's is in the middle of the pixels that it is made of.
    middle = ((matrix[0, 2] - left + 0.5) / across - 0.5, (matrix[1, 2] - top + 0.5) / down - 0.5)
    return PinholeCamera(*size, float(matrix[0, 0]) / across, float(matrix[1, 1]) / down, *map(float, middle))


def _is_fisheye(model: str, coefficients: np.ndarray) -> bool:
    """Whether it is OpenCV's fisheye model rather than its polynomial one; raises ValueError where it is neither."""
    name = model.strip().lower()
    if not np.all(np.isfinite(coefficients)):
        raise ValueError(f"expected finite distortion coefficients, got {_numbers(coefficients)}; calibrate the camera again")
    if name in FISHEYE_MODELS and len(coefficients) == _FISHEYE_COUNT:
        return True
    if name in ("", *POLYNOMIAL_MODELS) and len(coefficients) in _POLYNOMIAL_COUNTS:
        return False
    raise ValueError(
        f"expected distortion as {', '.join(POLYNOMIAL_MODELS[:2])} (4, 5, 8, 12 or 14 coefficients) or equidistant (4), got "
        f"{len(coefficients)} of model {model!r}; subscribe to rectified images, and set distortion to rectified if they are"
    )


def is_same_camera(one: PinholeCamera, other: PinholeCamera) -> bool:
    """Whether two cameras in the same place have the same image."""
    numbers = np.array([[c.width, c.height, c.fx, c.fy, c.cx, c.cy] for c in (one, other)])
    return bool(np.abs(numbers[0] - numbers[1]).max() < _SAME_PIXELS)


def is_named_rectified(name: str) -> bool:
    """Whether a topic or file is called that of a rectified image."""
    return not _RECTIFIED_WORDS.isdisjoint(_words(name))


def _words(name: str) -> list[str]:
    return re.split(r"[^a-z0-9]+", name.lower())


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
