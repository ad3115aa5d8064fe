"""Whether a surface is closed: from outside, what faces away is hidden by what faces the camera."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pose_tracker_ros.corner_normals import places


def is_closed(vertices: np.ndarray, faces: np.ndarray) -> bool:
    """Whether along every edge of triangles (F, 3) another one runs the other way, and every connected part looks outwards.

    Parts may pierce one another. Vertices (V, 3) that are in the same place count as one.
    """
    corners = places(vertices)[faces]
    starts, ends, count = corners.ravel(), np.roll(corners, -1, axis=1).ravel(), int(corners.max()) + 1
    if not np.array_equal(np.sort(starts * count + ends), np.sort(ends * count + starts)):
        return False
    edges = coo_array((np.ones(len(starts), bool), (starts, ends)), (count, count))
    _, parts = connected_components(edges, directed=False)
    triangles = vertices[faces] - vertices.mean(axis=0, dtype=np.float64)
    volumes = np.einsum("fi,fi->f", triangles[:, 0], np.cross(triangles[:, 1], triangles[:, 2]))
    return bool(np.all(np.bincount(parts[corners[:, 0]], volumes)[np.unique(parts[corners[:, 0]])] > 0))
