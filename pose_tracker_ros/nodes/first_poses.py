"""First poses from whoever knows where the object is: a parameter at the start, then messages in any frame of TF."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.duration import Duration
from rclpy.node import Node
from std_msgs.msg import Header
from tf2_ros import Buffer, TransformException, TransformListener

from pose_tracker_ros.nodes import messages

TF_TIMEOUT_S = 0.2


class FirstPoses:
    """Listens to ``~/initial_pose`` and keeps the newest pose until it is taken."""

    def __init__(self, node: Node, numbers: Sequence[float]) -> None:
        """``numbers``: x y z qx qy qz qw of a pose to begin with, all zero for none; raises ValueError for another count."""
        self._node = node
        self._lock = threading.Lock()
        self._waiting = _message_of(numbers)
        self._buffer = Buffer()
        self._listener = TransformListener(self._buffer, node)
        node.create_subscription(PoseStamped, "~/initial_pose", self._on_message, 1)

    def take(self) -> PoseStamped | None:
        """The pose that waits, which waits no longer."""
        with self._lock:
            taken, self._waiting = self._waiting, None
        return taken

    def in_camera_frame(self, pose: PoseStamped, camera: Header) -> np.ndarray:
        """camera_T_object (4, 4) in the frame of an image; raises ValueError where TF does not connect the frames."""
        matrix = messages.pose_from_message(pose.pose)
        if pose.header.frame_id in ("", camera.frame_id):
            return matrix
        try:
            transform = self._buffer.lookup_transform(
                camera.frame_id, pose.header.frame_id, rclpy.time.Time(), Duration(seconds=TF_TIMEOUT_S)
            )
        except TransformException as error:
            raise ValueError(
                f"no transform from its frame {pose.header.frame_id!r} to the camera's {camera.frame_id!r} ({error}); "
                "publish one or give the pose in the camera's frame"
            ) from error
        return messages.transform_matrix(transform) @ matrix

    def _on_message(self, message: PoseStamped) -> None:
        try:
            messages.pose_from_message(message.pose)
        except ValueError as error:
            self._node.get_logger().error(f"initial pose refused: {error}")
            return
        with self._lock:
            self._waiting = message


def _message_of(numbers: Sequence[float]) -> PoseStamped | None:
    if len(numbers) != 7:
        raise ValueError(f"expected parameter initial_pose as 7 numbers x y z qx qy qz qw, got {len(numbers)}")
    if not any(numbers):
        return None
    message = PoseStamped()
    position, orientation = message.pose.position, message.pose.orientation
    position.x, position.y, position.z = map(float, numbers[:3])
    orientation.x, orientation.y, orientation.z, orientation.w = map(float, numbers[3:])
    return message
