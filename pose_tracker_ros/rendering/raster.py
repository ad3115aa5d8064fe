"""Rasterizing on the CPU with compiled kernels: for crops several times as fast as ray casting, with the same result."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.kernels import raster
from pose_tracker_ros.objects import Mesh, texture_pyramid
from pose_tracker_ros.rendering.mesh_levels import MeshExtent, MeshLevel, mesh_levels
from pose_tracker_ros.rendering.protocol import UNKNOWN_COLOR, Rendering, empty_rendering
from pose_tracker_ros.rendering.rasterizer import Drawing, Rasterizer
from pose_tracker_ros.rendering.texture_level import pyramid_level, texels_per_metre

if TYPE_CHECKING:
    from pose_tracker_ros.rendering.baked_colors import BakedColors


class _DrawnView(NamedTuple):
    """What was drawn last, and what its colours need."""

    camera: PinholeCamera
    camera_T_object: np.ndarray
    rendering: Rendering
    drawing: Drawing | None
    baked: BakedColors | None

    def shows(self, camera: PinholeCamera, camera_T_object: np.ndarray) -> bool:
        return self.camera == camera and np.array_equal(self.camera_T_object, camera_T_object)


class RasterRenderer:
    """Renders one mesh by its triangles, from both sides.

    One renderer draws one image at a time, others meanwhile theirs: give every thread its own.
    """

    def __init__(self, mesh: Mesh, level_of_detail: bool = True) -> None:
        """``level_of_detail``: draw small images from reduced meshes; making these takes seconds for 100,000 triangles,
        and nothing below 8,000."""
        self._mesh = mesh
        self._full = Rasterizer(mesh)
        self._extent = MeshExtent.of(self._full.vertices)
        self._levels = mesh_levels(mesh) if level_of_detail else []
        self._lock = threading.Lock()
        self._last: _DrawnView | None = None
        if mesh.vertex_colors is not None:
            corners = np.array(mesh.vertex_colors, np.uint8)[mesh.faces[:, [0, 2, 1]]].reshape(-1, 3)
            self._vertex_grids = np.ones(len(mesh.faces), np.int64), np.arange(0, len(corners), 3), corners
        if mesh.texture is not None:
            self._uv = np.array(mesh.uv, np.float32, order="C")
            border = ((1, 1), (1, 1), (0, 0))
            self._pyramid = [np.pad(np.array(level, np.uint8, order="C"), border, mode="wrap") for level in texture_pyramid(mesh.texture)]
            self._texels_per_metre = texels_per_metre(mesh)

    def render(self, camera: PinholeCamera, camera_T_object: np.ndarray, color: bool = True) -> Rendering:
        """See :class:`pose_tracker_ros.rendering.Renderer`.

        Asked for the colours of the view that was drawn last, without them, it paints that.
        """
        with self._lock:
            if not (color and self._last is not None and self._last.shows(camera, camera_T_object)):
                self._last = self._drawn(camera, camera_T_object)
            view = self._last
            if color:
                self._last = None
                if view.drawing is not None and view.drawing.mean_depth_m > 0:
                    self._paint(view.rendering, view.drawing, view.baked, camera.fx)
        return view.rendering

    def _drawn(self, camera: PinholeCamera, camera_T_object: np.ndarray) -> _DrawnView:
        """A view without colours."""
        level, baked = self._level(camera, camera_T_object)
        rasterizer, rendering = self._full if level is None else level.rasterizer, empty_rendering(camera)
        drawing = rasterizer.draw(camera, camera_T_object, rendering)
        return _DrawnView(camera, camera_T_object.copy(), rendering, drawing, baked)

    def _level(self, camera: PinholeCamera, camera_T_object: np.ndarray) -> tuple[MeshLevel | None, BakedColors | None]:
        """The coarsest mesh that is as good as the full one at the size at which the object is seen, and its colours.

        None for the full one.
        """
        if not self._levels:
            return None, None
        depth_m = float(camera_T_object[2, :3] @ self._extent.center + camera_T_object[2, 3])
        pixels_per_metre = max(camera.fx, camera.fy) / max(depth_m, raster.NEAR_M)
        for level in self._levels:
            if self._extent.diameter_m * pixels_per_metre <= level.largest_px:
                baked = level.colors_at(pixels_per_metre) if self._mesh.has_color else None
                return (None, None) if self._mesh.has_color and baked is None else (level, baked)
        return None, None

    def _paint(self, rendering: Rendering, drawing: Drawing, baked: BakedColors | None, focal_px: float) -> None:
        shown, place = (drawing.seen, drawing.barycentric), (drawing.left, drawing.top, rendering.color)
        if baked is None and self._mesh.texture is not None:
            halvings = pyramid_level(self._texels_per_metre, focal_px, drawing.mean_depth_m)
            texture = self._pyramid[min(halvings, len(self._pyramid) - 1)]
            raster.paint_texture(*shown, self._full.faces, self._uv, texture, *place)
        elif self._mesh.has_color:
            grids = self._vertex_grids if baked is None else (baked.steps, baked.starts, baked.colors)
            raster.paint_grids(*shown, *grids, *place)
        else:
            rendering.color[rendering.mask] = UNKNOWN_COLOR
