"""Procedural objects: shapes and paint that no mesh collection has, so that a network learns objects at large."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import trimesh

from pose_tracker_ros.corner_normals import SHARP_EDGE_RAD
from pose_tracker_ros.geometry import random_rotation
from pose_tracker_ros.objects import Mesh, ObjectModel
from pose_tracker_ros.training.textures import random_color, random_image

DIAMETER_M = (0.05, 0.35)
# Share of objects that have no paint, as most CAD models.
UNPAINTED_SHARE = 0.15
TEXTURE_SIZE = 256
# Share of painted objects in a single colour, as tools are.
PLAIN_SHARE = 0.15
# Share of objects squeezed to plates and rods, and how much at most.
THIN_SHARE = 0.3
THINNEST = 0.05
# Smaller faces have no normal to speak of.
MIN_FACE_AREA_M2 = 1e-10


def random_object(generator: np.random.Generator) -> ObjectModel:
    """An object of one to four random parts, 5 to 35 cm large, mostly painted."""
    while True:
        parts = [_placed(_random_part(generator), generator) for _ in range(generator.choice([1, 1, 2, 3, 4]))]
        shape = trimesh.util.concatenate(parts)
        thin = generator.random() < THIN_SHARE
        shape.apply_scale(np.exp(generator.uniform(np.log(THINNEST if thin else 0.5), 0, 3)))
        shape.apply_transform(_rotation(generator))
        extent = np.linalg.norm(shape.extents)
        if not 0.5 < extent < 20:
            continue
        # The hull's diameter is at most the diagonal of the bounding box, which is near enough here.
        shape.apply_scale(np.exp(generator.uniform(*np.log(DIAMETER_M))) / extent)
        shape.update_faces(shape.area_faces > MIN_FACE_AREA_M2)
        try:
            return ObjectModel.from_mesh("random shape", _painted(shape, generator))
        except ValueError:
            continue


def _rotation(generator: np.random.Generator) -> np.ndarray:
    transform = np.eye(4)
    transform[:3, :3] = random_rotation(generator)
    return transform


def _placed(part: trimesh.Trimesh, generator: np.random.Generator) -> trimesh.Trimesh:
    """The part, of size 1, turned, stretched and moved so that it touches the middle."""
    part.apply_scale(generator.uniform(0.3, 1.2, 3) / max(np.linalg.norm(part.extents), 1e-6))
    part.apply_transform(_rotation(generator) if generator.random() < 0.5 else np.eye(4))
    part.apply_translation(generator.normal(0, 0.13, 3))
    return part


def _random_part(generator: np.random.Generator) -> trimesh.Trimesh:
    kinds = [_box, _superellipsoid, _lathe, _prism, _torus, _blob, _tube]
    return kinds[generator.choice(len(kinds), p=[0.2, 0.15, 0.2, 0.15, 0.08, 0.12, 0.1])](generator)


def _box(generator: np.random.Generator) -> trimesh.Trimesh:
    return trimesh.creation.box(generator.uniform(0.15, 1.0, 3))


def _superellipsoid(generator: np.random.Generator) -> trimesh.Trimesh:
    """Between box, ellipsoid and octahedron: powers of the sphere's coordinates (Barr 1981)."""
    sphere = trimesh.creation.icosphere(subdivisions=3)
    power = generator.uniform(0.3, 1.6)
    sphere.vertices = np.sign(sphere.vertices) * np.abs(sphere.vertices) ** power
    return sphere


def _lathe(generator: np.random.Generator) -> trimesh.Trimesh:
    """A turned part: cans, bottles, bowls, wheels."""
    count = generator.integers(2, 7)
    heights = np.sort(generator.uniform(-1, 1, count))
    radii = generator.uniform(0.15, 0.8, count) if generator.random() < 0.7 else np.full(count, 0.5)
    profile = np.column_stack([radii, heights])
    profile = np.vstack([[0, heights[0]], profile, [0, heights[-1]]])
    return trimesh.creation.revolve(profile, sections=int(generator.choice([6, 8, 24, 40])))


def _prism(generator: np.random.Generator) -> trimesh.Trimesh:
    """A star-shaped outline pushed along an axis, possibly tapered."""
    count = int(generator.integers(3, 12))
    angles = np.sort(generator.uniform(0, 2 * np.pi, count))
    radii = generator.uniform(0.3, 1.0, count)
    outline = np.column_stack([radii * np.cos(angles), radii * np.sin(angles)])
    height, taper = generator.uniform(0.1, 1.2), generator.choice([1.0, generator.uniform(0.3, 1.0)])
    bottom = np.column_stack([outline, np.zeros(count)])
    top = np.column_stack([outline * taper, np.full(count, height)])
    vertices = np.vstack([bottom, top, [[0, 0, 0], [0, 0, height]]])
    i, j = np.arange(count), (np.arange(count) + 1) % count
    faces = [
        np.column_stack([i, j, j + count]),
        np.column_stack([i, j + count, i + count]),
        np.column_stack([j, i, np.full(count, 2 * count)]),
        np.column_stack([i + count, j + count, np.full(count, 2 * count + 1)]),
    ]
    return trimesh.Trimesh(vertices, np.vstack(faces), process=False)


