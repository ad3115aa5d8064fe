"""Objects in vision_msgs: what the tracker found, and first poses of several objects at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Pose, PoseStamped
from std_msgs.msg import Header
from vision_msgs.msg import Detection3D, Detection3DArray, ObjectHypothesisWithPose

from pose_tracker_ros.geometry import transform_points
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.objects import ObjectModel, kind_of


def detection(
    name: str,
    model: ObjectModel | None,
    camera_T_object: np.ndarray,
    header: Header,
    score: float,
    covariance: np.ndarray | None = None,
    pose: Pose | None = None,
) -> Detection3D:
    """An object at a pose (4, 4): id its name, class its kind, and the box of its mesh, which stands in the object's axes.

    Without a model there is no box. score: 0..1; covariance: (6, 6), see ``messages.pose_with_covariance``; pose: the message of
    camera_T_object, where it is made already.
    """
    result = ObjectHypothesisWithPose()
    result.hypothesis.class_id, result.hypothesis.score = kind_of(name), float(score)
    result.pose.pose = messages.pose_message(camera_T_object) if pose is None else pose
    if covariance is not None:
        result.pose.covariance = covariance.ravel()
    found = Detection3D(header=header, results=[result], id=name)
    if model is None:
        return found
    box, middle = found.bbox, transform_points(camera_T_object, model.center_m[None])[0]
    box.center.position.x, box.center.position.y, box.center.position.z = middle.tolist()
    box.center.orientation = result.pose.pose.orientation
    box.size.x, box.size.y, box.size.z = model.extents_m.tolist()
    return found


def poses_by_name(
    message: Detection3DArray, names: Sequence[str], tracked: Collection[str]
) -> tuple[dict[str, PoseStamped], list[str]]:
    """Poses of a message by the objects' ``names``, and a sentence for each detection that is of no use.

    The id names the object; without one, or where the id is that of a kind or of none of them (numbers of a 2D tracker), the class
    does: the next instance of that kind that the message does not name, those that are not ``tracked`` first.
    """
    poses: dict[str, PoseStamped] = {}
    refused = []
    named = {one.id for one in message.detections}
    for one in message.detections:
        best = max(one.results, key=lambda result: messages.comparable(result.hypothesis.score), default=None)
        asked = _asked(one.id, best.hypothesis.class_id if best else "", {kind_of(name) for name in names})
        free = [name for name in names if kind_of(name) == asked and name not in poses and (name == one.id or name not in named)]
        name = one.id if one.id in names and one.id not in poses else min(free, key=lambda name: name in tracked, default=None)
        if name is None:
            refused.append(f"expected one of the objects {', '.join(names)}, each once, got {asked!r}")
        elif best is None:
            refused.append(f"expected a pose of {name!r} in the results of its detection, got none")
        else:
            poses[name] = PoseStamped(header=_header(one.header, message.header), pose=best.pose.pose)
    return poses, refused


def _asked(name: str, of_class: str, kinds: Collection[str]) -> str:
    """The name of an object or kind that a detection is of."""
    return of_class if of_class in kinds and kind_of(name) not in kinds else name or of_class


def _header(own: Header, of_all: Header) -> Header:
    """A detection's own frame and stamp, each where it is set."""
    return Header(frame_id=own.frame_id or of_all.frame_id, stamp=own.stamp if own.stamp != Time() else of_all.stamp)
