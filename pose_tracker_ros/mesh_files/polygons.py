"""Triangles of polygons, which may have notches; what can't be cut so that it keeps its area is refused."""

from __future__ import annotations

from typing import NamedTuple

import mapbox_earcut
import numpy as np

# Of a polygon's area; coordinates are rounded in files, and corners off its plane change triangles by little.
AREA_TOLERANCE = 1e-4


class Triangles(NamedTuple):
    """corners: (T, 3) indices into the polygons' corners; polygons: (T,) of which polygon each is."""

    corners: np.ndarray
    polygons: np.ndarray


def triangulated(positions: np.ndarray, sizes: np.ndarray) -> Triangles:
    """Triangles of polygons whose corners lie one after the other.

    Parameters: ``positions`` (C, 3) of all corners; ``sizes`` (P,) corners of each polygon. Those of fewer than three give none.
    Raises ValueError, which counts polygons from 1, for one that crosses itself.
    """
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64) if len(sizes) else np.zeros(0, np.int64)
    pieces = []
    for size in np.unique(sizes[sizes >= 3]):
        polygons = np.flatnonzero(sizes == size)
        pieces.append(_of_one_size(positions, polygons, starts[polygons], int(size)))
    if not pieces:
        return Triangles(np.zeros((0, 3), np.int64), np.zeros(0, np.int64))
    corners = np.concatenate([piece.corners for piece in pieces])
    polygons = np.concatenate([piece.polygons for piece in pieces])
    order = np.argsort(polygons, kind="stable")
    return Triangles(corners[order], polygons[order])


def _of_one_size(positions: np.ndarray, polygons: np.ndarray, starts: np.ndarray, size: int) -> Triangles:
    fan = np.stack([np.zeros(size - 2, np.int64), np.arange(1, size - 1), np.arange(2, size)], axis=1)
    corners = starts[:, None, None] + fan
    if size > 3:
        for row in np.flatnonzero(~_fans_fit(positions, starts, size)):
            corners[row] = starts[row] + _cut(positions[starts[row] : starts[row] + size], polygons[row])
    return Triangles(corners.reshape(-1, 3), np.repeat(polygons, size - 2))


def _fans_fit(positions: np.ndarray, starts: np.ndarray, size: int) -> np.ndarray:
    """Whether all triangles about a polygon's first corner look the way that the polygon does, (P,) bool."""
    first = positions[starts]
    before = positions[starts + 1] - first
    areas = np.empty((size - 2, len(starts), 3))
    for k in range(2, size):
        after = positions[starts + k] - first
        areas[k - 2] = np.cross(before, after)
        before = after
    whole = areas.sum(axis=0)
    along = np.einsum("kpi,pi->kp", areas, whole)
    flat = np.abs(areas).sum(axis=(0, 2)) == 0
    return flat | ((along.min(axis=0) >= -1e-9 * np.einsum("pi,pi->p", whole, whole)) & np.any(whole != 0, axis=1))


def _cut(points: np.ndarray, polygon: int) -> np.ndarray:
    """Triangles (n - 2, 3) of one polygon (n, 3) with notches, seen along the normal of its area (Newell)."""
    around = points - points[0]
    area = np.cross(around[1:-1], around[2:]).sum(axis=0)
    doubled = float(np.linalg.norm(area))
    refusal = (
        f"polygon {polygon + 1} of {len(points)} corners crosses itself or can't be cut into triangles; "
        "triangulate the mesh when you export it"
    )
    if doubled <= 1e-12 * float(np.ptp(points, axis=0).max()) ** 2:
        raise ValueError(refusal)
    normal = area / doubled
    first = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
    first /= np.linalg.norm(first)
    flat = around @ np.stack([first, np.cross(normal, first)], axis=1)
    triangles = mapbox_earcut.triangulate_float64(flat, np.array([len(flat)], np.uint32)).reshape(-1, 3).astype(np.int64)
    one, two, three = (flat[triangles[:, k]] for k in range(3))
    signed = (two[:, 0] - one[:, 0]) * (three[:, 1] - one[:, 1]) - (two[:, 1] - one[:, 1]) * (three[:, 0] - one[:, 0])
    if abs(np.abs(signed).sum() - doubled) > AREA_TOLERANCE * doubled:
        raise ValueError(refusal)
    triangles[signed < 0] = triangles[signed < 0, ::-1]
    # Corners on a line are left out; triangles without area stand for them, which are removed with all others of that kind.
    missing = len(points) - 2 - len(triangles)
    return np.concatenate([triangles, np.zeros((max(missing, 0), 3), np.int64)])
