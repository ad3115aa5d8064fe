"""Is an object found again by a tracker whose camera turned away and came back from another side?

With the relocalizer what its node does is done: see :mod:`pose_tracker_ros.nodes.relocalizer_node`.
"""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pose_tracker_ros.evaluation.metrics import add_errors
from pose_tracker_ros.evaluation.return_scenes import AWAY, RATE_HZ, WATCHED, ReturnScene, ScriptedScene, as_seen
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import invert
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.relocalization.relocalizer import Relocalizer
from pose_tracker_ros.relocalization.resting_objects import MISSING, RestingObjects
from pose_tracker_ros.tracking import Tracker, TrackerConfig, TrackResult, TrackState

# A frame of so many is located, 2 a second, and the answer comes so many frames later.
LOCATED_EVERY, LATE = 15, 4
REST_S = 1.0
# A pose is right within a tenth of the diameter (ADD), and claims a place where the centre is within half of one.
RIGHT_D, CLAIMED_D = 0.1, 0.5
RETURNED = WATCHED + AWAY
WITH, WITHOUT, MOVED = "with the relocalizer", "without it", "with it, object moved"


@dataclass(frozen=True)
class Return:
    """What came of one return: seconds after it until a right pose was tracked, and until one was that is wrong; None where
    that was not within its frames. ``claimed_s``: at the old place, which is wrong of a moved object. ``lost``: whether the
    tracker had given the object up before. Counts of frames that were located after it, and of poses that were offered."""

    seed: int
    object_name: str
    found_s: float | None
    wrong_s: float | None
    claimed_s: float | None
    lost: bool
    located: int
    offered: int


def return_to(scene: ReturnScene, folder: Path, options: TrackerConfig) -> dict[str, Return]:
    """The same return three times: with the relocalizer, without it, and with it to an object that was put elsewhere.

    ``folder``: for the map. Options need no budget of time, or outcomes are those of a machine.
    """
    left, moved = scene.with_object_left(), scene.with_object_moved()
    relocalizer = scene.map_room(folder)
    before = Follower(left.target, options, left.annotation(0).truth[left.target.name])
    for position in range(RETURNED):
        result = before.step(as_seen(left.read(position), position), position, relocalizer)
    is_lost = result.state is TrackState.LOST
    # Until the return nobody sees whether it was moved, and nothing is offered.
    runs = {WITH: (left, relocalizer), WITHOUT: (left, None), MOVED: (moved, relocalizer)}
    return {
        kind: _returned(scene, frames, left.resting_pose, before.forked(), known_map, is_lost)
        for kind, (frames, known_map) in runs.items()
    }


def _returned(
    scene: ReturnScene,
    frames: ScriptedScene,
    old_pose: np.ndarray,
    follower: Follower,
    relocalizer: Relocalizer | None,
    is_lost: bool,
) -> Return:
    """From the return on; an object that was left where it was is followed until it is found."""
    model, is_moved = frames.target, not np.allclose(frames.object_pose(RETURNED), old_pose)
    points = model.mesh.vertices[:: max(1, len(model.mesh.vertices) // 300)].astype(np.float64)
    found_s = wrong_s = claimed_s = None
    located, offered = follower.located, follower.offered
    for position in range(RETURNED, len(frames)):
        frame, seconds = as_seen(frames.read(position), position), (position - RETURNED) / RATE_HZ
        result = follower.step(frame, position, relocalizer)
        if result.state is not TrackState.TRACKING:
            continue
        pose = result.camera_T_object
        error_m = float(add_errors(pose[None], frame.truth[model.name][None], points)[0])
        if error_m < RIGHT_D * model.diameter_m:
            found_s = seconds if found_s is None else found_s
        elif wrong_s is None:
            wrong_s = seconds
        if claimed_s is None and _is_there(model, pose, invert(frames.scene_T_camera(position)) @ old_pose):
            claimed_s = seconds
        if found_s is not None and not is_moved:
            break
    counts = follower.located - located, follower.offered - offered
    return Return(scene.seed, scene.object_name, found_s, wrong_s, claimed_s, is_lost, *counts)


class Follower:
    """A tracker of one object, and what the relocalizer and tracker nodes do for it."""

    def __init__(self, model: ObjectModel, options: TrackerConfig, camera_T_object: np.ndarray) -> None:
        """The object is tracked from a pose (4, 4) in the first frame."""
        self._name, self._tracker = model.name, Tracker.load([model], options)
        self._tracker.start(model.name, camera_T_object)
        self._resting = RestingObjects(REST_S)
        self._frames: deque[Frame] = deque(maxlen=LATE + 1)
        self._offers: deque[tuple[float, np.ndarray]] = deque()
        self.located = self.offered = 0

    def forked(self) -> Follower:
        """Another one that goes on from here by itself; not both may be at work at once."""
        other = copy.copy(self)
        other._tracker, other._resting = self._tracker.forked(), copy.deepcopy(self._resting)
        other._frames, other._offers = self._frames.copy(), self._offers.copy()
        return other

    def step(self, frame: Frame, position: int, relocalizer: Relocalizer | None) -> TrackResult:
        """The next frame; now and then it is located, and what is offered is tried LATE frames later."""
        self._frames.append(frame)
        result = self._tracker.step(frame)[self._name]
        if self._offers and self._offers[0][0] <= self._frames[0].stamp:
            _, pose = self._offers.popleft()
            started = self._tracker.start_checked(self._name, pose, list(self._frames))
            result = started if started.state is TrackState.TRACKING else result
        if relocalizer is not None and position % LOCATED_EVERY == 0:
            self._relocalize(frame, result, relocalizer)
        return result

    def _relocalize(self, frame: Frame, result: TrackResult, relocalizer: Relocalizer) -> None:
        here = relocalizer.locate(frame)
        if not here.is_sure(relocalizer.config.least_confidence):
            return
        self.located += 1
        if result.state is TrackState.TRACKING:
            seen = result.camera_T_object, result.covariance
            self._resting.see(self._name, frame.stamp, here.map_T_camera, here.covariance, *seen)
        missing = [self._name] if result.state in MISSING else []
        for pose in self._resting.offers(missing, here.map_T_camera, frame.camera).values():
            self.offered += 1
            self._offers.append((frame.stamp, pose))


def _is_there(model: ObjectModel, pose: np.ndarray, other: np.ndarray) -> bool:
    center = np.append(model.center_m, 1.0)
    return float(np.linalg.norm((pose - other) @ center)) < CLAIMED_D * model.diameter_m
