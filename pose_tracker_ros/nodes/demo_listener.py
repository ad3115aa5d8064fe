"""Who listens in the demo: to the tracker's poses and diagnostics, and to the simulated camera's truth."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.client import Client
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import Bool, Float32MultiArray, UInt32
from vision_msgs.msg import Detection3DArray

from pose_tracker_ros.nodes.messages import nanoseconds, pose_from_message
from pose_tracker_ros.nodes.object_topics import LATCHED, LATCHED_OF_EACH

ANSWER_S = 60.0

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
        self.create_subscription(PoseStamped, "object_pose", self._on_pose, 100)
        self.create_subscription(PoseStamped, f"{camera}/camera/ground_truth", self._on_truth, 100)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self.create_subscription(Float32MultiArray, f"{camera}/camera/publishing_s", self._on_publishing, LATCHED)
        self.create_subscription(UInt32, f"{camera}/camera/prerendered", self._on_prerendered, LATCHED)
        self.create_subscription(Bool, f"{camera}/camera/finished", lambda _: self.finished.set(), LATCHED)

    def _on_pose(self, message: PoseStamped) -> None:
        stamp = nanoseconds(message.header.stamp)
        self.latency_ms[stamp] = (self.get_clock().now().nanoseconds - stamp) * 1e-6
        self.poses[stamp] = pose_from_message(message.pose)

    def _on_truth(self, message: PoseStamped) -> None:
        self.published.append(nanoseconds(message.header.stamp))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        values = {one.key: one.value for status in message.status for one in status.values}
        self.stages |= {key.removesuffix(IN_MS): value for key, value in values.items() if key.endswith(IN_MS)}

    def _on_publishing(self, message: Float32MultiArray) -> None:
        self.camera_ms = [1e3 * seconds for seconds in message.data]

    def _on_prerendered(self, message: UInt32) -> None:
        self.prerendered = message.data


class SeveralListener(DemoListener):
    """Also tells a tracker of several objects what it has to know, and keeps the poses (4, 4) of all of them.

    poses_of: by name, then by stamp; latency_ms: of every frame that the tracker has processed; added_at: number of the frame
    before which one more object was asked for, None before that.
    """

    def __init__(self, camera: str, told: Collection[str], **options: object) -> None:
        """``camera``: namespace of the camera node; ``told``: objects whose first poses the tracker is told."""
        super().__init__(camera, **options)
        self.poses_of: dict[str, dict[int, np.ndarray]] = defaultdict(dict)
        self.added_at: int | None = None
        self._told = frozenset(told)
        self._first_poses = self.create_publisher(Detection3DArray, "tracker/initial_poses", LATCHED_OF_EACH)
        self._parameter_client = self.create_client(SetParameters, "tracker/set_parameters")
        self._lifecycle = self.create_client(ChangeState, "initializer/change_state")
        self.create_subscription(Detection3DArray, "tracker/detections", self._on_detections, 100)
        self.create_subscription(
            Detection3DArray, f"{camera}/camera/initial_poses", self._on_first_poses, LATCHED_OF_EACH
        )

    def configure_initializer(self) -> None:
        """Have the initializer load what it needs; raises OSError when it does not answer or cannot."""
        if not self._change(Transition.TRANSITION_CONFIGURE):
            raise OSError("the initializer cannot be configured; see its message above")

    def add(self, objects: Sequence[str]) -> None:
        """Have the tracker follow these objects, and the initializer find its own; raises OSError without an answer."""
        self.added_at = len(self.published)
        request = SetParameters.Request(parameters=[Parameter("objects", value=list(objects)).to_parameter_msg()])
        answer = _called(self._parameter_client, request).results[0]
        if not answer.successful:
            raise OSError(f"the tracker does not follow these objects: {answer.reason}")
        if not self._change(Transition.TRANSITION_ACTIVATE):
            raise OSError("the initializer cannot be activated; see its message above")

    def rest_initializer(self) -> None:
        """Have the initializer listen no more; raises OSError when it does not answer."""
        self._change(Transition.TRANSITION_DEACTIVATE)

    def _change(self, transition: int) -> bool:
        return _called(self._lifecycle, ChangeState.Request(transition=Transition(id=transition))).success

    def _on_first_poses(self, message: Detection3DArray) -> None:
        detections = [one for one in message.detections if one.id in self._told]
        self._first_poses.publish(Detection3DArray(header=message.header, detections=detections))

    def _on_detections(self, message: Detection3DArray) -> None:
        stamp = nanoseconds(message.header.stamp)
        self.latency_ms[stamp] = (self.get_clock().now().nanoseconds - stamp) * 1e-6
        for one in message.detections:
            self.poses_of[one.id][stamp] = pose_from_message(one.results[0].pose.pose)


def _called(client: Client, request: Any) -> Any:
    """The answer of a service, from a thread other than the node's; raises OSError without one."""
    answered = threading.Event()
    if client.wait_for_service(ANSWER_S):
        answer = client.call_async(request)
        answer.add_done_callback(lambda _: answered.set())
        if answered.wait(ANSWER_S):
            return answer.result()
    raise OSError(f"expected an answer of {client.srv_name} within {ANSWER_S:.0f} s, got none")
