"""The room of a scene: a support with things on it, between walls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import trimesh

from pose_tracker_ros.geometry import invert, make_pose, random_rotation
from pose_tracker_ros.objects import Mesh
from pose_tracker_ros.rendering.raycast import RaycastRenderer
from pose_tracker_ros.simulation import surfaces
from pose_tracker_ros.simulation.canvas import Canvas, Patch, put_rendering, shade
from pose_tracker_ros.simulation.config import LightConfig, RoomConfig

# From surfaces to the lamp, in the scene's frame.
TO_LAMP = np.array([-0.4, -0.7, -0.6]) / np.linalg.norm([-0.4, -0.7, -0.6])
# Sizes in metres, seen from the middle of the support: to its left and right, towards the camera, away from it.
SUPPORT_SIDE, SUPPORT_NEAR, SUPPORT_FAR = 0.8, 0.5, 0.7
WALL_SIDE, WALL_FAR, WALL_BEHIND_CAMERA = 2.0, 1.7, 1.0
FLOOR_BELOW, CEILING_ABOVE = 0.75, 1.9
# At least so much room is around the first camera, and around another one that sees the support from the same distance.
ROOM_AROUND_CAMERA = 0.4
# Where clutter stands: to the sides, and from near to far.
CLUTTER_SIDE, CLUTTER_NEAR, CLUTTER_FAR = 0.5, -0.05, 0.5


class Room:
    """Support, floor, walls and clutter; ``scene_T_support``: x right and y away along the support, z up."""

    def __init__(
        self,
        config: RoomConfig,
        light: LightConfig,
        object_color: np.ndarray,
        kept_free: Sequence[tuple[np.ndarray, float]],
        generator: np.random.Generator,
    ) -> None:
        """``object_color`` (3,): mean colour of the target. ``kept_free``: places (3,) and radii where no clutter stands."""
        self._light = light
        self.scene_T_support = support_pose(config)
        self._patches = self._make_patches(config, object_color, generator)
        clutter = _make_clutter(config.clutter, self.scene_T_support, kept_free, generator)
        self._clutter = None if clutter is None else RaycastRenderer(clutter, threads=1)

    def draw(self, canvas: Canvas, scene_T_camera: np.ndarray, exposure: float) -> None:
        """Draw everything as a camera sees it."""
        camera_T_scene = invert(scene_T_camera)
        for patch in self._patches:
            patch.draw(canvas, camera_T_scene, patch_intensity(patch, scene_T_camera, self._light) * exposure)
        if self._clutter is not None:
            rendering = self._clutter.render(canvas.camera, camera_T_scene)
            put_rendering(canvas, rendering, camera_T_scene[:3, :3] @ TO_LAMP, self._light.ambient, exposure, -1)

    def _make_patches(
        self, config: RoomConfig, object_color: np.ndarray, generator: np.random.Generator
    ) -> list[Patch]:
        rotation, middle = self.scene_T_support[:3, :3], self.scene_T_support[:3, 3]

        def patch(corner: tuple, across: tuple, along: tuple, texture: np.ndarray) -> Patch:
            return Patch.textured(middle + rotation @ corner, rotation @ across, rotation @ along, texture)

        tilt = np.radians(config.support_tilt_deg)
        camera_back, camera_above = config.support_m * np.cos(tilt), config.support_m * np.sin(tilt)
        near = -(camera_back + WALL_BEHIND_CAMERA)
        side, far = (max(size, camera_back + ROOM_AROUND_CAMERA) for size in (WALL_SIDE, WALL_FAR))
        top_height = max(CEILING_ABOVE, camera_above + ROOM_AROUND_CAMERA)
        width, depth, height = 2 * side, far - near, FLOOR_BELOW + top_height
        low, left = -FLOOR_BELOW, -side
        walls = [surfaces.papered_wall(generator) for _ in range(4)]
        floor = surfaces.plain(surfaces.WOOD * 0.6, generator)
        ceiling = surfaces.plain(np.full(3, 215.0), generator)
        top = support_texture(config.support, object_color, generator)
        return [
            patch(
                (-SUPPORT_SIDE, -SUPPORT_NEAR, 0), (2 * SUPPORT_SIDE, 0, 0), (0, SUPPORT_NEAR + SUPPORT_FAR, 0), top
            ),
            patch((left, near, low), (width, 0, 0), (0, depth, 0), floor),
            patch((left, near, top_height), (width, 0, 0), (0, depth, 0), ceiling),
            patch((left, far, low), (width, 0, 0), (0, 0, height), walls[0]),
            patch((left, near, low), (width, 0, 0), (0, 0, height), walls[1]),
            patch((left, near, low), (0, depth, 0), (0, 0, height), walls[2]),
            patch((side, near, low), (0, depth, 0), (0, 0, height), walls[3]),
        ]


def support_pose(config: RoomConfig) -> np.ndarray:
    """scene_T_support (4, 4): its origin on the first optical axis, x right, y away along the support, z up."""
    tilt = np.radians(config.support_tilt_deg)
    away = np.array([0, -np.sin(tilt), np.cos(tilt)])
    up = np.array([0, -np.cos(tilt), -np.sin(tilt)])
    return make_pose(np.column_stack([[1, 0, 0], away, up]), np.array([0, 0, config.support_m]))


def support_texture(kind: str, object_color: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Texture (h, w, 3) uint8 of a support of SUPPORT_COLORS."""
    if kind == "wood":
        return surfaces.wood(generator)
    colors = {"plain": surfaces.PLAIN, "object": object_color}
    color = colors[kind] if kind in colors else surfaces.other_color(object_color, generator)
    return surfaces.plain(color, generator)


