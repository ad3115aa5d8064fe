"""The pose of an object from its masks in one or several calibrated cameras, by differentiable silhouettes.

From coarse to fine: at every level all start poses are moved together to a minimum of their cost, the best and
distinct ones go on. What the result leaves open is said with it: standard deviations, other poses that fit as
well, overlap in every view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import open3d as o3d
import torch

from pose_tracker_ros.configuration import option
from pose_tracker_ros.geometry import is_pose, make_pose
from pose_tracker_ros.initialization.mask_views import CropLevel, MaskView, check_views, crop_level, crop_windows
from pose_tracker_ros.initialization.silhouette_fit import FitMesh, FitSettings, Linearization, fit, linearize
from pose_tracker_ros.initialization.viewpoint_starts import sampled_rotations, spread_starts, starts_from_masks
from pose_tracker_ros.objects import Mesh
from pose_tracker_ros.rendering.contour import MeshEdges

SMALLEST_AREA_M2 = 1e-8
DISTINCT_ANGLE_RAD = np.radians(4.0)
DISTINCT_SHARE = 0.02
# A start whose silhouettes do not touch the masks gives no direction to move in.
SMALLEST_START_OVERLAP = 0.02
# Together well matched views are not asked whether they contradict each other, nor are views badly matched alone.
UNDOUBTED_OVERLAP = 0.93
MATCHED_ALONE = 0.85
# The three levels: margins of their windows in mask sizes (wide first, so that a start beside the mask is in sight),
# most faces of their meshes, blur of their silhouettes, depth beyond which a point is something else in radii.
WINDOW_MARGINS = (0.6, 0.3, 0.15)
LEVEL_FACES = (600, 3000, None)
LEVEL_BLUR_PX = (2.5, 2.0, 1.0)
LEVEL_DEPTH_LIMITS = (0.5, 0.15, 0.05)
OUTLIER_LIMIT = 0.4
# Poses that enter the first level and that leave each.
KEPT = (48, 8, 4, 4)


@dataclass(frozen=True)
class MaskAlignmentConfig:
    """Options of the alignment."""

    crop_px: int = option(128, "side of the crops around the masks at the finest level", minimum=32, maximum=1024)
    iterations: int = option(25, "most steps at each of the three levels", minimum=1, maximum=1000)
    tolerance_px: float = option(0.01, "a pose rests when a step moves its outline less, crop pixels", minimum=0.0)
    edge_noise_px: float = option(0.3, "error of the masks' outlines, crop pixels", minimum=0.01, maximum=50.0)
    depth_noise_m: float = option(0.003, "error of depth, metres", minimum=1e-4, maximum=0.1)
    start_spread_deg: float = option(
        15.0, "also try every start turned by this much to six sides; 0 = the start alone", minimum=0.0, maximum=90.0
    )
    outliers: bool = option(True, "doubt parts of a mask that no pose explains, as where something is in front")
    viewpoints: int = option(48, "viewing directions tried without a start", minimum=1, maximum=2000)
    turns: int = option(8, "turns about each viewing direction tried without a start", minimum=1, maximum=360)
    min_overlap: float = option(0.5, "a result that overlaps a mask less has failed", minimum=0.0, maximum=1.0)
    max_disagreement: float = option(
        0.08, "views that overlap this much better alone than together contradict each other", minimum=0.0, maximum=1.0
    )
    device: str = option("cpu", "where to compute", choices=("cpu", "cuda"))


@dataclass(frozen=True)
class AlternativePose:
    """Another pose that was found: its transform and its mean overlap."""

    camera_T_object: np.ndarray
    overlap: float


@dataclass(frozen=True)
class MaskAlignment:
    """Result of an alignment.

    camera_T_object: (4, 4) in the reference camera. overlaps: (V,) intersection over union, one a view.
    standard_deviation: (6,) of a turn about the object's centre (radians) and its shift (metres) along the
    reference camera's axes, from the noise in the configuration, or from what is left over where that is more; errors of
    the calibration are not in it. sight_deviation_m: of the shift along the line from
    the reference camera to the object, the weak direction of a single view.
    converged: all poses came to rest before the steps of the finest level were used up. iterations: steps of all levels. history: poses of this result's
    start after each step, (steps + 1, 4, 4). alternatives: other distinct poses, the best first.
    """

    camera_T_object: np.ndarray
    overlaps: np.ndarray
    standard_deviation: np.ndarray
    sight_deviation_m: float
    converged: bool
    iterations: int
    history: np.ndarray
    alternatives: tuple[AlternativePose, ...] = field(default=())


def align_masks(
    mesh: Mesh,
    views: Sequence[MaskView],
    starts: np.ndarray | None = None,
    config: MaskAlignmentConfig | None = None,
) -> MaskAlignment:
    """Find camera_T_object in the reference camera from the object's masks.

    Parameters: ``starts`` (4, 4) or (B, 4, 4) first poses of which the best result counts; None tries viewpoints
    from all around.
    Raises ValueError, in one sentence, for a mesh without area, masks that are empty, full or of another size
    than their camera's images, starts that miss a mask, views that contradict each other, and for poses that
    fit none of the masks.
    """
    config = config or MaskAlignmentConfig()
    shape = _Shape.of(mesh, config.device)
    check_views(views, 2 * shape.radius_m)
    starts = None if starts is None else shape.centered(_checked_starts(starts))
    result = _align(shape, views, starts, config)
    if result.overlaps.min() < UNDOUBTED_OVERLAP and len(views) > 1:
        _check_agreement(result, shape, views, config)
    worst = int(np.argmin(result.overlaps))
    if result.overlaps[worst] < config.min_overlap:
        raise ValueError(
            f"no pose fits the masks: the best overlaps that of view {worst} by {result.overlaps[worst]:.2f}, less than "
            f"{config.min_overlap}; is it the right mesh, in the right unit, and was the start near enough?"
        )
    return result


def _align(
    shape: _Shape, views: Sequence[MaskView], starts: np.ndarray | None, config: MaskAlignmentConfig
) -> MaskAlignment:
    """From ``starts`` (B, 4, 4) of the object's centre, or from all around, through the levels."""
    sizes = (max(32, config.crop_px // 4), max(32, config.crop_px // 2), config.crop_px)
    levels = [
        crop_level(views, crop_windows(views, margin, size), size, config.device)
        for size, margin in zip(sizes, WINDOW_MARGINS)
    ]
    meshes = [shape.reduced(faces) for faces in LEVEL_FACES]
    if starts is None:
        rotations = sampled_rotations(config.viewpoints, config.turns)
        poses = starts_from_masks(rotations, meshes[0], views, levels[0])
    else:
        spread = spread_starts(starts, np.radians(config.start_spread_deg))
        poses = torch.as_tensor(spread, dtype=torch.float32, device=config.device)
        _check_overlap(linearize(poses, meshes[0], levels[0], _settings(config, 0, shape)).overlap)

    track = _Track(poses)
    for number, (level, fit_mesh) in enumerate(zip(levels, meshes)):
        settings = _settings(config, number, shape)
        if len(poses) > KEPT[0]:
            kept = torch.argsort(linearize(poses, fit_mesh, level, settings).cost)[: KEPT[0]]
            poses = poses[kept]
            track.select(kept)
        poses, state, history = fit(poses, fit_mesh, level, settings, config.iterations, config.tolerance_px)
        track.extend(history)
        kept = _distinct(poses, state.cost, shape.radius_m)[: KEPT[number + 1]]
        poses, state = poses[kept], state.select(kept)
        track.select(kept)
    return _result(shape, poses, state, track, levels[-1], converged=len(history) < config.iterations)


def _settings(config: MaskAlignmentConfig, number: int, shape: _Shape) -> FitSettings:
    last = number == len(LEVEL_BLUR_PX) - 1
    return FitSettings(
        blur_px=LEVEL_BLUR_PX[number],
        edge_noise_px=config.edge_noise_px,
        depth_noise_m=config.depth_noise_m,
        depth_limit_m=max(LEVEL_DEPTH_LIMITS[number] * shape.radius_m, 3 * config.depth_noise_m),
        outlier_limit=OUTLIER_LIMIT if config.outliers and last else float("inf"),
    )


@dataclass(frozen=True)
class _Shape:
    """The mesh about the middle of its bounding box, and its reductions."""

    vertices: np.ndarray
    faces: np.ndarray
    center_m: np.ndarray
    radius_m: float
    device: str

    @classmethod
    def of(cls, mesh: Mesh, device: str) -> _Shape:
        vertices = np.asarray(mesh.vertices, dtype=np.float64)
        corners = vertices[mesh.faces]
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
        if not area > SMALLEST_AREA_M2:
            raise ValueError(
                f"expected a mesh with a surface, got one of {area:.3g} square metres; is its unit metres, and has it faces?"
            )
        center = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
        radius = float(np.linalg.norm(vertices[mesh.faces.reshape(-1)] - center, axis=1).max())
        return cls(vertices - center, np.asarray(mesh.faces, np.int64), center, radius, device)

    def reduced(self, faces: int | None) -> FitMesh:
        """With at most about that many faces; the outline of small images does not need more."""
        vertices, triangles = self.vertices, self.faces
        if faces is not None and len(triangles) > faces:
            mesh = o3d.geometry.TriangleMesh(
                o3d.utility.Vector3dVector(vertices), o3d.utility.Vector3iVector(triangles.astype(np.int32))
            )
            mesh = mesh.remove_duplicated_vertices().remove_degenerate_triangles()
            mesh = mesh.simplify_quadric_decimation(faces)
            if len(mesh.triangles):
                vertices, triangles = np.asarray(mesh.vertices), np.asarray(mesh.triangles, dtype=np.int64)
        edges = MeshEdges.from_faces(vertices, triangles)
        return FitMesh(
            torch.as_tensor(vertices, dtype=torch.float32, device=self.device),
            torch.as_tensor(triangles, device=self.device),
            MeshEdges(edges.ends.to(self.device), edges.opposite.to(self.device)),
            self.radius_m,
        )

    def centered(self, poses: np.ndarray) -> np.ndarray:
        """Poses of the object as poses of its centre."""
        return poses @ make_pose(np.eye(3), self.center_m)

    def uncentered(self, poses: torch.Tensor) -> np.ndarray:
        """Poses (..., 4, 4) of the centre as poses of the object, with orthonormal rotations."""
        poses = poses.cpu().double().numpy().copy()
        u, _, vt = np.linalg.svd(poses[..., :3, :3])
        poses[..., :3, :3] = u @ vt
        return poses @ make_pose(np.eye(3), -self.center_m)


class _Track:
    """Where each kept pose has been."""

    def __init__(self, poses: torch.Tensor) -> None:
        self._poses = poses[:, None]

    def extend(self, history: Sequence[torch.Tensor]) -> None:
        if history:
            self._poses = torch.cat([self._poses, torch.stack(list(history), dim=1)], dim=1)

    def select(self, index: torch.Tensor) -> None:
        self._poses = self._poses[index]

    def of(self, number: int) -> torch.Tensor:
        return self._poses[number]


def _distinct(poses: torch.Tensor, cost: torch.Tensor, radius_m: float) -> torch.Tensor:
    """Indices of poses in order of cost, without those that are the same as a better one."""
    chosen: list[int] = []
    for candidate in torch.argsort(cost).tolist():
        rotation, place = poses[candidate, :3, :3], poses[candidate, :3, 3]
        relative = poses[chosen, :3, :3].transpose(1, 2) @ rotation
        angle = torch.arccos(((relative.diagonal(dim1=1, dim2=2).sum(dim=1) - 1) / 2).clamp(-1, 1))
        shift = (poses[chosen, :3, 3] - place).norm(dim=1)
        if not bool(((angle < DISTINCT_ANGLE_RAD) & (shift < 2 * DISTINCT_SHARE * radius_m)).any()):
            chosen.append(candidate)
    return torch.tensor(chosen, device=poses.device)


def _result(
    shape: _Shape, poses: torch.Tensor, state: Linearization, track: _Track, level: CropLevel, converged: bool
) -> MaskAlignment:
    information = state.normal_matrix[0].cpu().double().numpy()
    # Unobservable directions get a large, but finite, deviation.
    values, vectors = np.linalg.eigh(information)
    covariance = (vectors / np.maximum(values, 1e-9 * max(values[-1], 1.0))) @ vectors.T
    # What fits worse than the assumed noise explains is less certain by as much.
    covariance *= max(1.0, float(state.cost[0]) / level.residuals)
    sight = poses[0, :3, 3].cpu().double().numpy()
    sight /= np.linalg.norm(sight)
    camera_T_object = shape.uncentered(poses)
    overlaps = state.overlap.cpu().numpy()
    alternatives = tuple(
        AlternativePose(camera_T_object[i], float(overlaps[i].mean()))
        for i in range(1, len(poses))
    )
    history = shape.uncentered(track.of(0))
    return MaskAlignment(
        camera_T_object=camera_T_object[0],
        overlaps=overlaps[0],
        standard_deviation=np.sqrt(np.diag(covariance)),
        sight_deviation_m=float(np.sqrt(sight @ covariance[3:, 3:] @ sight)),
        converged=converged,
        iterations=len(history) - 1,
        history=history,
        alternatives=alternatives,
    )


def _checked_starts(starts: np.ndarray) -> np.ndarray:
    starts = np.asarray(starts, dtype=np.float64)
    starts = starts[None] if starts.ndim == 2 else starts
    if starts.ndim != 3 or len(starts) == 0 or not all(is_pose(start) for start in starts):
        raise ValueError(f"expected start poses as rigid transforms (B, 4, 4), got shape {starts.shape}")
    return starts


def _check_overlap(overlap: torch.Tensor) -> None:
    best = overlap[overlap.amin(dim=1).argmax()]
    if float(best.min()) < SMALLEST_START_OVERLAP:
        raise ValueError(
            f"expected a start pose whose rendering overlaps every mask, but it misses that of view {int(best.argmin())}; "
            "check the pose's unit (metres), the camera's relative pose, or leave out the start to try viewpoints"
        )


def _check_agreement(
    result: MaskAlignment, shape: _Shape, views: Sequence[MaskView], config: MaskAlignmentConfig
) -> None:
    """Raise ValueError when every view for itself is explained much better than all together."""
    start = shape.centered(result.camera_T_object[None])
    alone = np.array([_align(shape, [view], start, config).overlaps[0] for view in views])
    if alone.min() > MATCHED_ALONE and (alone - result.overlaps).max() > config.max_disagreement:
        raise ValueError(
            f"the views contradict each other: alone they are matched with overlaps of {_listed(alone)}, together only "
            f"with {_listed(result.overlaps)}; check the relative camera poses and intrinsics, that the masks were taken at "
            "the same time, and the start"
        )


def _listed(values: np.ndarray) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
