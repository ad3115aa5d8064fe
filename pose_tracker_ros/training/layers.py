"""Things seen through one crop camera, and which of them is in front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np


class Layer(NamedTuple):
    """Something seen through a crop camera: color (R, R, 3) float32, depth (R, R) float32 metres, 0 = nothing."""

    color: np.ndarray
    depth: np.ndarray


def compose_layers(layers: Sequence[Layer]) -> tuple[np.ndarray, np.ndarray]:
    """The nearest layer of each pixel; the first layer shows where nothing has depth."""
    color, depth = layers[0].color.copy(), layers[0].depth.copy()
    for layer in layers[1:]:
        visible = (layer.depth > 0) & ((layer.depth < depth) | (depth == 0))
        cv2.copyTo(layer.color, visible.view(np.uint8), color)
        cv2.copyTo(layer.depth, visible.view(np.uint8), depth)
    return color, depth
