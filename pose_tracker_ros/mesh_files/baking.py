"""Paint that one texture can't hold as it is, painted into a new one: a square of texels for every two triangles."""

from __future__ import annotations

import cv2
import numpy as np

from pose_tracker_ros import limits
from pose_tracker_ros.mesh_files.colors import bytes_of_linear, linear_of_srgb
from pose_tracker_ros.mesh_files.surface import Part

SMALLEST_CELL_PX, LARGEST_CELL_PX = 6, 256
# Texels around a triangle that repeat its border, for filters.
BORDER_PX = 2


def baked(part: Part, light: np.ndarray | None = None) -> Part:
    """The part with a texture of its own, in which every triangle has a place.

    Parameters: ``part`` is painted; ``light`` (V, 3) multiplies its texture, in linear light.
    """
    count = len(part.faces)
    limits.check(count, limits.BAKED_TRIANGLES, "triangles whose colours have to be painted anew")
    columns = int(np.ceil(np.sqrt(count)))
    cell = int(np.clip(_cell_size(part), SMALLEST_CELL_PX, max(SMALLEST_CELL_PX, limits.TEXTURE_SIDE_PX // columns)))
    cell_rows = -(-count // columns)
    texture = np.empty((cell_rows * cell, columns * cell, 3), np.uint8)
    inner = cell - 2 * BORDER_PX - 1
    steps = (np.arange(cell) - BORDER_PX) / max(inner, 1)
    u, v = np.meshgrid(np.clip(steps, 0, 1), np.clip(steps, 0, 1))
    # Texels beyond the slanted side repeat it.
    over = np.maximum(u + v - 1, 0) / 2
    weights = np.stack([1 - (u - over) - (v - over), u - over, v - over], axis=-1)
    for row in range(cell_rows):
        faces = part.faces[row * columns : (row + 1) * columns]
        strip = np.zeros((columns, cell, cell, 3), np.uint8)
        strip[: len(faces)] = _painted(part, faces, weights, light)
        texture[row * cell : (row + 1) * cell] = strip.transpose(1, 0, 2, 3).reshape(cell, columns * cell, 3)
    index = np.arange(count)
    corner = np.stack([index % columns, index // columns], axis=1)[:, None] * cell + BORDER_PX + 0.5
    corners = corner + np.array([[0, 0], [inner, 0], [0, inner]])
    height, width = texture.shape[:2]
    uv = np.stack([corners[..., 0] / width, 1 - corners[..., 1] / height], axis=-1).reshape(-1, 2)
    return Part(part.vertices[part.faces].reshape(-1, 3), np.arange(3 * count).reshape(-1, 3), uv=uv, texture=texture)


def _cell_size(part: Part) -> float:
    """Texels that the longest sides of most triangles cover, with the border."""
    if part.texture is None:
        return 12.0
    corners = part.uv[part.faces] * np.array(part.texture.shape[1::-1])
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    return float(min(np.quantile(sides, 0.95), LARGEST_CELL_PX)) + 2 * BORDER_PX + 1


def _painted(part: Part, faces: np.ndarray, weights: np.ndarray, light: np.ndarray | None) -> np.ndarray:
    """Texels (F, cell, cell, 3) of triangles, by the weights (cell, cell, 3) of their corners."""
    if part.texture is None:
        return np.uint8(np.rint(np.einsum("ijk,fkc->fijc", weights, part.vertex_colors[faces].astype(np.float64))))
    height, width = part.texture.shape[:2]
    uv = np.einsum("ijk,fkc->fijc", weights, part.uv[faces])
    columns = np.float32(uv[..., 0] % 1.0 * width - 0.5).reshape(-1, weights.shape[1])
    rows = np.float32((1 - uv[..., 1]) % 1.0 * height - 0.5).reshape(columns.shape)
    texels = cv2.remap(part.texture, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    texels = texels.reshape(*uv.shape[:3], 3)
    if light is None:
        return texels
    return bytes_of_linear(linear_of_srgb(texels / 255.0) * np.einsum("ijk,fkc->fijc", weights, light[faces]))
