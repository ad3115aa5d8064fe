"""Objects that are in use for a while: procedural shapes, and other models as distractors."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from functools import lru_cache

import cv2
import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import make_pose, random_rotation
from pose_tracker_ros.objects import ObjectModel, load_object, models_folders, recolored
from pose_tracker_ros.rendering.raster import RasterRenderer
from pose_tracker_ros.training.layers import Layer
from pose_tracker_ros.training.lighting import Lighting, shaded_layer
from pose_tracker_ros.training.shapes import random_object

logger = logging.getLogger(__name__)

Rendered = tuple[ObjectModel, RasterRenderer]

# Procedural shapes in use at a time, and how many scenes each is in on average.
SHAPES_IN_USE = 64
# Making a shape takes as long as five scenes of it.
SCENES_PER_SHAPE = 50
# Distractors: other models in use, the largest side of their textures, and how often a shape is taken instead.
MODELS_IN_USE = 6
TEXTURE_SIDE_PX = 512
SHAPE_SHARE = 0.5


class ShapePool:
    """Procedural shapes, each replaced by a new one after some scenes."""

    def __init__(self, size: int = SHAPES_IN_USE) -> None:
        self._size = size
        self._shapes: list[Rendered] = []

    def __len__(self) -> int:
        return len(self._shapes)

    def draw(self, generator: np.random.Generator) -> Rendered:
        """A shape with its renderer."""
        index = int(generator.integers(self._size))
        if index >= len(self._shapes) or generator.random() < 1 / SCENES_PER_SHAPE:
            model = random_object(generator)
            self._shapes[index : index + 1] = [(model, RasterRenderer(model.mesh, level_of_detail=False))]
        return self._shapes[min(index, len(self._shapes) - 1)]


class Distractors:
    """Other objects beside and behind the one that is looked for: those of models/, and procedural shapes."""

    def __init__(self, own: Sequence[Rendered], shapes: ShapePool) -> None:
        """``own``: objects of the training, of which those that are not looked for are distractors, too."""
        self._own, self._shapes = list(own), shapes
        self._others: list[Rendered] | None = None

    def layer(
        self,
        camera: PinholeCamera,
        model: ObjectModel,
        center: np.ndarray,
        lighting: Lighting,
        generator: np.random.Generator,
    ) -> Layer:
        """Another object in the scene of ``model`` at ``center`` (3,) metres, mostly beside and behind it."""
        other, renderer = self._draw(model.name, generator)
        angle = generator.uniform(0, 2 * np.pi)
        beside = 0.5 * model.diameter_m * generator.uniform(0.6, 1.2) + 0.3 * other.diameter_m
        behind = model.diameter_m * generator.uniform(-0.3, 1.2) + 0.4 * other.diameter_m
        at = center + np.array([beside * np.cos(angle), beside * np.sin(angle), behind])
        rotation = random_rotation(generator)
        pose = make_pose(rotation, at - rotation @ other.center_m)
        rendering = renderer.render(camera, pose)
        return shaded_layer(other, camera, rendering, pose, lighting, generator)

    def _draw(self, name: str, generator: np.random.Generator) -> Rendered:
        if generator.random() < SHAPE_SHARE:
            return self._shapes.draw(generator)
        if self._others is None:
            names = {model.name for model, _ in self._own}
            others = other_models(names, generator)
            self._others = [(model, RasterRenderer(model.mesh)) for model in others]
        candidates = [pair for pair in [*self._own, *self._others] if pair[0].name != name]
        return candidates[generator.integers(len(candidates))] if candidates else self._shapes.draw(generator)


def other_models(excluded: Collection[str], generator: np.random.Generator) -> list[ObjectModel]:
    """Some of the objects of models/ but those ``excluded``, as many as may be in memory."""
    paths = [path for folder in models_folders() for path in folder.glob("*/object.yaml")]
    names = sorted({path.parent.name for path in paths} - set(excluded))
    loaded = (distractor_model(names[place]) for place in generator.permutation(len(names)))
    found: list[ObjectModel] = []
    for model in loaded:
        if model is not None and model.name not in excluded:
            found.append(model)
        if len(found) == MODELS_IN_USE:
            break
    return found


@lru_cache(maxsize=2 * MODELS_IN_USE)
def distractor_model(name: str) -> ObjectModel | None:
    """An object of models/ with a texture of at most 512 pixels; None when it has no usable mesh."""
    try:
        model = load_object(name)
    except (ValueError, OSError) as error:
        logger.debug("no distractor %s: %s", name, error)
        return None
    texture = model.mesh.texture
    if texture is None or max(texture.shape[:2]) <= TEXTURE_SIDE_PX:
        return model
    factor = TEXTURE_SIDE_PX / max(texture.shape[:2])
    height, width = (max(1, round(side * factor)) for side in texture.shape[:2])
    small = cv2.resize(texture, (width, height), interpolation=cv2.INTER_AREA)
    return ObjectModel.from_mesh(model.name, recolored(model.mesh, texture=small))
