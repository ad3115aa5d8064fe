"""Depth, normals and mask of a mesh by the compiled kernels, in the part of an image where it can be seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.kernels import raster
from pose_tracker_ros.objects import Mesh
from pose_tracker_ros.rendering.closed_surface import closed_faces
from pose_tracker_ros.rendering.protocol import Rendering


class Drawing(NamedTuple):
    """What was drawn in a window, valid until the rasterizer draws again.

    left, top: the image's first column and row in the window.
    seen: (rows, columns and a few more) int64, what the kernels know of every pixel.
    barycentric: (rows, columns, 2) float32, shares of the faces' second and third corners.
    mean_depth_m: of the pixels that see the mesh, 0 when none does.
    """

    left: int
    top: int
    seen: np.ndarray
    barycentric: np.ndarray
    mean_depth_m: float


class Rasterizer:
    """Draws one mesh, one image at a time; what it works in is kept between images."""

    def __init__(self, mesh: Mesh) -> None:
        # Copies: kernels take neither other types nor arrays that are read-only.
        self.vertices = np.array(mesh.vertices, np.float32, order="C")
        self.normals = np.array(mesh.normals, np.float32, order="C")
        self.faces = np.array(mesh.faces, np.uint32, order="C")
        self._closed = closed_faces(self.vertices, self.faces)
        self._points, self._pixels = np.empty((len(self.vertices), 3)), np.empty((len(self.vertices), 2))
        self._boxes, self._order = np.empty((len(self.faces), 4), np.int32), np.empty(len(self.faces) + 1, np.uint32)
        self._seen = self._barycentric = np.empty(0)

    def draw(self, camera: PinholeCamera, camera_T_object: np.ndarray, rendering: Rendering) -> Drawing | None:
        """Fill depth, normal and mask of ``rendering``, which are zero before; None when the mesh is out of sight."""
        size = camera.height * (camera.width + raster.LANES - 1)
        if len(self._seen) < size:
            self._seen, self._barycentric = np.empty(size, np.int64), np.empty(2 * size, np.float32)
        left, top, columns, rows, mean_depth_m = raster.draw(
            self.vertices,
            self.normals,
            self.faces,
            self._closed,
            np.array(camera_T_object, np.float64, order="C"),
            camera.numbers,
            self._points,
            self._pixels,
            self._boxes,
            self._order,
            self._seen,
            self._barycentric,
            rendering.depth,
            rendering.normal,
            rendering.mask,
        )
        if rows * columns == 0:
            return None
        stride = columns + raster.LANES - 1
        seen, barycentric = self._seen[: rows * stride].reshape(rows, stride), self._barycentric[: 2 * rows * columns].reshape(rows, columns, 2)
        return Drawing(left, top, seen, barycentric, mean_depth_m)
