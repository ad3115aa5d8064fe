"""Why nothing comes on a topic: who publishes there, and what."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible
from rclpy.topic_endpoint_info import TopicEndpointInfo


def why_silent(node: Node, topic: str, kind: str, quality: QoSProfile) -> str:
    """What keeps messages of a ``kind`` (``sensor_msgs/msg/Image``) from a subscription; empty where nothing is known to."""
    publishers = node.get_publishers_info_by_topic(topic)
    if not publishers:
        return "nobody publishes there"
    for one in publishers:
        name = node_of(one)
        if one.topic_type != kind:
            return f"{name} publishes {one.topic_type} there, expected {kind}"
        fits, reason = qos_check_compatible(one.qos_profile, quality)
        if fits == QoSCompatibility.ERROR:
            return f"{name} publishes with a quality of service that does not fit: {reason.rstrip('; ')}"
    return ""


def why_mixed(node: Node, topic: str, kind: str) -> str:
    """Who publishes messages of a ``kind`` besides each other on a topic that is to be of one camera; empty for one or none."""
    names = sorted(node_of(one) for one in node.get_publishers_info_by_topic(topic) if one.topic_type == kind)
    if len(names) < 2:
        return ""
    return f"{' and '.join(names)} publish on {topic}, which mixes what they send: stop all but one, or remap the topic"


def node_of(endpoint: TopicEndpointInfo) -> str:
    """Full name of the node that a publisher is of."""
    return f"{endpoint.node_namespace.rstrip('/')}/{endpoint.node_name}"


def type_name(message_class: type) -> str:
    """``package/msg/Name`` of a class of messages."""
    return f"{message_class.__module__.split('.')[0]}/msg/{message_class.__name__}"
