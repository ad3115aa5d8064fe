"""A camera turns away from an object that was put down and comes back from another side: is the object found again?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.evaluation.metrics import add_errors
from pose_tracker_ros.geometry import invert, make_pose, so3_exp
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.relocalization.config import MapConfig
from pose_tracker_ros.relocalization.folder import load_relocalizer
from pose_tracker_ros.relocalization.mapping import GivenPoses, MapBuilder
from pose_tracker_ros.relocalization.relocalizer import Relocalizer
from pose_tracker_ros.relocalization.resting_objects import RestingObjects
from pose_tracker_ros.simulation.config import CameraConfig, ObjectConfig, SceneConfig
from pose_tracker_ros.simulation.paths import PoseTrack
from pose_tracker_ros.simulation.room import support_pose
from pose_tracker_ros.simulation.scene import SceneSequence
from pose_tracker_ros.tracking import Tracker, TrackerConfig, TrackResult, TrackState

RATE_HZ = 30.0
# Frames of watching the object, of looking away for 5 s, of which every tenth is shown, and after the return.
WATCHED, AWAY, AFTER = 46, 15, 60
AWAY_S = 5.0
# A frame of so many is located: 2 a second.
LOCATED_EVERY = 15
# The camera comes back from so far around the support: a metre to the side.
SIDE_DEG = 48.0
# Mapped from so many places.
MAPPED = 48
# The object is put so far away meanwhile, along the support, metres.
MOVED_M = 0.3
REST_S = 1.0


class ScriptedScene(SceneSequence):
    """A scene whose camera and first object go where they are told to: scene_T_camera, scene_T_object (N, 4, 4)."""

    def __init__(self, config: SceneConfig, camera_poses: np.ndarray, object_poses: np.ndarray | None = None) -> None:
        """The object stays where the options put it where no poses are given."""
        super().__init__(config)
        self._camera_track = PoseTrack(camera_poses)
        self._tracks[0] = PoseTrack(np.tile(self._tracks[0].poses[0], (len(camera_poses), 1, 1)) if object_poses is None else object_poses)
        self._length = len(camera_poses)

    @property
    def resting_pose(self) -> np.ndarray:
        """scene_T_object (4, 4) in the first frame."""
        return self._tracks[0].poses[0]


@dataclass(frozen=True)
class Return:
    """What came of one return: ``found_s`` seconds after it, None where not within AFTER frames; ``claimed_s`` when the object
    was said to be at its old place, which is wrong where it was moved."""

    seed: int
    found_s: float | None
    claimed_s: float | None
    located: int
    offered: int


class Cameras(NamedTuple):
    """scene_T_camera (N, 4, 4) of the three parts."""

    watching: np.ndarray
    away: np.ndarray
    after: np.ndarray


def cameras(config: SceneConfig, side: float) -> Cameras:
    """A hand-held camera that watches the support, looks to the other side, and comes back ``side`` times SIDE_DEG around."""
    generator = np.random.default_rng((config.seed, 8))
    support = support_pose(config.room)
    up, middle = support[:3, 2], support[:3, 3]
    back = around(middle, up, side * np.radians(SIDE_DEG))
    # Closer or farther, and not quite towards the middle.
    back = back @ make_pose(so3_exp(generator.uniform(-0.08, 0.08, 3)), generator.uniform(-0.08, 0.08, 3))
    watching = np.stack([shaken(np.eye(4), number) for number in range(WATCHED)])
    turned = around(np.zeros(3), up, side * 2.0)
    away = np.stack([shaken(turned, number) for number in range(AWAY)])
    after = np.stack([shaken(back, number) for number in range(AFTER)])
    return Cameras(watching, away, after)


def around(middle: np.ndarray, axis: np.ndarray, angle: float) -> np.ndarray:
    """The motion (4, 4) that turns about an axis (3,) through a point (3,) by an angle in radians."""
    rotation = so3_exp(axis * angle)
    return make_pose(rotation, middle - rotation @ middle)


def shaken(pose: np.ndarray, number: int) -> np.ndarray:
    """A pose (4, 4) as a hand holds it in a frame."""
    wave = np.sin(np.array([0.11, 0.17, 0.13]) * number + np.array([0.0, 1.0, 2.0]))
    return pose @ make_pose(so3_exp(0.006 * wave), 0.006 * wave[::-1])


def stamp_of(position: int) -> float:
    """Seconds since the first frame."""
    away = np.clip(position - WATCHED, 0, AWAY)
    return (position - away) / RATE_HZ + AWAY_S * away / AWAY


def scene_config(seed: int, object_name: str) -> SceneConfig:
    """A room with an object on the support."""
    return SceneConfig(
        frames=2,
        rate_hz=RATE_HZ,
        seed=seed,
        objects=(ObjectConfig(model=object_name, path="rest", place="support"),),
        # Of a still camera the room is drawn but once.
        camera=CameraConfig(path="handheld"),
    )


def map_scene(config: SceneConfig, folder: Path) -> Relocalizer:
    """A map of the room before the object was put there, from cameras around the support that look at it and past it."""
    generator = np.random.default_rng((config.seed, 9))
    support = support_pose(config.room)
    poses = []
    for number in range(MAPPED):
        angle = np.radians(np.interp(number, [0, MAPPED - 1], [-70, 70]))
        look = make_pose(so3_exp(generator.uniform(-0.25, 0.25, 3)), generator.uniform(-0.15, 0.15, 3))
        poses.append(around(support[:3, 3], support[:3, 2], angle) @ look)
    below = make_pose(np.eye(3), np.array([0.0, 50.0, 0.0]))
    scene = ScriptedScene(config, np.stack(poses), np.tile(below, (MAPPED, 1, 1)))
    options = MapConfig(keyframe_m=0.05, keyframe_deg=5.0)
    builder = MapBuilder(folder, options, GivenPoses(options))
    for frame in scene:
        builder.add(frame)
    builder.finish("simulation")
    return load_relocalizer(folder)


def moved_pose(config: SceneConfig, scene_T_object: np.ndarray) -> np.ndarray:
    """Where the object is put meanwhile: along the support, and turned about the vertical."""
    generator = np.random.default_rng((config.seed, 10))
    support = support_pose(config.room)
    turn = around(scene_T_object[:3, 3], support[:3, 2], generator.uniform(0.5, 5.5))
    direction = generator.choice([-1.0, 1.0]) * support[:3, 0]
    return make_pose(np.eye(3), MOVED_M * direction) @ turn @ scene_T_object


def scenes(config: SceneConfig, side: float) -> dict[bool, ScriptedScene]:
    """The frames of a run, with the object where it was put (False) and put elsewhere while nobody looked (True)."""
    parts = cameras(config, side)
    poses = np.concatenate(parts)
    resting = ScriptedScene(config, poses)
    objects = np.tile(resting.resting_pose, (len(poses), 1, 1))
    objects[WATCHED:] = moved_pose(config, resting.resting_pose)
    return {False: resting, True: ScriptedScene(config, poses, objects)}


def run(
    seed: int, frames: ScriptedScene, relocalizer: Relocalizer | None, tracker_config: TrackerConfig
) -> Return:
    """Follow the object from its true pose through all frames; without a relocalizer by the tracker's own search alone."""
    model = frames.target
    tracker = Tracker.load([model], tracker_config)
    resting = RestingObjects(REST_S)
    least = 0.0 if relocalizer is None else relocalizer.config.least_confidence
    found_s = claimed_s = None
    located = offered = 0
    old = frames.resting_pose
    tracker.start(model.name, frames.annotation(0).truth[model.name])
    for position in range(len(frames)):
        frame = replace(frames.read(position), stamp=stamp_of(position))
        result = tracker.step(frame)[model.name]
        if relocalizer is not None and position % LOCATED_EVERY == 0:
            here = relocalizer.locate(frame)
            if here.is_sure(least):
                located += 1
                if result.state is TrackState.TRACKING:
                    seen = result.camera_T_object, result.covariance
                    resting.see(model.name, frame.stamp, here.map_T_camera, here.covariance, *seen)
                expected = resting.expected(model.name, here.map_T_camera, frame.camera)
                if expected is not None and result.state in (TrackState.SEARCHING, TrackState.LOST):
                    offered += 1
                    result = max(result, tracker.start_checked(model.name, expected, [frame]), key=_is_tracking)
        if position < WATCHED + AWAY or result.state is not TrackState.TRACKING:
            continue
        seconds = (position - WATCHED - AWAY) / RATE_HZ
        if found_s is None and _is_at(model, result.camera_T_object, frame.truth[model.name]):
            found_s = seconds
        if claimed_s is None and _is_at(model, result.camera_T_object, invert(frame.world_T_camera) @ old):
            claimed_s = seconds
        if found_s is not None:
            break
    return Return(seed, found_s, claimed_s, located, offered)


def _is_tracking(result: TrackResult) -> bool:
    return result.state is TrackState.TRACKING


def _is_at(model: ObjectModel, pose: np.ndarray, other: np.ndarray) -> bool:
    """Within a tenth of the diameter, as points of the mesh go (ADD)."""
    points = model.mesh.vertices[:: max(1, len(model.mesh.vertices) // 300)].astype(np.float64)
    return float(add_errors(pose[None], other[None], points)[0]) < 0.1 * model.diameter_m

