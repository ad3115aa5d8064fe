"""The tree of frames over the last seconds."""

from __future__ import annotations

import math
import threading
import time as wall_time
from bisect import bisect_left, bisect_right
from typing import NamedTuple

import numpy as np
import rclpy.logging
from builtin_interfaces.msg import Time as TimeMessage
from geometry_msgs.msg import Transform, TransformStamped
from rclpy.clock import Clock, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from tf2_ros.exceptions import (
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    TransformException,
)

_POLL_SECONDS = 0.02


class _Link(NamedTuple):
    """Pose of a frame in its parent: ``x_parent = rotation * x_child + translation``, rotation a unit (x, y, z, w)."""

    parent: str
    rotation: np.ndarray
    translation: np.ndarray


class _History:
    """Links of one frame to its parent in the order of their stamps (nanoseconds); static ones hold at all times."""

    def __init__(self, is_static: bool, kept_ns: int) -> None:
        self.is_static = is_static
        self.kept_ns = kept_ns
        self.stamps: list[int] = []
        self.links: list[_Link] = []

    def insert(self, stamp: int, link: _Link) -> bool:
        """Add a link and drop what is too old; False for a link that is itself too old."""
        if self.is_static:
            self.stamps, self.links = [0], [link]
            return True
        if self.stamps:
            oldest = self.stamps[-1] - self.kept_ns
            outdated = bisect_left(self.stamps, oldest)
            del self.stamps[:outdated], self.links[:outdated]
            if stamp < oldest:
                return False
        place = bisect_right(self.stamps, stamp)
        self.stamps.insert(place, stamp)
        self.links.insert(place, link)
        return True

    def at(self, stamp: int) -> _Link:
        """The link at a time, 0 for the newest, interpolated between neighbours that have the same parent.

        Raises ExtrapolationException outside of the known times.
        """
        if self.is_static or stamp == 0:
            return self.links[-1]
        if not self.stamps[0] <= stamp <= self.stamps[-1]:
            if len(self.stamps) == 1:
                known = f"but only time {_seconds(self.stamps[0])} is in the buffer"
                raise ExtrapolationException(f"Lookup would require extrapolation at time {_seconds(stamp)}, {known}")
            where, which, edge = (
                ("past", "earliest", self.stamps[0])
                if stamp < self.stamps[0]
                else ("future", "latest", self.stamps[-1])
            )
            raise ExtrapolationException(
                f"Lookup would require extrapolation into the {where}.  Requested time {_seconds(stamp)} "
                f"but the {which} data is at time {_seconds(edge)}"
            )
        place = bisect_right(self.stamps, stamp) - 1
        before = self.links[place]
        if self.stamps[place] == stamp or self.links[place + 1].parent != before.parent:
            return before
        after = self.links[place + 1]
        ratio = (stamp - self.stamps[place]) / (self.stamps[place + 1] - self.stamps[place])
        return _Link(
            before.parent,
            _slerp(before.rotation, after.rotation, ratio),
            before.translation + ratio * (after.translation - before.translation),
        )


