"""Colours and textures of everything in a scene that has no texture of its own."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

TEXTURE_PX = 768
WOOD = np.array([150.0, 112.0, 76.0])
PLAIN = np.array([150.0, 150.0, 148.0])
WALL = np.array([172.0, 178.0, 168.0])
# Colours closer than this (Euclidean, 8-bit RGB) look alike under noise and light.
OTHER_COLOR_DISTANCE = 110.0


def wood(generator: np.random.Generator) -> np.ndarray:
    """Boards of wood (TEXTURE_PX, TEXTURE_PX, 3) uint8 with their grain along the columns."""
    x, y = _coordinates()
    wave = 4 * np.sin(9 * y + generator.uniform(0, 6))
    grain = 12 * np.sin(80 * x + wave + generator.uniform(0, 6)) + 8 * np.sin(240 * x + 2 * wave)
    plank = np.repeat(generator.uniform(-14, 14, 6), TEXTURE_PX // 6)[None, :]
    return _as_image(WOOD + (grain + plank + 3 * _cloud(generator))[..., None])


def plain(color: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A surface of one colour (3,) with faint clouds."""
    return _as_image(np.asarray(color, np.float64) + (3 * _cloud(generator))[..., None])


def papered_wall(generator: np.random.Generator) -> np.ndarray:
    """Wallpaper with pictures on it."""
    x, y = _coordinates()
    checks = 18 * ((np.floor(24 * x) + np.floor(24 * y)) % 2)
    image = _as_image(WALL + (checks + 4 * _cloud(generator))[..., None] + generator.uniform(-25, 25, 3))
    for _ in range(int(generator.integers(3, 7))):
        size = generator.integers(60, 180, 2)
        corner = generator.integers(0, TEXTURE_PX - size)
        picture = image[corner[1] : corner[1] + size[1], corner[0] : corner[0] + size[0]]
        picture[:] = generator.integers(30, 230, 3)
        for _ in range(8):
            ends = generator.integers(0, size, (2, 2))
            color = generator.integers(20, 240, 3).tolist()
            cv2.rectangle(picture, ends[0].tolist(), ends[1].tolist(), color, -1)
    return image


def other_color(color: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A strong colour (3,), 0..255, that nobody takes for ``color`` (3,)."""
    while True:
        other = 255 * np.array(
            colorsys.hsv_to_rgb(generator.random(), generator.uniform(0.5, 0.9), generator.uniform(0.4, 0.9))
        )
        if np.linalg.norm(other - color) > OTHER_COLOR_DISTANCE:
            return other


def cut_out(color: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A print made of the middle of a picture (H, W, 3) of an object with mask (H, W): mirrored so that it goes on."""
    rows, columns = np.nonzero(mask)
    middle = np.array([rows.mean(), columns.mean()])
    reach = np.maximum(np.array([np.ptp(rows), np.ptp(columns)]) // 4, 2)
    low = np.maximum((middle - reach).astype(int), 0)
    high = (middle + reach).astype(int) + 1
    piece = color[low[0] : high[0], low[1] : high[1]].copy()
    piece[~mask[low[0] : high[0], low[1] : high[1]]] = color[mask].mean(axis=0)
    wide = np.hstack([piece, piece[:, ::-1], piece])
    return np.ascontiguousarray(np.vstack([wide, wide[::-1], wide]))


def _coordinates() -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:TEXTURE_PX, :TEXTURE_PX] / TEXTURE_PX
    return x, y


def _cloud(generator: np.random.Generator) -> np.ndarray:
    """A smooth random field (TEXTURE_PX, TEXTURE_PX) of unit deviation."""
    field = cv2.resize(generator.normal(size=(24, 24)), (TEXTURE_PX, TEXTURE_PX), interpolation=cv2.INTER_CUBIC)
    return field / field.std()


def _as_image(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(np.broadcast_to(values, (TEXTURE_PX, TEXTURE_PX, 3))), 0, 255).astype(np.uint8)
