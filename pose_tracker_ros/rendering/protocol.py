"""What every renderer takes and gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from pose_tracker_ros.camera import PinholeCamera

if TYPE_CHECKING:
    from pose_tracker_ros.objects import Mesh

RENDERERS = ("raycast", "raster", "opengl")
UNKNOWN_COLOR = 128


class Rendering(NamedTuple):
    """Images of one object, unlit; everything is zero where the object is not.

    color: (height, width, 3) uint8 RGB albedo, grey 128 for a mesh of unknown colour.
    depth: (height, width) float32 metres along z.
    normal: (height, width, 3) float32 unit vectors in the camera frame, towards the camera.
    mask: (height, width) bool.
    """

    color: np.ndarray
    depth: np.ndarray
    normal: np.ndarray
    mask: np.ndarray


def empty_rendering(camera: PinholeCamera) -> Rendering:
    """What a camera sees that sees nothing."""
    shape = (camera.height, camera.width)
    return Rendering(
        np.zeros((*shape, 3), np.uint8),
        np.zeros(shape, np.float32),
        np.zeros((*shape, 3), np.float32),
        np.zeros(shape, bool),
    )


class Renderer(Protocol):
    """Draws one mesh from any pose with any pinhole camera."""

    def render(self, camera: PinholeCamera, camera_T_object: np.ndarray, color: bool = True) -> Rendering:
        """Images of the mesh at ``camera_T_object`` (4, 4); an object out of sight gives an empty mask.

        ``color=False`` leaves that image black, and saves its time.
        """
        ...


def create_renderer(name: str, mesh: Mesh) -> Renderer:
    """The renderer of a name: ``raycast`` (CPU, no driver needed), ``raster`` (CPU, compiled, fast for small images) or
    ``opengl`` (pyrender, EGL).

    Raises ValueError for other names.
    """
    if name == "raycast":
        from pose_tracker_ros.rendering.raycast import RaycastRenderer

        return RaycastRenderer(mesh)
    if name == "raster":
        from pose_tracker_ros.rendering.raster import RasterRenderer

        return RasterRenderer(mesh)
    if name == "opengl":
        from pose_tracker_ros.rendering.opengl import OpenGLRenderer

        return OpenGLRenderer(mesh)
    raise ValueError(f"expected renderer to be one of {', '.join(RENDERERS)}, got {name!r}")
