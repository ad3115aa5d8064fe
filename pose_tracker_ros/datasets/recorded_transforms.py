"""TF of a recording: where frames were, by the transforms that were published."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from pose_tracker_ros.geometry import invert, make_pose, matrix_from_quaternion

# A transform that is this much older, or younger, than an image does not say where its camera is; seconds.
REACH_S = 0.1
TOPIC, STATIC_TOPIC = "/tf", "/tf_static"
# That of today and that of the first versions of ROS 1.
TF_TYPES = ("tf2_msgs/msg/TFMessage", "tf/msg/tfMessage")


@dataclass
class _Link:
    """``parent_T_child`` (4, 4) at stamps in seconds, in order; a static one holds always."""

    parent: str
    is_static: bool
    stamps: list[float] = field(default_factory=list)
    transforms: list[np.ndarray] = field(default_factory=list)

    def insert(self, stamp: float, transform: np.ndarray) -> None:
        if self.is_static:
            self.stamps, self.transforms = [stamp], [transform]
            return
        position = bisect_left(self.stamps, stamp)
        self.stamps.insert(position, stamp)
        self.transforms.insert(position, transform)

    def at(self, stamp: float) -> np.ndarray | None:
        """The transform at a stamp, between two by constant velocity; None where the nearest is farther than REACH_S."""
        if self.is_static:
            return self.transforms[0]
        after = bisect_left(self.stamps, stamp)
        before = after - 1
        near = [one for one in (before, after) if 0 <= one < len(self.stamps) and abs(self.stamps[one] - stamp) <= REACH_S]
        if not near:
            return None
        if len(near) == 1 or self.stamps[after] == stamp:
            return self.transforms[near[-1]]
        share = (stamp - self.stamps[before]) / (self.stamps[after] - self.stamps[before])
        one, other = self.transforms[before], self.transforms[after]
        rotations = Rotation.from_matrix(np.stack([one[:3, :3], other[:3, :3]]))
        rotation = Slerp([0.0, 1.0], rotations)(share).as_matrix()
        return make_pose(rotation, (1 - share) * one[:3, 3] + share * other[:3, 3])


class RecordedTransforms:
    """All transforms of a recording."""

    def __init__(self, messages: Iterable[tuple[str, Any]]) -> None:
        """``messages``: topic and tf2_msgs/TFMessage; transforms that are none are left out."""
        self._links: dict[str, _Link] = {}
        for topic, message in messages:
            for one in message.transforms:
                self._insert(one, is_static=topic.endswith(STATIC_TOPIC))

    @property
    def frames(self) -> list[str]:
        """Names of all frames."""
        return sorted({*self._links, *(link.parent for link in self._links.values())})

    def find(self, target: str, source: str, stamp: float) -> np.ndarray | None:
        """``target_T_source`` (4, 4) at a stamp in seconds; None where the frames are not connected then."""
        to_target, to_source = (self._from_root(name.lstrip("/"), stamp) for name in (target, source))
        common = [name for name in to_target if name in to_source]
        if not common:
            return None
        nearest = common[0]
        return invert(to_target[nearest]) @ to_source[nearest]

    def _from_root(self, frame: str, stamp: float) -> dict[str, np.ndarray]:
        """``ancestor_T_frame`` of a frame and all that are above it, from the frame on."""
        chain = {frame: np.eye(4)}
        while frame in self._links:
            link = self._links[frame]
            transform = link.at(stamp)
            if transform is None or link.parent in chain:
                break
            chain[link.parent] = transform @ chain[frame]
            frame = link.parent
        return chain

    def _insert(self, message: Any, is_static: bool) -> None:
        matrix = matrix_of_transform(message.transform)
        if matrix is None:
            return
        parent, child = message.header.frame_id.lstrip("/"), message.child_frame_id.lstrip("/")
        link = self._links.get(child)
        if link is None or link.parent != parent:
            link = self._links[child] = _Link(parent, is_static)
        stamp = message.header.stamp
        link.insert(stamp.sec + stamp.nanosec * 1e-9, matrix)


def matrix_of_transform(transform: Any) -> np.ndarray | None:
    """The matrix (4, 4) of a geometry_msgs/Transform, None for one that was never filled in or is not of finite numbers."""
    turn, move = transform.rotation, transform.translation
    numbers = np.array([move.x, move.y, move.z])
    try:
        rotation = matrix_from_quaternion(np.array([turn.x, turn.y, turn.z, turn.w]))
    except ValueError:
        return None
    return make_pose(rotation, numbers) if np.all(np.isfinite(numbers)) else None
