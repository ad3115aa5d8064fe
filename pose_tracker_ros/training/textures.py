"""Procedural images and solid textures, so that training needs no image collection."""

from __future__ import annotations

import cv2
import numpy as np


def random_color(generator: np.random.Generator) -> np.ndarray:
    """A colour (3,) float32 0..255; greys and strong colours are both frequent."""
    base = generator.uniform(0, 255)
    return np.clip(base + generator.normal(0, generator.choice([8.0, 80.0]), 3), 0, 255).astype(np.float32)


def random_image(size: int, generator: np.random.Generator) -> np.ndarray:
    """An image (size, size, 3) uint8: smooth noise, shapes, stripes or checks over one another."""
    image = _smooth_noise(size, generator)
    for _ in range(generator.integers(0, 4)):
        layer = generator.choice([_shapes, _stripes, _checks, _strokes])
        layer(image, generator)
    if generator.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), generator.uniform(0.5, 3.0))
    return np.clip(image, 0, 255).astype(np.uint8)


def _smooth_noise(size: int, generator: np.random.Generator) -> np.ndarray:
    image = np.empty((size, size, 3), np.float32)
    image[:] = random_color(generator)
    for cells in (2, 5, 16, 64):
        amplitude = generator.exponential(18.0)
        noise = generator.normal(0, amplitude, (cells, cells, 3)).astype(np.float32)
        if generator.random() < 0.5:
            noise[:] = noise.mean(axis=2, keepdims=True)
        image += cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    return image


def _shapes(image: np.ndarray, generator: np.random.Generator) -> None:
    size = image.shape[0]
    for _ in range(generator.integers(2, 25)):
        color = random_color(generator).tolist()
        center = generator.integers(0, size, 2).tolist()
        if generator.random() < 0.5:
            axes = generator.integers(2, size // 4, 2).tolist()
            cv2.ellipse(image, center, axes, float(generator.uniform(0, 180)), 0, 360, color, -1)
        else:
            corners = np.array(center) + generator.normal(0, size / 8, (generator.integers(3, 6), 2))
            cv2.fillPoly(image, [corners.astype(np.int32)], color)


def _strokes(image: np.ndarray, generator: np.random.Generator) -> None:
    size = image.shape[0]
    color = random_color(generator).tolist()
    for _ in range(generator.integers(5, 40)):
        start = generator.integers(0, size, 2)
        stop = start + generator.integers(-size // 8, size // 8, 2)
        cv2.line(image, start.tolist(), stop.tolist(), color, int(generator.integers(1, 4)))


def _waves(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    size = image.shape[0]
    angle, period = generator.uniform(0, np.pi), generator.uniform(4, size / 3)
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    return np.sin((columns * np.cos(angle) + rows * np.sin(angle)) * (2 * np.pi / period)) > 0


def _stripes(image: np.ndarray, generator: np.random.Generator) -> None:
    image[_waves(image, generator)] = random_color(generator)


def _checks(image: np.ndarray, generator: np.random.Generator) -> None:
    image[_waves(image, generator) ^ _waves(image, generator)] = random_color(generator)


def solid_texture_colors(points: np.ndarray, diameter_m: float, generator: np.random.Generator) -> np.ndarray:
    """Colours (N, 3) float32 0..255 of surface points (N, 3) cut out of a random coloured solid.

    For objects of unknown colour: anything may be painted on them, or nothing.
    """
    colors = np.empty((len(points), 3), np.float32)
    colors[:] = random_color(generator)
    if generator.random() < 0.4:
        return colors
    for cells in (3, 8, 24):
        if generator.random() < 0.6:
            continue
        rotation = np.linalg.qr(generator.normal(size=(3, 3)))[0].astype(np.float32)
        if generator.random() < 0.5:
            rotation = np.eye(3, dtype=np.float32)
        cell = np.floor(points @ rotation * np.float32(cells / diameter_m)).astype(np.int64)
        palette = np.stack([random_color(generator) for _ in range(16)])
        share = generator.uniform(0.3, 1.0)
        index = ((cell[:, 0] * 73856093) ^ (cell[:, 1] * 19349663) ^ (cell[:, 2] * 83492791)) % 16
        painted = index < 16 * share
        colors[painted] = palette[index[painted]]
    return colors
