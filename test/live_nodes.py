"""What tests of nodes and their messages share."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.time import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from pose_tracker_ros.nodes.messages import depth_pixels, image_message

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def wait_until(condition: Callable[[], object], seconds: float = 40.0) -> bool:
    """True as soon as the condition holds, False where it never does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def depth_message(depth: np.ndarray, header: Header | None = None, encoding: str = "16UC1") -> Image:
    """Depth (H, W) float32 metres as a camera publishes it."""
    return image_message(depth_pixels(depth, encoding), encoding, header or Header())


def stamped(seconds: float) -> Image:
    """An image of nothing but a stamp."""
    return Image(header=Header(stamp=Time(seconds=seconds).to_msg()))
