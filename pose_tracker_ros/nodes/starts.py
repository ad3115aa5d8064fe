"""First poses on their way into the tracker: each is followed from the frame that it is of to the newest one."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.impl.rcutils_logger import RcutilsLogger
from std_msgs.msg import Header

from pose_tracker_ros.evaluation.depth_plausibility import remark_on_frame
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.object_set import FollowedObject, ObjectSet
from pose_tracker_ros.nodes.recent_frames import FrameBuffer
from pose_tracker_ros.tracking import Tracker, TrackResult, TrackState

# Of a start, in every frame of the camera in which it goes on: with one it would never come to the newest.
FEWEST_FRAMES = 2
# So many frames of the camera in a row go before a start.
MOST_DEFERRED = 10


@dataclass
class Start:
    """A first pose under way: who follows its object alone, the frames still to be followed, and how many were."""

    one: FollowedObject
    stamp: float
    alone: Tracker
    frames: deque[Frame]
    followed: int = 0

    def age(self, newest: Frame) -> str:
        """For whoever reads what became of it."""
        return _age(self.stamp, newest, self.followed)


class Starts:
    """Takes first poses one after the other, as far as the time of a frame goes; what is left goes on in the next ones.

    To be used by whoever steps the tracker.
    """

    def __init__(
        self,
        logger: RcutilsLogger,
        objects: ObjectSet,
        recent: FrameBuffer,
        placed: Callable[[PoseStamped, Frame, Header], np.ndarray],
    ) -> None:
        """``recent``: the frames that are kept; ``placed``: camera_T_object (4, 4) of a first pose in the frame that it is of, with
        the header of the newest one; raises ValueError where that is not known."""
        self._logger, self._objects, self._recent, self._placed = logger, objects, recent, placed
        self._asked: dict[str, PoseStamped] = {}
        self._current: Start | None = None
        self._deferred = 0

    def __bool__(self) -> bool:
        """Whether frames have to be kept for any."""
        return bool(self._asked) or self._current is not None

    def ask(self, poses: Mapping[str, PoseStamped]) -> None:
        """First poses by name, instead of older ones of the same objects."""
        for name, pose in poses.items():
            self.forget(name)
            self._asked[name] = pose

    def forget(self, name: str) -> None:
        """Give up the first pose of an object, if there is one."""
        self._asked.pop(name, None)
        if self._current is not None and self._current.one.named.name == name:
            self._current = None

    def clear(self) -> None:
        """Give up all of them."""
        self._asked.clear()
        self._current = None

    def go_on(self, frame: Frame, header: Header, until: float, is_behind: bool) -> dict[str, TrackResult]:
        """What is known of the objects that came to be tracked in the newest frame.

        ``until``: end of this frame's time, by the performance counter; ``is_behind``: whether the next frame waits already.
        """
        if self._current is not None:
            self._current.frames.append(frame)
            # It may have been given up meanwhile.
            if not self._is_there(self._current.one):
                self._current = None
        if is_behind and self._deferred < MOST_DEFERRED:
            self._deferred += 1
            return {}
        self._deferred = followed = 0
        results = {}
        while self._current is not None or self._begin(frame, header):
            start = self._current
            result = self._follow(start, frame)
            followed += 1
            if result is not None and not start.frames:
                self._current = None
                results |= self._taken(start, result, frame)
            if time.perf_counter() > until and (self._current is None or followed >= FEWEST_FRAMES):
                break
        return results

    def _begin(self, frame: Frame, header: Header) -> bool:
        """Make the first pose that has waited longest the current one; False where there is none that can be."""
        while self._asked:
            name = next(iter(self._asked))
            pending = self._asked.pop(name)
            if name not in self._objects:
                continue
            one, stamp = self._objects[name], messages.seconds(pending.header.stamp)
            config = self._objects.tracker.config
            frames = (self._recent.since(stamp, config.catch_up_frames) if stamp else None) or [frame]
            try:
                pose = self._placed(pending, frames[0], header)
                remark = remark_on_frame(frames[0], self._objects.tracker, name, pose)
                if remark:
                    self._logger.warning(f"first pose of {name!r}: {remark}")
                alone = self._objects.tracker.starting(name, pose, frames[0].stamp)
            except ValueError as error:
                self._refuse(one, f"{error} ({_age(stamp, frame, followed=0)})")
                continue
            self._current = Start(one, stamp, alone, deque(frames))
            return True
        return False

    def _follow(self, start: Start, newest: Frame) -> TrackResult | None:
        """The next frame of a start, None where it fails; who asked waits for the answer, so that it may take longer than others."""
        start.followed += 1
        try:
            return start.alone.step(start.frames.popleft(), budget_ms=0.0)[start.one.named.name]
        except ValueError as error:
            self._current = None
            self._refuse(start.one, f"{error} ({start.age(newest)})")
            return None
        except Exception:
            # What fails must not fail in every frame.
            self._current = None
            raise

    def _taken(self, start: Start, result: TrackResult, frame: Frame) -> dict[str, TrackResult]:
        one, age = start.one, start.age(frame)
        name = one.named.name
        result = self._objects.tracker.take_over(start.alone, name, result)
        if result.state is not TrackState.TRACKING:
            self._refuse(one, f"{result.reason} ({age}, score {result.score:.2f})")
            return {}
        one.last_start = f"taken: {age}, score {result.score:.2f}"
        self._logger.info(f"first pose of {name!r} {one.last_start}")
        return {name: result}

    def _is_there(self, one: FollowedObject) -> bool:
        return one.named.name in self._objects and self._objects[one.named.name] is one

    def _refuse(self, one: FollowedObject, why: str) -> None:
        """Say why a first pose was not taken; an object that is tracked stays so."""
        one.last_start = f"refused: {why}"
        self._logger.warning(
            f"first pose of {one.named.name!r} {one.last_start}; is it in sight there, and are the pose's frame and stamp right?"
        )
        if one.publisher.state is TrackState.UNINITIALISED:
            one.publisher.publish_forgotten(f"first pose {one.last_start}")


def _age(stamp: float, newest: Frame, followed: int) -> str:
    return f"{newest.stamp - stamp:.2f} s old, followed over {followed} frames" if stamp else "without a stamp"
