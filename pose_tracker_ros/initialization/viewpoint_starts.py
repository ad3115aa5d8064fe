"""Start poses for an alignment when nobody knows one: rotations from all around, placed where the masks are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from pose_tracker_ros.geometry import invert, make_pose, so3_exp
from pose_tracker_ros.initialization.mask_views import CropLevel, MaskView
from pose_tracker_ros.initialization.silhouette_fit import NEAR_M, FitMesh
from pose_tracker_ros.rendering.contour import hard_mask
from pose_tracker_ros.rendering.soft_rasterizer import RasterizationSettings, project, transform_vertices

# A mask's area is that of a disc with about this share of the object's radius.
TYPICAL_DISC = 0.6
PLACEMENTS = 4
IMAGES_PER_PART = 256


def sampled_rotations(viewpoints: int, turns: int) -> np.ndarray:
    """Rotations (viewpoints * turns, 3, 3): evenly spread viewing directions, each turned about the line of sight."""
    index = np.arange(viewpoints) + 0.5
    polar, around = np.arccos(1 - 2 * index / viewpoints), np.pi * (1 + 5**0.5) * index
    views = Rotation.from_euler("ZY", np.column_stack([around, polar])).inv()
    rolls = [Rotation.from_euler("z", 2 * np.pi * turn / turns) for turn in range(turns)]
    return np.concatenate([(roll * views).as_matrix() for roll in rolls])


def spread_starts(poses: np.ndarray, angle_rad: float) -> np.ndarray:
    """Poses (B, 4, 4) and, for each, six that are turned by an angle to and fro about the camera's three axes.

    Outlines of one view have side minima some 20 degrees from the truth; a start on their other side finds it.
    """
    if angle_rad == 0:
        return poses
    turns = so3_exp(angle_rad * np.concatenate([np.eye(3), -np.eye(3)]))
    turned = np.repeat(poses, len(turns), axis=0)
    turned[:, :3, :3] = np.tile(turns, (len(poses), 1, 1)) @ turned[:, :3, :3]
    return np.concatenate([poses, turned])


def starts_from_masks(
    rotations: np.ndarray, mesh: FitMesh, views: Sequence[MaskView], level: CropLevel
) -> torch.Tensor:
    """Poses (B, 4, 4) with the given rotations (B, 3, 3), placed so that middle and area of all masks fit best.

    Each placement solves a linear least-squares problem in the translation: the middle of the rendered mask is to
    move onto that of the given one, and distance to scale with the square root of the area.
    """
    center = _first_center(views, mesh.radius_m)
    poses = np.stack([make_pose(rotation, center) for rotation in rotations])
    poses = torch.as_tensor(poses, dtype=torch.float32, device=level.target.device)
    part = max(1, IMAGES_PER_PART // len(level.target))
    return torch.cat([_placed(some, mesh, level) for some in poses.split(part)])


def _first_center(views: Sequence[MaskView], radius_m: float) -> np.ndarray:
    """Rough centre (3,) of the object in the reference frame: mean over the views of direction and apparent size."""
    centers = []
    for view in views:
        apparent_px = np.sqrt(view.area_px / np.pi)
        distance = np.sqrt(view.camera.fx * view.camera.fy) * TYPICAL_DISC * radius_m / apparent_px
        ray = np.append((view.centroid_px - (view.camera.cx, view.camera.cy)) / (view.camera.fx, view.camera.fy), 1)
        reference_T_camera = invert(view.pose)
        centers.append(reference_T_camera[:3, :3] @ (ray * distance) + reference_T_camera[:3, 3])
    return np.mean(centers, axis=0)


def _placed(poses: torch.Tensor, mesh: FitMesh, level: CropLevel) -> torch.Tensor:
    views, size = len(level.target), level.size
    poses = poses.clone()
    target_area, target_middle = _moments(level.target)
    rotation = level.camera_T_reference[:, :3, :3]
    intrinsics = level.intrinsics.repeat(len(poses), 1)
    settings = RasterizationSettings((size, size), near=NEAR_M)
    for _ in range(PLACEMENTS):
        camera_T_object = (level.camera_T_reference[None] @ poses[:, None]).reshape(-1, 4, 4)
        points = transform_vertices(camera_T_object, mesh.vertices)
        screen = project(points, intrinsics)
        area, middle = _moments(hard_mask(screen, points[..., 2], mesh.faces, settings).to(points.dtype))
        centers = camera_T_object[:, :3, 3]
        seen = area > 0
        # What is rendered beside the crop is known by its projected centre only.
        middle = torch.where(seen[:, None], middle, project(centers[:, None], intrinsics)[:, 0])
        shape = (len(poses), views)
        x, y, z = centers.reshape(*shape, 3).unbind(-1)
        z = z.clamp(min=NEAR_M)
        zero = torch.zeros_like(z)
        focal = level.intrinsics[:, :2]
        radius_px = (target_area / torch.pi).sqrt()
        rows = torch.stack(
            [
                torch.stack([focal[:, 0] / z, zero, -focal[:, 0] * x / z**2], dim=-1) / radius_px[:, None],
                torch.stack([zero, focal[:, 1] / z, -focal[:, 1] * y / z**2], dim=-1) / radius_px[:, None],
                torch.stack([zero, zero, -1 / z], dim=-1) * seen.reshape(shape)[..., None],
            ],
            dim=2,
        )
        offset = (target_middle - middle.reshape(*shape, 2)) / radius_px[:, None]
        growth = 0.5 * torch.log(target_area / area.reshape(shape).clamp(min=1.0)) * seen.reshape(shape)
        wanted = torch.cat([offset, growth[..., None]], dim=-1).reshape(len(poses), -1, 1)
        matrix = (rows @ rotation).reshape(len(poses), -1, 3)
        normal = matrix.transpose(1, 2) @ matrix
        normal = normal + 1e-3 * torch.diag_embed(normal.diagonal(dim1=1, dim2=2)) + 1e-6 * torch.eye(3).to(normal)
        shift = torch.linalg.solve(normal, matrix.transpose(1, 2) @ wanted)[..., 0]
        limit = 0.5 * z.amin(dim=1, keepdim=True)
        shift = shift * (limit / shift.norm(dim=1, keepdim=True).clamp(min=1e-9)).clamp(max=1)
        poses[:, :3, 3] += shift
    return poses


def _moments(silhouettes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Area (N,) and middle (N, 2) as x, y of silhouettes (N, S, S)."""
    area = silhouettes.sum(dim=(1, 2))
    places = torch.arange(silhouettes.shape[-1], dtype=silhouettes.dtype, device=silhouettes.device)
    x, y = (silhouettes.sum(dim=1) * places).sum(dim=1), (silhouettes.sum(dim=2) * places).sum(dim=1)
    return area, torch.stack([x, y], dim=1) / area.clamp(min=1e-6)[:, None]
