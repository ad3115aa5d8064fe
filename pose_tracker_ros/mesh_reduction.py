"""Meshes with fewer triangles, and the colours that they keep."""

from __future__ import annotations

import fast_simplification
import numpy as np
from scipy.spatial import cKDTree

from pose_tracker_ros.corner_normals import distinct
from pose_tracker_ros.mesh_files import Part
from pose_tracker_ros.objects import Mesh, mesh_of_part

# The library's thresholds are lengths.
WORKING_EXTENT = 30.0
# Collapsing edges of a fan takes time with the square of its triangles: where there is one, vertices that are nearer to each
# other than a thousandth of the extent are made one before.
LARGEST_FAN, FAN_CELLS = 500, 1000


def reduced(mesh: Mesh, max_faces: int) -> Mesh:
    """The mesh with at most ``max_faces`` triangles; a texture becomes colours of vertices, since its seams would tear."""
    part = Part(mesh.vertices.astype(np.float64), mesh.faces, mesh.vertex_colors, mesh.uv, mesh.texture)
    target = max_faces
    while len(part.faces) > max_faces:
        part = reduced_part(part, target)
        target = int(0.9 * target)
    return mesh if len(mesh.faces) <= max_faces else mesh_of_part(part, 1.0, notes=mesh.notes)


def reduced_part(part: Part, faces: int) -> Part:
    """A part with about so many triangles (quadric error metrics, Garland and Heckbert 1997).

    Its vertices have the colours of the nearest ones before.
    """
    middle, extent = part.vertices.mean(axis=0), float(np.ptp(part.vertices, axis=0).max())
    scale = WORKING_EXTENT / extent
    _, first, index = distinct(part.vertices)
    if np.bincount(index[part.faces.ravel()]).max() > LARGEST_FAN:
        cells = np.rint((part.vertices - middle) * (FAN_CELLS / extent))
        _, first, index = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    welded = np.float32((part.vertices[first] - middle) * scale)
    corners = index.ravel()[part.faces]
    corners = corners[np.all(corners != np.roll(corners, 1, axis=1), axis=1)]
    vertices, fewer = welded, corners
    if len(corners) > faces:
        share = 1 - faces / len(corners)
        vertices, fewer = fast_simplification.simplify(welded, np.int32(corners), target_reduction=share)
    colors = vertex_colors(part)
    if colors is not None:
        nearest = cKDTree(welded).query(vertices)[1]
        colors = np.uint8(np.rint(colors[first[nearest]]))
    return Part(vertices / scale + middle, np.int64(fewer), vertex_colors=colors)


def vertex_colors(mesh: Mesh | Part) -> np.ndarray | None:
    """Colours (V, 3) float 0..255 at the vertices, from vertex colours or texture; None when unknown."""
    if mesh.vertex_colors is not None:
        return mesh.vertex_colors.astype(np.float64)
    if mesh.texture is None:
        return None
    height, width = mesh.texture.shape[:2]
    columns = np.clip(np.rint(mesh.uv[:, 0] % 1.0 * width - 0.5), 0, width - 1).astype(int)
    rows = np.clip(np.rint((1 - mesh.uv[:, 1]) % 1.0 * height - 0.5), 0, height - 1).astype(int)
    return mesh.texture[rows, columns].astype(np.float64)
