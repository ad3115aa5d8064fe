"""How often and how well the alignment finds a known pose: trials on rendered masks of several shapes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import permutations, product

import numpy as np
import trimesh

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.evaluation.metrics import NO_POSE, pose_errors_with_symmetry
from pose_tracker_ros.geometry import (
    apply_residual,
    invert,
    make_pose,
    random_rotation,
    random_unit_vector,
    so3_exp,
    transform_points,
)
from pose_tracker_ros.initialization.mask_alignment import MaskAlignmentConfig, align_masks
from pose_tracker_ros.initialization.mask_views import MaskView
from pose_tracker_ros.initialization.soft_alignment import SoftAlignmentSettings, align_soft_silhouettes
from pose_tracker_ros.objects import Mesh, ObjectModel, load_object, mesh_with_normals
from pose_tracker_ros.rendering import create_renderer
from pose_tracker_ros.symmetries import ContinuousSymmetry, symmetry_transforms

CAMERA = PinholeCamera(640, 480, 600.0, 600.0, 319.5, 239.5)
DISTANCE_M = 0.6
LIMIT_RAD, LIMIT_M = np.radians(3.0), 0.005


@dataclass(frozen=True)
class TrialSettings:
    """What a trial gives the alignment.

    views: 1, or 2 from 90 degrees apart. depth_noise_m: standard deviation of depth, None for no depth.
    turn_rad, shift_m: how far off the start is; without_start: there is none.
    """

    views: int = 2
    depth_noise_m: float | None = None
    turn_rad: float = float(np.radians(20.0))
    shift_m: float = 0.03
    without_start: bool = False


@dataclass(frozen=True)
class Trial:
    """Errors of one alignment, up to symmetry; depth is along the first camera's line of sight, away positive."""

    rotation_rad: float
    translation_m: float
    lateral_m: float
    depth_m: float
    expected_depth_m: float
    seconds: float

    @property
    def success(self) -> bool:
        """Within 3 degrees and 5 mm."""
        return self.rotation_rad < LIMIT_RAD and self.translation_m < LIMIT_M


@dataclass(frozen=True)
class TrialSummary:
    """Trials of one object."""

    name: str
    trials: Sequence[Trial] = field(repr=False)

    def median(self, quantity: str) -> float:
        """Median of one of the trials' numbers."""
        return float(np.median([getattr(trial, quantity) for trial in self.trials]))

    def quantile(self, quantity: str, share: float) -> float:
        """Quantile of the absolute value of one of the trials' numbers."""
        return float(np.quantile(np.abs([getattr(trial, quantity) for trial in self.trials]), share))

    @property
    def success_rate(self) -> float:
        """Share of trials within 3 degrees and 5 mm."""
        return float(np.mean([trial.success for trial in self.trials]))


# Takes mesh, views and start; gives the pose and the deviation of depth that it expects of it.
Aligner = Callable[[Mesh, Sequence[MaskView], np.ndarray | None], tuple[np.ndarray, float]]


def trial_objects() -> list[ObjectModel]:
    """Five shapes: a jug of many faces, a drill, a bracket, a cube (24 symmetries) and a can (of revolution)."""
    turned = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    drill = trimesh.util.concatenate(
        [
            _box((0.20, 0.06, 0.06), (0, 0, 0)),
            _box((0.04, 0.05, 0.14), (-0.06, 0, -0.08)),
            _box((0.09, 0.05, 0.03), (-0.05, 0.01, -0.16)),
            trimesh.creation.cone(0.02, 0.05).apply_transform(make_pose(turned, np.array([0.1, 0, 0]))),
        ]
    )
    bracket = trimesh.util.concatenate(
        [
            _box((0.16, 0.03, 0.02), (0, 0, 0)),
            _box((0.02, 0.12, 0.03), (0.07, 0.06, 0)),
            _box((0.03, 0.02, 0.08), (-0.06, 0, 0.04)),
        ]
    )
    can = trimesh.creation.cylinder(radius=0.035, height=0.11, sections=48)
    # A cylinder may also be turned upside down.
    axis, flip = ContinuousSymmetry(np.array([0, 0, 1.0]), np.zeros(3)), np.diag([1.0, -1, -1, 1])
    return [
        load_object("demo_jug"),
        ObjectModel.from_mesh("drill", _mesh(drill)),
        ObjectModel.from_mesh("bracket", _mesh(bracket)),
        ObjectModel.from_mesh("cube", load_object("cube").mesh, discrete_symmetries=cube_symmetries()),
        ObjectModel.from_mesh("can", _mesh(can), discrete_symmetries=flip[None], continuous_symmetries=(axis,)),
    ]


def cube_symmetries() -> np.ndarray:
    """The 23 rotations (23, 4, 4) other than the identity that map a cube onto itself."""
    rotations = [
        np.diag(signs)[list(order)] for order in permutations(range(3)) for signs in product((1, -1), repeat=3)
    ]
    proper = [make_pose(r, np.zeros(3)) for r in rotations if np.linalg.det(r) > 0]
    return np.array([pose for pose in proper if not np.allclose(pose, np.eye(4))])


