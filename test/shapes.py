"""Shapes whose images are known in closed form."""

from __future__ import annotations

import numpy as np
import trimesh

from pose_tracker_ros.objects import Mesh


def square(side: float, texture: np.ndarray | None = None) -> Mesh:
    """A square in the xy plane that faces -z, its texture upright for an optical frame (x right, y down)."""
    half = side / 2
    vertices = np.array([[-half, -half, 0], [half, -half, 0], [half, half, 0], [-half, half, 0]], np.float32)
    faces = np.array([[0, 2, 1], [0, 3, 2]], np.int32)
    normals = np.tile(np.float32([0, 0, -1]), (4, 1))
    if texture is None:
        return Mesh(vertices, faces, normals)
    return Mesh(vertices, faces, normals, uv=np.float32([[0, 1], [1, 1], [1, 0], [0, 0]]), texture=texture)


def sphere(radius: float, subdivisions: int = 5) -> Mesh:
    """A finely triangulated ball with exact normals and colours that say where on the ball a point is."""
    ball = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    normals = np.float32(ball.vertices / radius)
    colors = np.uint8(np.rint(127.5 + 127.5 * normals))
    return Mesh(np.float32(ball.vertices), np.int32(ball.faces), normals, vertex_colors=colors)


def cube(side: float) -> Mesh:
    """A cube whose faces have their own vertices and normals."""
    box = trimesh.creation.box(extents=(side, side, side))
    box.unmerge_vertices()
    return Mesh(np.float32(box.vertices), np.int32(box.faces), np.float32(np.repeat(box.face_normals, 3, axis=0)))
