"""Where the camera is in a fixed frame, and the objects in TF below that frame or the camera."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rclpy.node import Node
from std_msgs.msg import Header
from tf2_ros import TransformBroadcaster

from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.object_publisher import ObjectPublisher
from pose_tracker_ros.nodes.transforms import Transforms

WARNING_PERIOD_S = 5.0


class ObjectTransforms:
    """Publishes objects that have a pose, in one message a frame.

    With a ``target_frame`` they are children of that frame, in which a resting object stays while the camera moves, and
    their poses there are published, too.
    """

    def __init__(self, node: Node, transforms: Transforms, target_frame: str, wait_s: float, publish_tf: bool) -> None:
        """``wait_s``: how long a frame waits for the camera's transform at its stamp."""
        self._node, self._transforms = node, transforms
        self._target_frame, self._wait_s = target_frame, wait_s
        self._broadcaster = TransformBroadcaster(node) if publish_tf else None

    def camera_pose(self, header: Header) -> np.ndarray | None:
        """Pose (4, 4) of an image's camera in the target frame at its stamp; None without one, or where TF does not know."""
        if not self._target_frame:
            return None
        try:
            return self._transforms.find(self._target_frame, header, self._wait_s)
        except ValueError as error:
            self._node.get_logger().warning(
                f"{error}; poses of this image are in the camera's frame only: target_frame needs a transform at every "
                "image's stamp, and tf_wait_s has to cover its delay",
                throttle_duration_sec=WARNING_PERIOD_S,
            )
            return None

    def publish(self, objects: Sequence[ObjectPublisher], header: Header, target_T_camera: np.ndarray | None) -> None:
        """The objects of one image that have a pose."""
        seen = [one for one in objects if one.has_pose]
        parent, poses = header, [one.pose for one in seen]
        if self._target_frame:
            if target_T_camera is None:
                return
            parent = Header(stamp=header.stamp, frame_id=self._target_frame)
            poses = [messages.pose_message(target_T_camera @ one.result.camera_T_object) for one in seen]
            for one, pose in zip(seen, poses):
                one.publish_fixed(pose, parent)
        # TF has no nameless frames; the camera's driver is warned of them where images come in.
        if self._broadcaster and seen and parent.frame_id:
            below = [(one, pose) for one, pose in zip(seen, poses) if one.frame != parent.frame_id]
            if len(below) < len(seen):
                self._node.get_logger().warning(
                    f"an object has the frame {parent.frame_id!r}, below which objects are published: it is left out of TF; give "
                    "it another name or object_frame",
                    throttle_duration_sec=WARNING_PERIOD_S,
                )
            if not below:
                return
            self._broadcaster.sendTransform(
                [messages.transform_stamped(pose, parent, one.frame) for one, pose in below]
            )
