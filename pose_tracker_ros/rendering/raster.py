"""Rasterizing on the CPU with compiled kernels: for small images of one object, ten times as fast as ray casting."""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.kernels import raster
from pose_tracker_ros.objects import Mesh, texture_pyramid
from pose_tracker_ros.rendering.protocol import UNKNOWN_COLOR, Rendering
from pose_tracker_ros.rendering.texture_level import pyramid_level, texels_per_metre


class Window(NamedTuple):
    """A part of the image: first column and row, and its size in pixels."""

    left: int
    top: int
    columns: int
    rows: int


class RasterRenderer:
    """Renders one mesh by its triangles, from both sides, equal to ray casting up to rounding at edges.

    Buffers are kept between images. One renderer draws one image at a time; threads with their own draw at the same time.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._surface = _Surface.of(mesh)
        self._buffers = _Buffers()
        self._lock = threading.Lock()
        self._mesh = mesh
        if mesh.vertex_colors is not None:
            self._colors = np.array(mesh.vertex_colors, np.uint8, order="C")
        if mesh.texture is not None:
            self._uv = np.array(mesh.uv, np.float32, order="C")
            self._pyramid = [np.array(level, np.uint8, order="C") for level in texture_pyramid(mesh.texture)]
            self._texels_per_metre = texels_per_metre(mesh)

    def render(self, camera: PinholeCamera, camera_T_object: np.ndarray, color: bool = True) -> Rendering:
        """See :class:`pose_tracker_ros.rendering.Renderer`; without ``color`` that image stays black."""
        rendering = Rendering(
            np.zeros((camera.height, camera.width, 3), np.uint8),
            np.zeros((camera.height, camera.width), np.float32),
            np.zeros((camera.height, camera.width, 3), np.float32),
            np.zeros((camera.height, camera.width), bool),
        )
        pose = np.array(camera_T_object, np.float64, order="C")
        intrinsics = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
        with self._lock:
            surface, buffers = self._surface, self._buffers
            points, pixels = buffers.vertices(len(surface.vertices))
            bounds = raster.project(surface.vertices, camera.matrix @ pose[:3], points, pixels)
            window = visible_window(camera, bounds)
            if window is None:
                return rendering
            left, top = window.left, window.top
            inverse_depth, face_ids, barycentric = buffers.window(window)
            raster.rasterize(points, pixels, surface.faces, left, top, inverse_depth, face_ids)
            rotation = np.ascontiguousarray(pose[:3, :3])
            mean_depth = raster.resolve(
                points,
                surface.faces,
                surface.normals,
                rotation,
                intrinsics,
                left,
                top,
                face_ids,
                barycentric,
                rendering.depth,
                rendering.normal,
                rendering.mask,
            )
            if color and mean_depth > 0:
                self._paint(rendering, face_ids, barycentric, left, top, pyramid_focal=camera.fx, mean_depth=mean_depth)
        return rendering

    def _paint(
        self,
        rendering: Rendering,
        face_ids: np.ndarray,
        barycentric: np.ndarray,
        left: int,
        top: int,
        pyramid_focal: float,
        mean_depth: float,
    ) -> None:
        faces = self._surface.faces
        if self._mesh.texture is not None:
            level = pyramid_level(self._texels_per_metre, pyramid_focal, mean_depth)
            texture = self._pyramid[min(level, len(self._pyramid) - 1)]
            raster.paint_texture(face_ids, barycentric, faces, self._uv, texture, left, top, rendering.color)
        elif self._mesh.vertex_colors is not None:
            raster.paint_vertices(face_ids, barycentric, faces, self._colors, left, top, rendering.color)
        else:
            rendering.color[rendering.mask] = UNKNOWN_COLOR


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


class _Surface(NamedTuple):
    """A mesh as kernels take it: vertices and normals (V, 3) float32, faces (F, 3) uint32."""

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray

    @classmethod
    def of(cls, mesh: Mesh) -> _Surface:
        return cls(
            np.array(mesh.vertices, np.float32, order="C"),
            np.array(mesh.faces, np.uint32, order="C"),
            np.array(mesh.normals, np.float32, order="C"),
        )


class _Buffers:
    """Arrays that grow to the largest mesh and window and are used again for every image."""

    def __init__(self) -> None:
        self._points = self._pixels = np.empty((0, 0))
        self._inverse_depth = self._face_ids = self._barycentric = np.empty(0)

    def vertices(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """For points (count, 3) and pixels (count, 2)."""
        if len(self._points) < count:
            self._points, self._pixels = np.empty((count, 3)), np.empty((count, 2))
        return self._points, self._pixels

    def window(self, window: Window) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For inverse depth, face ids (rows, columns) and barycentric coordinates (rows, columns, 2) of a window."""
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
