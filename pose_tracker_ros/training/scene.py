"""Domain-randomised scenes around one object, and the crop pairs cut from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.camera import PinholeCamera, crop_camera
from pose_tracker_ros.configuration import option
from pose_tracker_ros.geometry import apply_residual, make_pose, random_rotation, residual_between
from pose_tracker_ros.networks.crop import Crop
from pose_tracker_ros.networks.depth_filling import fill_depth_holes
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import Rendering
from pose_tracker_ros.rendering.raster import RasterRenderer
from pose_tracker_ros.symmetries import nearest_equivalent, symmetry_transforms
from pose_tracker_ros.training.augmentation import PRESETS, Observation, augment
from pose_tracker_ros.training.augmentation.depth import NoDepth
from pose_tracker_ros.training.backgrounds import ImageSource, background
from pose_tracker_ros.training.clutter import Clutter, occluder
from pose_tracker_ros.training.layers import Layer, compose_layers
from pose_tracker_ros.training.lighting import Lighting, random_lighting, shaded_layer
from pose_tracker_ros.training.object_pool import Distractors, Rendered, ShapePool
from pose_tracker_ros.training.residuals import RESIDUAL_DISTRIBUTIONS, random_residual

# Less than this share of the object in sight teaches nothing.
MIN_VISIBLE_SHARE = 0.15
# Nor does less of the crop. A spanner seen end-on covers hardly more, and has to be followed through such views.
MIN_CROP_SHARE = 0.004
# Step of a continuous symmetry: how far the surface moves, in diameters.
SYMMETRY_STEP = 0.005


@dataclass(frozen=True)
class SceneConfig:
    """What the generated pairs look like."""

    resolution: int = option(128, "Side of the crops in pixels; a multiple of 16", minimum=32, maximum=512)
    crop_margin: float = option(1.5, "Side of the crop in object diameters", minimum=1.0, maximum=4.0)
    max_translation: float = option(0.2, "Largest translation to be predicted, in diameters", minimum=0.01, maximum=1.0)
    max_rotation_deg: float = option(20.0, "Largest rotation to be predicted, degrees", minimum=1.0, maximum=90.0)
    residuals: str = option(
        "mixed",
        "Distribution of the lengths to be predicted: normal and cut at the limits as published, mixed with a third of "
        "small ones, uniform, or wide, as first poses and tracked ones are",
        choices=RESIDUAL_DISTRIBUTIONS,
    )
    min_distance_m: float = option(0.35, "Nearest object", minimum=0.1, maximum=10.0)
    max_distance_m: float = option(1.1, "Farthest object", minimum=0.1, maximum=10.0)
    backgrounds: str = option("", "Folder of images for backgrounds, beside procedural ones; empty for those alone")
    distractors: float = option(
        0.2, "Share of pairs with another rendered object beside or behind the object", minimum=0.0, maximum=1.0
    )
    occlusion: float = option(0.5, "Share of pairs with something in front of the object", minimum=0.0, maximum=1.0)
    random_shapes: float = option(
        0.0, "Share of pairs that show a procedural shape, for a network that fits any object", minimum=0.0, maximum=1.0
    )
    augmentation: str = option("robust", "Defects of camera and last pose", choices=tuple(PRESETS))
    fill_depth_holes: bool = option(
        False, "Small holes of the observed depth are filled, in training and by the tracker that gets the weights"
    )
    no_depth: float = option(0.02, "Share of pairs without any depth", minimum=0.0, maximum=1.0)
    symmetric_targets: bool = option(True, "Learn the residual to the nearest pose that looks like the observed one")


class Pair(NamedTuple):
    """A crop pair with the residual (metres, radians) that leads from the rendered pose (4, 4) of a model to the observed one."""

    crop: Crop
    translation: np.ndarray
    rotation: np.ndarray
    model: ObjectModel
    camera_T_object: np.ndarray


class PairGenerator:
    """An endless, reproducible source of pairs of the given objects.

    ``difficulty`` 0..1 may be changed while it runs: the share of backgrounds, occluders and sensor
    defects, for a curriculum from clean to real.
    """

    def __init__(self, models: Sequence[ObjectModel], config: SceneConfig, seed: int, images: int = 150) -> None:
        """``images``: number of procedural images that backgrounds are cut from.

        Raises ValueError without any objects, and for ``backgrounds`` that are no folder of images.
        """
        self.config = config
        self.difficulty = 1.0
        if not models and config.random_shapes < 1:
            raise ValueError("expected at least one object, or random_shapes = 1 to train with procedural shapes alone")
        self._generator = np.random.default_rng(seed)
        self._objects: list[Rendered] = [(model, RasterRenderer(model.mesh)) for model in models]
        self._symmetries = {model.name: symmetry_transforms(model, SYMMETRY_STEP) for model in models}
        self._shapes = ShapePool()
        self._images = ImageSource(config.backgrounds, self._generator, images)
        self._clutter = Clutter()
        self._distractors = Distractors(self._objects, self._shapes)
        self._preset = PRESETS[config.augmentation]
        self._no_depth = NoDepth(config.no_depth)

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
        center = rendered_pose[:3, :3] @ model.center_m + rendered_pose[:3, 3]
        translation, rotation = self._random_residual(model, center)
        observed_pose = apply_residual(rendered_pose, translation, rotation, model.center_m)

        camera = crop_camera(center, config.crop_margin * model.diameter_m, config.resolution)
        rendering = renderer.render(camera, rendered_pose)
        observed = renderer.render(camera, observed_pose)
        if min(rendering.mask.sum(), observed.mask.sum()) < MIN_CROP_SHARE * rendering.mask.size:
            return None
        hard = self._generator.random() < self.difficulty
        observation = self.observe(model, camera, observed, observed_pose, hard)
        if observation is None:
            return None
        translation, rotation = self._visible_residual(model, rendered_pose, observed_pose)
        depth = fill_depth_holes(observation.depth) if config.fill_depth_holes else observation.depth
        crop = Crop(camera, rendering, observation.color, depth, center, model.diameter_m)
        return Pair(crop, translation, rotation, model, rendered_pose)

    def _visible_residual(
        self, model: ObjectModel, rendered_pose: np.ndarray, observed_pose: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The residual to be learnt: that to the nearest of all poses that look like the observed one.

        A turn about an axis of symmetry cannot be seen; asking for it teaches nothing but doubt.
        """
        symmetries = self._symmetries.get(model.name)
        if self.config.symmetric_targets and symmetries is not None and len(symmetries) > 1:
            observed_pose = nearest_equivalent(rendered_pose, observed_pose, symmetries)
        return residual_between(rendered_pose, observed_pose, model.center_m)

    def _choose_object(self) -> Rendered:
        generator = self._generator
        if not self.config.random_shapes or generator.random() >= self.config.random_shapes:
            return self._objects[generator.integers(len(self._objects))]
        return self._shapes.draw(generator)

    def _random_pose(self, model: ObjectModel) -> np.ndarray:
        generator, config = self._generator, self.config
        rotation = random_rotation(generator)
        z = generator.uniform(config.min_distance_m, config.max_distance_m)
        center = z * np.array([*generator.uniform(-0.45, 0.45, 2), 1.0])
        return make_pose(rotation, center - rotation @ model.center_m)

    def _random_residual(self, model: ObjectModel, center: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        generator, config = self._generator, self.config
        # However large it is, it stays in front of the camera.
        limit = min(config.max_translation * model.diameter_m, center[2] / 2)
        translation, rotation = random_residual(config.residuals, limit, np.radians(config.max_rotation_deg), generator)
        if self._preset.previous_pose is not None:
            translation = self._preset.previous_pose(translation, rotation, center, model.diameter_m, limit, generator)
        return translation, rotation

    def observe(
        self, model: ObjectModel, camera: PinholeCamera, rendering: Rendering, pose: np.ndarray, hard: bool
    ) -> Observation | None:
        """What a camera sees, colour as uint8; None when it sees too little of the object.

        ``hard``: with surroundings and defects, otherwise the object alone.
        """
        generator = self._generator
        center = pose[:3, :3] @ model.center_m + pose[:3, 3]
        distance = float(center[2])
        lighting = random_lighting(generator)
        target = shaded_layer(model, camera, rendering, pose, lighting, generator)
        layers = self._surroundings(camera, model, center, lighting, target) if hard else [target]
        color, depth = compose_layers(layers)
        visible = rendering.mask & (depth == rendering.depth)
        if visible.sum() < MIN_VISIBLE_SHARE * max(rendering.mask.sum(), MIN_CROP_SHARE * visible.size):
            return None
        self._clutter.remember(target, distance)
        observation = Observation(color, depth, visible, distance, camera)
        if hard:
            observation = augment(observation, (*self._preset.steps, self._no_depth), generator)
        return observation._replace(color=np.rint(np.clip(observation.color, 0, 255)).astype(np.uint8))

    def _surroundings(
        self, camera: PinholeCamera, model: ObjectModel, center: np.ndarray, lighting: Lighting, target: Layer
    ) -> list[Layer]:
        """The object before a background, among other things behind, beside and in front of it."""
        generator, config = self._generator, self.config
        distance = float(center[2])
        layers = [background(camera, distance, model.diameter_m, self._images, generator), target]
        layers += self._clutter.layers(distance, model.diameter_m, generator)
        if generator.random() < config.distractors:
            layers.append(self._distractors.layer(camera, model, center, lighting, generator))
        if generator.random() < config.occlusion:
            nearer = distance - generator.uniform(0.15, 2.0) * model.diameter_m
            layers.append(occluder(camera.width, nearer, self._images, generator))
        return layers
