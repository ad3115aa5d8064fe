"""Boards: real planes before the target, or a wall behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import random_unit_vector, so3_exp, transform_points
from pose_tracker_ros.objects import ObjectModel, texture_pyramid
from pose_tracker_ros.rendering import Rendering
from pose_tracker_ros.simulation import surfaces
from pose_tracker_ros.simulation.canvas import Patch
from pose_tracker_ros.simulation.config import BoardConfig
from pose_tracker_ros.simulation.occluders import spell_share
from pose_tracker_ros.simulation.paths import PoseTrack
from pose_tracker_ros.simulation.props import mean_color

# A sweeping bar is so long, and begins and ends so far beside the object.
BAR_LENGTH_M, BAR_MARGIN_M = 1.2, 0.03
# How far a board that hides a share reaches beyond the object's box in the image, pixels.
SHARE_REACH_PX = 40
# Boards are held anyhow, within this about the line of sight.
ROLL_RAD = np.radians(15.0)
MOST_PLACES = 12


@dataclass(frozen=True)
class BoardScene:
    """What boards need to know of a scene: the target and its way, the camera and its way, and a picture of the target."""

    model: ObjectModel
    scene_T_object: PoseTrack
    scene_T_camera: PoseTrack
    camera: PinholeCamera
    render_target: Callable[[float], Rendering]

    def hull(self, time: float) -> np.ndarray:
        """Vertices (V, 3) of the target in the scene at a time in frames."""
        return transform_points(self.scene_T_object.at(time), self.model.mesh.vertices.astype(np.float64))

    def middle(self, time: float) -> np.ndarray:
        """Middle (3,) of the target in the scene."""
        pose = self.scene_T_object.at(time)
        return pose[:3, :3] @ self.model.center_m + pose[:3, 3]


@dataclass(frozen=True)
class _Plane:
    """A plane with axes: normal (3,) away from the camera, offset along it, across (3,) and along (3,) in it."""

    normal: np.ndarray
    offset: float
    across: np.ndarray
    along: np.ndarray

    def seen(self, points: np.ndarray, eye: np.ndarray) -> np.ndarray:
        """Coordinates (N, 2) of where the lines from ``eye`` (3,) to points (N, 3) meet the plane."""
        rays = points - eye
        hit = eye + rays * ((self.offset - eye @ self.normal) / (rays @ self.normal))[:, None]
        return np.column_stack([hit @ self.across, hit @ self.along])

    def point(self, coordinates: np.ndarray) -> np.ndarray:
        return self.normal * self.offset + self.across * coordinates[0] + self.along * coordinates[1]


class Board:
    """One board of a scene, for all of its spells."""

    def __init__(self, config: BoardConfig, scene: BoardScene, generator: np.random.Generator) -> None:
        self._config = config
        self._scene = scene
        self._seed = int(generator.integers(2**31))
        self._tilt_axis = np.array([*random_unit_vector(generator)[:2], 0.0])
        self._tilt_axis /= np.linalg.norm(self._tilt_axis)
        self._roll = generator.uniform(-ROLL_RAD, ROLL_RAD)
        angle = generator.uniform(0, 2 * np.pi)
        # As far as its longer edge along one of the edges: beside the object, not only beside its middle.
        self._comes_from = np.array([np.cos(angle), np.sin(angle)]) / max(abs(np.cos(angle)), abs(np.sin(angle)))
        self._pyramid = tuple(texture_pyramid(self._texture(generator)))
        self._spells: dict[int, tuple[_Plane, np.ndarray, np.ndarray]] = {}

    def patch(self, time: float) -> Patch | None:
        """The board in the scene at a time in frames, None when it is not there."""
        config = self._config
        since = time - config.first_frame
        if since < 0:
            return None
        spell = int(since // config.period_frames) if config.period_frames else 0
        since -= spell * config.period_frames
        if since >= config.frames:
            return None
        if config.share < 1:
            return self._side_patch(time, spell)
        if config.motion == "sweeps":
            return self._sweeping_patch(time, (since + 0.5) / config.frames)
        first = config.first_frame + spell * config.period_frames
        return self._whole_patch(time, spell, first, since)

    def _whole_patch(self, time: float, spell: int, first: int, since: float) -> Patch:
        if spell not in self._spells:
            self._spells[spell] = self._spread(first)
        plane, low, high = self._spells[spell]
        corner = plane.point(low + self._slide(since) * (high - low).max() * self._comes_from)
        if self._config.motion == "follows":
            corner = corner + self._scene.middle(time)
        return self._make(corner, plane.across * (high - low)[0], plane.along * (high - low)[1])

    def _spread(self, first: int) -> tuple[_Plane, np.ndarray, np.ndarray]:
        """The plane and two corners (2,) in it of a board that covers the target whenever it is in its place.

        Of one that follows, all is relative to the middle of the target.
        """
        config, scene = self._config, self._scene
        times = np.linspace(first + config.slide_frames, first + config.frames - config.slide_frames - 1, MOST_PLACES)
        times = np.unique(np.clip(np.rint(times), 0, len(scene.scene_T_object) - 1))
        origins = [scene.middle(time) if config.motion == "follows" else np.zeros(3) for time in times]
        hulls = [scene.hull(time) - origin for time, origin in zip(times, origins)]
        eyes = [scene.scene_T_camera.at(time)[:3, 3] - origin for time, origin in zip(times, origins)]
        plane = self._plane(scene.scene_T_camera.at(times[len(times) // 2]), np.vstack(hulls))
        seen = np.vstack([plane.seen(hull, eye) for hull, eye in zip(hulls, eyes)])
        low, high = seen.min(axis=0), seen.max(axis=0)
        middle, half = (low + high) / 2, (high - low) / 2 * config.size
        return plane, middle - half, middle + half

    def _plane(self, scene_T_camera: np.ndarray, points: np.ndarray) -> _Plane:
        """A plane, turned as the options say, before (or behind) all points (N, 3) by the gap."""
        config = self._config
        turned = scene_T_camera[:3, :3] @ so3_exp(self._tilt_axis * np.radians(config.tilt_deg))
        across, along, normal = (turned @ so3_exp(np.array([0, 0, self._roll]))).T
        distances = points @ normal
        offset = distances.min() - config.gap_m if config.side == "front" else distances.max() + config.gap_m
        return _Plane(normal, float(offset), across, along)

    def _slide(self, since: float) -> float:
        """How far it is still, or again, from its place: 0 in it, 1 beside the object."""
        config = self._config
        if config.slide_frames == 0:
            return 0.0
        last = config.frames - 1 - since
        return 1 - min(1.0, max(0.0, min(since, last)) / config.slide_frames)

    def _sweeping_patch(self, time: float, progress: float) -> Patch:
        config, scene = self._config, self._scene
        middle = scene.middle(time)
        plane = self._plane(scene.scene_T_camera.at(time), scene.hull(time))
        center = plane.seen(middle[None], scene.scene_T_camera.at(time)[:3, 3])[0]
        reach = scene.model.diameter_m / 2 + config.width_m / 2 + BAR_MARGIN_M
        center[0] += reach * (2 * progress - 1)
        corner = plane.point(center - np.array([config.width_m, BAR_LENGTH_M]) / 2)
        return self._make(corner, plane.across * config.width_m, plane.along * BAR_LENGTH_M)

    def _side_patch(self, time: float, spell: int) -> Patch | None:
        """A board parallel to the image with a straight edge that leaves the rest of the target's pixels free."""
        config, camera = self._config, self._scene.camera
        period = config.period_frames or len(self._scene.scene_T_object) + config.frames
        share = spell_share(time, config.first_frame, period, config.frames, config.share)
        if share == 0:
            return None
        # As the colour camera sees it, whichever camera the board is drawn for.
        rendering = self._scene.render_target(time)
        rows, columns = np.nonzero(rendering.mask)
        if len(rows) == 0:
            return None
        angle = np.random.default_rng((self._seed, spell)).uniform(0, 2 * np.pi)
        inward, aside = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        pixels = np.column_stack([columns, rows]).astype(np.float64)
        near = pixels @ inward
        low = np.array([np.quantile(near, 1 - share), (pixels @ aside).min() - SHARE_REACH_PX])
        high = np.array([near.max() + SHARE_REACH_PX, (pixels @ aside).max() + SHARE_REACH_PX])
        depth = float(rendering.depth[rendering.mask].min()) - config.gap_m

        def point(inward_px: float, aside_px: float) -> np.ndarray:
            x, y = inward_px * inward + aside_px * aside
            return np.array([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, 1.0]) * depth

        corners = np.array([point(low[0], low[1]), point(high[0], low[1]), point(low[0], high[1])])
        corners = transform_points(self._scene.scene_T_camera.at(time), corners)
        return self._make(corners[0], corners[1] - corners[0], corners[2] - corners[0])

    def _make(self, corner: np.ndarray, across: np.ndarray, along: np.ndarray) -> Patch:
        return Patch(corner, across, along, self._pyramid)

    def _texture(self, generator: np.random.Generator) -> np.ndarray:
        config, scene = self._config, self._scene
        color = mean_color(scene.model.mesh)
        if config.color == "cutout":
            rendering = scene.render_target(min(config.first_frame + config.slide_frames, len(scene.scene_T_object) - 1))
            if rendering.mask.sum() >= 100:
                return surfaces.cut_out(rendering.color, rendering.mask)
        return surfaces.plain(surfaces.other_color(color, generator) if config.color == "other" else color, generator)
