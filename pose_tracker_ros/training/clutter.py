"""Things around the object that need no rendering: pasted views of earlier objects, and occluders."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np

from pose_tracker_ros.geometry import random_unit_vector
from pose_tracker_ros.training.backgrounds import ImageSource
from pose_tracker_ros.training.layers import Layer
from pose_tracker_ros.training.textures import random_color

VIEWS_KEPT = 64
# Nothing comes nearer to the camera.
NEAREST_M = 0.05


class Clutter:
    """Views of earlier objects, pasted anywhere in any orientation: nothing in these scenes lies or stands."""

    def __init__(self) -> None:
        self._views: deque[tuple[Layer, float]] = deque(maxlen=VIEWS_KEPT)

    def remember(self, view: Layer, distance: float) -> None:
        """Keep a view of an object at a distance in metres for later scenes."""
        self._views.append((view, distance))

    def layers(self, distance: float, diameter_m: float, generator: np.random.Generator) -> list[Layer]:
        """Up to two things a little before to well behind an object."""
        count = int(generator.integers(0, 3)) if self._views else 0
        return [self._moved(distance + generator.uniform(-0.3, 1.5) * diameter_m, generator) for _ in range(count)]

    def _moved(self, distance: float, generator: np.random.Generator) -> Layer:
        view, old_distance = self._views[generator.integers(len(self._views))]
        size = view.depth.shape[0]
        angle, scale = generator.uniform(0, 360), generator.uniform(0.6, 1.5)
        matrix = cv2.getRotationMatrix2D((size / 2, size / 2), angle, scale)
        matrix[:, 2] += random_unit_vector(generator)[:2] * size * generator.uniform(0.3, 0.8)
        color = cv2.warpAffine(view.color, matrix, (size, size))
        depth = cv2.warpAffine(view.depth, matrix, (size, size), flags=cv2.INTER_NEAREST)
        moved = np.maximum(depth + np.float32(distance - old_distance), np.float32(NEAREST_M))
        return Layer(color, np.where(depth > 0, moved, np.float32(0)))


def occluder(size: int, distance: float, images: ImageSource, generator: np.random.Generator) -> Layer:
    """A bar, an ellipse or a polygon with its own texture and a slanted depth, in front of the object."""
    mask = np.zeros((size, size), np.uint8)
    center = generator.uniform(0, size, 2)
    kind = generator.integers(3)
    if kind == 0:
        angle, width = generator.uniform(0, np.pi), generator.uniform(0.05, 0.5) * size
        direction = 2 * size * np.array([np.cos(angle), np.sin(angle)])
        ends = [np.rint(center + sign * direction).astype(int).tolist() for sign in (-1, 1)]
        cv2.line(mask, ends[0], ends[1], 1, max(1, int(width)))
    elif kind == 1:
        axes = generator.uniform(0.08, 0.35, 2) * size
        cv2.ellipse(
            mask, center.astype(int).tolist(), axes.astype(int).tolist(), generator.uniform(0, 180), 0, 360, 1, -1
        )
    else:
        corners = center + generator.normal(0, 0.25 * size, (generator.integers(3, 7), 2))
        cv2.fillPoly(mask, [corners.astype(np.int32)], 1)
    if generator.random() < 0.5:
        color = images.cut(size, generator)
    else:
        color = np.empty((size, size, 3), np.float32)
        color[:] = random_color(generator)
    slope = np.linspace(-1, 1, size, dtype=np.float32) * np.float32(generator.normal(0, 0.02))
    depth = np.maximum(np.float32(distance) + slope, np.float32(NEAREST_M))
    return Layer(color, mask * depth)