def _torus(generator: np.random.Generator) -> trimesh.Trimesh:
    return trimesh.creation.torus(1.0, generator.uniform(0.1, 0.45), major_sections=32, minor_sections=12)


def _blob(generator: np.random.Generator) -> trimesh.Trimesh:
    """A sphere with soft bumps: figures, fruit, stones."""
    sphere = trimesh.creation.icosphere(subdivisions=4)
    radius = np.ones(len(sphere.vertices))
    for frequency in (1.5, 3.0, 6.0):
        direction = generator.normal(0, frequency, (4, 3))
        waves = np.sin(sphere.vertices @ direction.T + generator.uniform(0, 2 * np.pi, 4))
        radius += waves @ generator.normal(0, 0.25 / frequency, 4)
    sphere.vertices *= np.maximum(radius, 0.2)[:, None]
    return sphere


def _tube(generator: np.random.Generator) -> trimesh.Trimesh:
    """A thin bent rod: handles, cables, tools."""
    count, sides = 16, 8
    along = np.linspace(0, 1, count)[:, None]
    points = along * generator.normal(0, 1, 3) + np.sin(along * generator.uniform(0.5, 5)) * generator.normal(0, 0.5, 3)
    tangents = np.gradient(points, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    across = np.cross(tangents, generator.normal(size=3))
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    upward = np.cross(tangents, across)
    radius = generator.uniform(0.03, 0.15)
    angles = np.arange(sides) * (2 * np.pi / sides)
    rings = across[:, None] * np.cos(angles)[:, None] + upward[:, None] * np.sin(angles)[:, None]
    vertices = np.vstack([(points[:, None] + radius * rings).reshape(-1, 3), points[[0, -1]]])
    ring, side = (index.ravel() for index in np.meshgrid(np.arange(count - 1), np.arange(sides), indexing="ij"))
    next_side = (side + 1) % sides
    a, b = ring * sides + side, ring * sides + next_side
    last = (count - 1) * sides
    i, j = np.arange(sides), (np.arange(sides) + 1) % sides
    faces = [
        np.column_stack([a, a + sides, b]),
        np.column_stack([b, a + sides, b + sides]),
        np.column_stack([i, j, np.full(sides, count * sides)]),
        np.column_stack([last + j, last + i, np.full(sides, count * sides + 1)]),
    ]
    return trimesh.Trimesh(vertices, np.vstack(faces), process=False)


def _painted(shape: trimesh.Trimesh, generator: np.random.Generator) -> Mesh:
    """Smooth normals but at sharp edges; paint projected along the axis that each face looks at most."""
    shape = trimesh.graph.smooth_shade(shape, angle=SHARP_EDGE_RAD)
    axis = np.repeat(np.abs(shape.face_normals).argmax(axis=1), 3)
    normals = np.asarray(shape.vertex_normals)[shape.faces].reshape(-1, 3)
    # Where two leaves touch, the normals of their faces cancel out, and a leaf's two sides may get the same one.
    of_face = np.repeat(shape.face_normals, 3, axis=0)
    flat = np.einsum("ij,ij->i", normals, of_face) < 0.1
    normals[flat] = of_face[flat]
    vertices = np.asarray(shape.vertices)[shape.faces].reshape(-1, 3)
    mesh = Mesh(
        vertices=vertices.astype(np.float32),
        faces=np.arange(len(vertices), dtype=np.int32).reshape(-1, 3),
        normals=normals.astype(np.float32),
    )
    if generator.random() < UNPAINTED_SHARE:
        return mesh
    others = np.array([[1, 2], [2, 0], [0, 1]])[axis]
    scale = generator.uniform(0.3, 1.0) / np.max(shape.extents)
    uv = np.take_along_axis(vertices, others, axis=1) * scale + generator.uniform(0, 1, (3, 2))[axis]
    plain = generator.random() < PLAIN_SHARE
    texture = _single_color(generator) if plain else random_image(TEXTURE_SIZE, generator)
    return replace(mesh, uv=uv.astype(np.float32), texture=texture)


def _single_color(generator: np.random.Generator) -> np.ndarray:
    return np.tile(random_color(generator).astype(np.uint8), (2, 2, 1))
