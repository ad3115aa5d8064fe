"""Rooms in which a camera watches an object that was put down, turns away, and comes back from another side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import make_pose, so3_exp
from pose_tracker_ros.relocalization.config import MapConfig
from pose_tracker_ros.relocalization.folder import load_relocalizer
from pose_tracker_ros.relocalization.mapping import GivenPoses, MapBuilder
from pose_tracker_ros.relocalization.relocalizer import Relocalizer
from pose_tracker_ros.simulation.config import CameraConfig, ObjectConfig, RoomConfig, SceneConfig
from pose_tracker_ros.simulation.paths import PoseTrack
from pose_tracker_ros.simulation.room import support_pose
from pose_tracker_ros.simulation.room_views import CAMERA
from pose_tracker_ros.simulation.scene import SceneSequence

RATE_HZ = 30.0
# Frames of watching the object, of looking away, of which every fourth is shown, and after the return.
WATCHED, AWAY, AFTER = 46, 38, 60
AWAY_S = 5.0
# Distance of the camera from the middle of the support, and between where it was and where it comes back, metres.
DISTANCE_M, BESIDE_M = 0.65, 1.0
# The object is put so far away meanwhile, along the support, metres.
MOVED_M = 0.3
# Where nothing is seen of an object, metres below.
OUT_OF_SIGHT_M = 50.0


class ScriptedScene(SceneSequence):
    """A scene whose camera and first object go where they are told to: scene_T_camera, scene_T_object (N, 4, 4)."""

    def __init__(
        self, config: SceneConfig, camera_poses: np.ndarray, object_poses: np.ndarray | None = None, camera: PinholeCamera = CAMERA
    ) -> None:
        """The object stays where the options put it where no poses are given."""
        super().__init__(config, camera=camera)
        self._camera_track = PoseTrack(camera_poses)
        resting = np.tile(self._tracks[0].poses[0], (len(camera_poses), 1, 1))
        self._tracks[0] = PoseTrack(resting if object_poses is None else object_poses)
        self._length = len(camera_poses)

    @property
    def resting_pose(self) -> np.ndarray:
        """scene_T_object (4, 4) in the first frame."""
        return self.object_pose(0)

    def object_pose(self, position: int) -> np.ndarray:
        """scene_T_object (4, 4) in the frame at ``position``."""
        return self._tracks[0].at(position)


@dataclass(frozen=True)
class ReturnScene:
    """One return to an object of models/; the same seed gives the same room, ways of the camera, and places."""

    seed: int
    object_name: str
    camera: PinholeCamera = CAMERA
    # So many places are mapped, all around the support.
    mapped: int = 60

    @property
    def side(self) -> float:
        """Whether the camera comes back from the right (1) or the left (-1)."""
        return 1.0 if self.seed % 4 > 1 else -1.0

    @property
    def config(self) -> SceneConfig:
        """The room, with the object on the support."""
        return SceneConfig(
            frames=2,
            rate_hz=RATE_HZ,
            seed=self.seed,
            objects=(ObjectConfig(model=self.object_name, path="rest", place="support"),),
            # Of a still camera the room is drawn but once.
            camera=CameraConfig(path="handheld"),
            room=RoomConfig(support_m=DISTANCE_M),
        )

    @cached_property
    def camera_poses(self) -> np.ndarray:
        """scene_T_camera (N, 4, 4) of all frames, as a hand holds it."""
        generator = np.random.default_rng((self.seed, 8))
        support = support_pose(self.config.room)
        up, middle = support[:3, 2], support[:3, 3]
        back = around(middle, up, self.side * self._angle)
        # Closer or farther, and not quite towards the middle.
        back = back @ make_pose(so3_exp(generator.uniform(-0.08, 0.08, 3)), generator.uniform(-0.08, 0.08, 3))
        turned = around(np.zeros(3), up, self.side * 2.0)
        parts = np.eye(4)[None].repeat(WATCHED, 0), turned[None].repeat(AWAY, 0), back[None].repeat(AFTER, 0)
        return np.stack([shaken(pose, number) for number, pose in enumerate(np.concatenate(parts))])

    @property
    def _angle(self) -> float:
        """How far the camera goes around the support, radians: the circle is that of a camera that looks down at it."""
        radius = DISTANCE_M * np.cos(np.radians(self.config.room.support_tilt_deg))
        return 2 * np.arcsin(min(1.0, BESIDE_M / (2 * radius)))

    def with_object_left(self) -> ScriptedScene:
        """The frames where the object stays where it was put."""
        return self._scene(self.camera_poses)

    def with_object_moved(self) -> ScriptedScene:
        """The frames where it is put elsewhere while nobody looks: along the support, and turned about the vertical."""
        generator = np.random.default_rng((self.seed, 10))
        resting = self.with_object_left().resting_pose
        support = support_pose(self.config.room)
        turn = around(resting[:3, 3], support[:3, 2], generator.uniform(0.5, 5.5))
        direction = generator.choice([-1.0, 1.0]) * support[:3, 0]
        poses = np.tile(resting, (len(self.camera_poses), 1, 1))
        poses[WATCHED:] = make_pose(np.eye(3), MOVED_M * direction) @ turn @ resting
        return self._scene(self.camera_poses, poses)

    def map_room(self, folder: Path) -> Relocalizer:
        """A map of the room before the object was put there, from cameras all around that look at the support and past it."""
        generator = np.random.default_rng((self.seed, 9))
        support = support_pose(self.config.room)
        poses = []
        for angle in np.linspace(-np.pi, np.pi, self.mapped, endpoint=False):
            look = make_pose(so3_exp(generator.uniform(-0.25, 0.25, 3)), generator.uniform(-0.15, 0.15, 3))
            poses.append(around(support[:3, 3], support[:3, 2], angle) @ look)
        below = make_pose(np.eye(3), np.array([0.0, OUT_OF_SIGHT_M, 0.0]))
        options = MapConfig(keyframe_m=0.05, keyframe_deg=5.0)
        builder = MapBuilder(folder, options, GivenPoses(options))
        for frame in self._scene(np.stack(poses), np.tile(below, (self.mapped, 1, 1))):
            builder.add(frame)
        builder.finish("simulation")
        return load_relocalizer(folder)

    def _scene(self, camera_poses: np.ndarray, object_poses: np.ndarray | None = None) -> ScriptedScene:
        return ScriptedScene(self.config, camera_poses, object_poses, self.camera)


def as_seen(frame: Frame, position: int) -> Frame:
    """A frame as a camera gives it: with its true stamp, those of looking away are farther apart, and not knowing where it is."""
    away = np.clip(position - WATCHED, 0, AWAY)
    return replace(frame, stamp=float((position - away) / RATE_HZ + AWAY_S * away / AWAY), world_T_camera=None)


def around(middle: np.ndarray, axis: np.ndarray, angle: float) -> np.ndarray:
    """The motion (4, 4) that turns about an axis (3,) through a point (3,) by an angle in radians."""
    rotation = so3_exp(axis * angle)
    return make_pose(rotation, middle - rotation @ middle)


def shaken(pose: np.ndarray, number: int) -> np.ndarray:
    """A pose (4, 4) as a hand holds it in a frame."""
    wave = np.sin(np.array([0.11, 0.17, 0.13]) * number + np.array([0.0, 1.0, 2.0]))
    return pose @ make_pose(so3_exp(0.006 * wave), 0.006 * wave[::-1])
