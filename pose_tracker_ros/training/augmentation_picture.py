"""One scene through every augmentation, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from pose_tracker_ros.camera import crop_camera
from pose_tracker_ros.geometry import make_pose, so3_exp
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering.raycast import RaycastRenderer
from pose_tracker_ros.training.augmentation import PRESETS, Augmentation, FirstOf, Observation, augment
from pose_tracker_ros.training.augmentation.depth import NoDepth
from pose_tracker_ros.training.scene import PairGenerator, SceneConfig

COLUMNS = 4
MARGIN_PX = 6
TITLE_PX = 16
DISTANCE_M = 0.6
ROTATION = so3_exp(np.array([0.4, 0.3, 0.0])) @ so3_exp(np.array([np.pi / 2, 0.0, 0.0]))
# An augmentation that is hardly seen explains nothing: the strongest of so many draws is shown.
DRAWS = 6
PRESET_SAMPLES = 4


def augmentation_sheet(model: ObjectModel, scene: SceneConfig, seed: int = 0) -> np.ndarray:
    """Tiles of colour and depth in an image (H, W, 3) uint8: as rendered, each augmentation alone, then whole presets.

    Depth is coloured from red (near) to blue (far), black where there is none.
    """
    generator = np.random.default_rng(seed)
    clean = _clean_observation(model, replace(scene, augmentation="none", no_depth=0.0), seed)
    tiles = [_tile("as rendered", clean, model.diameter_m)]
    for step in all_steps():
        tiles.append(_tile(type(step).__name__, _strongest(step, clean, generator), model.diameter_m))
    tiles += [_blank(tiles[0])] * (-len(tiles) % COLUMNS)
    for name in ("published", "robust"):
        for _ in range(PRESET_SAMPLES):
            result = augment(clean, PRESETS[name].steps, generator)
            tiles.append(_tile(f"preset: {name}", result, model.diameter_m))
    rows = [np.hstack(tiles[first : first + COLUMNS]) for first in range(0, len(tiles), COLUMNS)]
    return np.vstack(rows)


def all_steps() -> list[Augmentation]:
    """Every kind of augmentation of the presets once."""
    steps: dict[str, Augmentation] = {}
    for preset in PRESETS.values():
        for step in preset.steps:
            for part in step.steps if isinstance(step, FirstOf) else (step,):
                steps.setdefault(type(part).__name__, part)
    return [steps[name] for name in sorted(steps, key=lambda name: steps[name].__class__.__module__)] + [NoDepth()]


def _clean_observation(model: ObjectModel, scene: SceneConfig, seed: int) -> Observation:
    pairs = PairGenerator([model], scene, seed)
    center = np.array([0.05, 0.02, DISTANCE_M])
    pose = make_pose(ROTATION, center - ROTATION @ model.center_m)
    camera = crop_camera(center, scene.crop_margin * model.diameter_m, scene.resolution)
    rendering = RaycastRenderer(model.mesh, threads=1).render(camera, pose)
    while True:
        observation = pairs.observe(model, camera, rendering, pose, hard=True)
        if observation is not None and observation.mask.sum() > 0.6 * rendering.mask.sum():
            return observation._replace(color=observation.color.astype(np.float32))


def _strongest(step: Augmentation, clean: Observation, generator: np.random.Generator) -> Observation:
    results = [step.apply(clean, generator) for _ in range(DRAWS)]

    def change(result: Observation) -> float:
        in_color = np.abs(result.color - clean.color).mean() / 255
        return in_color + np.abs(result.depth - clean.depth).mean() / clean.distance_m

    return max(results, key=change)


def _tile(title: str, observation: Observation, diameter_m: float) -> np.ndarray:
    color = np.clip(observation.color, 0, 255).astype(np.uint8)
    nearness = 0.5 - (observation.depth - observation.distance_m) / (2 * diameter_m)
    depth = cv2.applyColorMap(np.clip(255 * nearness, 0, 255).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    pictures = np.hstack([color, np.where(observation.depth[..., None] > 0, depth, np.uint8(0))])
    tile = _framed(pictures)
    cv2.putText(tile, title, (0, TITLE_PX - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (30, 30, 30), 1, cv2.LINE_AA)
    return tile


def _framed(pictures: np.ndarray) -> np.ndarray:
    sides: Sequence[tuple[int, int]] = ((TITLE_PX, MARGIN_PX), (0, MARGIN_PX), (0, 0))
    return np.pad(pictures, sides, constant_values=255)


def _blank(tile: np.ndarray) -> np.ndarray:
    return np.full_like(tile, 255)
