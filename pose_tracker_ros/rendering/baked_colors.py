"""Colours of a mesh, carried over to a reduced one that has neither its vertices nor its texture coordinates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import open3d as o3d

from pose_tracker_ros.objects import Mesh, texture_pyramid
from pose_tracker_ros.rendering.raycast import corner_values, interpolate, sample_texture
from pose_tracker_ros.rendering.texture_level import pyramid_level, texels_per_metre

# Slim triangles get as many points along their length as if they were only about this many times as long as wide.
LONGEST_ASPECT = 8.0


class BakedColors(NamedTuple):
    """Colours on a grid of every face, as ``raster.paint_grids`` takes them.

    steps, starts: (F,) int64. colors: (N, 3) uint8. spacing_m: distance of the grids' points in metres, mostly.
    """

    steps: np.ndarray
    starts: np.ndarray
    colors: np.ndarray
    spacing_m: float


class ColorSource:
    """The colours of a mesh that has some, at points near its surface."""

    def __init__(self, mesh: Mesh) -> None:
        self._scene = o3d.t.geometry.RaycastingScene()
        self._scene.add_triangles(
            o3d.core.Tensor(np.ascontiguousarray(mesh.vertices, dtype=np.float32)),
            o3d.core.Tensor(np.ascontiguousarray(mesh.faces, dtype=np.uint32)),
        )
        self._textured = mesh.texture is not None
        self._values = corner_values(mesh.uv if self._textured else mesh.vertex_colors, mesh.faces)
        if self._textured:
            self._pyramid = texture_pyramid(mesh.texture)
            self._texels_per_metre = texels_per_metre(mesh)

    def bake(self, vertices: np.ndarray, faces: np.ndarray, spacing_m: float) -> BakedColors:
        """Colours of a mesh (V, 3), (F, 3) that lies close to this one: those of the nearest points of its surface."""
        corners = np.asarray(vertices, np.float32)[faces.astype(np.int64)]
        steps = _steps(corners, spacing_m)
        sizes = (steps + 1) * (steps + 2) // 2
        starts = np.cumsum(sizes) - sizes
        points = np.empty((sizes.sum(), 3), np.float32)
        for parts in np.unique(steps):
            alike = np.flatnonzero(steps == parts)
            shares = np.array([(parts - i - j, i, j) for i in range(parts + 1) for j in range(parts + 1 - i)]) / parts
            places = starts[alike, None] + np.arange(len(shares))
            points[places] = np.einsum("sk,fkc->fsc", shares.astype(np.float32), corners[alike])
        return BakedColors(steps, starts, self._at(points, spacing_m), spacing_m)

    def _at(self, points: np.ndarray, spacing_m: float) -> np.ndarray:
        """Colours (N, 3) uint8 at points (N, 3), of a texture's level whose texels are about that large."""
        nearest = self._scene.compute_closest_points(o3d.core.Tensor(points))
        second_third = nearest["primitive_uvs"].numpy()
        barycentric = np.column_stack([1 - second_third.sum(axis=1), second_third])
        values = interpolate(self._values, nearest["primitive_ids"].numpy(), barycentric)
        if not self._textured:
            return np.rint(values).astype(np.uint8)
        level = min(pyramid_level(self._texels_per_metre, 1.0, spacing_m), len(self._pyramid) - 1)
        return sample_texture(self._pyramid[level], values)


def _steps(corners: np.ndarray, spacing_m: float) -> np.ndarray:
    """Parts (F,) int64 of the edges of triangles (F, 3, 3)."""
    edges = corners[:, [1, 2, 0]] - corners
    longest = np.linalg.norm(edges, axis=-1).max(axis=1)
    double_area = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=-1)
    length = np.minimum(longest, np.sqrt(LONGEST_ASPECT * double_area))
    return np.maximum(np.ceil(length / spacing_m), 1).astype(np.int64)
