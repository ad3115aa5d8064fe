"""One set of vertices and triangles of the parts of a surface, with one kind of paint."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pose_tracker_ros import limits
from pose_tracker_ros.mesh_files.baking import baked
from pose_tracker_ros.mesh_files.surface import Part

# Between the textures of an atlas, repeated from their borders, for filters.
PADDING_PX = 4
FLAT_PX = 4
# Repetitions of a texture in an atlas; triangles that see more of it are painted anew.
MOST_REPEATS = 8


@dataclass(frozen=True)
class _Tile:
    """A texture of the atlas and, for every part in it, the corner (2,) in repetitions that its coordinates begin at."""

    pixels: np.ndarray
    repeats: np.ndarray
    low: np.ndarray


def joined(parts: tuple[Part, ...]) -> Part:
    """All parts as one, without vertices that nothing uses. It has no paint where that of any part is not known.

    Parts of one texture keep it; other paint of several parts comes into one texture.
    """
    parts = tuple(part.compacted() for part in parts)
    if len(parts) == 1:
        return parts[0]
    if not all(part.is_painted for part in parts):
        return _concatenated(tuple(Part(part.vertices, part.faces) for part in parts))
    textures = {id(part.texture) for part in parts}
    return _concatenated(parts if len(textures) == 1 else _in_one_texture(parts))


def _concatenated(parts: tuple[Part, ...]) -> Part:
    starts = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    return Part(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, starts)]),
        None if parts[0].vertex_colors is None else np.concatenate([part.vertex_colors for part in parts]),
        None if parts[0].uv is None else np.concatenate([part.uv for part in parts]),
        parts[0].texture,
    )


def _in_one_texture(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    prepared = [_prepared(part) for part in parts]
    tiles = [_tile(part) for part in prepared]
    scale = 1.0
    while True:
        sizes = [_tile_size(tile, scale) for tile in tiles]
        corners, width, height = _packed(sizes)
        if max(width, height) <= limits.TEXTURE_SIDE_PX or scale < 0.01:
            break
        scale *= 0.8
    atlas = np.zeros((height, width, 3), np.uint8)
    placed = []
    for part, tile, size, corner in zip(prepared, tiles, sizes, corners):
        _draw(atlas, tile, size, corner)
        inside = (part.uv - tile.low) / tile.repeats * size
        u = (corner[0] + PADDING_PX + inside[:, 0]) / width
        v = 1 - (corner[1] + PADDING_PX + size[1] - inside[:, 1]) / height
        placed.append(Part(part.vertices, part.faces, uv=np.column_stack([u, v]), texture=atlas))
    return tuple(placed)


def _prepared(part: Part) -> Part:
    """The part with a texture, its coordinates moved by whole repetitions so that they span few of them."""
    if part.texture is None:
        if np.all(part.vertex_colors == part.vertex_colors[0]):
            flat = np.broadcast_to(part.vertex_colors[0], (FLAT_PX, FLAT_PX, 3))
            return Part(part.vertices, part.faces, uv=np.full((len(part.vertices), 2), 0.5), texture=flat)
        return baked(part)
    low, high = part.uv.min(axis=0), part.uv.max(axis=0)
    if np.all(np.ceil(high) - np.floor(low) <= 1):
        return part
    corners = part.uv[part.faces]
    corners = corners - np.floor(corners.min(axis=1, keepdims=True) + 1e-6)
    if corners.max() > MOST_REPEATS:
        return baked(part)
    faces = np.arange(corners.shape[0] * 3).reshape(-1, 3)
    return Part(part.vertices[part.faces].reshape(-1, 3), faces, uv=corners.reshape(-1, 2), texture=part.texture)


def _tile(part: Part) -> _Tile:
    low = np.floor(part.uv.min(axis=0) + 1e-6)
    return _Tile(part.texture, np.maximum(np.ceil(part.uv.max(axis=0) - low - 1e-6), 1), low)


def _tile_size(tile: _Tile, scale: float) -> np.ndarray:
    """Width and height in pixels."""
    pixels = np.array(tile.pixels.shape[1::-1])
    return np.int64(tile.repeats) * np.maximum(np.int64(pixels * scale), 1)


def _packed(sizes: list[np.ndarray]) -> tuple[list[np.ndarray], int, int]:
    """Corners of the padded tiles on shelves, and the size of the whole."""
    padded = [size + 2 * PADDING_PX for size in sizes]
    width = max(max(int(size[0]) for size in padded), int(np.ceil(np.sqrt(sum(int(size.prod()) for size in padded)))))
    corners: list[np.ndarray] = [np.zeros(2, np.int64)] * len(sizes)
    left = top = shelf = 0
    for index in sorted(range(len(sizes)), key=lambda k: -int(padded[k][1])):
        if left + padded[index][0] > width:
            left, top, shelf = 0, top + shelf, 0
        corners[index] = np.array([left, top])
        left += int(padded[index][0])
        shelf = max(shelf, int(padded[index][1]))
    return corners, width, top + shelf


def _draw(atlas: np.ndarray, tile: _Tile, size: np.ndarray, corner: np.ndarray) -> None:
    one = size // np.int64(tile.repeats)
    pixels = np.ascontiguousarray(tile.pixels)
    if tuple(one) != pixels.shape[1::-1]:
        pixels = cv2.resize(pixels, (int(one[0]), int(one[1])), interpolation=cv2.INTER_AREA)
    whole = np.tile(pixels, (int(tile.repeats[1]), int(tile.repeats[0]), 1))
    padded = np.pad(whole, ((PADDING_PX, PADDING_PX), (PADDING_PX, PADDING_PX), (0, 0)), mode="edge")
    atlas[corner[1] : corner[1] + padded.shape[0], corner[0] : corner[0] + padded.shape[1]] = padded
