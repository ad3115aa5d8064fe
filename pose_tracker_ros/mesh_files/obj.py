"""Wavefront OBJ files: polygons of any shape, relative indices, colours of vertices, materials with their textures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pose_tracker_ros import limits
from pose_tracker_ros.mesh_files.colors import to_bytes
from pose_tracker_ros.mesh_files.companions import find_companion
from pose_tracker_ros.mesh_files.mtl import Material, read_materials
from pose_tracker_ros.mesh_files.polygons import triangulated
from pose_tracker_ros.mesh_files.surface import Part, Surface
from pose_tracker_ros.mesh_files.text_lines import CHUNK, as_text, lines_of, number_rows, short

NO_TEXTURE = np.iinfo(np.int64).min


@dataclass
class _Statements:
    """What the lines say; for every face how many vertices and texture coordinates stand before it, and its material."""

    vertices: list[bytes] = field(default_factory=list)
    coordinates: list[bytes] = field(default_factory=list)
    faces: list[bytes] = field(default_factory=list)
    before: list[tuple[int, int, int]] = field(default_factory=list)
    materials: list[str | None] = field(default_factory=lambda: [None])
    libraries: list[str] = field(default_factory=list)


class _Corners(NamedTuple):
    """Indices (C,) of vertex and texture coordinates, -1 for none, of all polygons' corners, and the polygons' sizes (P,)."""

    vertex: np.ndarray
    coordinate: np.ndarray
    sizes: np.ndarray


def read_obj(path: Path, data: bytes) -> Surface:
    """The surface of an OBJ file. Raises ValueError that says which line or face is wrong."""
    said = _statements(lines_of(data))
    numbers = number_rows(said.vertices, 3, "a vertex")
    positions = numbers[:, :3]
    colors = to_bytes(numbers[:, 3:6]) if numbers.shape[1] >= 6 else None
    if not said.faces:
        return Surface((), points=positions, point_colors=colors)
    coordinates = number_rows(said.coordinates, 1, "a texture coordinate")[:, :2]
    if coordinates.shape[1] == 1:
        coordinates = np.column_stack([coordinates, np.zeros(len(coordinates))])
    corners = _corners(said, len(positions), len(coordinates))
    triangles = triangulated(positions[corners.vertex], corners.sizes)
    limits.check(len(triangles.corners), limits.MESH_TRIANGLES, "triangles")
    of_triangle = np.array(said.before, np.int64)[triangles.polygons, 2]
    materials, notes = _materials(said, path)
    parts = []
    for index in np.unique(of_triangle):
        chosen = triangles.corners[of_triangle == index]
        part, note = _part(positions, colors, coordinates, corners, chosen, materials[index])
        parts.append(part)
        notes += [note] if note else []
    return Surface(tuple(parts), tuple(dict.fromkeys(notes)))


def _statements(lines: list[bytes]) -> _Statements:
    said = _Statements()
    current = 0
    known: dict[str, int] = {}
    for line in lines:
        keyword, _, rest = line.partition(b" ") if b"\t" not in line else line.replace(b"\t", b" ").partition(b" ")
        if keyword == b"v":
            said.vertices.append(line.partition(b"#")[0])
        elif keyword == b"vt":
            said.coordinates.append(line.partition(b"#")[0])
        elif keyword in (b"f", b"fo"):
            said.faces.append(rest.partition(b"#")[0])
            said.before.append((len(said.vertices), len(said.coordinates), current))
        elif keyword.lower() == b"usemtl":
            name = as_text(rest.strip())
            if name not in known:
                known[name] = len(said.materials)
                said.materials.append(name)
            current = known[name]
        elif keyword.lower() == b"mtllib":
            said.libraries.append(as_text(rest.strip()))
    return said


def _corners(said: _Statements, vertices: int, coordinates: int) -> _Corners:
    before = np.array(said.before, np.int64)
    chunks = [_chunk(said.faces[first : first + CHUNK]) for first in range(0, len(said.faces), CHUNK)]
    vertex, coordinate, sizes = (np.concatenate(arrays) for arrays in zip(*chunks))
    has_coordinate = coordinate != NO_TEXTURE
    relative = np.repeat(before[:, :2], sizes, axis=0)
    vertex = np.where(vertex < 0, relative[:, 0] + vertex, vertex - 1)
    coordinate = np.where(coordinate < 0, relative[:, 1] + coordinate, coordinate - 1)
    wrong = (vertex < 0) | (vertex >= vertices) | (has_coordinate & ((coordinate < 0) | (coordinate >= coordinates)))
    if np.any(wrong):
        face = int(np.repeat(np.arange(len(sizes)), sizes)[np.argmax(wrong)])
        raise ValueError(
            f"face {face + 1} ('f {short(said.faces[face].strip())[1:-1]}') names a vertex or texture coordinate that is not among "
            f"the file's {vertices} vertices and {coordinates} texture coordinates; the file is cut or was edited"
        )
    return _Corners(vertex, np.where(has_coordinate, coordinate, -1), sizes)


def _chunk(faces: list[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices as they stand in the lines, (C,) of vertices and (C,) of texture coordinates, and the lines' lengths (P,)."""
    words = [face.split() for face in faces]
    sizes = np.array([len(row) for row in words], np.int64)
    try:
        numbers = _alike([word for row in words for word in row])
    except (ValueError, OverflowError):
        bad = next((face for face, row in zip(faces, words) if not all(_is_corner(word) for word in row)), faces[0])
        raise ValueError(f"expected a face of corners like 1, 1/1 or 1/1/1, got {short(b'f ' + bad.strip())}") from None
    return numbers[:, 0], numbers[:, 1], sizes