def patch_intensity(patch: Patch, scene_T_camera: np.ndarray, light: LightConfig) -> float:
    """Brightness of the side of a patch (in the scene's frame) that a camera sees."""
    normal = patch.normal
    if normal @ (scene_T_camera[:3, 3] - patch.corner) < 0:
        normal = -normal
    return float(shade(normal @ TO_LAMP, light.ambient))


def _make_clutter(
    count: int, scene_T_support: np.ndarray, kept_free: Sequence[tuple[np.ndarray, float]], generator: np.random.Generator
) -> Mesh | None:
    """Boxes, cylinders and balls of various sizes and colours that stand about on the support, as one mesh."""
    parts, normals, colors = [], [], []
    # Each has a stream of its own, so that one that has to make way moves none of the others.
    for number, seed in enumerate(generator.integers(2**31, size=count)):
        own = np.random.default_rng(seed)
        size = own.uniform(0.04, 0.12)
        place = _free_place(size, scene_T_support, kept_free, own)
        if place is None:
            continue
        part = (
            trimesh.creation.box(extents=own.uniform(0.5, 1.5, 3) * size),
            trimesh.creation.cylinder(radius=size / 2, height=size * 1.5, sections=40),
            trimesh.creation.icosphere(subdivisions=3, radius=size / 2),
        )[number % 3]
        part = trimesh.graph.smooth_shade(part, angle=0.6)
        checks = np.floor(part.vertices / size * 4).sum(axis=1).astype(int) % 2
        colors.append(own.uniform(30, 230, (2, 3))[checks])
        part.apply_transform(make_pose(random_rotation(own), place))
        parts.append(part)
        normals.append(part.vertex_normals)
    if not parts:
        return None
    whole = trimesh.util.concatenate(parts)
    return Mesh(
        vertices=whole.vertices.astype(np.float32),
        faces=whole.faces.astype(np.int32),
        normals=np.vstack(normals).astype(np.float32),
        vertex_colors=np.vstack(colors).astype(np.uint8),
    )


def _free_place(
    size: float, scene_T_support: np.ndarray, kept_free: Sequence[tuple[np.ndarray, float]], generator: np.random.Generator
) -> np.ndarray | None:
    """A place (3,) on the support that is not kept free, None after some tries in vain."""
    for _ in range(20):
        on_support = (
            generator.uniform(-CLUTTER_SIDE, CLUTTER_SIDE),
            generator.uniform(CLUTTER_NEAR, CLUTTER_FAR),
            size / 2,
        )
        place = scene_T_support[:3, :3] @ on_support + scene_T_support[:3, 3]
        if all(np.linalg.norm(place - other) > radius + size for other, radius in kept_free):
            return place
    return None
