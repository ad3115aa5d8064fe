"""Synchronised colour and depth with the latest intrinsics, and a word about what is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import message_filters
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from pose_tracker_ros.nodes.messages import is_distorted, seconds

COLOR_TOPIC, DEPTH_TOPIC, INFO_TOPIC = "~/color/image", "~/depth/image", "~/color/camera_info"
WATCH_PERIOD_S = 5.0


class RgbdMessages(NamedTuple):
    """Colour and depth of about the same time, and the intrinsics that hold for both."""

    color: Image
    depth: Image
    info: CameraInfo


class CameraSubscriber:
    """Subscribes colour, depth and CameraInfo of a node and hands on what belongs together.

    Counts what came, so that a user reads why nothing happens.
    """

    def __init__(
        self, node: Node, slop_s: float, queue_size: int, reliable: bool, on_frame: Callable[[RgbdMessages], None]
    ) -> None:
        """``reliable``: have lost images sent again; otherwise sensor-data quality of service, as drivers expect."""
        self.received = {"color": 0, "depth": 0, "camera_info": 0, "synchronized": 0}
        self._node = node
        self._on_frame = on_frame
        self._slop_s = slop_s
        self._info: CameraInfo | None = None
        self._last_stamp = {"color": 0.0, "depth": 0.0}
        self._last_counts = dict(self.received)
        self._warned_of_distortion = False
        quality = QoSProfile(
            depth=5, reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        )
        color = message_filters.Subscriber(node, Image, COLOR_TOPIC, qos_profile=quality)
        depth = message_filters.Subscriber(node, Image, DEPTH_TOPIC, qos_profile=quality)
        color.registerCallback(lambda message: self._count("color", message))
        depth.registerCallback(lambda message: self._count("depth", message))
        self._synchronizer = message_filters.ApproximateTimeSynchronizer([color, depth], queue_size, slop_s)
        self._synchronizer.registerCallback(self._on_pair)
        self._subscribers = (color, depth)
        self._info_subscription = node.create_subscription(CameraInfo, INFO_TOPIC, self._on_info, quality)
        self._timer = node.create_timer(WATCH_PERIOD_S, self._watch)

    def close(self) -> None:
        """Stop listening."""
        for subscriber in self._subscribers:
            self._node.destroy_subscription(subscriber.sub)
        self._node.destroy_subscription(self._info_subscription)
        self._node.destroy_timer(self._timer)

    def missing(self) -> str | None:
        """What has not arrived since the last look, with topic names; None when frames come."""
        new = {name: count - self._last_counts[name] for name, count in self.received.items()}
        topics = {"color": COLOR_TOPIC, "depth": DEPTH_TOPIC}
        silent = [f"{name} images on {self._resolved(topics[name])}" for name in topics if new[name] == 0]
        if self._info is None:
            silent.append(f"CameraInfo on {self._resolved(INFO_TOPIC)}")
        if silent:
            return "waiting for " + " and ".join(silent) + "; is the camera running and are the topics remapped?"
        if new["synchronized"] == 0:
            difference = abs(self._last_stamp["color"] - self._last_stamp["depth"])
            return (
                f"colour and depth arrive but never within {self._slop_s * 1e3:.0f} ms of each other (last stamps differ by "
                f"{difference * 1e3:.0f} ms); raise sync_slop or synchronise the camera's streams"
            )
        return None

    def _resolved(self, topic: str) -> str:
        return self._node.resolve_topic_name(topic)

    def _count(self, name: str, message: Image) -> None:
        self.received[name] += 1
        self._last_stamp[name] = seconds(message.header.stamp)

    def _on_info(self, info: CameraInfo) -> None:
        self.received["camera_info"] += 1
        self._info = info
        if is_distorted(info) and not self._warned_of_distortion:
            self._warned_of_distortion = True
            self._node.get_logger().warning(
                "the images are distorted; poses will be off at the border: rectify them with image_proc"
            )

    def _on_pair(self, color: Image, depth: Image) -> None:
        if self._info is None:
            return
        self.received["synchronized"] += 1
        self._on_frame(RgbdMessages(color, depth, self._info))

    def _watch(self) -> None:
        missing = self.missing()
        if missing:
            self._node.get_logger().warning(missing)
        self._last_counts = dict(self.received)
