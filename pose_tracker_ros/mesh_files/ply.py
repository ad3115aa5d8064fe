"""PLY files: text or binary of either byte order, polygons and strips, the usual names of colours and texture coordinates."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.mesh_files.colors import to_bytes
from pose_tracker_ros.mesh_files.companions import find_companion
from pose_tracker_ros.mesh_files.ply_elements import Element, read_elements
from pose_tracker_ros.mesh_files.polygons import triangulated
from pose_tracker_ros.mesh_files.surface import Part, Surface
from pose_tracker_ros.mesh_files.textures import read_texture

COLOR_NAMES = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
COORDINATE_NAMES = (("texture_u", "texture_v"), ("u", "v"), ("s", "t"), ("texture_s", "texture_t"))
CORNER_LISTS = ("vertex_indices", "vertex_index")


class _Faces(NamedTuple):
    """Corners (C,) of all polygons, their sizes (P,), and what polygons have of their own: colours (P, 3), texture
    coordinates (C, 2) and numbers of textures (P,)."""

    corners: np.ndarray
    sizes: np.ndarray
    colors: np.ndarray | None = None
    coordinates: np.ndarray | None = None
    textures: np.ndarray | None = None


def read_ply(path: Path, data: bytes) -> Surface:
    """The surface of a PLY file. Raises ValueError that says what is wrong with it."""
    comments, elements = read_elements(data)
    vertex = elements.get("vertex")
    if vertex is None or not all(axis in vertex.scalars for axis in "xyz"):
        raise ValueError("expected an element 'vertex' with x, y and z in its header")
    positions = np.column_stack([vertex.scalars[axis].astype(np.float64) for axis in "xyz"])
    colors = _columns(vertex, COLOR_NAMES)
    colors = None if colors is None else to_bytes(colors)
    faces = _faces(elements)
    if not len(faces.sizes):
        return Surface((), points=positions, point_colors=colors)
    outside = (faces.corners < 0) | (faces.corners >= len(positions))
    if np.any(outside):
        face = int(np.repeat(np.arange(len(faces.sizes)), faces.sizes)[np.argmax(outside)])
        raise ValueError(f"face {face + 1} names a vertex that is not among the file's {len(positions)}; the file is cut")
    textures, notes = _textures(comments, path)
    triangles = triangulated(positions[faces.corners], faces.sizes)
    at = faces.corners[triangles.corners]
    coordinates = _coordinates(vertex, faces, at, triangles.corners)
    if textures and coordinates is None:
        notes.append(f"the texture {Path(textures[0][0]).name!r} is named, but there are no texture coordinates")
    if coordinates is not None and any(texture is not None for _, texture in textures):
        parts = _textured(positions, at, coordinates, textures, faces, triangles.polygons)
    elif faces.colors is not None and (colors is None or (_is_one(colors) and not _is_one(faces.colors))):
        own = np.repeat(to_bytes(faces.colors)[triangles.polygons], 3, axis=0)
        parts = [Part(positions[at].reshape(-1, 3), np.arange(at.size).reshape(-1, 3), vertex_colors=own)]
    else:
        parts = [Part(positions, at, vertex_colors=colors)]
    return Surface(tuple(parts), tuple(notes))


def _columns(element: Element, choices: tuple[tuple[str, ...], ...]) -> np.ndarray | None:
    for names in choices:
        if all(name in element.scalars for name in names):
            return np.column_stack([element.scalars[name] for name in names])
    return None


def _is_one(colors: np.ndarray) -> bool:
    """Whether all colours (N, 3) are the same, as programs write them that have none."""
    return bool(np.all(colors == colors[:1]))


def _faces(elements: dict[str, Element]) -> _Faces:
    """Polygons of the element 'face', or the triangles of strips."""
    face = elements.get("face")
    if face is not None and face.lists:
        name = next((name for name in CORNER_LISTS if name in face.lists), next(iter(face.lists)))
        corners, sizes = face.lists[name]
        coordinates, per_face = face.lists.get("texcoord", (np.zeros(0), np.zeros(0, np.int64)))
        whole = len(per_face) == len(sizes) and np.array_equal(per_face, 2 * sizes) and len(coordinates) > 0
        return _Faces(
            corners.astype(np.int64),
            sizes,
            _columns(face, COLOR_NAMES),
            coordinates.reshape(-1, 2).astype(np.float64) if whole else None,
            face.scalars.get("texnumber"),
        )
    strips = elements.get("tristrips")
    if strips is not None and strips.lists:
        corners, sizes = next(iter(strips.lists.values()))
        triangles = _of_strips(corners.astype(np.int64), sizes)
        return _Faces(triangles.ravel(), np.full(len(triangles), 3, np.int64))
    return _Faces(np.zeros(0, np.int64), np.zeros(0, np.int64))


def _of_strips(corners: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Triangles (T, 3) of strips, which end where a corner is -1 or a list ends."""
    strip = np.repeat(np.arange(len(sizes)), sizes) + np.cumsum(corners == -1)
    windows = np.lib.stride_tricks.sliding_window_view(corners, 3) if len(corners) >= 3 else np.zeros((0, 3), np.int64)
    at = np.arange(len(windows))
    whole = (strip[at] == strip[at + 2]) & np.all(windows >= 0, axis=1)
    begin = np.searchsorted(strip, strip) + (corners[np.searchsorted(strip, strip)] == -1) if len(corners) else strip
    odd = (at - begin[at]) % 2 == 1
    return np.where(odd[:, None], windows[:, [1, 0, 2]], windows)[whole]


def _coordinates(vertex: Element, faces: _Faces, at: np.ndarray, corners: np.ndarray) -> np.ndarray | None:
    """Texture coordinates (T, 3, 2) of triangles' corners."""
    if faces.coordinates is not None:
        return faces.coordinates[corners]
    coordinates = _columns(vertex, COORDINATE_NAMES)
    return None if coordinates is None else coordinates.astype(np.float64)[at]


def _textures(comments: list[str], path: Path) -> tuple[list[tuple[str, np.ndarray | None]], list[str]]:
    """Names and pixels of the textures that comments name, and sentences about those that are not there."""
    found: list[tuple[str, np.ndarray | None]] = []
    notes = []
    for comment in comments:
        keyword, _, name = comment.partition(" ")
        if keyword.lower() != "texturefile" or not name.strip():
            continue
        image = find_companion(path, name)
        texture = None
        if image is None:
            notes.append(f"the texture {name.strip()!r} that {path.name} names is not there")
        else:
            try:
                texture = read_texture(image)
            except ValueError as error:
                notes.append(str(error))
        found.append((name.strip(), texture))
    return found, notes


def _textured(
    positions: np.ndarray,
    at: np.ndarray,
    coordinates: np.ndarray,
    textures: list[tuple[str, np.ndarray | None]],
    faces: _Faces,
    polygons: np.ndarray,
) -> list[Part]:
    """A part for every texture; those of one that is missing have no colour."""
    number = np.zeros(len(at), np.int64)
    if faces.textures is not None and len(textures) > 1:
        number = np.clip(faces.textures.astype(np.int64)[polygons], 0, len(textures) - 1)
    parts = []
    for index in np.unique(number):
        chosen = number == index
        corners = np.concatenate([at[chosen].reshape(-1, 1), coordinates[chosen].reshape(-1, 2)], axis=1)
        alike, indices = np.unique(corners, axis=0, return_inverse=True)
        texture = textures[index][1]
        part = Part(positions[alike[:, 0].astype(np.int64)], indices.reshape(-1, 3))
        parts.append(part if texture is None else Part(part.vertices, part.faces, uv=alike[:, 1:], texture=texture))
    return parts
