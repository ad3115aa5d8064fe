"""Damped Gauss-Newton steps of many poses at once towards the masks, and the depth, of all views.

Unknown are six numbers per pose: a rotation vector about the object's centre and a translation, in the axes of the
reference camera. Residuals are the blurred difference of rendered and given silhouette, whose outline is exact
(:mod:`pose_tracker_ros.rendering.contour`), and distances of measured points to the rendered planes. Both are
divided by their noise, so that the normal matrix is the information about the pose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from pose_tracker_ros.geometry_torch import so3_exp_torch
from pose_tracker_ros.initialization.mask_views import CropLevel
from pose_tracker_ros.rendering.contour import MeshEdges, find_crossings
from pose_tracker_ros.rendering.soft_rasterizer import (
    RasterizationSettings,
    find_fragments,
    project,
    transform_vertices,
)

NEAR_M = 0.01
# Surfaces seen at a smaller angle than about 12 degrees have no usable depth.
SMALLEST_FACING = 0.2
FIRST_DAMPING = 1e-3
DAMPING_LIMITS = (1e-7, 1e6)
LARGEST_TURN_RAD = 0.5
LARGEST_SHIFT = 0.3
# Numbers held at a time for the images of derivatives; larger batches are worked off in parts.
NUMBERS_PER_PART = 12_000_000


@dataclass(frozen=True)
class FitMesh:
    """What the fit needs of a mesh: vertices (V, 3) about the object's centre, faces (F, 3), edges, radius in metres."""

    vertices: torch.Tensor
    faces: torch.Tensor
    edges: MeshEdges
    radius_m: float


@dataclass(frozen=True)
class FitSettings:
    """Blur of silhouettes in crop pixels; noise of outlines in crop pixels and of depth in metres.

    depth_limit_m: distance at which a measured point begins to be taken for something else.
    outlier_limit: difference of blurred silhouettes that begins to be taken for an occlusion, inf for none.
    """

    blur_px: float
    edge_noise_px: float
    depth_noise_m: float
    depth_limit_m: float
    outlier_limit: float = math.inf


@dataclass(frozen=True)
class Linearization:
    """Cost (B,), gradient (B, 6) and normal matrix (B, 6, 6) at B poses, and the overlap (B, V) of silhouettes, 0..1."""

    cost: torch.Tensor
    gradient: torch.Tensor
    normal_matrix: torch.Tensor
    overlap: torch.Tensor

    def select(self, index: torch.Tensor) -> Linearization:
        """That of some of the poses."""
        return Linearization(self.cost[index], self.gradient[index], self.normal_matrix[index], self.overlap[index])

    def replaced(self, index: torch.Tensor, other: Linearization) -> Linearization:
        """With the poses ``index`` taken from another one."""
        pairs = zip(
            (self.cost, self.gradient, self.normal_matrix, self.overlap),
            (other.cost, other.gradient, other.normal_matrix, other.overlap),
        )
        return Linearization(*(mine.index_copy(0, index, theirs) for mine, theirs in pairs))


