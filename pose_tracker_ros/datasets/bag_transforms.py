"""Where the frames of a recording are to each other, of its TF messages and of what RealSense publishes beside them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pose_tracker_ros.datasets.bag import Bag
from pose_tracker_ros.datasets.recorded_transforms import TF_TYPES, matrix_of_transform
from pose_tracker_ros.geometry import invert, is_pose, make_pose

EXTRINSICS_TYPE = "realsense2_camera_msgs/msg/Extrinsics"
DEPTH_TO_COLOR = "depth_to_color"
# Static transforms are published once, others many times; cameras are mounted on something rigid.
_MOST_MESSAGES = 2000


def transform_between(bag: Bag, target: str, source: str) -> np.ndarray | None:
    """The transform (4, 4) that takes points of frame ``source`` to frame ``target``, None where the recording has none.

    The first transform of every pair of frames counts; those that are none are left out.
    """
    parents: dict[str, tuple[str, np.ndarray]] = {}
    topics = {name for name, topic in bag.topics.items() if topic.kind in TF_TYPES}
    for number, (_, _, message) in enumerate(bag.messages(topics) if topics else ()):
        for transform in message.transforms:
            child, parent = transform.child_frame_id.lstrip("/"), transform.header.frame_id.lstrip("/")
            parent_T_child = matrix_of_transform(transform.transform)
            if parent_T_child is not None:
                parents.setdefault(child, (parent, parent_T_child))
        if number > _MOST_MESSAGES or (target in parents and source in parents):
            found = _along(parents, target, source)
            if found is not None or number > _MOST_MESSAGES:
                return found
    return _along(parents, target, source)


def published_extrinsics(bag: Bag, depth_topic: str) -> np.ndarray | None:
    """color_T_depth (4, 4) as RealSense's driver publishes it in the camera's namespace, None where it does not.

    Its message holds the rotation column by column (librealsense, rs2_extrinsics).
    """
    camera = depth_topic.strip("/").split("/")[0]
    for name, topic in bag.topics.items():
        if topic.kind == EXTRINSICS_TYPE and name.endswith(DEPTH_TO_COLOR) and name.strip("/").split("/")[0] == camera:
            entry = bag.first(name)
            if entry is not None:
                rotation = np.asarray(entry.message.rotation, np.float64).reshape(3, 3).T
                color_T_depth = make_pose(rotation, np.asarray(entry.message.translation, np.float64))
                # Drivers may publish them before they are filled in.
                return color_T_depth if is_pose(color_T_depth) else None
    return None


def _along(parents: Mapping[str, tuple[str, np.ndarray]], target: str, source: str) -> np.ndarray | None:
    to_target, to_source = _ancestors(parents, target), _ancestors(parents, source)
    for frame, frame_T_target in to_target.items():
        if frame in to_source:
            return invert(frame_T_target) @ to_source[frame]
    return None


def _ancestors(parents: Mapping[str, tuple[str, np.ndarray]], frame: str) -> dict[str, np.ndarray]:
    """Every frame above one, itself first, and the transform that takes points of it there."""
    found = {frame: np.eye(4)}
    while frame in parents and parents[frame][0] not in found:
        parent, parent_T_frame = parents[frame]
        found[parent] = parent_T_frame @ found[frame]
        frame = parent
    return found
