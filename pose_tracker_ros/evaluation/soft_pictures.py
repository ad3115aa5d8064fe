"""One picture of everything that the differentiable renderer draws."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.objects import Mesh
from pose_tracker_ros.rendering.contour import MeshEdges, silhouette_coverage
from pose_tracker_ros.rendering.soft import (
    BlendSettings,
    PointLight,
    RasterizationSettings,
    SoftMesh,
    intrinsics_of,
    rasterize,
    recommended_blur_radius,
    sigma_of_pixels,
    soft_silhouette,
    transform_vertices,
)

TITLES = ("hard Phong", "soft Phong", "depth", "soft silhouette", "exact coverage", "soft - exact (red)")
SOFTNESS_PX = 2.0
FACES_PER_PIXEL = 60
LIGHT = PointLight((0.4, -0.6, 0.0))


def rendering_sheet(mesh: Mesh, camera: PinholeCamera, camera_T_object: np.ndarray) -> np.ndarray:
    """Panels (height, 6 width, 3) uint8 RGB: hard and soft Phong, depth, both silhouettes and their difference."""
    size = (camera.height, camera.width)
    soft_mesh, intrinsics = SoftMesh.from_mesh(mesh), intrinsics_of(camera)
    pose = torch.as_tensor(camera_T_object, dtype=torch.float32)[None]
    points = transform_vertices(pose, soft_mesh.vertices)
    sigma = sigma_of_pixels(SOFTNESS_PX, size)
    hard = rasterize(points, soft_mesh.faces, intrinsics, RasterizationSettings(size))
    blurred = RasterizationSettings(size, recommended_blur_radius(sigma), FACES_PER_PIXEL)
    soft = rasterize(points, soft_mesh.faces, intrinsics, blurred)
    edges = MeshEdges.from_faces(mesh.vertices, mesh.faces)
    exact = silhouette_coverage(points, soft_mesh.faces, edges, intrinsics, RasterizationSettings(size))
    blend = BlendSettings(sigma=sigma, near=0.1, far=2.0)
    colors = soft_mesh.soft_phong(pose, soft, LIGHT, blend, composited=True)[0, ..., :3]
    alpha, coverage = soft_silhouette(soft, sigma)[0], exact[0]
    panels = [
        soft_mesh.hard_phong(pose, hard, LIGHT)[0, ..., :3].numpy(),
        colors.numpy(),
        _grey(_nearness(hard.nearest()[1][0].numpy())),
        _grey(alpha.numpy()),
        _grey(coverage.numpy()),
        _excess(alpha.numpy(), coverage.numpy()),
    ]
    sheet = np.ascontiguousarray(np.rint(np.concatenate(panels, axis=1).clip(0, 1) * 255).astype(np.uint8))
    for number, title in enumerate(TITLES):
        place = (number * camera.width + 6, 16)
        cv2.putText(sheet, title, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (128, 128, 128), 1, cv2.LINE_AA)
    return sheet


def _nearness(depth: np.ndarray) -> np.ndarray:
    """Depth (H, W) in metres as brightness, the nearest white; what is not there black."""
    seen = depth > 0
    if not seen.any():
        return np.zeros_like(depth)
    range_m = max(float(np.ptp(depth[seen])), 1e-9)
    return np.where(seen, 1 - 0.8 * (depth - depth[seen].min()) / range_m, 0)


def _excess(alpha: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    image = np.ones((*alpha.shape, 3))
    image[..., 1:] -= np.clip(alpha - coverage, 0, 1)[..., None]
    return image * (1 - 0.25 * coverage)[..., None]


def _grey(image: np.ndarray) -> np.ndarray:
    return np.repeat(image[..., None], 3, axis=2)
