"""Lamps and ambient light, and what a surface looks like in them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import random_unit_vector
from pose_tracker_ros.kernels.shading import shade
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import Rendering
from pose_tracker_ros.training.layers import Layer
from pose_tracker_ros.training.textures import solid_texture_colors

# How often a scene has no, one, two or three lamps.
LAMP_COUNT_SHARES = (0.1, 0.5, 0.25, 0.15)
# Channels of a lamp's colour are drawn above this, then the brightest is made 1.
LAMP_COLOR_LOW = 0.5
# What ambient light and lamps give together on a surface that faces all lamps.
FULL_INTENSITY = 1.1
HIGHLIGHT_SHARE = 0.3
# Share of objects that are painted otherwise than their model says.
REPAINTED_SHARE = 0.05


class Lighting(NamedTuple):
    """Light of a scene, far away lamps.

    ambient: (3,) float32 RGB, 1 = surfaces have the colours of their texture.
    directions: (L, 3) float32 unit vectors from surfaces to the lamps, in the camera frame.
    colors: (L, 3) float32 RGB intensities.
    highlight: strength 0..255 of the first lamp's reflection and its exponent; strength 0 = dull.
    """

    ambient: np.ndarray
    directions: np.ndarray
    colors: np.ndarray
    highlight: tuple[float, float]


def random_lighting(generator: np.random.Generator) -> Lighting:
    """Ambient light and up to three lamps of any colour on the camera's side of the object."""
    count = int(generator.choice(len(LAMP_COUNT_SHARES), p=LAMP_COUNT_SHARES))
    ambient = generator.uniform(0.3, 1.0)
    directions = np.array([random_unit_vector(generator) for _ in range(count)]).reshape(-1, 3)
    directions[:, 2] = -np.abs(directions[:, 2])
    colors = generator.uniform(LAMP_COLOR_LOW, 1.0, (count, 3))
    colors /= colors.max(axis=1, keepdims=True)
    colors *= generator.dirichlet(np.ones(count))[:, None] * (FULL_INTENSITY - ambient) if count else 1.0
    highlight = (0.0, 1.0)
    if count and generator.random() < HIGHLIGHT_SHARE:
        highlight = (generator.uniform(30, 150), generator.uniform(8, 60))
    return Lighting(
        np.full(3, ambient, np.float32), directions.astype(np.float32), colors.astype(np.float32), highlight
    )


def shaded_layer(
    model: ObjectModel,
    camera: PinholeCamera,
    rendering: Rendering,
    pose: np.ndarray,
    lighting: Lighting,
    generator: np.random.Generator,
) -> Layer:
    """A rendering in a light; painted at random where the model's colour is not known, and rarely elsewhere."""
    mask = rendering.mask
    if model.mesh.has_color and generator.random() >= REPAINTED_SHARE:
        albedo = rendering.color[mask].astype(np.float32)
    else:
        points = camera.rays()[mask] * rendering.depth[mask][:, None] - pose[:3, 3].astype(np.float32)
        albedo = solid_texture_colors(points @ pose[:3, :3].astype(np.float32), model.diameter_m, generator)
    directions, (strength, exponent) = lighting.directions, lighting.highlight
    # Between the first lamp and the camera.
    half = np.array([0, 0, -1], np.float32) + (directions[0] if strength > 0 else 0)
    half /= np.linalg.norm(half)
    color = np.zeros((*mask.shape, 3), np.float32)
    shade(mask, rendering.normal, albedo, directions, lighting.colors, lighting.ambient, half, strength, exponent, color)
    return Layer(color, rendering.depth)
