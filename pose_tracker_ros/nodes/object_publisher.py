"""What the tracker node publishes of an object: pose, covariance, TF, state and, for RViz, its mesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped
from rclpy.node import Node
from std_msgs.msg import Header, String
from tf2_ros import TransformBroadcaster
from visualization_msgs.msg import Marker

from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.object_topics import LATCHED
from pose_tracker_ros.objects import METRES_PER_UNIT, ObjectModel, read_object_description
from pose_tracker_ros.tracking import TrackResult, TrackState

# In the others there is no pose to act on.
STATES_WITH_POSE = (TrackState.TRACKING, TrackState.OCCLUDED, TrackState.SEARCHING)


class ObjectPublisher:
    """Publishes results of one object; its state, latched, when that or the reason changes."""

    def __init__(self, node: Node, frame: str, publish_tf: bool, marker: Marker | None) -> None:
        """``frame``: TF frame of the object; ``marker``: its mesh, published when it is seen."""
        self.state, self.reason = TrackState.UNINITIALISED, ""
        self.result: TrackResult | None = None
        self._frame = frame
        self._marker = marker
        self._poses = node.create_publisher(PoseStamped, "object_pose", 10)
        self._covariances = node.create_publisher(PoseWithCovarianceStamped, "~/pose_with_covariance", 10)
        self._markers = node.create_publisher(Marker, "~/marker", LATCHED)
        self._states = node.create_publisher(String, "~/state", LATCHED)
        self._broadcaster = TransformBroadcaster(node) if publish_tf else None

    def publish(self, result: TrackResult, header: Header) -> None:
        """One frame's result, under the header of its image."""
        self.result = result
        self._publish_state(result.state, result.reason)
        if result.state not in STATES_WITH_POSE:
            return
        pose = result.camera_T_object
        self._poses.publish(messages.pose_stamped(pose, header))
        self._covariances.publish(messages.pose_with_covariance(pose, result.covariance, header))
        if self._broadcaster:
            self._broadcaster.sendTransform(messages.transform_stamped(pose, header, self._frame))

    def publish_forgotten(self, reason: str) -> None:
        """That there is no pose any more, or none yet, and why."""
        self.result = None
        self._publish_state(TrackState.UNINITIALISED, reason)

    def _publish_state(self, state: TrackState, reason: str) -> None:
        """State and reason as ``state: reason``, unless that is what was published last."""
        if (state, reason) == (self.state, self.reason):
            return
        is_new = state is not self.state
        self.state, self.reason = state, reason
        self._states.publish(String(data=f"{state.value}: {reason}"))
        if is_new and state is TrackState.TRACKING and self._marker:
            self._markers.publish(self._marker)


def mesh_marker(model: ObjectModel, frame: str, mesh_path: str, mesh_unit: str) -> Marker | None:
    """The mesh of an object in its TF frame; None for one without a folder.

    mesh_path, mesh_unit: where they are given instead of the object's own, else empty.
    """
    if model.folder is None:
        return None
    description = read_object_description(model.folder)
    path = Path(mesh_path).resolve() if mesh_path else model.folder.resolve() / description["mesh"]
    marker = Marker(ns="object", id=0, type=Marker.MESH_RESOURCE, action=Marker.ADD, frame_locked=True)
    marker.header.frame_id = frame
    marker.mesh_resource = f"file://{path}"
    marker.mesh_use_embedded_materials = model.mesh.has_color
    marker.scale.x = marker.scale.y = marker.scale.z = METRES_PER_UNIT[mesh_unit or description.get("mesh_unit", "m")]
    if "object_T_mesh" in description:
        marker.pose = messages.pose_message(np.array(description["object_T_mesh"], dtype=np.float64).reshape(4, 4))
    color = (0.0, 0.0, 0.0, 0.0) if model.mesh.has_color else (0.3, 0.8, 0.5, 1.0)
    marker.color.r, marker.color.g, marker.color.b, marker.color.a = color
    return marker
