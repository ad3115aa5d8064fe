"""Conversion between sensor_msgs/Image and NumPy arrays: the part of ROS 2's cv_bridge that this repository uses.

For machines without a ROS 2 installation. PyPI's cv-bridge was made for ROS 1: it ignores row padding, cannot make
16UC1 images by name, and breaks with NumPy 2.3 and OpenCV 5.
"""

from __future__ import annotations

import sys
from array import array
from typing import NamedTuple

import cv2
import numpy as np
from sensor_msgs.msg import Image
from std_msgs.msg import Header

__all__ = ["CvBridge", "CvBridgeError"]


class CvBridgeError(TypeError):
    """An image whose message is broken, or that cannot have the encoding that is asked for."""


class Layout(NamedTuple):
    """What an encoding says of a pixel; ``colors`` names OpenCV's colour space, None for plain numbers."""

    dtype: np.dtype
    channels: int
    colors: str | None


_DEPTHS = {"8U": "u1", "8S": "i1", "16U": "u2", "16S": "i2", "32S": "i4", "32F": "f4", "64F": "f8"}
# OpenCV names Bayer patterns by the second row's second and third pixel.
_BAYER = {"rggb": "BG", "bggr": "RG", "gbrg": "GR", "grbg": "GB"}
_NAMES = {np.dtype(code): depth for depth, code in _DEPTHS.items()}
_LAYOUTS = {
    f"{depth}{suffix}": Layout(np.dtype(code), channels, None)
    for depth, code in _DEPTHS.items()
    for suffix, channels in (("", 1), ("C1", 1), ("C2", 2), ("C3", 3), ("C4", 4))
} | {
    f"{name}{bits}": Layout(np.dtype(code), channels, colors)
    for bits, code in ((8, "u1"), (16, "u2"))
    for name, channels, colors in (
        ("mono", 1, "GRAY"),
        ("rgb", 3, "RGB"),
        ("bgr", 3, "BGR"),
        ("rgba", 4, "RGBA"),
        ("bgra", 4, "BGRA"),
        *((f"bayer_{pattern}", 1, f"Bayer{opposite}") for pattern, opposite in _BAYER.items()),
    )
} | {
    "yuv422": Layout(np.dtype("u1"), 2, "YUV_UYVY"),
    "yuv422_yuy2": Layout(np.dtype("u1"), 2, "YUV_YUY2"),
}


class CvBridge:
    """Converts images; has no state."""

    def imgmsg_to_cv2(self, img_msg: Image, desired_encoding: str = "passthrough") -> np.ndarray:
        """Pixels of a message: H x W, or H x W x C for several channels, in the machine's byte order.

        ``desired_encoding`` may ask for other colours (``rgb8``, ``bgr8``, ``rgba8``, ``bgra8``, ``mono8`` and their
        16-bit forms) or for another type of number. The array shares the message's memory where nothing had to be
        converted and the rows are not padded.
        Raises CvBridgeError for an unknown encoding, a message whose size does not fit its fields, plain numbers
        wanted as colours, or another number of channels.
        """
        layout = _layout(img_msg.encoding)
        row = img_msg.width * layout.channels * layout.dtype.itemsize
        if img_msg.step < row or len(img_msg.data) != img_msg.height * img_msg.step:
            raise CvBridgeError(
                f"a {img_msg.width} x {img_msg.height} {img_msg.encoding} image needs rows (step) of at least {row} bytes "
                f"and height * step bytes of data, got step {img_msg.step} and {len(img_msg.data)} bytes"
            )
        rows = np.frombuffer(img_msg.data, np.uint8).reshape(img_msg.height, img_msg.step)[:, :row]
        dtype = layout.dtype.newbyteorder(">" if img_msg.is_bigendian else "<")
        shape = (img_msg.height, img_msg.width, layout.channels)[: 2 if layout.channels == 1 else 3]
        pixels = np.ascontiguousarray(rows).view(dtype).reshape(shape).astype(layout.dtype, copy=False)
        return _convert(pixels, img_msg.encoding, desired_encoding)

    def cv2_to_imgmsg(self, cvim: np.ndarray, encoding: str = "passthrough", header: Header | None = None) -> Image:
        """Message with the pixels of an H x W or H x W x C array, its rows not padded.

        ``encoding`` must name the array's type and number of channels; ``passthrough`` makes a name such as 32FC1.
        Raises CvBridgeError where it does not fit, TypeError for what is no array.
        """
        if not isinstance(cvim, np.ndarray):
            raise TypeError(f"expected a NumPy array as image, got {type(cvim).__name__}")
        native = cvim.dtype.newbyteorder("=")
        channels = cvim.shape[2] if cvim.ndim == 3 else 1
        if native not in _NAMES or cvim.ndim not in (2, 3) or not 1 <= channels <= 4:
            raise CvBridgeError(
                f"expected an image of H x W or H x W x 1..4 numbers, got shape {cvim.shape} of {cvim.dtype}"
            )
        name = f"{_NAMES[native]}C{channels}"
        if encoding != "passthrough" and _layout(encoding)[:2] != (native, channels):
            raise CvBridgeError(f"encoding {encoding} does not fit an image of type {name}")
        message = Image()
        if header is not None:
            message.header = header
        message.height, message.width = cvim.shape[:2]
        message.encoding = name if encoding == "passthrough" else encoding
        message.is_bigendian = int(
            cvim.dtype.byteorder == ">" or (cvim.dtype.byteorder == "=" and sys.byteorder == "big")
        )
        message.step = message.width * channels * native.itemsize
        # The message keeps an array of bytes as it is; a NumPy array would be copied number by number (70 ms a megabyte).
        data = array("B")
        data.frombytes(np.ascontiguousarray(cvim).reshape(-1).view(np.uint8))
        message.data = data
        return message


def _layout(encoding: str) -> Layout:
    try:
        return _LAYOUTS[encoding]
    except KeyError:
        raise CvBridgeError(f"expected an image encoding among {', '.join(_LAYOUTS)}, got {encoding!r}") from None


def _convert(pixels: np.ndarray, encoding: str, desired: str) -> np.ndarray:
    """Pixels in another encoding; raises CvBridgeError where colours would have to be guessed."""
    if desired in ("passthrough", encoding):
        return pixels
    have, want = _layout(encoding), _layout(desired)
    if have.colors and want.colors:
        if have.colors != want.colors:
            # YUV_UYVY: from YUV to RGB, of pixels in the order UYVY.
            space, _, order = have.colors.partition("_")
            pixels = cv2.cvtColor(pixels, getattr(cv2, f"COLOR_{space}2{want.colors}" + (f"_{order}" if order else "")))
    elif want.colors or have.channels != want.channels:
        raise CvBridgeError(f"an image with encoding {encoding} cannot be had as {desired}")
    return _cast(pixels, want.dtype)


def _cast(pixels: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Pixels as another type of number: 8 and 16 bits span the same range, all else keeps its value or saturates."""
    if pixels.dtype == dtype:
        return pixels
    sizes = (pixels.dtype.itemsize, dtype.itemsize)
    scaled = pixels * {(1, 2): 257.0, (2, 1): 1 / 257.0}.get(sizes, 1.0)
    if dtype.kind == "f":
        return scaled.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(scaled), limits.min, limits.max).astype(dtype)
