"""Quality of service that users can override by parameters, as ROS 2 names them: qos_overrides./topic.publisher.reliability."""

from __future__ import annotations

import copy
from typing import Any

from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions

# rclpy's own, which it makes before a node can have parameters.
RCLPY_TOPICS = ("/parameter_events", "/rosout", "/clock")


class OverridableQuality:
    """Mixed into a node, it makes history, depth and reliability of all its publishers and subscriptions parameters.

    Several subscriptions of one topic need an ``entity_id`` of their own, or all have the quality of the first.
    """

    def create_publisher(self, msg_type: Any, topic: str, qos_profile: QoSProfile | int, **options: Any) -> Any:
        """See ``rclpy.node.Node.create_publisher``."""
        return super().create_publisher(msg_type, topic, _own(qos_profile), **_overridable(topic, options))

    def create_lifecycle_publisher(self, msg_type: Any, topic: str, qos_profile: QoSProfile | int, **options: Any) -> Any:
        """See ``rclpy.lifecycle.LifecycleNode.create_lifecycle_publisher``."""
        return super().create_lifecycle_publisher(msg_type, topic, _own(qos_profile), **_overridable(topic, options))

    def create_subscription(
        self, msg_type: Any, topic: str, callback: Any, qos_profile: QoSProfile | int, **options: Any
    ) -> Any:
        """See ``rclpy.node.Node.create_subscription``."""
        return super().create_subscription(msg_type, topic, callback, _own(qos_profile), **_overridable(topic, options))


def _own(quality: QoSProfile | int) -> QoSProfile | int:
    """A profile of its own, since overrides are written into it."""
    return copy.copy(quality) if isinstance(quality, QoSProfile) else quality


def _overridable(topic: str, options: dict[str, Any]) -> dict[str, Any]:
    if topic not in RCLPY_TOPICS:
        options.setdefault("qos_overriding_options", QoSOverridingOptions.with_default_policies())
    return options
