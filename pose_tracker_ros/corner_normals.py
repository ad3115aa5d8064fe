"""Normals of the corners of triangles: smooth over gentle bends, apart at sharp edges."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

SHARP_EDGE_RAD = np.radians(40.0)
# Places that more corners than these share are weighed by directions; an axle's cap is a fan of thousands about one point.
MOST_PAIRED = 64
# Steps of a normal's coordinates within which triangles count as one direction.
DIRECTION_STEP = 0.005
# Pairs that are held at a time.
PAIRS = 250_000
PLACES = 1 << 20


def corner_normals(vertices: np.ndarray, faces: np.ndarray, sharp_edge_rad: float = SHARP_EDGE_RAD) -> np.ndarray:
    """Unit normals (3 F, 3) of the triangles' corners: smooth over gentle bends, apart at edges sharper than an angle.

    Each is the mean of the normals, weighted by area, of all triangles (F, 3) at that place that look within the angle of
    its own triangle. Vertices (V, 3) that are repeated for every triangle, as in STL files, count as one.
    """
    triangles = np.asarray(vertices, dtype=np.float64)[faces]
    area = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    length = np.linalg.norm(area, axis=1, keepdims=True)
    face_normals = area / np.maximum(length, 1e-30)
    place = places(vertices)[np.asarray(faces).ravel()]
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    sizes = np.diff(starts, append=len(order))
    threshold = np.cos(sharp_edge_rad)
    total = np.zeros((len(place), 3))
    for first, last in _chunks(np.where(sizes <= MOST_PAIRED, sizes, 0)):
        _pair_by_pair(order, starts[first:last], sizes[first:last], face_normals, area, threshold, total)
    for group in np.flatnonzero(sizes > MOST_PAIRED):
        corners = order[starts[group] : starts[group] + sizes[group]]
        total[corners] = _by_directions(face_normals[corners // 3], area[corners // 3], threshold)
    norm = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(norm > 1e-30, total / np.maximum(norm, 1e-30), np.array([0.0, 0.0, 1.0]))


def places(vertices: np.ndarray) -> np.ndarray:
    """Numbers (V,) of the places at which vertices (V, 3) are, alike within a millionth of the mesh's extent."""
    low = vertices.min(axis=0).astype(np.float64)
    extent = max(float(np.ptp(vertices, axis=0).max()), 1e-30)
    steps = np.rint((vertices - low) / extent * (PLACES - 1)).astype(np.int64)
    return np.unique((steps[:, 0] * PLACES + steps[:, 1]) * PLACES + steps[:, 2], return_inverse=True)[1].ravel()


def distinct(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (D, 3) that are exactly different, the first index (D,) of each, and which of them each of (V, 3) is (V,)."""
    rows = np.ascontiguousarray(vertices) + 0.0
    _, first, index = np.unique(rows.view(f"V{3 * rows.itemsize}").ravel(), return_index=True, return_inverse=True)
    return rows[first], first, index.ravel()


def _chunks(sizes: np.ndarray) -> Iterator[tuple[int, int]]:
    """Runs of groups that have few enough pairs together."""
    part = np.cumsum(sizes.astype(np.int64) ** 2) // PAIRS
    firsts = np.flatnonzero(np.diff(part, prepend=-1))
    yield from zip(firsts.tolist(), [*firsts[1:].tolist(), len(sizes)])


def _pair_by_pair(
    order: np.ndarray,
    starts: np.ndarray,
    sizes: np.ndarray,
    face_normals: np.ndarray,
    area: np.ndarray,
    threshold: float,
    total: np.ndarray,
) -> None:
    """Put the sums of all corners of groups into ``total``: each corner against its whole group."""
    starts, sizes = starts[sizes <= MOST_PAIRED], sizes[sizes <= MOST_PAIRED]
    if not len(sizes):
        return
    corner_count = np.repeat(sizes, sizes)
    corner = np.repeat(starts - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
    pair_starts = np.cumsum(corner_count) - corner_count
    within = np.arange(corner_count.sum()) - np.repeat(pair_starts, corner_count)
    one = np.repeat(order[corner] // 3, corner_count)
    other = order[np.repeat(np.repeat(starts, sizes), corner_count) + within] // 3
    alike = np.einsum("ij,ij->i", face_normals[one], face_normals[other]) >= threshold
    total[order[corner]] = np.add.reduceat(area[other] * alike[:, None], pair_starts, axis=0)


def _by_directions(normals: np.ndarray, area: np.ndarray, threshold: float) -> np.ndarray:
    """Sums (C, 3) of the areas that look alike, of many triangles at one place, by their directions."""
    steps = np.rint(normals / DIRECTION_STEP).astype(np.int64) + PLACES // 2
    keys = (steps[:, 0] * PLACES + steps[:, 1]) * PLACES + steps[:, 2]
    _, first, index = np.unique(keys, return_index=True, return_inverse=True)
    index = index.ravel()
    sums = np.stack([np.bincount(index, area[:, axis], len(first)) for axis in range(3)], axis=1)
    directions = normals[first]
    rows = max(1, PAIRS // len(first))
    parts = [
        ((directions[begin : begin + rows] @ directions.T) >= threshold) @ sums for begin in range(0, len(first), rows)
    ]
    return np.concatenate(parts)[index]