class Buffer:
    """Keeps the transforms of the last ``cache_time`` (10 s) and combines them; may be used by several threads.

    With a node, its clock (simulated time, for instance) empties the buffer when it jumps back.
    """

    def __init__(self, cache_time: Duration | None = None, node: Node | None = None) -> None:
        self._kept_ns = Duration(seconds=10).nanoseconds if cache_time is None else cache_time.nanoseconds
        self._histories: dict[str, _History] = {}
        self._frames: set[str] = set()
        self._lock = threading.RLock()
        self._logger = rclpy.logging.get_logger("tf2_buffer")
        self.clock = Clock() if node is None else node.get_clock()
        backwards = JumpThreshold(min_forward=None, min_backward=Duration(seconds=-1), on_clock_change=True)
        self.jump_handle = self.clock.create_jump_callback(backwards, post_callback=self.time_jump_callback)

    def time_jump_callback(self, time_jump: TimeJump) -> None:
        self._logger.warning("Detected jump back in time. Clearing tf buffer.")
        self.clear()

    def clear(self) -> None:
        """Forget all transforms that are not static; frames stay known."""
        with self._lock:
            self._histories = {frame: history for frame, history in self._histories.items() if history.is_static}

    def set_transform(self, transform: TransformStamped, authority: str) -> None:
        """Add a transform; one that is broken or too old is ignored with a log message, as tf2 does."""
        self._set(transform, authority, is_static=False)

    def set_transform_static(self, transform: TransformStamped, authority: str) -> None:
        """Add a transform that holds at all times."""
        self._set(transform, authority, is_static=True)

    def can_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: Time | TimeMessage,
        timeout: Duration = Duration(),  # noqa: B008 - a constant, as in the real signature
        return_debug_tuple: bool = False,
    ) -> bool | tuple[bool, str]:
        """Whether ``lookup_transform`` would succeed, after waiting up to a timeout for it.

        Waiting blocks the calling thread, so another one has to spin the listener's node. With
        ``return_debug_tuple`` the reason for a no comes too.
        """
        deadline = wall_time.monotonic() + timeout.nanoseconds * 1e-9
        while (reason := self._why_not(target_frame, source_frame, time)) and wall_time.monotonic() < deadline:
            wall_time.sleep(_POLL_SECONDS)
        return (not reason, reason) if return_debug_tuple else not reason

    def lookup_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: Time | TimeMessage,
        timeout: Duration = Duration(),  # noqa: B008
    ) -> TransformStamped:
        """The transform that takes points in the source frame to the target frame at a time.

        Time 0 means the newest time at which all links between the frames are known; the result's stamp tells it.
        Raises LookupException (unknown frame), ConnectivityException (no path), ExtrapolationException (time outside
        of the known ones) or InvalidArgumentException (impossible name).
        """
        self.can_transform(target_frame, source_frame, time, timeout)
        return self._lookup(target_frame, source_frame, _nanoseconds(time))

    def _set(self, transform: TransformStamped, authority: str, is_static: bool) -> None:
        parent = transform.header.frame_id.removeprefix("/")
        child = transform.child_frame_id.removeprefix("/")
        q, t = transform.transform.rotation, transform.transform.translation
        rotation, translation = np.array([q.x, q.y, q.z, q.w]), np.array([t.x, t.y, t.z])
        problem = None
        if not child or not parent:
            problem = "a frame id is not set"
        elif child == parent:
            problem = "frame_id and child_frame_id are the same"
        elif np.isnan(rotation).any() or np.isnan(translation).any():
            problem = "it has a nan value"
        elif not rotation.any():
            problem = "its quaternion is zero"
        if problem:
            self._logger.error(f'Ignoring transform from "{parent}" to "{child}" by "{authority}" because {problem}')
            return
        link = _Link(parent, rotation / math.sqrt(rotation @ rotation), translation)
        stamp = _nanoseconds(transform.header.stamp)
        with self._lock:
            history = self._histories.get(child)
            if history is None or history.is_static != is_static:
                history = self._histories[child] = _History(is_static, self._kept_ns)
            self._frames |= {child, parent}
            if not history.insert(stamp, link):
                self._logger.warning(
                    f"TF_OLD_DATA ignoring data from the past for frame {child} at time {_seconds(stamp)} "
                    f"according to authority {authority}"
                )

    def _why_not(self, target_frame: str, source_frame: str, time: Time | TimeMessage) -> str:
        try:
            self._lookup(target_frame, source_frame, _nanoseconds(time))
        except TransformException as error:
            return str(error)
        return ""

    def _lookup(self, target: str, source: str, stamp: int) -> TransformStamped:
        with self._lock:
            if target == source:
                history = self._histories.get(target)
                if stamp == 0 and history is not None:
                    stamp = history.stamps[-1]
                return _message(target, source, stamp, np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(3))
            self._check_frame(target, "target_frame")
            self._check_frame(source, "source_frame")
            if stamp == 0:
                stamp = self._latest_common_time(target, source)

            # From the source to its root, or to where its history ends; then from the target to a frame on that path.
            path = {source: _IDENTITY}
            frame, broken = source, None
            while frame != target and frame in self._histories:
                try:
                    link = self._histories[frame].at(stamp)
                except ExtrapolationException as error:
                    broken = error
                    break
                if link.parent in path:
                    raise _loop([*path, link.parent])
                path[link.parent] = _compose(link, path[frame])
                frame = link.parent
            pose, frame, passed = _IDENTITY, target, []
            while frame not in path:
                passed.append(frame)
                if frame not in self._histories:
                    if broken is not None:
                        raise _with_frames(broken, source, target)
                    raise _not_connected(source, target)
                try:
                    link = self._histories[frame].at(stamp)
                except ExtrapolationException as error:
                    raise _with_frames(error, source, target) from None
                if link.parent in passed:
                    raise _loop([*passed, link.parent])
                pose, frame = _compose(link, pose), link.parent
            inverse = pose.rotation * (-1.0, -1.0, -1.0, 1.0)
            translation = _rotate(inverse, path[frame].translation - pose.translation)
            return _message(target, source, stamp, _multiply(inverse, path[frame].rotation), translation)

    def _check_frame(self, frame: str, argument: str) -> None:
        if not frame:
            raise InvalidArgumentException(
                f'Invalid argument "" passed to {argument} - in tf2 frame_ids cannot be empty'
            )
        if frame.startswith("/"):
            raise InvalidArgumentException(
                f"Invalid argument \"{frame}\" passed to {argument} - in tf2 frame_ids cannot start with a '/'"
            )
        if frame not in self._frames:
            raise LookupException(f'"{frame}" passed to {argument} does not exist. ')

    def _latest_common_time(self, target: str, source: str) -> int:
        """The newest time that all links between two frames have reached, 0 when all are static."""
        source_path, target_path = self._newest_path(source), self._newest_path(target)
        common = next((frame for frame in target_path if frame in source_path), None)
        if common is None:
            raise _not_connected(source, target)
        stamps = []
        for path in (source_path, target_path):
            for frame in path:
                if frame == common:
                    break
                if not self._histories[frame].is_static:
                    stamps.append(self._histories[frame].stamps[-1])
        return min(stamps, default=0)

    def _newest_path(self, frame: str) -> dict[str, None]:
        """The frames from a frame to its root, by the newest links."""
        path = {frame: None}
        while frame in self._histories:
            frame = self._histories[frame].links[-1].parent
            if frame in path:
                raise _loop([*path, frame])
            path[frame] = None
        return path