def linearize(poses: torch.Tensor, mesh: FitMesh, level: CropLevel, settings: FitSettings) -> Linearization:
    """Cost and derivatives at poses (B, 4, 4), reference_T_object with the object's centre as its origin."""
    numbers_per_pose = level.target.numel() * 8 + len(level.target) * mesh.edges.opposite.numel() * 8
    part = max(1, NUMBERS_PER_PART // numbers_per_pose)
    parts = [_linearize(some, mesh, level, settings) for some in poses.split(part)]
    fields = zip(*((one.cost, one.gradient, one.normal_matrix, one.overlap) for one in parts))
    return Linearization(*(torch.cat(values) for values in fields))


def fit(
    poses: torch.Tensor, mesh: FitMesh, level: CropLevel, settings: FitSettings, iterations: int, tolerance_px: float
) -> tuple[torch.Tensor, Linearization, list[torch.Tensor]]:
    """Poses (B, 4, 4) moved to a minimum of their cost by the Levenberg-Marquardt method.

    A pose rests when a step would move no point of its outline by ``tolerance_px`` crop pixels.
    Returns the poses, the linearization there and the poses after every iteration.
    """
    state = linearize(poses, mesh, level, settings)
    damping = torch.full((len(poses),), FIRST_DAMPING, dtype=poses.dtype, device=poses.device)
    active = torch.arange(len(poses), device=poses.device)
    history = []
    for _ in range(iterations):
        here = state.select(active)
        step = _limited(_damped_step(here, damping[active]), mesh.radius_m)
        candidates = moved(poses[active], step)
        there = linearize(candidates, mesh, level, settings)
        better = there.cost < here.cost
        improved = active[better]
        poses = poses.index_copy(0, improved, candidates[better])
        state = state.replaced(improved, there.select(better))
        factor = torch.where(better, 0.2, 8.0).to(poses.dtype)
        damping = damping.index_copy(0, active, (damping[active] * factor).clamp(*DAMPING_LIMITS))
        history.append(poses)
        small = _motion_px(step, poses[active], mesh, level) < tolerance_px
        stuck = damping[active] >= DAMPING_LIMITS[1]
        active = active[~(small | stuck)]
        if len(active) == 0:
            break
    return poses, state, history


def moved(poses: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """Poses (B, 4, 4) turned about their origin and shifted by steps (B, 6): rotation vector, translation."""
    rotation = so3_exp_torch(step[:, :3]) @ poses[:, :3, :3]
    result = poses.clone()
    result[:, :3, :3] = rotation
    result[:, :3, 3] = poses[:, :3, 3] + step[:, 3:]
    return result


def _damped_step(state: Linearization, damping: torch.Tensor) -> torch.Tensor:
    diagonal = state.normal_matrix.diagonal(dim1=1, dim2=2)
    # A direction that no outline feels, like the turn of a ball, keeps a little stiffness and rests.
    stiffness = damping[:, None] * diagonal + 1e-6 * diagonal.amax(dim=1, keepdim=True) + 1e-9
    matrix = state.normal_matrix + torch.diag_embed(stiffness)
    return -torch.linalg.solve(matrix.double(), state.gradient.double()).to(state.gradient.dtype)


def _limited(step: torch.Tensor, radius_m: float) -> torch.Tensor:
    turn = step[:, :3].norm(dim=1) / LARGEST_TURN_RAD
    shift = step[:, 3:].norm(dim=1) / (2 * LARGEST_SHIFT * radius_m)
    return step / torch.maximum(turn, shift).clamp(min=1)[:, None]


def _motion_px(step: torch.Tensor, poses: torch.Tensor, mesh: FitMesh, level: CropLevel) -> torch.Tensor:
    """About how far (B,) a step moves the outline in the sharpest view."""
    centers = transform_vertices(level.camera_T_reference, poses[:, :3, 3].expand(len(level.target), -1, -1))
    pixels_per_metre = (level.intrinsics[:, :1] / centers[..., 2].clamp(min=NEAR_M)).amax(dim=0)
    return (step[:, :3].norm(dim=1) * mesh.radius_m + step[:, 3:].norm(dim=1)) * pixels_per_metre


def _linearize(poses: torch.Tensor, mesh: FitMesh, level: CropLevel, settings: FitSettings) -> Linearization:
    views, size = len(level.target), level.size
    images = len(poses) * views
    camera_T_object = (level.camera_T_reference[None] @ poses[:, None]).reshape(images, 4, 4)
    intrinsics = level.intrinsics.repeat(len(poses), 1)
    points = transform_vertices(camera_T_object, mesh.vertices)
    screen = project(points, intrinsics)
    raster = RasterizationSettings((size, size), near=NEAR_M)
    pixel, face = find_fragments(screen, points[..., 2], mesh.faces, raster)
    mask = torch.zeros(images * size * size, dtype=torch.bool, device=poses.device)
    mask[pixel] = True
    mask = mask.reshape(images, size, size)

    # Derivatives of a camera point by (rotation vector, translation) in reference axes: R [-hat(x), 1].
    view_rotation = level.camera_T_reference[:, :3, :3].repeat(len(poses), 1, 1)
    crossings = find_crossings(screen, points[..., 2], mask, mesh.edges, NEAR_M)
    ends = points.reshape(-1, 3)[crossings.ends.reshape(-1)].reshape(-1, 2, 3)
    image = torch.div(crossings.covered, size * size, rounding_mode="floor")
    place, by_ends = _crossing_derivative(crossings, ends, intrinsics[image])
    arms = (ends - camera_T_object[image][:, None, :3, 3]) @ view_rotation[image]
    by_pose = _pose_derivative((by_ends @ view_rotation[image]), arms).sum(dim=1)

    where = crossings.pixel(place)
    rendered = mask.to(points.dtype).reshape(-1).index_add(0, where, place - 0.5).reshape(mask.shape)
    slopes = points.new_zeros(images * size * size, 6).index_add(0, where, by_pose)
    slopes = slopes.reshape(images, size, size, 6).permute(0, 3, 1, 2)
    target = level.target.repeat(len(poses), 1, 1)
    known = level.known.repeat(len(poses), 1, 1)
    difference = torch.cat([(rendered - target)[:, None], slopes], dim=1) * known[:, None]
    blurred = _blur(difference, settings.blur_px).flatten(2)
    residual, jacobian = blurred[:, 0], blurred[:, 1:]
    # An outline off by e pixels leaves squares of e^2 / (2 blur sqrt(pi)) for every pixel of its length.
    information = 2 * settings.blur_px * math.sqrt(math.pi) / settings.edge_noise_px**2
    weight = (1 + (residual / settings.outlier_limit) ** 2).reciprocal()
    cost = information * (residual**2 * weight).sum(dim=1)
    weighted = jacobian * (information * weight**2)[:, None]
    gradient = (weighted @ residual[..., None])[..., 0]
    normal_matrix = weighted @ jacobian.transpose(1, 2)

    if level.has_depth:
        depth_terms = _depth_terms(points, pixel, face, camera_T_object, view_rotation, mesh, level, settings)
        cost, gradient, normal_matrix = (a + b for a, b in zip((cost, gradient, normal_matrix), depth_terms))
    inside = (torch.minimum(rendered, target) * known).sum(dim=(1, 2))
    union = (torch.maximum(rendered, target) * known).sum(dim=(1, 2))
    shape = (len(poses), views)
    return Linearization(
        cost.reshape(shape).sum(dim=1),
        gradient.reshape(*shape, 6).sum(dim=1),
        normal_matrix.reshape(*shape, 6, 6).sum(dim=1),
        (inside / union.clamp(min=1e-6)).reshape(shape),
    )


def _crossing_derivative(crossings, ends: torch.Tensor, intrinsics: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Places (M,) of the crossings and their derivatives (M, 2, 3) by the edges' ends (M, 2, 3) in the camera frame."""
    with torch.enable_grad():
        leaf = ends.detach().requires_grad_()
        pixels = leaf[..., :2] / leaf[..., 2:] * intrinsics[:, None, :2] + intrinsics[:, None, 2:]
        place = crossings.place(pixels)
        # Every place depends on its own two ends alone, so one backward pass of the sum gives all derivatives.
        (derivative,) = torch.autograd.grad(place.sum(), leaf)
    return place.detach(), derivative


def _pose_derivative(by_point: torch.Tensor, arms: torch.Tensor) -> torch.Tensor:
    """Derivatives (..., 6) by rotation vector and translation from those by a point (..., 3) at ``arms`` from the centre."""
    return torch.cat([torch.linalg.cross(arms, by_point), by_point], dim=-1)


def _depth_terms(
    points: torch.Tensor,
    pixel: torch.Tensor,
    face: torch.Tensor,
    camera_T_object: torch.Tensor,
    view_rotation: torch.Tensor,
    mesh: FitMesh,
    level: CropLevel,
    settings: FitSettings,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cost (N,), gradient (N, 6) and normal matrix (N, 6, 6) of measured points against the rendered planes."""
    images, per_image = len(points), level.size**2
    image = torch.div(pixel, per_image, rounding_mode="floor")
    measured = level.points.reshape(-1, 3)[pixel % (len(level.target) * per_image)]
    corners = points.reshape(-1, 3)[(mesh.faces[face] + (image * points.shape[1])[:, None]).reshape(-1)]
    a, b, c = corners.reshape(-1, 3, 3).unbind(1)
    normal = torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=1, eps=1e-12)
    facing = (normal * torch.nn.functional.normalize(measured, dim=1, eps=1e-6)).sum(dim=1).abs()
    usable = (measured[:, 2] > 0) & (facing > SMALLEST_FACING)
    image, measured, normal, a = image[usable], measured[usable], normal[usable], a[usable]
    distance = (normal * (measured - a)).sum(dim=1)
    rotation = view_rotation[image]
    arms = ((measured - camera_T_object[image, :3, 3])[:, None] @ rotation)[:, 0]
    by_pose = -_pose_derivative((normal[:, None] @ rotation)[:, 0], arms)
    weight = (1 + (distance / settings.depth_limit_m) ** 2).reciprocal()
    information = settings.depth_noise_m**-2
    zeros = points.new_zeros
    # A measured point that nothing was rendered for costs as much as one far away; leaving it out would pay.
    limit = settings.depth_limit_m**2
    measured_counts = (level.points[..., 2] > 0).sum(dim=(1, 2)).to(points.dtype).repeat(images // len(level.target))
    cost = information * limit * measured_counts
    cost = cost.index_add(0, image, information * (distance**2 * weight - limit))
    scaled = by_pose * (information * weight**2)[:, None]
    gradient = zeros(images, 6).index_add(0, image, scaled * distance[:, None])
    products = (scaled[:, :, None] * by_pose[:, None]).reshape(-1, 36)
    return cost, gradient, zeros(images, 36).index_add(0, image, products).reshape(images, 6, 6)


def _blur(images: torch.Tensor, blur_px: float) -> torch.Tensor:
    """Square images (..., S, S) blurred by a Gaussian; nothing comes in from outside."""
    places = torch.arange(images.shape[-1], dtype=images.dtype, device=images.device)
    kernel = torch.exp(-((places[:, None] - places) ** 2) / (2 * blur_px**2)) / (blur_px * math.sqrt(2 * math.pi))
    return kernel @ images @ kernel