def second_camera(angle_rad: float = np.pi / 2, distance_m: float = DISTANCE_M) -> np.ndarray:
    """camera_T_reference (4, 4) of a camera turned about the point ``distance_m`` in front of the reference camera."""
    rotation = so3_exp(np.array([0, angle_rad, 0]))
    point = np.array([0, 0, distance_m])
    return make_pose(rotation, point - rotation @ point)


def rendered_views(
    model: ObjectModel, camera_T_object: np.ndarray, settings: TrialSettings, generator: np.random.Generator
) -> list[MaskView]:
    """Masks, and noisy depth, of the object from one or two cameras."""
    renderer = create_renderer("raycast", model.mesh)
    views = []
    for relative in [None, second_camera()][: settings.views]:
        pose = camera_T_object if relative is None else relative @ camera_T_object
        rendering = renderer.render(CAMERA, pose)
        depth = None
        if settings.depth_noise_m is not None:
            noise = generator.normal(scale=settings.depth_noise_m, size=rendering.depth.shape)
            depth = np.where(rendering.mask, rendering.depth + noise, 0).astype(np.float32)
        views.append(MaskView(rendering.mask, CAMERA, relative, depth))
    return views


def run_trials(
    model: ObjectModel,
    count: int,
    settings: TrialSettings,
    align: Aligner | None = None,
    seed: int = 0,
) -> TrialSummary:
    """Align ``count`` randomly turned objects from starts off by ``turn_rad`` and ``shift_m`` in random directions."""
    align = align or default_aligner()
    generator = np.random.default_rng(seed)
    symmetries = symmetry_transforms(model)
    trials = []
    for _ in range(count):
        truth = random_pose(model, generator)
        views = rendered_views(model, truth, settings, generator)
        start = None if settings.without_start else random_start(model, truth, settings, generator)
        begin = time.perf_counter()
        try:
            estimate, expected_depth_m = align(model.mesh, views, start)
        except ValueError:  # it says that it found no pose, which is a failure like any other
            estimate, expected_depth_m = NO_POSE, float("inf")
        seconds = time.perf_counter() - begin
        trials.append(_scored(model, estimate, truth, symmetries, expected_depth_m, seconds))
    return TrialSummary(model.name, trials)


def default_aligner(config: MaskAlignmentConfig | None = None) -> Aligner:
    """``align_masks`` with a configuration."""

    def align(mesh: Mesh, views: Sequence[MaskView], start: np.ndarray | None) -> tuple[np.ndarray, float]:
        result = align_masks(mesh, views, start, config)
        return result.camera_T_object, result.sight_deviation_m

    return align


def soft_aligner(settings: SoftAlignmentSettings | None = None) -> Aligner:
    """``align_soft_silhouettes`` with settings; it does not say what error it expects."""
    return lambda mesh, views, start: (align_soft_silhouettes(mesh, views, start, settings), float("nan"))


def random_pose(model: ObjectModel, generator: np.random.Generator) -> np.ndarray:
    """The object turned at random, its middle near the point that both cameras look at."""
    rotation = random_rotation(generator)
    center = np.array([*generator.uniform(-0.02, 0.02, 2), DISTANCE_M + generator.uniform(-0.02, 0.02)])
    return make_pose(rotation, center - rotation @ model.center_m)


def random_start(
    model: ObjectModel, truth: np.ndarray, settings: TrialSettings, generator: np.random.Generator
) -> np.ndarray:
    """The true pose turned about its middle and shifted, in random directions."""
    shift = settings.shift_m * random_unit_vector(generator)
    return apply_residual(truth, shift, settings.turn_rad * random_unit_vector(generator), model.center_m)


def _scored(
    model: ObjectModel,
    estimate: np.ndarray,
    truth: np.ndarray,
    symmetries: np.ndarray,
    expected_depth_m: float,
    seconds: float,
) -> Trial:
    # Errors of the middle: those of an origin elsewhere would mix turn and shift.
    to_center = make_pose(np.eye(3), model.center_m)
    estimate, truth = estimate @ to_center, truth @ to_center
    symmetries = invert(to_center) @ symmetries @ to_center
    translation, rotation = pose_errors_with_symmetry(estimate[None], truth[None], symmetries)
    if not np.isfinite(rotation[0]):
        return Trial(*[float("inf")] * 5, seconds)
    offset = estimate[:3, 3] - transform_points(truth, np.zeros((1, 3)))[0]
    sight = truth[:3, 3] / np.linalg.norm(truth[:3, 3])
    depth = float(offset @ sight)
    lateral = float(np.linalg.norm(offset - depth * sight))
    return Trial(float(rotation[0]), float(translation[0]), lateral, depth, expected_depth_m, seconds)


def _box(extents: tuple[float, float, float], center: tuple[float, float, float]) -> trimesh.Trimesh:
    return trimesh.creation.box(extents=extents).apply_translation(center)


def _mesh(shape: trimesh.Trimesh) -> Mesh:
    return mesh_with_normals(np.asarray(shape.vertices), np.asarray(shape.faces))