def _alike(corners: list[bytes]) -> np.ndarray:
    """Vertex and texture index (C, 2) of corners."""
    slashes = {corner.count(b"/") for corner in corners}
    text = b" ".join(corners)
    gaps = (b"//", b"/ ", b" /")
    if slashes <= {0}:
        vertex = np.array(text.split(), dtype=np.int64)
        return np.column_stack([vertex, np.full(len(vertex), NO_TEXTURE)])
    if len(slashes) == 1 and not any(gap in b" " + text + b" " for gap in gaps):
        return np.array(text.replace(b"/", b" ").split(), dtype=np.int64).reshape(len(corners), -1)[:, :2]
    rows = [corner.split(b"/") for corner in corners]
    return np.array([(int(row[0]), int(row[1]) if len(row) > 1 and row[1] else NO_TEXTURE) for row in rows], np.int64)


def _is_corner(word: bytes) -> bool:
    try:
        return bool(_alike([word]).size)
    except (ValueError, OverflowError):
        return False


def _materials(said: _Statements, path: Path) -> tuple[list[Material], list[str]]:
    """The material of every name in the file, the first of faces without any, and what is missing of libraries."""
    found: dict[str, Material] = {}
    notes = []
    for line in dict.fromkeys(said.libraries):
        whole = find_companion(path, line)
        # A line may name several files; a single name may have blanks.
        for name in [line] if whole or " " not in line else line.split():
            library = find_companion(path, name)
            if library is None:
                notes.append(f"the materials {name!r} that {path.name} names are not there")
            else:
                found = read_materials(library, path) | found
    if len(said.materials) > 1 and not said.libraries:
        notes.append(f"{path.name} names materials, but names no file that has them (mtllib)")
    unnamed = sum(material == 0 for _, _, material in said.before)
    materials = []
    for name in said.materials:
        if name is not None and name in found:
            materials.append(found[name])
        elif name is None and len(found) == 1 and len(said.materials) == 1:
            materials.append(next(iter(found.values())))
        else:
            missing = f"the material {name!r} is in none of the files of materials" if name and found else ""
            if name is None and len(said.materials) > 1:
                missing = f"{unnamed} of {len(said.before)} faces come before any material is named"
            materials.append(Material(missing=missing))
    return materials, notes


def _part(
    positions: np.ndarray,
    colors: np.ndarray | None,
    coordinates: np.ndarray,
    corners: _Corners,
    triangles: np.ndarray,
    material: Material,
) -> tuple[Part, str]:
    """The triangles (T, 3), of corners, of one material, and a sentence about what they lack."""
    vertex, coordinate = corners.vertex[triangles], corners.coordinate[triangles]
    note = material.missing
    if material.texture is not None:
        if np.all(coordinate >= 0):
            return _textured(positions, coordinates, vertex, coordinate, material), ""
        note = f"{int(np.any(coordinate < 0, axis=1).sum())} triangles with a texture have no texture coordinates"
    used, faces = np.unique(vertex, return_inverse=True)
    part = Part(positions[used], faces.reshape(-1, 3), vertex_colors=None if colors is None else colors[used])
    if colors is None and material.texture is None and material.color is not None:
        part = part.with_color(material.color)
    return part, note


def _textured(
    positions: np.ndarray, coordinates: np.ndarray, vertex: np.ndarray, coordinate: np.ndarray, material: Material
) -> Part:
    pairs, faces = np.unique(vertex.ravel() * len(coordinates) + coordinate.ravel(), return_inverse=True)
    uv = coordinates[pairs % len(coordinates)] * material.uv_scale + material.uv_offset
    return Part(positions[pairs // len(coordinates)], faces.reshape(-1, 3), uv=uv, texture=material.texture)
