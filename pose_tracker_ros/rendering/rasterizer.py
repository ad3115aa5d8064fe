"""Depth, normals and mask of a mesh by the compiled kernels, in the part of an image where it can be seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.kernels import raster
from pose_tracker_ros.objects import Mesh
from pose_tracker_ros.rendering.protocol import Rendering


class Window(NamedTuple):
    """A part of an image: its first column and row, and how many there are."""

    left: int
    top: int
    columns: int
    rows: int


class Drawing(NamedTuple):
    """What was drawn in a window, valid until the rasterizer draws again.

    face_ids: (rows, columns) int32, -1 where nothing is seen.
    barycentric: (rows, columns, 2) float32, shares of the faces' second and third corners.
    mean_depth_m: of the pixels that see the mesh, 0 when none does.
    """

    window: Window
    face_ids: np.ndarray
    barycentric: np.ndarray
    mean_depth_m: float


class Rasterizer:
    """Draws one mesh, one image at a time; what it works in is kept between images."""

    def __init__(self, mesh: Mesh) -> None:
        # Copies: kernels take neither other types nor arrays that are read-only.
        self.vertices = np.array(mesh.vertices, np.float32, order="C")
        self.normals = np.array(mesh.normals, np.float32, order="C")
        self.faces = np.array(mesh.faces, np.uint32, order="C")
        self._points, self._pixels = np.empty((len(self.vertices), 3)), np.empty((len(self.vertices), 2))
        self._inverse_depth = self._face_ids = self._barycentric = np.empty(0)

    def draw(self, camera: PinholeCamera, camera_T_object: np.ndarray, rendering: Rendering) -> Drawing | None:
        """Fill depth, normal and mask of ``rendering``, which are zero before; None when the mesh is out of sight."""
        pose = np.array(camera_T_object, np.float64, order="C")
        bounds = raster.project(self.vertices, camera.matrix @ pose[:3], self._points, self._pixels)
        window = visible_window(camera, bounds)
        if window is None:
            return None
        inverse_depth, face_ids, barycentric = self._buffers(window)
        raster.rasterize(self._points, self._pixels, self.faces, window.left, window.top, inverse_depth, face_ids)
        mean_depth_m = raster.resolve(
            self._points,
            self.faces,
            self.normals,
            np.ascontiguousarray(pose[:3, :3]),
            np.array([camera.fx, camera.fy, camera.cx, camera.cy]),
            window.left,
            window.top,
            face_ids,
            barycentric,
            rendering.depth,
            rendering.normal,
            rendering.mask,
        )
        return Drawing(window, face_ids, barycentric, mean_depth_m)

    def _buffers(self, window: Window) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        size, shape = window.rows * window.columns, (window.rows, window.columns)
        if len(self._face_ids) < size:
            self._inverse_depth = np.empty(size, np.float32)
            self._face_ids = np.empty(size, np.int32)
            self._barycentric = np.empty(2 * size, np.float32)
        return (
            self._inverse_depth[:size].reshape(shape),
            self._face_ids[:size].reshape(shape),
            self._barycentric[: 2 * size].reshape(*shape, 2),
        )


def visible_window(camera: PinholeCamera, bounds: tuple[float, ...]) -> Window | None:
    """The part of the image in which a mesh of these ``bounds`` (from ``raster.project``) can be seen, None for none."""
    low_column, high_column, low_row, high_row, low_depth, high_depth = bounds
    if high_depth <= 0:
        return None
    if low_depth <= raster.NEAR_M:
        return Window(0, 0, camera.width, camera.height)
    left, top = max(int(np.floor(low_column)), 0), max(int(np.floor(low_row)), 0)
    right, bottom = min(int(np.ceil(high_column)), camera.width - 1), min(int(np.ceil(high_row)), camera.height - 1)
    if right < left or bottom < top:
        return None
    return Window(left, top, right - left + 1, bottom - top + 1)
