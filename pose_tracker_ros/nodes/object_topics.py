"""What the camera node publishes about one object: its truth, a first pose and its mask."""

from __future__ import annotations

import time

import numpy as np
from geometry_msgs.msg import Pose, PoseStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from pose_tracker_ros.nodes import messages

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
# For topics with a message of each object, of which none takes another's place.
LATCHED_OF_EACH = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
# Reliable, as drivers publish by default: consumers choose best effort.
IMAGES = QoSProfile(depth=5)
SETTLE_S = 0.5


class ObjectTopics:
    """Publishes ``ground_truth``, ``initial_pose`` (latched) and ``mask`` of one object below a prefix."""

    def __init__(self, node: Node, prefix: str, mask_every: int) -> None:
        """``mask_every``: a mask with every n-th frame; 0 = once, when somebody has listened for a moment."""
        self._truth = node.create_publisher(PoseStamped, f"{prefix}ground_truth", 10)
        self._first_pose = node.create_publisher(PoseStamped, f"{prefix}initial_pose", LATCHED)
        self._mask = node.create_publisher(Image, f"{prefix}mask", IMAGES)
        self._mask_every = mask_every
        self._mask_is_out = False
        self._mask_heard_since: float | None = None

    def publish_first_pose(self, camera_T_object: np.ndarray, header: Header) -> None:
        """The pose (4, 4) from which to start."""
        self._first_pose.publish(messages.pose_stamped(camera_T_object, header))

    def publish_truth(self, camera_T_object: Pose, header: Header) -> None:
        """The true pose, where anybody listens."""
        if self._truth.get_subscription_count():
            self._truth.publish(messages.pose_stamped(camera_T_object, header))

    def publish_mask(self, mask: np.ndarray | None, number: int, header: Header) -> None:
        """The visible mask (H, W) bool of the ``number``-th frame, where one is due and shows anything."""
        if mask is not None and self._mask_is_due(number) and mask.any():
            self._mask.publish(messages.image_message(mask.astype(np.uint8) * 255, "mono8", header))
            self._mask_is_out = True

    def _mask_is_due(self, number: int) -> bool:
        if self._mask_every:
            return number % self._mask_every == 0
        if self._mask_is_out or self._mask.get_subscription_count() == 0:
            return False
        # Who listens to masks has only begun to listen to the images.
        self._mask_heard_since = self._mask_heard_since or time.monotonic()
        return time.monotonic() - self._mask_heard_since > SETTLE_S