_IDENTITY = _Link("", np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(3))


def _compose(link: _Link, pose: _Link) -> _Link:
    """A pose in a frame, seen from that frame's parent."""
    return _Link(
        "", _multiply(link.rotation, pose.rotation), _rotate(link.rotation, pose.translation) + link.translation
    )


def _multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return np.array(
        [
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
            aw * bw - ax * bx - ay * by - az * bz,
        ]
    )


def _rotate(rotation: np.ndarray, vector: np.ndarray) -> np.ndarray:
    across = 2.0 * np.cross(rotation[:3], vector)
    return vector + rotation[3] * across + np.cross(rotation[:3], across)


def _slerp(a: np.ndarray, b: np.ndarray, ratio: float) -> np.ndarray:
    """Rotation at a ratio of the shortest way from a to b."""
    cosine = a @ b
    if cosine < 0.0:
        b, cosine = -b, -cosine
    angle = math.acos(min(cosine, 1.0))
    if angle < 1e-6:
        mixed = a + ratio * (b - a)
    else:
        mixed = (math.sin((1.0 - ratio) * angle) * a + math.sin(ratio * angle) * b) / math.sin(angle)
    return mixed / math.sqrt(mixed @ mixed)


def _nanoseconds(time: Time | TimeMessage) -> int:
    if isinstance(time, Time):
        return time.nanoseconds
    return time.sec * 1_000_000_000 + time.nanosec


def _seconds(stamp: int) -> str:
    return f"{stamp // 1_000_000_000}.{stamp % 1_000_000_000:09d}"


def _with_frames(error: ExtrapolationException, source: str, target: str) -> ExtrapolationException:
    return ExtrapolationException(f"{error}, when looking up transform from frame [{source}] to frame [{target}]")


def _loop(frames: list[str]) -> LookupException:
    return LookupException(f"The tf tree is invalid because it contains a loop: {' -> '.join(frames)}")


def _not_connected(source: str, target: str) -> ConnectivityException:
    return ConnectivityException(
        f"Could not find a connection between '{target}' and '{source}' because they are not part of the same tree."
        "Tf has two or more unconnected trees."
    )


def _message(target: str, source: str, stamp: int, rotation: np.ndarray, translation: np.ndarray) -> TransformStamped:
    message = TransformStamped(child_frame_id=source)
    message.header.frame_id = target
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 1_000_000_000)
    message.transform = Transform()
    place, turn = message.transform.translation, message.transform.rotation
    place.x, place.y, place.z = translation.tolist()
    turn.x, turn.y, turn.z, turn.w = rotation.tolist()
    return message
