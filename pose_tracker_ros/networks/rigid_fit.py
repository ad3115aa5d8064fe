"""Least-squares rigid motion from per-pixel motion: projection, targets and Gauss-Newton, batched in torch."""

from __future__ import annotations

from typing import NamedTuple

import torch

from pose_tracker_ros.geometry_torch import so3_exp_torch
from pose_tracker_ros.kernels.rigid_motion import DAMPING, FIT_ITERATIONS, NEAREST_D, ROBUST_SCALE
from pose_tracker_ros.networks.crops import Crops, Residual


class SurfacePoints(NamedTuple):
    """Points of a rendered surface: pixels (B, N, 2), points (B, N, 3) relative to the centre in diameters, mask (B, N) bool."""

    pixels: torch.Tensor
    points: torch.Tensor
    mask: torch.Tensor


def surface_points(
    crops: Crops, stride: int, whole_cells: bool = False
) -> SurfacePoints:
    """One rendered surface point of every cell of ``stride`` x ``stride`` pixels, relative to the object centre.

    It lies on the cell's middle pixel; with ``whole_cells`` on the rendered pixel nearest to the middle, so that
    thin parts, which most middles miss, have points too.
    """
    depth, mask, place = (_whole_cells if whole_cells else _middles)(crops, stride)
    size = crops.rendered.shape[-1]
    pixels = torch.stack([place % size, place // size], dim=-1).to(depth.dtype)
    fx, fy, cx, cy = (value[:, None] for value in crops.intrinsics.unbind(-1))
    z = depth + crops.center[:, 2:] / crops.diameter[:, None]
    x = (pixels[..., 0] - cx) / fx * z
    y = (pixels[..., 1] - cy) / fy * z
    points = torch.stack([x, y, z], dim=-1) - (crops.center / crops.diameter[:, None])[:, None]
    return SurfacePoints(pixels, points, mask)


def _middles(crops: Crops, stride: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Depth, mask and place in the image, each (B, N), of the cells' middle pixels."""
    middle, size = stride // 2, crops.rendered.shape[-1]
    coordinates = torch.arange(middle, size, stride, device=crops.rendered.device)
    place = (coordinates[:, None] * size + coordinates).reshape(1, -1)
    depth, mask = crops.rendered[:, 3:5, middle::stride, middle::stride].flatten(2).unbind(1)
    return depth, mask > 0.5, place.expand(len(depth), -1)


def _whole_cells(crops: Crops, stride: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Depth, mask and place in the image, each (B, N), of the rendered pixel nearest to each cell's middle."""
    batch, size = len(crops.rendered), crops.rendered.shape[-1]
    cells = size // stride
    place = torch.arange(size * size, device=crops.rendered.device).view(1, 1, size, size).expand(batch, -1, -1, -1)
    layers = torch.cat([crops.rendered[:, 3:5], place.to(crops.rendered.dtype)], dim=1)
    layers = layers.view(batch, 3, cells, stride, cells, stride).transpose(3, 4).reshape(batch, 3, cells**2, stride**2)
    across = torch.arange(stride, device=layers.device) - stride // 2
    distance = (across[:, None] ** 2 + across**2).flatten() + (layers[:, 1] <= 0.5) * 4 * stride**2
    chosen = distance.argmin(dim=-1)[:, None, :, None].expand(-1, 3, -1, 1)
    depth, mask, place = layers.gather(3, chosen).squeeze(3).unbind(1)
    return depth, mask > 0.5, place.long()


def _project(crops: Crops, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels (B, N, 2) and camera points (B, N, 3) of centre-relative points, both points in diameters."""
    camera_points = points + (crops.center / crops.diameter[:, None])[:, None]
    z = camera_points[..., 2:].clamp(min=NEAREST_D)
    focal, principal = crops.intrinsics[:, None, :2], crops.intrinsics[:, None, 2:]
    return focal * camera_points[..., :2] / z + principal, camera_points


def pixel_motion(
    crops: Crops, translation: torch.Tensor, rotation: torch.Tensor, stride: int, whole_cells: bool = False
) -> torch.Tensor:
    """Motion (B, N, 3) of the rendered surface under a residual: image motion in crop widths, depth in diameters.

    Parameters: ``translation`` (B, 3) metres and ``rotation`` (B, 3) radians as in Residual.
    """
    return motion_of(crops, surface_points(crops, stride, whole_cells), translation, rotation)


def motion_of(crops: Crops, surface: SurfacePoints, translation: torch.Tensor, rotation: torch.Tensor) -> torch.Tensor:
    """The same of points that are known."""
    pixels, points, _ = surface
    moved = points @ so3_exp_torch(rotation).transpose(1, 2) + (translation / crops.diameter[:, None])[:, None]
    moved_pixels, _ = _project(crops, moved)
    return torch.cat([(moved_pixels - pixels) / crops.rendered.shape[-1], moved[..., 2:] - points[..., 2:]], dim=-1)


def fit_rigid_motion(
    crops: Crops,
    motion: torch.Tensor,
    precision: torch.Tensor,
    stride: int,
    iterations: int = FIT_ITERATIONS,
    whole_cells: bool = False,
) -> Residual:
    """The rigid motion that explains per-pixel motion best: robust, weighted Gauss-Newton.

    Parameters: ``motion`` (B, N, 3) as of ``pixel_motion``; ``precision`` (B, N, 3) inverse standard
    deviations of its components; ``whole_cells`` as in ``surface_points``. Pixels off the rendered object are ignored.
    """
    pixels, points, mask = surface_points(crops, stride, whole_cells)
    width = crops.rendered.shape[-1]
    weight = precision * mask[..., None]
    batch = points.shape[0]
    translation, rotation = points.new_zeros(batch, 3), points.new_zeros(batch, 3)
    eye = torch.eye(6, device=points.device, dtype=points.dtype)
    observed = torch.cat([pixels / width + motion[..., :2], points[..., 2:] + motion[..., 2:]], dim=-1)
    information = eye.expand(batch, 6, 6)
    rotation_matrix = torch.eye(3, device=points.device, dtype=points.dtype).expand(batch, 3, 3)
    for _ in range(iterations):
        rotated = points @ rotation_matrix.transpose(1, 2)
        moved = rotated + translation[:, None]
        moved_pixels, camera_points = _project(crops, moved)
        error = observed - torch.cat([moved_pixels / width, moved[..., 2:]], dim=-1)
        jacobian = _jacobian(crops, camera_points, rotated)
        scaled = weight * error
        robust = weight / (1 + (scaled / ROBUST_SCALE) ** 2).sqrt()
        weighted = jacobian * (weight * robust)[..., None]
        information = torch.einsum("bnki,bnkj->bij", weighted, jacobian)
        gradient = torch.einsum("bnki,bnk->bi", weighted, error)
        # Not solve(), which waits for a GPU to ask whether the matrix, which is always positive definite, was singular.
        step, _ = torch.linalg.solve_ex(information + DAMPING * eye, gradient)
        translation = translation + step[:, :3]
        rotation_matrix = so3_exp_torch(step[:, 3:]) @ rotation_matrix
    rotation = _log(rotation_matrix)
    return Residual(translation * crops.diameter[:, None], rotation, information)


def _jacobian(crops: Crops, camera_points: torch.Tensor, rotated: torch.Tensor) -> torch.Tensor:
    """Derivative (B, N, 3, 6) of (image in crop widths, depth) by (translation in diameters, left rotation)."""
    width = crops.rendered.shape[-1]
    z = camera_points[..., 2].clamp(min=NEAREST_D)
    fx, fy = crops.intrinsics[:, None, 0] / width, crops.intrinsics[:, None, 1] / width
    by_point = camera_points.new_zeros(*camera_points.shape[:2], 3, 3)
    by_point[..., 0, 0] = fx / z
    by_point[..., 0, 2] = -fx * camera_points[..., 0] / z**2
    by_point[..., 1, 1] = fy / z
    by_point[..., 1, 2] = -fy * camera_points[..., 1] / z**2
    by_point[..., 2, 2] = 1.0
    # d(exp(w) p)/dw = -hat(p), so each row g of the point derivative gives p x g for the rotation.
    by_rotation = torch.linalg.cross(rotated[..., None, :].expand_as(by_point), by_point)
    return torch.cat([by_point, by_rotation], dim=-1)


def _log(rotation: torch.Tensor) -> torch.Tensor:
    """Rotation vectors (B, 3) of rotation matrices (B, 3, 3) by less than pi."""
    skew = torch.stack(
        [
            rotation[:, 2, 1] - rotation[:, 1, 2],
            rotation[:, 0, 2] - rotation[:, 2, 0],
            rotation[:, 1, 0] - rotation[:, 0, 1],
        ],
        dim=-1,
    )
    trace = rotation.diagonal(dim1=1, dim2=2).sum(-1, keepdim=True)
    angle = torch.atan2(skew.norm(dim=-1, keepdim=True), trace - 1)
    return skew * torch.where(angle > 1e-4, angle / (2 * torch.sin(angle).clamp(min=1e-8)), 0.5)
