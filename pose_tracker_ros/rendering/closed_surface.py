"""Which parts of a surface are closed: from outside, what faces away there is hidden by what faces the camera."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pose_tracker_ros.corner_normals import places


def closed_faces(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Of triangles (F, 3) those (F,) bool whose connected part looks outwards, and along every edge of which another one runs the other way.

    Parts may pierce one another. Vertices (V, 3) that are in the same place count as one, so that what touches there is one part, which looks
    outwards if most of its volume does.
    """
    corners = places(vertices)[faces]
    starts, ends, count = corners.ravel(), np.roll(corners, -1, axis=1).ravel(), int(corners.max()) + 1
    edges = coo_array((np.ones(len(starts), bool), (starts, ends)), (count, count))
    parts = connected_components(edges, directed=False)[1]
    triangles = vertices[faces] - vertices.mean(axis=0, dtype=np.float64)
    volumes = np.einsum("fi,fi->f", triangles[:, 0], np.cross(triangles[:, 1], triangles[:, 2]))
    is_closed = np.bincount(parts[corners[:, 0]], volumes, parts.max() + 1) > 0
    edge, at = np.unique(np.minimum(starts, ends) * count + np.maximum(starts, ends), return_inverse=True)
    is_closed[parts[edge[np.bincount(at, np.sign(ends - starts)) != 0] // count]] = False
    return is_closed[parts[corners[:, 0]]]
