"""Differentiable rendering of a mesh in plain torch: on CPU and CUDA, in float32 and float64, many images at once.

    mesh = SoftMesh.from_mesh(load_object("cube").mesh)
    settings = RasterizationSettings((480, 640), recommended_blur_radius(1e-4), faces_per_pixel=50)
    points = transform_vertices(camera_T_object, mesh.vertices)               # (N, 4, 4) poses to (N, V, 3)
    fragments = rasterize(points, mesh.faces, intrinsics_of(camera), settings)
    alpha = soft_silhouette(fragments, sigma=1e-4)                          # (N, 480, 640), differentiable
    rgba = mesh.soft_phong(camera_T_object, fragments, PointLight(), BlendSettings())

Rasterizer, shaders and cameras each have their own file; what one needs is importable from here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from pose_tracker_ros.objects import Mesh
from pose_tracker_ros.rendering.protocol import UNKNOWN_COLOR
from pose_tracker_ros.rendering.soft_rasterizer import (
    Fragments,
    RasterizationSettings,
    intrinsics_of,
    project,
    rasterize,
    transform_vertices,
)
from pose_tracker_ros.rendering.soft_shading import (
    AmbientLight,
    BlendSettings,
    DirectionalLight,
    ImageTexture,
    Light,
    Material,
    PointLight,
    Texture,
    VertexTexture,
    hard_blend,
    phong_colors,
    recommended_blur_radius,
    sigma_of_pixels,
    soft_blend,
    soft_depth,
    soft_silhouette,
)

__all__ = [
    "AmbientLight",
    "BlendSettings",
    "DirectionalLight",
    "Fragments",
    "ImageTexture",
    "Material",
    "PointLight",
    "RasterizationSettings",
    "SoftMesh",
    "VertexTexture",
    "hard_blend",
    "intrinsics_of",
    "phong_colors",
    "project",
    "rasterize",
    "recommended_blur_radius",
    "sigma_of_pixels",
    "soft_blend",
    "soft_depth",
    "soft_silhouette",
    "transform_vertices",
]


@dataclass(frozen=True)
class SoftMesh:
    """A mesh as tensors: vertices and normals (V, 3), faces (F, 3) int64, and its colours."""

    vertices: torch.Tensor
    normals: torch.Tensor
    faces: torch.Tensor
    texture: Texture

    @classmethod
    def from_mesh(cls, mesh: Mesh, dtype: torch.dtype = torch.float32, device: str = "cpu") -> SoftMesh:
        """Tensors of a mesh; one of unknown colour is grey."""

        def tensor(values: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(np.array(values), dtype=dtype, device=device)

        if mesh.texture is not None:
            texture = ImageTexture(tensor(mesh.texture) / 255, tensor(mesh.uv))
        else:
            unknown = np.full(mesh.vertices.shape, UNKNOWN_COLOR)
            colors = unknown if mesh.vertex_colors is None else mesh.vertex_colors
            texture = VertexTexture(tensor(colors) / 255)
        faces = torch.as_tensor(mesh.faces.astype(np.int64), device=device)
        return cls(tensor(mesh.vertices), tensor(mesh.normals), faces, texture)

    def soft_phong(
        self,
        camera_T_object: torch.Tensor,
        fragments: Fragments,
        light: Light | None = None,
        settings: BlendSettings | None = None,
        material: Material | None = None,
        composited: bool = False,
    ) -> torch.Tensor:
        """RGBA (N, height, width, 4), lit for every pixel and softly blended; see :func:`soft_blend`."""
        colors = self._colors(camera_T_object, fragments, light, material)
        return soft_blend(colors, fragments, settings or BlendSettings(), composited)

    def hard_phong(
        self,
        camera_T_object: torch.Tensor,
        fragments: Fragments,
        light: Light | None = None,
        background: tuple[float, float, float] = (1.0, 1.0, 1.0),
        material: Material | None = None,
    ) -> torch.Tensor:
        """RGBA (N, height, width, 4) of the nearest faces, lit for every pixel."""
        return hard_blend(self._colors(camera_T_object, fragments, light, material), fragments, background)

    def _colors(
        self, camera_T_object: torch.Tensor, fragments: Fragments, light: Light | None, material: Material | None
    ) -> torch.Tensor:
        points = transform_vertices(camera_T_object, self.vertices)
        normals = self.normals @ camera_T_object[:, :3, :3].transpose(1, 2)
        return phong_colors(points, normals, self.faces, fragments, self.texture, light or AmbientLight(), material)
