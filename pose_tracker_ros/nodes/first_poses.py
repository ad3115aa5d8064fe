"""First poses from whoever knows where objects are: a parameter at the start, then messages in any frame of TF."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import invert
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.detections import poses_by_name
from pose_tracker_ros.nodes.transforms import LATEST, Transforms

TF_WAIT_S = 0.2
# Stamps as numbers of seconds are good to a quarter of a microsecond.
SAME_TIME_S = 1e-6


class FirstPoses:
    """Listens to ``~/initial_pose``, of the first object, and ``~/initial_poses``, and keeps the newest of each object until it is
    taken."""

    def __init__(
        self,
        node: Node,
        numbers: Sequence[float],
        names: Callable[[], Sequence[str]],
        tracked: Callable[[], Collection[str]],
    ) -> None:
        """``numbers``: x y z qx qy qz qw of the first object to begin with, all zero for none; ``names``: of the objects, in
        their order, and which are ``tracked``.
        """
        self._node, self._names, self._tracked = node, names, tracked
        self._lock = threading.Lock()
        first = _message_of(numbers)
        self._waiting = {} if first is None else {names()[0]: first}
        node.create_subscription(PoseStamped, "~/initial_pose", self._on_pose, 1)
        node.create_subscription(Detection3DArray, "~/initial_poses", self._on_poses, 10)

    def take(self) -> dict[str, PoseStamped]:
        """The poses that wait, by name, which wait no longer."""
        with self._lock:
            taken, self._waiting = self._waiting, {}
        return taken

    def forget(self, name: str) -> None:
        """Give up the pose of an object, if one waits."""
        with self._lock:
            self._waiting.pop(name, None)

    def _on_pose(self, message: PoseStamped) -> None:
        names = self._names()
        if names:
            self._keep(names[0], message)

    def _on_poses(self, message: Detection3DArray) -> None:
        poses, refused = poses_by_name(message, self._names(), self._tracked())
        if refused:
            self._node.get_logger().error(f"first pose refused: {'; '.join(dict.fromkeys(refused))}")
        for name, pose in poses.items():
            self._keep(name, pose)

    def _keep(self, name: str, message: PoseStamped) -> None:
        try:
            messages.pose_from_message(message.pose)
        except ValueError as error:
            self._node.get_logger().error(f"first pose of {name!r} refused: {error}")
            return
        with self._lock:
            self._waiting[name] = message


def in_camera_frame(
    pose: PoseStamped, first: Frame, newest: Header, transforms: Transforms, fixed_frame: str
) -> np.ndarray:
    """camera_T_object (4, 4) of a first pose in the ``first`` frame in which it is looked for.

    It is converted at its own stamp, or, where it has none, at that of the ``newest`` image. Where the camera's pose in the
    ``fixed_frame`` is known the object is taken to have rested there between the two; else, before the camera.

    Raises ValueError where TF does not connect the frames at these times.
    """
    matrix = messages.pose_from_message(pose.pose)
    is_stamped = pose.header.stamp != LATEST
    source = Header(frame_id=pose.header.frame_id.removeprefix("/") or newest.frame_id)
    source.stamp = pose.header.stamp if is_stamped else newest.stamp
    has_moved = fixed_frame and abs(messages.seconds(source.stamp) - first.stamp) > SAME_TIME_S
    if has_moved and first.world_T_camera is not None:
        return invert(first.world_T_camera) @ _found(transforms, fixed_frame, source) @ matrix
    if source.frame_id == newest.frame_id:
        return matrix
    if not is_stamped and not transforms.can_find(newest.frame_id, source, TF_WAIT_S):
        source.stamp = LATEST
    return _found(transforms, newest.frame_id, source) @ matrix


def _found(transforms: Transforms, target: str, source: Header) -> np.ndarray:
    try:
        return transforms.find(target, source, TF_WAIT_S)
    except ValueError as error:
        raise ValueError(f"{error}; publish one or give the pose in the camera's frame") from error


def _message_of(numbers: Sequence[float]) -> PoseStamped | None:
    if not any(numbers):
        return None
    message = PoseStamped()
    position, orientation = message.pose.position, message.pose.orientation
    position.x, position.y, position.z = map(float, numbers[:3])
    orientation.x, orientation.y, orientation.z, orientation.w = map(float, numbers[3:])
    return message
