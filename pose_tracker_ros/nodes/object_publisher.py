"""What the tracker node publishes of one object: pose, covariance, state and, for RViz, its mesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from geometry_msgs.msg import Pose, PoseStamped, PoseWithCovarianceStamped
from rclpy.node import Node
from std_msgs.msg import Header, String
from visualization_msgs.msg import Marker

from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.object_topics import LATCHED
from pose_tracker_ros.object_description import METRES_PER_UNIT, read_object_description
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.tracking import TrackResult, TrackState

# In the others there is no pose to act on.
STATES_WITH_POSE = (TrackState.TRACKING, TrackState.OCCLUDED, TrackState.SEARCHING)


class PoseTopics:
    """The topics of one object below a prefix; messages are made for those that somebody listens to."""

    def __init__(self, node: Node, pose: str, prefix: str) -> None:
        """``pose``: name of the pose's topic, which has another one behind it for poses in a fixed frame."""
        self._node = node
        self._poses = node.create_publisher(PoseStamped, pose, 10)
        self._fixed_poses = node.create_publisher(PoseStamped, f"{pose}_in_target_frame", 10)
        self._covariances = node.create_publisher(PoseWithCovarianceStamped, f"{prefix}pose_with_covariance", 10)
        self._markers = node.create_publisher(Marker, f"{prefix}marker", LATCHED)
        self._states = node.create_publisher(String, f"{prefix}state", LATCHED)

    def publish_pose(self, camera_T_object: Pose, covariance: np.ndarray, header: Header) -> None:
        """A pose and its covariance (6, 6) under the header of its image."""
        if self._poses.get_subscription_count():
            self._poses.publish(messages.pose_stamped(camera_T_object, header))
        if self._covariances.get_subscription_count():
            self._covariances.publish(messages.pose_with_covariance(camera_T_object, covariance, header))

    def publish_fixed_pose(self, fixed_T_object: Pose, header: Header) -> None:
        """A pose in the frame of a header."""
        if self._fixed_poses.get_subscription_count():
            self._fixed_poses.publish(messages.pose_stamped(fixed_T_object, header))

    def publish_state(self, text: str) -> None:
        """State and reason."""
        self._states.publish(String(data=text))

    def publish_marker(self, marker: Marker) -> None:
        """The mesh."""
        self._markers.publish(marker)

    def close(self) -> None:
        """Take the topics away."""
        for publisher in (self._poses, self._fixed_poses, self._covariances, self._markers, self._states):
            self._node.destroy_publisher(publisher)


class ObjectPublisher:
    """Publishes results of one object on its topics; its state, latched, when that or the reason changes.

    frame: TF frame of the object; state, reason, result, pose: what was published last.
    """

    def __init__(self, frame: str, marker: Marker | None, topics: PoseTopics) -> None:
        """``marker``: the mesh, published when the object is seen."""
        self.frame, self.marker = frame, marker
        self.state, self.reason = TrackState.UNINITIALISED, ""
        self.result: TrackResult | None = None
        self.pose: Pose | None = None
        self._own = topics
        self._topics = [topics]

    @property
    def has_pose(self) -> bool:
        """Whether there is a pose to act on."""
        return self.result is not None and self.state in STATES_WITH_POSE

    def publish(self, result: TrackResult, pose: Pose, header: Header) -> None:
        """One frame's result and the message of its pose, under the header of its image."""
        self.result, self.pose = result, pose
        self._publish_state(result.state, result.reason)
        if self.has_pose:
            for topics in self._topics:
                topics.publish_pose(pose, result.covariance, header)

    def publish_fixed(self, fixed_T_object: Pose, header: Header) -> None:
        """The pose in the fixed frame of a header."""
        for topics in self._topics:
            topics.publish_fixed_pose(fixed_T_object, header)

    def publish_forgotten(self, reason: str) -> None:
        """That there is no pose any more, or none yet, and why."""
        self.result = None
        self._publish_state(TrackState.UNINITIALISED, reason)

    def publish_also_on(self, topics: PoseTopics | None) -> None:
        """Publish on other topics, too, from the state as it is on; on None, on its own alone."""
        if topics is None:
            self._topics = [self._own]
        elif topics not in self._topics:
            self._topics.append(topics)
            topics.publish_state(self._text())
            self._publish_marker([topics])

    def close(self) -> None:
        """Take the object's topics away."""
        self._own.close()

    def _publish_state(self, state: TrackState, reason: str) -> None:
        """State and reason as ``state: reason``, unless that is what was published last."""
        if (state, reason) == (self.state, self.reason):
            return
        is_new = state is not self.state
        self.state, self.reason = state, reason
        for topics in self._topics:
            topics.publish_state(self._text())
        if is_new:
            self._publish_marker(self._topics)

    def _text(self) -> str:
        return f"{self.state.value}: {self.reason}"

    def _publish_marker(self, where: list[PoseTopics]) -> None:
        if self.marker is not None and self.state is TrackState.TRACKING:
            for topics in where:
                topics.publish_marker(self.marker)


def mesh_marker(model: ObjectModel, frame: str, mesh_path: str = "", mesh_unit: str = "") -> Marker | None:
    """The mesh of an object in its TF frame; None for one without a folder.

    mesh_path, mesh_unit: where they are given instead of the object's own, else empty.
    """
    if model.folder is None:
        return None
    description = read_object_description(model.folder)
    path = Path(mesh_path).resolve() if mesh_path else model.folder.resolve() / description["mesh"]
    marker = Marker(ns=model.name, id=0, type=Marker.MESH_RESOURCE, action=Marker.ADD, frame_locked=True)
    marker.header.frame_id = frame
    marker.mesh_resource = f"file://{path}"
    marker.mesh_use_embedded_materials = model.mesh.has_color
    marker.scale.x = marker.scale.y = marker.scale.z = METRES_PER_UNIT[mesh_unit or description.get("mesh_unit", "m")]
    if "object_T_mesh" in description:
        marker.pose = messages.pose_message(np.array(description["object_T_mesh"], dtype=np.float64).reshape(4, 4))
    color = (0.0, 0.0, 0.0, 0.0) if model.mesh.has_color else (0.3, 0.8, 0.5, 1.0)
    marker.color.r, marker.color.g, marker.color.b, marker.color.a = color
    return marker
