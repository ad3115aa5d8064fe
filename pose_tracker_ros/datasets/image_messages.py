"""Pixels of sensor_msgs images and calibrations of CameraInfo, from any library that deserialises them.

A message is anything with the fields of sensor_msgs/Image (or CompressedImage); no ROS is needed.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from pose_tracker_ros.intrinsics import Calibration

_COLOR_CONVERSIONS = {
    "rgb8": None,
    "bgr8": cv2.COLOR_BGR2RGB,
    "rgba8": cv2.COLOR_RGBA2RGB,
    "bgra8": cv2.COLOR_BGRA2RGB,
    "mono8": cv2.COLOR_GRAY2RGB,
    "8UC1": cv2.COLOR_GRAY2RGB,
    "8UC3": cv2.COLOR_BGR2RGB,
}
_CHANNELS = {"rgb8": 3, "bgr8": 3, "8UC3": 3, "rgba8": 4, "bgra8": 4, "mono8": 1, "8UC1": 1}
# REP-118: floats are metres, 16-bit integers millimetres.
_DEPTH_FORMATS = {"16UC1": np.uint16, "mono16": np.uint16, "32FC1": np.float32}
_MILLIMETRE = np.float32(0.001)
_MASK_FORMATS = {"mono8": np.uint8, "8UC1": np.uint8, "mono16": np.uint16, "16UC1": np.uint16, "32SC1": np.int32}
# compressed_depth_image_transport puts its configuration before the PNG.
_COMPRESSED_DEPTH_HEADER_BYTES = 12


def color_from_message(message: Any) -> np.ndarray:
    """Colour (height, width, 3) uint8 RGB of an Image or CompressedImage; it may share the message's memory.

    Raises ValueError for other encodings and for data that are too short.
    """
    if hasattr(message, "format"):
        image = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError(
                f"expected a compressed image that decodes, got {len(message.data)} bytes of {message.format!r}"
            )
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    if message.encoding not in _COLOR_CONVERSIONS:
        raise ValueError(
            f"expected a colour image as {', '.join(_COLOR_CONVERSIONS)}, got encoding {message.encoding!r}"
        )
    pixels = _pixels(message, np.uint8, _CHANNELS[message.encoding])
    conversion = _COLOR_CONVERSIONS[message.encoding]
    # The message's own bytes where they may be written to: kernels refuse arrays that are read-only.
    return np.require(pixels, requirements="CW") if conversion is None else cv2.cvtColor(pixels, conversion)


def depth_from_message(message: Any) -> np.ndarray:
    """Depth (height, width) float32 metres, 0 = no measurement, of an Image or a compressedDepth CompressedImage.

    Raises ValueError for other encodings and for data that are too short.
    """
    if hasattr(message, "format"):
        return _compressed_depth(message)
    if message.encoding not in _DEPTH_FORMATS:
        raise ValueError(f"expected a depth image as {', '.join(_DEPTH_FORMATS)}, got encoding {message.encoding!r}")
    return _metres(_pixels(message, _DEPTH_FORMATS[message.encoding], 1))


def mask_from_message(message: Any, label: int = 0) -> np.ndarray:
    """Mask (height, width) bool of an Image: pixels of value ``label``, or all that are not 0 for label 0.

    Raises ValueError for other encodings than mono8, 16UC1 and 32SC1, and for data that are too short.
    """
    if message.encoding not in _MASK_FORMATS:
        raise ValueError(f"expected a mask as {', '.join(_MASK_FORMATS)}, got encoding {message.encoding!r}")
    pixels = _pixels(message, _MASK_FORMATS[message.encoding], 1)
    return pixels == label if label else pixels != 0


def calibration_from_info(info: Any) -> Calibration:
    """What a CameraInfo of ROS 2, or of ROS 1, whose matrices have capital letters, says of the camera."""
    k, d, p = (getattr(info, name.upper() if hasattr(info, name.upper()) else name) for name in "kdp")
    roi = info.roi
    return Calibration(
        info.width,
        info.height,
        *(tuple(map(float, values)) for values in (k, d)),
        info.distortion_model,
        tuple(map(float, p)),
        (info.binning_x, info.binning_y),
        (roi.x_offset, roi.y_offset, roi.width, roi.height),
    )


def _compressed_depth(message: Any) -> np.ndarray:
    encoding = message.format.split(";")[0].strip()
    image = None
    if encoding in ("16UC1", "mono16"):
        start = _COMPRESSED_DEPTH_HEADER_BYTES if "compressedDepth" in message.format else 0
        image = cv2.imdecode(np.frombuffer(message.data, np.uint8)[start:], cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype != np.uint16 or image.ndim != 2:
        raise ValueError(f"expected compressed depth of 16UC1 as PNG, got format {message.format!r}")
    return _metres(image)


def _metres(raw: np.ndarray) -> np.ndarray:
    """Depth of whole millimetres or of floats in metres, each pixel touched once."""
    if raw.dtype.kind == "u":
        return np.multiply(raw, _MILLIMETRE, dtype=np.float32)
    depth = np.fmax(raw, np.float32(0))  # which is 0 for NaN
    depth[depth == np.inf] = 0
    return depth


def _pixels(message: Any, kind: type, channels: int) -> np.ndarray:
    """The message's data as (height, width[, channels]), without row padding, in this machine's byte order."""
    item = np.dtype(kind).newbyteorder(">" if message.is_bigendian else "<")
    row_bytes = message.width * channels * item.itemsize
    data = np.frombuffer(message.data, np.uint8)
    if message.step < row_bytes or len(data) < message.step * message.height:
        raise ValueError(
            f"expected {message.height} rows of at least {row_bytes} bytes for a {message.width}x{message.height} "
            f"{message.encoding} image, got {len(data)} bytes with step {message.step}"
        )
    rows = data[: message.step * message.height].reshape(message.height, message.step)[:, :row_bytes]
    pixels = np.ascontiguousarray(rows).view(item).reshape(message.height, message.width, channels)
    return pixels[..., 0].astype(kind, copy=False) if channels == 1 else pixels
