"""What may be wrong with a surface: parts far apart, holes, triangles that look inwards or share edges with too many."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import trimesh
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pose_tracker_ros.corner_normals import distinct, places
from pose_tracker_ros.objects import Mesh, mesh_with_normals

# Of the triangles: more than these at one vertex make a shape, as at the tip of a cone.
FEW = 0.02


class FarParts(NamedTuple):
    """Triangles that lie apart from the rest: near (F,) bool of the others; diameters: how far off the nearest of them are,
    in diameters of the rest; count: how many they are."""

    near: np.ndarray
    diameters: float
    count: int


def far_parts(vertices: np.ndarray, faces: np.ndarray) -> FarParts | None:
    """What is farther from the rest than the rest is large: single vertices of few triangles, or connected parts; None where
    there is nothing.
    """
    # One far triangle would make one place of everything else: only what is exactly alike counts as one.
    positions, _, index = distinct(vertices)
    corners = index[faces]
    stray = _stray_places(positions, corners)
    if stray is None:
        return _apart(vertices, faces, corners)
    near = ~np.any(stray.which[corners], axis=1)
    return FarParts(near, stray.diameters, int((~near).sum()))


class _StrayPlaces(NamedTuple):
    """which: (D,) bool of all places; diameters: how far off the nearest of them is, in diameters of the rest."""

    which: np.ndarray
    diameters: float


def _stray_places(positions: np.ndarray, corners: np.ndarray) -> _StrayPlaces | None:
    """Those of places (D, 3) that hang on the surface by edges longer than all the rest is large, None where there are none.

    Edges there are long in every direction, which they are at no end of a bar, however long it is. Where a shape has such an end, a
    cone, many of its triangles meet there.
    """
    shortest = np.full(len(positions), np.inf)
    # One side of all triangles at a time: meshes of millions have to fit into memory.
    for one, other in ((0, 1), (1, 2), (2, 0)):
        lengths = np.linalg.norm(positions[corners[:, one]] - positions[corners[:, other]], axis=1)
        lengths[lengths == 0] = np.inf
        for column in (one, other):
            np.minimum.at(shortest, corners[:, column], lengths)
    used = np.flatnonzero(np.isfinite(shortest))
    order = used[np.argsort(-shortest[used], kind="stable")]
    # Box of a place and all after it.
    low = np.minimum.accumulate(positions[order[::-1]])[::-1]
    high = np.maximum.accumulate(positions[order[::-1]])[::-1]
    sizes = np.linalg.norm(high - low, axis=1)[1:]
    triangles = np.cumsum(np.bincount(corners.ravel(), minlength=len(positions))[order[:-1]])
    beyond = np.flatnonzero((shortest[order[:-1]] > sizes) & (triangles <= FEW * len(corners)))
    if not len(beyond):
        return None
    found = order[: beyond[-1] + 1]
    stray = np.zeros(len(positions), bool)
    stray[found] = True
    return _StrayPlaces(stray, float(shortest[found].min() / sizes[beyond[-1]]))


def _apart(vertices: np.ndarray, faces: np.ndarray, corners: np.ndarray) -> FarParts | None:
    """Connected parts with a gap to the rest that is wider than the rest is large; None where there are none.

    The rest grows from the part with the largest surface. Boxes along the axes stand for the parts.
    """
    labels = _connected(corners)
    triangles = vertices[faces].astype(np.float64)
    count = int(labels.max()) + 1
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    np.minimum.at(low, labels, triangles.min(axis=1))
    np.maximum.at(high, labels, triangles.max(axis=1))
    doubled = np.linalg.norm(np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1)
    inside = np.zeros(count, bool)
    # A single long sliver has a large area, too.
    inside[np.argmax(np.bincount(labels, doubled, count) * np.sqrt(np.bincount(labels, minlength=count)))] = True
    while True:
        bottom, top = low[inside].min(axis=0), high[inside].max(axis=0)
        gaps = np.linalg.norm(np.maximum(np.maximum(low - top, bottom - high), 0), axis=1)
        size = max(float(np.linalg.norm(top - bottom)), 1e-300)
        grown = inside | (gaps <= size)
        if np.array_equal(grown, inside):
            break
        inside = grown
    if np.all(inside):
        return None
    near = inside[labels]
    return FarParts(near, float(gaps[~inside].min()) / size, int((~near).sum()))


def _connected(corners: np.ndarray) -> np.ndarray:
    """Numbers (F,) of the connected parts of triangles (F, 3) of places: what has the same corner belongs together."""
    count = int(corners.max()) + 1
    edges = np.concatenate([corners[:, :2], corners[:, 1:]])
    graph = coo_array((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), (count, count))
    _, labels = connected_components(graph, directed=False)
    return np.unique(labels[corners[:, 0]], return_inverse=True)[1].ravel()


class _Edges(NamedTuple):
    """Of undirected edges: how many triangles use each (E,), and how many in one direction less those in the other (E,)."""

    uses: np.ndarray
    balance: np.ndarray


def _edges(mesh: Mesh) -> _Edges:
    corners = places(mesh.vertices)[mesh.faces].astype(np.int64)
    ends = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    low, high = ends.min(axis=1), ends.max(axis=1)
    _, index = np.unique(low * (int(corners.max()) + 1) + high, return_inverse=True)
    return _Edges(np.bincount(index.ravel()), np.bincount(index.ravel(), np.where(ends[:, 0] < ends[:, 1], 1, -1)))


def _volume(mesh: Mesh) -> float:
    corners = mesh.vertices[mesh.faces].astype(np.float64) - mesh.vertices[0]
    return float(np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))) / 6


def facing_outwards(mesh: Mesh) -> tuple[Mesh, str]:
    """The mesh with triangles that look outwards, and a sentence about what was turned, empty where nothing was.

    What has holes is left as it is, unless neighbours contradict each other.
    """
    edges = _edges(mesh)
    closed = bool(np.all(edges.uses == 2))
    said = ""
    if np.all(edges.uses <= 2) and np.any((edges.uses == 2) & (edges.balance != 0)):
        faces = _wound_alike(mesh)
        turned = int(np.any(faces != mesh.faces, axis=1).sum())
        said = f"{turned} triangles looked the other way than their neighbours: turned"
        mesh = _with_faces(mesh, faces)
    if closed and _volume(mesh) < 0:
        mesh = _with_faces(mesh, mesh.faces[:, ::-1])
        said = "the surface was inside out: turned"
    return mesh, said


def _wound_alike(mesh: Mesh) -> np.ndarray:
    """Faces (F, 3) of which neighbours run along their edge in opposite directions."""
    corners = places(mesh.vertices)[mesh.faces]
    welded = trimesh.Trimesh(np.zeros((int(corners.max()) + 1, 3)), corners, process=False)
    trimesh.repair.fix_winding(welded)
    alike = np.any(
        np.stack([np.all(np.roll(welded.faces, turn, axis=1) == corners, axis=1) for turn in range(3)]), axis=0
    )
    return np.where(alike[:, None], mesh.faces, mesh.faces[:, ::-1])


def _with_faces(mesh: Mesh, faces: np.ndarray) -> Mesh:
    turned = mesh_with_normals(mesh.vertices, faces, mesh.vertex_colors, mesh.uv, mesh.texture)
    return replace(turned, notes=mesh.notes)


def mesh_findings(mesh: Mesh, max_faces: int, triangles: int | None = None) -> list[str]:
    """Sentences about what may harm tracking; none for a sound mesh.

    Parameters: ``triangles`` of the file, where the mesh has fewer already.
    """
    findings = list(mesh.notes)
    edges = _edges(mesh)
    if np.any(edges.uses == 1):
        findings.append("the surface has holes: seen through them the inside is missing; rendering works nevertheless")
    if np.any(edges.uses > 2):
        findings.append(
            f"{int((edges.uses > 2).sum())} edges belong to more than two triangles: inner walls or surfaces that touch; "
            "rendering works nevertheless"
        )
    elif np.any((edges.uses == 2) & (edges.balance != 0)):
        findings.append("some triangles look the other way than their neighbours; recalculate normals if views look wrong")
    if not mesh.has_color:
        findings.append(
            "it has neither texture nor vertex colours: any paint is assumed, and turns about an axis of symmetry cannot be seen"
        )
    if len(mesh.faces) > max_faces:
        findings.append(f"it has {triangles or len(mesh.faces)} triangles: reduced to {max_faces}")
    return findings
