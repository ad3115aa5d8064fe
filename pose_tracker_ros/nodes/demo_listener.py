"""Who listens in the demo: to the tracker's poses and diagnostics, and to the simulated camera's truth."""

from __future__ import annotations

import threading

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from std_msgs.msg import Bool, Float32MultiArray, UInt32

from pose_tracker_ros.nodes.messages import pose_from_message
from pose_tracker_ros.nodes.object_topics import LATCHED

# How the tracker's diagnostics end the names of times.
IN_MS = ", median / 95 % in ms"


class DemoListener(Node):
    """Keeps what arrives, by the stamp (nanoseconds) of its image.

    poses: (4, 4); latency_ms: from the stamp to here; published: stamps of the camera's frames, in order; camera_ms: how long
    the camera took to publish each of them, at the end; stages: the tracker's times as its diagnostics say them;
    prerendered: frames that the camera has rendered; finished: set when it has played them all.
    """

    def __init__(self, camera: str, **options: object) -> None:
        """``camera``: namespace of the camera node."""
        super().__init__("demo_listener", **options)
        self.poses: dict[int, np.ndarray] = {}
        self.latency_ms: dict[int, float] = {}
        self.published: list[int] = []
        self.camera_ms: list[float] = []
        self.stages: dict[str, str] = {}
        self.prerendered = 0
        self.finished = threading.Event()
        self.create_subscription(PoseStamped, "/object_pose", self._on_pose, 100)
        self.create_subscription(PoseStamped, f"{camera}/camera/ground_truth", self._on_truth, 100)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self.create_subscription(Float32MultiArray, f"{camera}/camera/publishing_s", self._on_publishing, LATCHED)
        self.create_subscription(UInt32, f"{camera}/camera/prerendered", self._on_prerendered, LATCHED)
        self.create_subscription(Bool, f"{camera}/camera/finished", lambda _: self.finished.set(), LATCHED)

    def _on_pose(self, message: PoseStamped) -> None:
        stamp = _nanoseconds(message)
        self.latency_ms[stamp] = (self.get_clock().now().nanoseconds - stamp) * 1e-6
        self.poses[stamp] = pose_from_message(message.pose)

    def _on_truth(self, message: PoseStamped) -> None:
        self.published.append(_nanoseconds(message))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        values = {one.key: one.value for status in message.status for one in status.values}
        self.stages |= {key.removesuffix(IN_MS): value for key, value in values.items() if key.endswith(IN_MS)}

    def _on_publishing(self, message: Float32MultiArray) -> None:
        self.camera_ms = [1e3 * seconds for seconds in message.data]

    def _on_prerendered(self, message: UInt32) -> None:
        self.prerendered = message.data


def _nanoseconds(message: PoseStamped) -> int:
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
