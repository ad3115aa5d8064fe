"""Domain-randomised scenes around one object, and the crop pairs cut from them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from pose_tracker_ros.camera import PinholeCamera, crop_camera
from pose_tracker_ros.configuration import option
from pose_tracker_ros.geometry import apply_residual, make_pose, random_rotation, random_unit_vector, residual_between
from pose_tracker_ros.objects import ObjectModel, nearest_equivalent, symmetry_transforms
from pose_tracker_ros.rendering import Rendering
from pose_tracker_ros.rendering.raycast import RaycastRenderer
from pose_tracker_ros.tracking.crop import Crop
from pose_tracker_ros.training.augment import augment_color, augment_depth
from pose_tracker_ros.training.shapes import random_object
from pose_tracker_ros.training.textures import random_color, random_image, solid_texture_colors

# Less than this share of the object in sight teaches nothing.
MIN_VISIBLE_SHARE = 0.15
# Procedural shapes in use at a time, and how many pairs each gives on average.
SHAPES_IN_USE = 64
# Step of a continuous symmetry: how far the surface moves, in diameters.
SYMMETRY_STEP = 0.005
PAIRS_PER_SHAPE = 25


@dataclass(frozen=True)
class SceneConfig:
    """What the generated pairs look like."""

    resolution: int = option(128, "Side of the crops in pixels; a multiple of 16", minimum=32, maximum=512)
    crop_margin: float = option(1.5, "Side of the crop in object diameters", minimum=1.0, maximum=4.0)
    max_translation: float = option(0.2, "Largest translation to be predicted, in diameters", minimum=0.01, maximum=1.0)
    max_rotation_deg: float = option(20.0, "Largest rotation to be predicted, degrees", minimum=1.0, maximum=90.0)
    min_distance_m: float = option(0.35, "Nearest object", minimum=0.1, maximum=10.0)
    max_distance_m: float = option(1.1, "Farthest object", minimum=0.1, maximum=10.0)
    occlusion: float = option(0.5, "Share of pairs with something in front of the object", minimum=0.0, maximum=1.0)
    random_shapes: float = option(
        0.0, "Share of pairs that show a procedural shape, for a network that fits any object", minimum=0.0, maximum=1.0
    )
    no_depth: float = option(0.02, "Share of pairs without any depth", minimum=0.0, maximum=1.0)


class Pair(NamedTuple):
    """A crop pair with the residual (metres, radians) that leads from the rendered to the observed pose."""

    crop: Crop
    translation: np.ndarray
    rotation: np.ndarray


class Layer(NamedTuple):
    """Something seen through a crop camera: color (R, R, 3) float32, depth (R, R) float32 metres, 0 = nothing."""

    color: np.ndarray
    depth: np.ndarray


class PairGenerator:
    """An endless, reproducible source of pairs of the given objects.

    ``difficulty`` 0..1 may be changed while it runs: the share of backgrounds, occluders and sensor
    defects, for a curriculum from clean to real.
    """

    def __init__(self, models: Sequence[ObjectModel], config: SceneConfig, seed: int, images: int = 150) -> None:
        self.config = config
        self.difficulty = 1.0
        if not models and config.random_shapes < 1:
            raise ValueError("expected at least one object, or random_shapes = 1 to train with procedural shapes alone")
        self._objects = [(model, RaycastRenderer(model.mesh, threads=1)) for model in models]
        self._symmetries = {model.name: symmetry_transforms(model, SYMMETRY_STEP) for model in models}
        self._shapes: list[tuple[ObjectModel, RaycastRenderer]] = []
        self._generator = np.random.default_rng(seed)
        self._images = [random_image(192, self._generator) for _ in range(images)]
        self._clutter: deque[tuple[Layer, float]] = deque(maxlen=64)

    def sample(self) -> Pair:
        """The next pair; tries again when the object would be invisible."""
        while True:
            pair = self._attempt()
            if pair is not None:
                return pair

    def _attempt(self) -> Pair | None:
        config = self.config
        model, renderer = self._choose_object()
        rendered_pose = self._random_pose(model)
        translation, rotation = self._random_residual(model)
        observed_pose = apply_residual(rendered_pose, translation, rotation, model.center_m)

        center = rendered_pose[:3, :3] @ model.center_m + rendered_pose[:3, 3]
        camera = crop_camera(center, config.crop_margin * model.diameter_m, config.resolution)
        rendering = renderer.render(camera, rendered_pose)
        observed = renderer.render(camera, observed_pose)
        if rendering.mask.sum() < 200 or observed.mask.sum() < 200:
            return None
        color, depth = self._observe(model, camera, observed, observed_pose, float(center[2]))
        if color is None:
            return None
        translation, rotation = self._visible_residual(model, rendered_pose, observed_pose)
        return Pair(Crop(camera, rendering, color, depth, center, model.diameter_m), translation, rotation)

    def _visible_residual(
        self, model: ObjectModel, rendered_pose: np.ndarray, observed_pose: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The residual to be learnt: that to the nearest of all poses that look like the observed one.

        A turn about an axis of symmetry cannot be seen; asking for it teaches nothing but doubt.
        """
        symmetries = self._symmetries.get(model.name)
        if symmetries is not None and len(symmetries) > 1:
            observed_pose = nearest_equivalent(rendered_pose, observed_pose, symmetries)
        return residual_between(rendered_pose, observed_pose, model.center_m)

    def _choose_object(self) -> tuple[ObjectModel, RaycastRenderer]:
        generator = self._generator
        if not self.config.random_shapes or generator.random() >= self.config.random_shapes:
            return self._objects[generator.integers(len(self._objects))]
        index = int(generator.integers(SHAPES_IN_USE))
        if index >= len(self._shapes) or generator.random() < 1 / PAIRS_PER_SHAPE:
            model = random_object(generator)
            self._shapes[index : index + 1] = [(model, RaycastRenderer(model.mesh, threads=1))]
        return self._shapes[min(index, len(self._shapes) - 1)]

    def _random_pose(self, model: ObjectModel) -> np.ndarray:
        generator, config = self._generator, self.config
        rotation = random_rotation(generator)
        z = generator.uniform(config.min_distance_m, config.max_distance_m)
        center = z * np.array([*generator.uniform(-0.45, 0.45, 2), 1.0])
        return make_pose(rotation, center - rotation @ model.center_m)

    def _random_residual(self, model: ObjectModel) -> tuple[np.ndarray, np.ndarray]:
        """Normal distributions cut at the limits; a third of the pairs is small, as a second pass sees them."""
        generator, config = self._generator, self.config
        scale = 1.0 if generator.random() < 0.65 else 0.25
        lengths = [_truncated_normal(generator) * scale for _ in range(2)]
        translation = random_unit_vector(generator) * lengths[0] * config.max_translation * model.diameter_m
        return translation, random_unit_vector(generator) * lengths[1] * np.radians(config.max_rotation_deg)

    def _observe(
        self, model: ObjectModel, camera: PinholeCamera, rendering: Rendering, pose: np.ndarray, distance: float
    ) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
        generator = self._generator
        shaded = self._shade(model, camera, rendering, pose)
        hard = generator.random() < self.difficulty
        target = Layer(shaded, rendering.depth)
        layers = [self._background(camera, model, distance, hard), target]
        if hard:
            layers += self._neighbours(camera, model, distance)
        color, depth = compose_layers(layers)
        visible = rendering.mask & (depth == rendering.depth)
        if visible.sum() < MIN_VISIBLE_SHARE * rendering.mask.sum():
            return None, None
        self._clutter.append((target, distance))
        if hard:
            color = augment_color(color, generator)
            depth = augment_depth(depth, distance, generator)
            if generator.random() < self.config.no_depth:
                depth[:] = 0
        return np.rint(np.clip(color, 0, 255)).astype(np.uint8), depth

    def _shade(self, model: ObjectModel, camera: PinholeCamera, rendering: Rendering, pose: np.ndarray) -> np.ndarray:
        """Albedo under ambient and directional light with a highlight; any colour where it is not known."""
        generator, mask = self._generator, rendering.mask
        normal = rendering.normal[mask]
        if model.mesh.has_color and generator.random() < 0.95:
            albedo = rendering.color[mask].astype(np.float32)
        else:
            points = camera.rays()[mask] * rendering.depth[mask][:, None] - pose[:3, 3].astype(np.float32)
            albedo = solid_texture_colors(points @ pose[:3, :3].astype(np.float32), model.diameter_m, generator)
        light = random_unit_vector(generator)
        light[2] = -abs(light[2])
        ambient = generator.uniform(0.3, 1.0)
        lambert = np.clip(normal @ light.astype(np.float32), 0, 1)
        intensity = np.float32(ambient) + np.float32(1.1 - ambient) * lambert
        shaded = albedo * intensity[:, None]
        if generator.random() < 0.3:
            half = light + np.array([0, 0, -1.0])
            highlight = np.clip(normal @ (half / np.linalg.norm(half)).astype(np.float32), 0, 1)
            shaded += generator.uniform(30, 150) * highlight[:, None] ** generator.uniform(8, 60)
        color = np.zeros((*mask.shape, 3), np.float32)
        color[mask] = shaded
        return color

    def _background(self, camera: PinholeCamera, model: ObjectModel, distance: float, hard: bool) -> Layer:
        generator, size = self._generator, camera.width
        color = np.zeros((size, size, 3), np.float32)
        depth = np.zeros((size, size), np.float32)
        if not hard:
            return Layer(color, depth)
        color[:] = self._image_cut(size)
        rays = camera.rays()
        wall = distance + model.diameter_m * generator.uniform(0.4, 8.0)
        if generator.random() < 0.8:
            depth[:] = wall
        if generator.random() < 0.7:
            normal = random_unit_vector(generator)
            normal[2] = -abs(normal[2])
            center = rays[size // 2, size // 2] * distance
            offset = float(normal @ center) - model.diameter_m * generator.uniform(0.2, 0.6)
            with np.errstate(divide="ignore"):
                plane = np.float32(offset) / (rays @ normal.astype(np.float32))
            on_plane = (plane > 0.05) & (plane < 10) & ((plane < depth) | (depth == 0))
            depth[on_plane] = plane[on_plane]
            color[on_plane] = self._image_cut(size)[on_plane]
        return Layer(color, depth)

    def _image_cut(self, size: int) -> np.ndarray:
        """A random part of a random image, flipped at random, enlarged at random."""
        generator = self._generator
        image = self._images[generator.integers(len(self._images))]
        span = int(generator.integers(size // 3, min(size, image.shape[0]) + 1))
        row, column = generator.integers(0, image.shape[0] - span + 1, 2)
        part = image[row : row + span, column : column + span]
        return cv2.resize(part, (size, size)).astype(np.float32)[
            :: generator.choice([-1, 1]), :: generator.choice([-1, 1])
        ]

    def _neighbours(self, camera: PinholeCamera, model: ObjectModel, distance: float) -> list[Layer]:
        """Other things behind, beside and in front of the object."""
        generator = self._generator
        layers = []
        for _ in range(generator.integers(0, 3)):
            if self._clutter:
                layers.append(self._moved_clutter(distance, generator.uniform(-0.3, 1.5) * model.diameter_m))
        if generator.random() < self.config.occlusion:
            layers.append(self._occluder(camera.width, distance - generator.uniform(0.15, 2.0) * model.diameter_m))
        return layers

    def _moved_clutter(self, distance: float, offset: float) -> Layer:
        generator = self._generator
        layer, old_distance = self._clutter[generator.integers(len(self._clutter))]
        size = layer.depth.shape[0]
        angle, scale = generator.uniform(0, 360), generator.uniform(0.6, 1.5)
        matrix = cv2.getRotationMatrix2D((size / 2, size / 2), angle, scale)
        matrix[:, 2] += random_unit_vector(generator)[:2] * size * generator.uniform(0.3, 0.8)
        color = cv2.warpAffine(layer.color, matrix, (size, size))
        depth = cv2.warpAffine(layer.depth, matrix, (size, size), flags=cv2.INTER_NEAREST)
        return Layer(
            color, np.where(depth > 0, np.maximum(depth - old_distance + distance + offset, 0.05), 0).astype(np.float32)
        )

    def _occluder(self, size: int, distance: float) -> Layer:
        """A bar, an ellipse or a polygon with its own texture and a slanted depth."""
        generator = self._generator
        mask = np.zeros((size, size), np.uint8)
        center = generator.uniform(0, size, 2)
        kind = generator.integers(3)
        if kind == 0:
            angle, width = generator.uniform(0, np.pi), generator.uniform(0.05, 0.5) * size
            direction = 2 * size * np.array([np.cos(angle), np.sin(angle)])
            ends = [np.rint(center + sign * direction).astype(int).tolist() for sign in (-1, 1)]
            cv2.line(mask, ends[0], ends[1], 1, int(width))
        elif kind == 1:
            axes = generator.uniform(0.08, 0.35, 2) * size
            cv2.ellipse(
                mask, center.astype(int).tolist(), axes.astype(int).tolist(), generator.uniform(0, 180), 0, 360, 1, -1
            )
        else:
            corners = center + generator.normal(0, 0.25 * size, (generator.integers(3, 7), 2))
            cv2.fillPoly(mask, [corners.astype(np.int32)], 1)
        color = (
            self._image_cut(size)
            if generator.random() < 0.5
            else np.broadcast_to(random_color(generator), (size, size, 3))
        )
        slope = np.linspace(-1, 1, size, dtype=np.float32) * np.float32(generator.normal(0, 0.02))
        depth = np.maximum(distance + slope, 0.05)[None].repeat(size, axis=0)
        return Layer(color.astype(np.float32), np.where(mask > 0, depth, np.float32(0)).astype(np.float32))


def _truncated_normal(generator: np.random.Generator) -> float:
    """|N(0, 1)| redrawn until at most 1, as the published pairs are drawn."""
    while True:
        value = abs(generator.normal())
        if value <= 1:
            return value


def compose_layers(layers: Sequence[Layer]) -> tuple[np.ndarray, np.ndarray]:
    """The nearest layer of each pixel; the first layer shows where nothing has depth."""
    color, depth = layers[0].color.copy(), layers[0].depth.copy()
    for layer in layers[1:]:
        visible = (layer.depth > 0) & ((layer.depth < depth) | (depth == 0))
        color[visible] = layer.color[visible]
        depth[visible] = layer.depth[visible]
    return color, depth
