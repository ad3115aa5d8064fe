"""Transforms on their way from one process to another, over the real middleware."""

import subprocess
import sys

import pytest
import rclpy
import tf2_ros
from rclpy.qos import DurabilityPolicy
from rclpy.time import Time

SENDER = """
import sys, time
import rclpy, tf2_ros
from geometry_msgs.msg import TransformStamped

def transform(parent, child, x):
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    message.header.stamp.sec = 1000
    message.transform.translation.x = x
    return message

rclpy.init()
node = rclpy.create_node("sender")
static, moving = tf2_ros.StaticTransformBroadcaster(node), tf2_ros.TransformBroadcaster(node)
# Sent once and one by one, before anybody listens: only what the middleware keeps can arrive.
static.sendTransform(transform("base", "camera", 1.0))
static.sendTransform([transform("camera", "optical", 0.5)])
print("sent", flush=True)
while True:
    moving.sendTransform([transform("map", "base", 10.0), transform("optical", "object", 0.25)])
    time.sleep(0.05)
"""


@pytest.fixture
def node():
    rclpy.init()
    node = rclpy.create_node("receiver")
    yield node
    node.destroy_node()
    rclpy.shutdown()


def test_transforms_arrive_from_another_process(node):
    sender = subprocess.Popen([sys.executable, "-c", SENDER], stdout=subprocess.PIPE, text=True)
    try:
        assert sender.stdout.readline() == "sent\n"
        buffer = tf2_ros.Buffer()
        listener = tf2_ros.TransformListener(buffer, node)
        for _ in range(600):
            rclpy.spin_once(node, timeout_sec=0.05)
            if buffer.can_transform("map", "object", Time()):
                break
        found = buffer.lookup_transform("map", "object", Time())
        assert found.transform.translation.x == pytest.approx(11.75)
        assert found.header.stamp.sec == 1000
        listener.unregister()
    finally:
        sender.kill()
        sender.wait()


def test_quality_of_service_is_that_of_tf2(node):
    broadcaster, static = tf2_ros.TransformBroadcaster(node), tf2_ros.StaticTransformBroadcaster(node)
    listener = tf2_ros.TransformListener(tf2_ros.Buffer(), node)
    for endpoint, topic, durability in (
        (broadcaster.pub_tf, "/tf", DurabilityPolicy.VOLATILE),
        (listener.tf_sub, "/tf", DurabilityPolicy.VOLATILE),
        (static.pub_tf, "/tf_static", DurabilityPolicy.TRANSIENT_LOCAL),
        (listener.tf_static_sub, "/tf_static", DurabilityPolicy.TRANSIENT_LOCAL),
    ):
        assert (endpoint.topic_name, endpoint.qos_profile.durability) == (topic, durability)
    depths = [endpoint.qos_profile.depth for endpoint in (broadcaster.pub_tf, listener.tf_sub, static.pub_tf)]
    assert depths == [100, 100, 1]
