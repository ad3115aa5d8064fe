"""Posed frames of a room from places all over it: a small world in which cameras can be located."""

from __future__ import annotations

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets.sequence import Annotation, IndexedSequence
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import make_pose
from pose_tracker_ros.simulation.canvas import Canvas
from pose_tracker_ros.simulation.config import LightConfig, RoomConfig, SensorConfig
from pose_tracker_ros.simulation.room import Room
from pose_tracker_ros.simulation.sensor import Sensor

CAMERA = PinholeCamera(320, 240, 290.0, 290.0, 159.5, 119.5)
RATE_HZ = 30.0
# Cameras are in this box around the place of a camera that has not moved, metres, and look at points in the other one.
LOW, HIGH = np.array([-0.9, -0.5, -0.5]), np.array([0.9, 0.3, 0.5])
LOOKED_LOW, LOOKED_HIGH = np.array([-0.9, -0.5, 1.0]), np.array([0.9, 0.5, 1.6])
OBJECT_COLOR = np.array([120.0, 90.0, 60.0])


class RoomViews(IndexedSequence):
    """``count`` frames of the room of a seed; ``places`` is the seed of where the cameras are."""

    def __init__(
        self,
        count: int,
        room: int,
        places: int,
        sensor: SensorConfig | None = None,
        camera: PinholeCamera = CAMERA,
    ) -> None:
        super().__init__(f"room {room}", RATE_HZ)
        self._camera, self._places, self._room_seed = camera, places, room
        light = LightConfig()
        self._room = Room(RoomConfig(), light, OBJECT_COLOR, (), np.random.default_rng(room))
        self._exposure = light.exposure
        self._sensor = Sensor(sensor or SensorConfig(), camera, room)
        generator = np.random.default_rng(places)
        self._poses = [_place(generator) for _ in range(count)]

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._poses)

    @property
    def camera(self) -> PinholeCamera:
        """Intrinsics of all frames."""
        return self._camera

    def annotation(self, position: int) -> Annotation:
        """See :class:`IndexedSequence`; no objects are known."""
        return Annotation(position, position / RATE_HZ, {})

    def world_T_camera(self, position: int) -> np.ndarray:
        """Pose (4, 4) of the camera at ``position``."""
        return self._poses[position]

    def read(self, position: int) -> Frame:
        """The frame at ``position``, the same whenever it is asked for."""
        generator = np.random.default_rng((self._room_seed, self._places, position))
        canvas = Canvas(self._camera)
        self._room.draw(canvas, self._poses[position], self._exposure)
        return Frame(
            self._sensor.color(canvas.color, generator),
            self._sensor.depth(canvas.depth, generator),
            self._camera,
            stamp=position / RATE_HZ,
            index=position,
            world_T_camera=self._poses[position],
        )


def _place(generator: np.random.Generator) -> np.ndarray:
    """Pose (4, 4) of an upright camera, turned a little about its axis."""
    position = generator.uniform(LOW, HIGH)
    forward = generator.uniform(LOOKED_LOW, LOOKED_HIGH) - position
    forward /= np.linalg.norm(forward)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    roll = generator.normal(0, 0.05)
    down = np.cross(forward, right)
    right = np.cos(roll) * right + np.sin(roll) * down
    return make_pose(np.column_stack([right, np.cross(forward, right), forward]), position)
