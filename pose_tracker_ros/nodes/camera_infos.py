"""The latest CameraInfo of a topic, however it is published."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import CameraInfo

from pose_tracker_ros.nodes.publishers import type_name, why_mixed, why_silent

KIND = type_name(CameraInfo)
LOOK_S = 0.2


class CameraInfos:
    """Listens to CameraInfo that is published with every image, and to one that was published once and kept (latched).

    The latter takes a subscription of its own, of which every other camera's driver would be warned: it is made only where
    somebody keeps one and none has come.
    """

    def __init__(self, node: Node, topic: str, quality: QoSProfile, on_info: Callable[[CameraInfo], None]) -> None:
        """``quality``: of those that come with the images."""
        self.latest: CameraInfo | None = None
        self.topic = node.resolve_topic_name(topic)
        self._node, self._on_info = node, on_info
        self._subscriptions = [node.create_subscription(CameraInfo, topic, self._keep, quality)]
        self._looking = node.create_timer(LOOK_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def frame_id(self) -> str:
        """The frame that the latest one is of, empty where it says none or none has come."""
        return "" if self.latest is None else self.latest.header.frame_id.lstrip("/")

    def is_awaited(self) -> bool:
        """Whether none has come though somebody publishes them."""
        return self.latest is None and bool(self._publishers())

    def why_silent(self) -> str:
        """What keeps them from coming; empty where nothing is known to."""
        return why_silent(self._node, self.topic, KIND, self._subscriptions[0].qos_profile)

    def why_mixed(self) -> str:
        """Who publishes them besides each other; empty where at most one does."""
        return why_mixed(self._node, self.topic, KIND)

    def close(self) -> None:
        """Stop listening."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._node.destroy_timer(self._looking)

    def _publishers(self) -> list[TopicEndpointInfo]:
        return [one for one in self._node.get_publishers_info_by_topic(self.topic) if one.topic_type == KIND]

    def _look(self) -> None:
        keeps = any(one.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for one in self._publishers())
        if keeps and self.latest is None:
            kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            overrides = QoSOverridingOptions.with_default_policies(entity_id="latched")
            self._subscriptions.append(
                self._node.create_subscription(CameraInfo, self.topic, self._keep, kept, qos_overriding_options=overrides)
            )
        if keeps or self.latest is not None:
            self._looking.cancel()

    def _keep(self, info: CameraInfo) -> None:
        # Who publishes for both is heard twice.
        if self.latest is None or info.header.stamp != self.latest.header.stamp or info != self.latest:
            self.latest = info
            self._on_info(info)
