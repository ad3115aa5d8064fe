"""Alignment by SoftRas silhouettes and Adam: the classical way, kept to be compared with.

It is what PyTorch3D's camera optimisation tutorial does, with all six degrees of freedom and several views. Its
silhouettes are wider than the object, so that it puts the object too far away, and they need a face for every
pixel of their blur; :mod:`pose_tracker_ros.initialization.mask_alignment` does without both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pose_tracker_ros.geometry import make_pose
from pose_tracker_ros.initialization.mask_views import MaskView, crop_level, crop_windows
from pose_tracker_ros.initialization.silhouette_fit import moved
from pose_tracker_ros.objects import Mesh
from pose_tracker_ros.rendering.soft_rasterizer import RasterizationSettings, rasterize, transform_vertices
from pose_tracker_ros.rendering.soft_shading import recommended_blur_radius, sigma_of_pixels, soft_silhouette

WINDOW_MARGIN = 0.35


@dataclass(frozen=True)
class SoftAlignmentSettings:
    """crop_px: side of the crops. softness_px: distance from an edge at which coverage has fallen to 0.27, pixels.

    rate: Adam's step, radians for turns and radii of the object for shifts; it falls to zero as a cosine.
    """

    crop_px: int = 72
    iterations: int = 120
    softness_px: float = 0.5
    rate: float = 0.03
    faces_per_pixel: int = 50
    cull_backfaces: bool = False


def align_soft_silhouettes(
    mesh: Mesh, views: Sequence[MaskView], start: np.ndarray, settings: SoftAlignmentSettings | None = None
) -> np.ndarray:
    """Pose (4, 4) after gradient descent on the squared difference of soft silhouettes and masks."""
    settings = settings or SoftAlignmentSettings()
    center = (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)).astype(np.float64) / 2
    vertices = torch.as_tensor(mesh.vertices - center, dtype=torch.float32)
    faces = torch.as_tensor(mesh.faces.astype(np.int64))
    radius = float(vertices.norm(dim=1).max())
    level = crop_level(views, crop_windows(views, WINDOW_MARGIN, settings.crop_px), settings.crop_px)
    size = (settings.crop_px, settings.crop_px)
    sigma = sigma_of_pixels(settings.softness_px, size)
    raster = RasterizationSettings(
        size, recommended_blur_radius(sigma), settings.faces_per_pixel, settings.cull_backfaces
    )
    pose = torch.as_tensor(start @ make_pose(np.eye(3), center), dtype=torch.float32)[None]
    step = torch.zeros(1, 6, requires_grad=True)
    scale = torch.tensor([1.0, 1.0, 1.0, radius, radius, radius])
    optimizer = torch.optim.Adam([step], lr=settings.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.iterations)
    for _ in range(settings.iterations):
        optimizer.zero_grad()
        points = transform_vertices(level.camera_T_reference @ moved(pose, step * scale), vertices)
        alpha = soft_silhouette(rasterize(points, faces, level.intrinsics, raster), sigma)
        torch.mean((alpha - level.target) ** 2).backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        result = moved(pose, step * scale)[0].double().numpy()
    return result @ make_pose(np.eye(3), -center)
