"""Pixels of ROS image messages, converted by cv_bridge."""

from __future__ import annotations

from array import array

import numpy as np
from cv_bridge import CvBridge, CvBridgeError
from sensor_msgs.msg import CompressedImage, Image

from pose_tracker_ros.datasets.image_messages import (
    color_from_message,
    color_layout,
    depth_from_message,
    depth_type,
    metres,
    pixels_of,
)

# cv_bridge has plain numbers for no colours, and not every version knows the newer names.
_NAMES = {
    "8UC1": "mono8",
    "8UC3": "bgr8",
    "8UC4": "bgra8",
    "16UC3": "bgr16",
    "uyvy": "yuv422",
    "yuyv": "yuv422_yuy2",
}


def color_image(message: Image | CompressedImage) -> np.ndarray:
    """Colour (height, width, 3) uint8 RGB; it may share the message's memory.

    Raises ValueError, in one sentence, for other encodings than colours and for data that are too short.
    """
    if isinstance(message, CompressedImage):
        return color_from_message(message)
    layout = color_layout(message)
    tight = _tight(message, layout.dtype, layout.channels, _NAMES.get(message.encoding, message.encoding))
    try:
        # Where nothing is to convert the message's own bytes are taken.
        pixels = CvBridge().imgmsg_to_cv2(tight, "passthrough" if tight.encoding == "rgb8" else "rgb8")
    except CvBridgeError as error:
        raise ValueError(f"expected a colour image that this cv_bridge converts, got {message.encoding!r}: {error}") from error
    return np.require(pixels, np.uint8, "CW")


def depth_image(message: Image | CompressedImage) -> np.ndarray:
    """Depth (height, width) float32 metres, 0 = no measurement; raises ValueError as :func:`color_image`."""
    if isinstance(message, CompressedImage):
        return depth_from_message(message)
    tight = _tight(message, depth_type(message), 1, message.encoding)
    return metres(CvBridge().imgmsg_to_cv2(tight, "passthrough"))


def _tight(message: Image, dtype: type, channels: int, encoding: str) -> Image:
    """The image under another name, its rows not padded and its numbers in this machine's order.

    cv_bridge takes padding for pixels where it is no whole number of them, and swaps numbers that NumPy has swapped.
    """
    pixels = pixels_of(message, dtype, channels)
    row = message.width * channels * pixels.itemsize
    data = message.data
    swapped = message.is_bigendian and pixels.itemsize > 1
    if message.step != row or len(data) != row * message.height or swapped:
        data = array("B")
        data.frombytes(pixels.reshape(-1).view(np.uint8))
    return Image(
        header=message.header, height=message.height, width=message.width, encoding=encoding, step=row, data=data
    )
