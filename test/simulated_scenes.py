"""Scenes that are small enough for tests, and what is known of them without the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets import Frame
from pose_tracker_ros.geometry import quaternion_from_matrix
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import create_renderer
from pose_tracker_ros.simulation import surfaces
from pose_tracker_ros.simulation.config import (
    CameraConfig,
    LightConfig,
    ObjectConfig,
    RoomConfig,
    SceneConfig,
    SensorConfig,
)
from pose_tracker_ros.simulation.scene import CAMERA, SceneSequence

SMALL = CAMERA.scaled(0.25)
SMALL_TEXTURE_PX = 192
PERFECT = SensorConfig(depth_noise_mm=0.0, color_noise=0.0)
STEADY = LightConfig(flicker=0.0)
EMPTY = RoomConfig(clutter=0)


def small_scene(
    model: ObjectModel, target: dict | None = None, camera_path: CameraConfig | None = None, **parts: object
) -> SceneSequence:
    """A scene of ``model`` moved as ``target`` says; perfect sensor, steady light, still camera and empty room by default."""
    options = {"frames": 20, "sensor": PERFECT, "light": STEADY, "room": EMPTY, **parts}
    options["camera"] = camera_path or CameraConfig()
    objects = (ObjectConfig(model=model.name, **(target or {})),)
    return opened(SceneConfig(objects=objects, **options), {model.name: model})


def opened(config: SceneConfig, models: Mapping[str, ObjectModel], camera: PinholeCamera = SMALL) -> SceneSequence:
    """The sequence with coarse textures, which are made faster."""
    with mock.patch.object(surfaces, "TEXTURE_PX", SMALL_TEXTURE_PX):
        return SceneSequence(config, models, camera=camera)


def same_frames(one: Frame, other: Frame) -> bool:
    """Whether all bits of two frames agree."""
    arrays = [(one.color, other.color), (one.depth, other.depth), (one.world_T_camera, other.world_T_camera)]
    arrays += [(one.truth[name], other.truth[name]) for name in one.truth]
    arrays += [(one.masks[name], other.masks[name]) for name in one.masks]
    return all(np.array_equal(*pair) for pair in arrays) and one.visibility == other.visibility


def whole_silhouette(model: ObjectModel, camera: PinholeCamera, camera_T_object: np.ndarray) -> int:
    """Pixels of an object in an image that is five times as wide and as high, by the second renderer."""
    wide = replace(
        camera,
        width=5 * camera.width,
        height=5 * camera.height,
        cx=camera.cx + 2 * camera.width,
        cy=camera.cy + 2 * camera.height,
    )
    return int(create_renderer("opengl", model.mesh).render(wide, camera_T_object).mask.sum())


def ball_depth(camera: PinholeCamera, center: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Depth (H, W) of a ball by its equation, 0 beside it, and how far every ray passes from its middle, metres."""
    rays = camera.rays().astype(np.float64)
    squared, along = np.sum(rays**2, axis=-1), rays @ center
    distance = np.sqrt(np.maximum(center @ center - along**2 / squared, 0))
    inside = np.sqrt(np.maximum(radius**2 - distance**2, 0) * squared)
    return np.where(distance < radius, (along - inside) / squared, 0), distance


def fitted_plane(camera: PinholeCamera, depth: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Unit normal (3,) away from the camera and offset of the plane of a depth image's pixels, and the largest residual."""
    points = camera.back_project(depth)[mask].astype(np.float64)
    middle = points.mean(axis=0)
    normal = np.linalg.svd(points - middle, full_matrices=False)[2][2]
    normal = normal if normal[2] > 0 else -normal
    return normal, float(normal @ middle), float(np.abs((points - middle) @ normal).max())


def write_trajectory(path: Path, poses: np.ndarray) -> str:
    """Poses (N, 4, 4) as a file of lines ``t x y z qx qy qz qw``; its path."""
    rows = [[index, *pose[:3, 3], *quaternion_from_matrix(pose[:3, :3])] for index, pose in enumerate(poses)]
    np.savetxt(path, rows, fmt="%.17g")
    return str(path)
