"""OFF files: polygons with colours of vertices (COFF) or of faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pose_tracker_ros import limits
from pose_tracker_ros.mesh_files.colors import to_bytes
from pose_tracker_ros.mesh_files.polygons import triangulated
from pose_tracker_ros.mesh_files.surface import Part, Surface
from pose_tracker_ros.mesh_files.text_lines import lines_of, short


def read_off(path: Path, data: bytes) -> Surface:
    """The surface of an OFF or COFF file. Raises ValueError that says what is wrong with it."""
    rows = [words for line in lines_of(data) if (words := line.partition(b"#")[0].split())]
    kind = rows[0][0].upper() if rows else b""
    if kind not in (b"OFF", b"COFF"):
        raise ValueError(f"expected a text file that begins with OFF or COFF, got {short(b' '.join(rows[0])) if rows else 'nothing'}")
    rows = ([rows[0][1:]] if len(rows[0]) > 1 else []) + rows[1:]
    try:
        vertices, polygons = int(rows[0][0]), int(rows[0][1])
        limits.check(max(vertices, polygons, 0), 3 * limits.MESH_TRIANGLES, "vertices or faces")
        if vertices < 0 or polygons < 0 or len(rows) < 1 + vertices + polygons:
            raise IndexError
        table = np.array([[float(word) for word in row[:6]] for row in rows[1 : 1 + vertices]]).reshape(vertices, -1)
        faces = [[int(word) for word in row[1 : 1 + int(row[0])]] for row in rows[1 + vertices : 1 + vertices + polygons]]
        extra = [[float(word) for word in row[1 + int(row[0]) :]] for row in rows[1 + vertices : 1 + vertices + polygons]]
    except (ValueError, IndexError, OverflowError) as error:
        if str(error).startswith("expected"):
            raise
        raise ValueError("expected as many rows of numbers as the file's first numbers say; it is cut or was edited") from None
    if vertices and table.shape[1] < 3:
        raise ValueError("expected three coordinates of every vertex")
    positions = table[:, :3] if vertices else np.zeros((0, 3))
    colors = to_bytes(table[:, 3:6]) if kind == b"COFF" and table.shape[1] >= 6 else None
    if not polygons:
        return Surface((), points=positions, point_colors=colors)
    sizes = np.array([len(face) for face in faces], np.int64)
    corners = np.array([corner for face in faces for corner in face], np.int64)
    outside = (corners < 0) | (corners >= vertices)
    if np.any(outside):
        face = int(np.repeat(np.arange(len(sizes)), sizes)[np.argmax(outside)])
        raise ValueError(f"face {face + 1} names a vertex that is not among the file's {vertices}; the file is cut or was edited")
    triangles = triangulated(positions[corners], sizes)
    at = corners[triangles.corners]
    if colors is None and all(len(row) >= 3 for row in extra):
        whole = any(value > 1 for row in extra for value in row[:3])
        own = to_bytes(np.array([row[:3] for row in extra]) / (255.0 if whole else 1.0))
        repeated = np.repeat(own[triangles.polygons], 3, axis=0)
        return Surface((Part(positions[at].reshape(-1, 3), np.arange(at.size).reshape(-1, 3), vertex_colors=repeated),))
    return Surface((Part(positions, at, vertex_colors=colors),))
