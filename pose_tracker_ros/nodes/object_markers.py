"""All objects for RViz: the mesh of each that has a pose, and its name."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.node import Node
from visualization_msgs.msg import Marker, MarkerArray

from pose_tracker_ros.nodes.object_set import FollowedObject
from pose_tracker_ros.nodes.object_topics import LATCHED
from pose_tracker_ros.tracking import TrackState

NAME_HEIGHT_M = 0.02
# Surely seen, else held or searched for.
SEEN_COLOR, DOUBTED_COLOR = (1.0, 1.0, 1.0, 1.0), (1.0, 0.7, 0.2, 1.0)


class ObjectMarkers:
    """Publishes ``~/markers``, latched, when an object comes to have a pose, has none any more, or is doubted.

    Meshes and names stand in the objects' TF frames, so that they move without new markers.
    """

    def __init__(self, node: Node) -> None:
        self._publisher = node.create_publisher(MarkerArray, "~/markers", LATCHED)
        self._shown: list[tuple[str, TrackState]] = []

    def publish(self, objects: Sequence[FollowedObject]) -> None:
        """The objects as they are, unless that is what was published last."""
        seen = [one for one in objects if one.publisher.has_pose]
        shown = [(one.named.name, one.publisher.state) for one in seen]
        if shown == self._shown:
            return
        self._shown = shown
        markers = [Marker(action=Marker.DELETEALL)]
        for one in seen:
            markers += [_name(one)] if one.publisher.marker is None else [one.publisher.marker, _name(one)]
        self._publisher.publish(MarkerArray(markers=markers))


def _name(one: FollowedObject) -> Marker:
    """The name above the object, and what is doubted about it."""
    state = one.publisher.state
    is_seen = state is TrackState.TRACKING
    text = one.named.name if is_seen else f"{one.named.name}: {state.value}"
    marker = Marker(ns=one.named.name, id=1, type=Marker.TEXT_VIEW_FACING, action=Marker.ADD, frame_locked=True, text=text)
    marker.header.frame_id = one.publisher.frame
    place, color = marker.pose.position, marker.color
    place.x, place.y, place.z = map(float, one.model.center_m)
    marker.scale.z = NAME_HEIGHT_M
    color.r, color.g, color.b, color.a = SEEN_COLOR if is_seen else DOUBTED_COLOR
    return marker
