"""Pixels of sensor_msgs images and calibrations of CameraInfo, from any library that deserialises them.

A message is anything with the fields of sensor_msgs/Image (or CompressedImage); no ROS is needed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np

from pose_tracker_ros.datasets.files import decoded
from pose_tracker_ros.intrinsics import Calibration


class _Layout(NamedTuple):
    """Numbers and channels of a pixel, and OpenCV's conversion of these colours to RGB, None for RGB itself."""

    dtype: type
    channels: int
    to_rgb: int | None


_GRAY, _BGR, _BGRA = cv2.COLOR_GRAY2RGB, cv2.COLOR_BGR2RGB, cv2.COLOR_BGRA2RGB
# OpenCV names Bayer patterns by the second row's second and third pixel, ROS by the first row's first ones.
_BAYER = {"rggb": cv2.COLOR_BayerBG2RGB, "bggr": cv2.COLOR_BayerRG2RGB, "gbrg": cv2.COLOR_BayerGR2RGB, "grbg": cv2.COLOR_BayerGB2RGB}
_COLORS = {
    f"{name}{bits}": _Layout(dtype, channels, to_rgb)
    for bits, dtype in (("8", np.uint8), ("16", np.uint16))
    for name, channels, to_rgb in (
        ("rgb", 3, None),
        ("bgr", 3, _BGR),
        ("rgba", 4, cv2.COLOR_RGBA2RGB),
        ("bgra", 4, _BGRA),
        ("mono", 1, _GRAY),
        *((f"bayer_{pattern}", 1, to_rgb) for pattern, to_rgb in _BAYER.items()),
    )
} | {
    # Plain numbers are colours in OpenCV's order.
    "8UC1": _Layout(np.uint8, 1, _GRAY),
    "8UC3": _Layout(np.uint8, 3, _BGR),
    "8UC4": _Layout(np.uint8, 4, _BGRA),
    "16UC3": _Layout(np.uint16, 3, _BGR),
    "yuv422": _Layout(np.uint8, 2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": _Layout(np.uint8, 2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": _Layout(np.uint8, 2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": _Layout(np.uint8, 2, cv2.COLOR_YUV2RGB_YUY2),
}
COLOR_ENCODINGS = tuple(_COLORS)
# REP-118: floats are metres, 16-bit integers millimetres.
_DEPTH_FORMATS = {"16UC1": np.uint16, "mono16": np.uint16, "32FC1": np.float32}
_MILLIMETRE = np.float32(0.001)
_MASK_FORMATS = {"mono8": np.uint8, "8UC1": np.uint8, "mono16": np.uint16, "16UC1": np.uint16, "32SC1": np.int32}
# What numbers the file of a compressed image of an encoding has; where its format names the file alone, they tell the encoding.
_DEPTH_FILES = {name: (kind,) for name, kind in _DEPTH_FORMATS.items()} | dict.fromkeys(("", "png", "tiff"), (np.uint16, np.float32))
# compressed_depth_image_transport puts an enumerator and two floats before the image.
_DEPTH_HEADER = np.dtype([("format", "<i4"), ("scale", "<f4"), ("offset", "<f4")])
_PNG = b"\x89PNG"


def color_from_message(message: Any) -> np.ndarray:
    """Colour (height, width, 3) uint8 RGB of an Image or CompressedImage; it may share the message's memory.

    Raises ValueError for other encodings and for data that are too short.
    """
    if hasattr(message, "format"):
        return _compressed_color(message)
    layout = color_layout(message)
    pixels = pixels_of(message, layout.dtype, layout.channels)
    # The message's own bytes where they may be written to: kernels refuse arrays that are read-only.
    pixels = np.require(pixels, requirements="CW") if layout.to_rgb is None else cv2.cvtColor(pixels, layout.to_rgb)
    return pixels if pixels.dtype == np.uint8 else _eight_bits(pixels)


def depth_from_message(message: Any) -> np.ndarray:
    """Depth (height, width) float32 metres, 0 = no measurement, of an Image or a compressedDepth CompressedImage.

    Raises ValueError for other encodings and for data that are too short.
    """
    if hasattr(message, "format"):
        return _compressed_depth(message)
    return metres(pixels_of(message, depth_type(message), 1))


def color_layout(message: Any) -> _Layout:
    """How an Image's bytes are colours; raises ValueError for encodings that are not."""
    if message.encoding not in _COLORS:
        raise ValueError(f"expected a colour image as {', '.join(_COLORS)}, got encoding {message.encoding!r}")
    layout = _COLORS[message.encoding]
    if layout.channels == 2 and message.width % 2:
        raise ValueError(f"expected a {message.encoding} image of an even width, since two pixels share colours, got {message.width}")
    return layout


def depth_type(message: Any) -> type:
    """Type of the numbers of an Image of depth; raises ValueError for encodings that are not."""
    if message.encoding not in _DEPTH_FORMATS:
        raise ValueError(f"expected a depth image as {', '.join(_DEPTH_FORMATS)}, got encoding {message.encoding!r}")
    return _DEPTH_FORMATS[message.encoding]


def mask_from_message(message: Any, label: int = 0) -> np.ndarray:
    """Mask (height, width) bool of an Image: pixels of value ``label``, or all that are not 0 for label 0.

    Raises ValueError for other encodings than mono8, 16UC1 and 32SC1, and for data that are too short.
    """
    if message.encoding not in _MASK_FORMATS:
        raise ValueError(f"expected a mask as {', '.join(_MASK_FORMATS)}, got encoding {message.encoding!r}")
    pixels = pixels_of(message, _MASK_FORMATS[message.encoding], 1)
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


def _compressed_color(message: Any) -> np.ndarray:
    """``format`` is "encoding; codec compressed encoding-of-the-file" (compressed_image_transport), or the codec alone."""
    image = decoded(bytes(message.data), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(f"expected a compressed image that decodes, got {len(message.data)} bytes of {message.format!r}")
    original, _, file = message.format.partition("compressed")
    pattern = original.split(";")[0].strip().removeprefix("bayer_").rstrip("168")
    if image.ndim == 2:
        image = cv2.cvtColor(image, _BAYER.get(pattern, _GRAY))
    elif image.shape[2] == 4:
        image = cv2.cvtColor(image, _BGRA)
    elif "rgb" not in file:
        image = cv2.cvtColor(image, _BGR)
    return image if image.dtype == np.uint8 else _eight_bits(image)


def _eight_bits(image: np.ndarray) -> np.ndarray:
    return cv2.convertScaleAbs(image, alpha=255 / 65535)


def _compressed_depth(message: Any) -> np.ndarray:
    """compressedDepth, or depth as a PNG or TIFF file; floats are stored as 16-bit inverse depth (its codec.cpp)."""
    data = np.frombuffer(message.data, np.uint8)
    encoding = message.format.split(";")[0].strip()
    start = 0 if data[:4].tobytes() == _PNG or "compressedDepth" not in message.format else _DEPTH_HEADER.itemsize
    image = decoded(data[start:].tobytes(), cv2.IMREAD_UNCHANGED)
    if image is not None and image.ndim == 2:
        if image.dtype == np.uint16 and encoding == "32FC1" and start:
            header = data[:start].view(_DEPTH_HEADER)[0]
            with np.errstate(divide="ignore"):
                return metres(np.where(image > 0, header["scale"] / (image - header["offset"]), 0).astype(np.float32))
        if image.dtype in _DEPTH_FILES.get(encoding, ()):
            return metres(image)
    raise ValueError(
        f"expected compressed depth of 16UC1 or 32FC1 as PNG, got {len(data)} bytes of format {message.format!r}; set the "
        "camera's compressedDepth format to png, or subscribe to the raw images"
    )


def metres(raw: np.ndarray) -> np.ndarray:
    """Depth (height, width) float32 of whole millimetres or of floats in metres; 0 for what is none.

    The largest whole number is none, as some drivers have it.
    """
    if raw.dtype.kind == "u":
        depth = np.multiply(raw, _MILLIMETRE, dtype=np.float32)
        depth[raw == np.iinfo(raw.dtype).max] = 0
        return depth
    depth = np.fmax(raw, np.float32(0))  # which is 0 for NaN
    depth[depth == np.inf] = 0
    return depth


def pixels_of(message: Any, kind: type, channels: int) -> np.ndarray:
    """An Image's data as (height, width[, channels]), without row padding, in this machine's byte order.

    Raises ValueError for an image without pixels and for data that are too short for the size.
    """
    if not message.width or not message.height:
        raise ValueError(f"expected an image with pixels, got one of {message.width}x{message.height}")
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
    return (pixels[..., 0] if channels == 1 else pixels).astype(kind, copy=False)
