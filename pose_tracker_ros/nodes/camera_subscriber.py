"""Colour, with depth where there is any, and the latest intrinsics, and a word about what is missing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import message_filters
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from pose_tracker_ros.nodes.messages import seconds
from pose_tracker_ros.nodes.waiting_colors import WaitingColors

COLOR_TOPIC, DEPTH_TOPIC, INFO_TOPIC = "~/color/image", "~/depth/image", "~/color/camera_info"
WATCH_PERIOD_S = 5.0
# Shorter periods would cost more than they tell.
SHORTEST_LOOK_S = 0.002


class RgbdMessages(NamedTuple):
    """Colour and depth of about the same time, None where there is none, and the intrinsics that hold for both."""

    color: Image
    depth: Image | None
    info: CameraInfo


class CameraSubscriber:
    """Subscribes colour, depth and CameraInfo of a node and hands on what belongs together, colour also alone.

    Counts what came, so that a user reads why nothing happens.
    """

    def __init__(
        self,
        node: Node,
        slop_s: float,
        queue_size: int,
        reliable: bool,
        on_frame: Callable[[RgbdMessages], None],
        depth: str,
    ) -> None:
        """``reliable``: have lost images sent again; otherwise sensor-data quality of service, as drivers expect.

        ``depth``: ``required``, only pairs are handed on; ``used``, colour whose depth does not come goes on alone, in the
        order of stamps; ``none``, every colour image does, and depth is not even subscribed.
        """
        self.received = {"color": 0, "depth": 0, "camera_info": 0, "synchronized": 0, "color alone": 0}
        self._topics = {"color": COLOR_TOPIC} | ({} if depth == "none" else {"depth": DEPTH_TOPIC})
        self._needs_depth = depth == "required"
        self._node = node
        self._on_frame = on_frame
        self._slop_s = slop_s
        self._info: CameraInfo | None = None
        self._last_stamp = {"color": 0.0, "depth": 0.0}
        self._last_counts = dict(self.received)
        quality = QoSProfile(
            depth=5, reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        )
        self._subscribers = [
            message_filters.Subscriber(node, Image, topic, qos_profile=quality) for topic in self._topics.values()
        ]
        for name, subscriber in zip(self._topics, self._subscribers):
            subscriber.registerCallback(lambda message, name=name: self._count(name, message))
        look_s = max(slop_s / 2, SHORTEST_LOOK_S)
        self._waiting = WaitingColors(slop_s, look_s, queue_size)
        self._looking = node.create_timer(look_s, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME), autostart=False)
        if depth == "used":
            self._subscribers[0].registerCallback(self._wait_for_depth)
        if depth == "none":
            self._subscribers[0].registerCallback(self._on_color_alone)
        else:
            self._synchronizer = message_filters.ApproximateTimeSynchronizer(self._subscribers, queue_size, slop_s)
            self._synchronizer.registerCallback(self._on_pair)
        self._info_subscription = node.create_subscription(CameraInfo, INFO_TOPIC, self._on_info, quality)
        self._timer = node.create_timer(WATCH_PERIOD_S, self._watch)

    def close(self) -> None:
        """Stop listening."""
        for subscriber in self._subscribers:
            self._node.destroy_subscription(subscriber.sub)
        self._node.destroy_subscription(self._info_subscription)
        for timer in (self._timer, self._looking):
            self._node.destroy_timer(timer)

    def missing(self) -> str | None:
        """What has not arrived since the last look, with topic names; None when frames come."""
        new = {name: count - self._last_counts[name] for name, count in self.received.items()}
        silent = [f"{name} images on {self._resolved(topic)}" for name, topic in self._topics.items() if new[name] == 0]
        if self._info is None:
            silent.append(f"CameraInfo on {self._resolved(INFO_TOPIC)}")
        if silent:
            meanwhile = "tracking by colour alone, " if new["color alone"] else ""
            return f"{meanwhile}waiting for " + " and ".join(silent) + "; is the camera running and are the topics remapped?"
        if "depth" in self._topics and new["synchronized"] == 0:
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

    def _wait_for_depth(self, color: Image) -> None:
        self._waiting.add(color, time.monotonic())
        if self._looking.is_canceled():
            self._looking.reset()

    def _look(self) -> None:
        for color in self._waiting.look():
            self._on_color_alone(color)
        if not self._waiting:
            self._looking.cancel()

    def _on_pair(self, color: Image, depth: Image) -> None:
        before = [] if self._needs_depth else self._waiting.paired(color, time.monotonic())
        # None: the frame went on without its depth before.
        if before is not None:
            for one in before:
                self._on_color_alone(one)
            self._hand_on("synchronized", color, depth)

    def _on_color_alone(self, color: Image) -> None:
        self._hand_on("color alone", color, None)

    def _hand_on(self, kind: str, color: Image, depth: Image | None) -> None:
        if self._info is not None:
            self.received[kind] += 1
            self._on_frame(RgbdMessages(color, depth, self._info))

    def _watch(self) -> None:
        missing = self.missing()
        if missing:
            self._node.get_logger().warning(missing)
        self._last_counts = dict(self.received)
