"""Right and wrong poses in frames, and the evidence for each: what a score is calibrated and judged on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.camera import PinholeCamera, crop_camera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import apply_residual, random_unit_vector
from pose_tracker_ros.networks.crop import cut
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering.raster import RasterRenderer
from pose_tracker_ros.tracking.evidence import Appearance, Evidence, weigh
from pose_tracker_ros.tracking.noise import NoiseModel
from pose_tracker_ros.tracking.observation import Observation, image_window
from pose_tracker_ros.tracking.view import Drawn

CROP_PX, CROP_DIAMETERS = 128, 2.0
# A right pose as a tracker has it.
NEAR_M, NEAR_DEG = 0.002, 2.0
# A pose nearer than this to the truth, in diameters, is not called wrong for its place.
WRONG_DIAMETERS = 0.25
# Least squares of a wrong pose on what it lies on: steps, and the largest distance from it.
ALIGNING_STEPS, ALIGNING_GATE_M, ALIGNING_STRIDE = 10, 0.03, 4
LEARNING_FRAMES = 6
# Groups in which one frame does not decide; they are reported, not fitted.
EXTREME = ("covered 80 %", "covered 90 %", "card", "lying in its support's colour", "card, behind")


class Sample(NamedTuple):
    """The evidence of one pose in one frame, with depth and without, and whether the pose is right."""

    object_name: str
    group: str
    is_right: bool
    evidence: Evidence
    without_depth: Evidence

    @property
    def is_extreme(self) -> bool:
        """Whether it belongs to a group in which one frame does not decide."""
        return self.group in EXTREME


@dataclass
class Weigher:
    """Weighs poses of one object; what is known of its colours is learnt at true poses."""

    model: ObjectModel
    noise: NoiseModel

    def __post_init__(self) -> None:
        self._renderer = RasterRenderer(self.model.mesh)
        self.appearance = Appearance(self.model.mesh.has_color)

    def view(self, camera: PinholeCamera, pose: np.ndarray) -> Drawn:
        """The object at a pose (4, 4), drawn by a crop's camera."""
        return Drawn(camera, self._renderer.render(camera, pose), self._center(pose), self.model.diameter_m)

    def crop(self, pose: np.ndarray) -> PinholeCamera:
        """The camera of the crop around a pose."""
        return crop_camera(self._center(pose), CROP_DIAMETERS * self.model.diameter_m, CROP_PX)

    def _center(self, pose: np.ndarray) -> np.ndarray:
        return pose[:3, :3] @ self.model.center_m + pose[:3, 3]

    def sample(self, group: str, is_right: bool, frame: Frame, pose: np.ndarray) -> Sample:
        """The evidence for a pose in a frame."""
        camera = self.crop(pose)
        view, observation = self.view(camera, pose), observed(frame, camera)
        blind = observation._replace(depth=np.zeros_like(observation.depth))
        evidence, without_depth = (weigh(view, one, self.appearance, self.noise) for one in (observation, blind))
        return Sample(self.model.name, group, is_right, evidence, without_depth)

    def learn(self, frame: Frame, pose: np.ndarray) -> None:
        """Learn the colours of an object that is at a pose, if the evidence says so, too."""
        camera = self.crop(pose)
        observation = observed(frame, camera)
        evidence = weigh(self.view(camera, pose), observation, self.appearance, self.noise)
        self.appearance = self.appearance.learnt(observation, evidence)

    def aligned(self, frame: Frame, pose: np.ndarray) -> np.ndarray:
        """The pose moved so that the drawn surface lies on the measured depth, point to plane."""
        camera = self.crop(pose)
        depth = observed(frame, camera).depth
        rays = camera.rays().astype(np.float64)
        for _ in range(ALIGNING_STEPS):
            rendering = self.view(camera, pose).rendering
            apart = depth - rendering.depth
            usable = rendering.mask & (depth > 0) & (np.abs(apart) < ALIGNING_GATE_M)
            rows, columns = (index[::ALIGNING_STRIDE] for index in np.nonzero(usable))
            if len(rows) < 2 * ALIGNING_STRIDE:
                break
            ray, normal = rays[rows, columns], rendering.normal[rows, columns].astype(np.float64)
            arm = ray * rendering.depth[rows, columns, None] - self._center(pose)
            jacobian = np.hstack([normal, np.cross(arm, normal)])
            residual = np.sum(normal * ray, axis=1) * apart[rows, columns]
            scale = np.diag([1.0] * 3 + [self.model.diameter_m**2 / 4] * 3)
            step = np.linalg.solve(jacobian.T @ jacobian + 1e-3 * len(rows) * scale, jacobian.T @ residual)
            pose = apply_residual(pose, step[:3], step[3:], self.model.center_m)
        return pose

    def onto_what_is_seen(self, frame: Frame, pose: np.ndarray) -> np.ndarray:
        """The pose moved along the line of sight until what is drawn is as far away as what is measured."""
        camera = self.crop(pose)
        rendering, depth = self.view(camera, pose).rendering, observed(frame, camera).depth
        usable = rendering.mask & (depth > 0)
        if not usable.any():
            return pose
        apart = float(np.median(depth[usable] - rendering.depth[usable]))
        moved = pose.copy()
        moved[:3, 3] *= 1 + apart / max(float(pose[2, 3]), 0.05)
        return moved


def observed(frame: Frame, crop: PinholeCamera) -> Observation:
    """A frame as a crop's camera sees it."""
    color, depth = cut(frame.color, frame.depth, frame.camera, crop)
    return Observation(color, depth, image_window(frame.camera, crop))


def real_samples(
    model: ObjectModel, frames: Iterable[Frame], poses: Mapping[int, np.ndarray], noise: NoiseModel, seed: int = 0
) -> Iterator[Sample]:
    """Samples of real frames: ``poses`` (4, 4) by frame number are taken as right, moved ones are wrong.

    The first frames are for learning the colours.
    """
    weigher, generator, seen = Weigher(model, noise), np.random.default_rng(seed), 0
    for frame in frames:
        truth = poses.get(frame.index)
        if truth is None:
            continue
        seen += 1
        if seen <= LEARNING_FRAMES:
            weigher.learn(frame, truth)
            continue
        yield weigher.sample("real", True, frame, truth)
        yield weigher.sample("real", True, frame, near(model, truth, generator))
        wrong = shifted(model, truth, generator)
        yield weigher.sample("real, shifted", False, frame, wrong)
        wrong = weigher.aligned(frame, wrong)
        if is_wrong(model, truth, wrong):
            yield weigher.sample("real, shifted, aligned", False, frame, wrong)


def is_wrong(model: ObjectModel, truth: np.ndarray, pose: np.ndarray) -> bool:
    """Whether a pose is wrong for its place alone."""
    apart = (pose[:3, :3] - truth[:3, :3]) @ model.center_m + pose[:3, 3] - truth[:3, 3]
    return float(np.linalg.norm(apart)) > WRONG_DIAMETERS * model.diameter_m


def shifted(model: ObjectModel, pose: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The pose moved by 0.3 to 1 diameter."""
    distance = generator.uniform(0.3, 1.0) * model.diameter_m
    return apply_residual(pose, distance * random_unit_vector(generator), np.zeros(3), model.center_m)


def near(model: ObjectModel, pose: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The pose off by as much as a tracker's."""
    turn = np.radians(NEAR_DEG) * random_unit_vector(generator)
    return apply_residual(pose, NEAR_M * random_unit_vector(generator), turn, model.center_m)
