"""Right and wrong poses in simulated scenes, and the evidence for each: what a score is calibrated and judged on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.camera import PinholeCamera, crop_camera
from pose_tracker_ros.evaluation.frozen_sets import frozen_cases
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import apply_residual, invert, random_unit_vector
from pose_tracker_ros.networks.crop import cut
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering.raster import RasterRenderer
from pose_tracker_ros.simulation.config import (
    BOARD_COLORS,
    BoardConfig,
    LightConfig,
    ObjectConfig,
    RoomConfig,
    SceneConfig,
    SensorConfig,
)
from pose_tracker_ros.simulation.room import support_pose
from pose_tracker_ros.simulation.scene import SceneSequence
from pose_tracker_ros.tracking.evidence import Appearance, Drawn, Evidence, weigh
from pose_tracker_ros.tracking.noise import NoiseModel
from pose_tracker_ros.tracking.observation import Observation, image_window

CROP_PX, CROP_DIAMETERS = 128, 2.0
# A right pose as a tracker has it.
NEAR_M, NEAR_DEG = 0.002, 2.0
COVERED_SHARES = (0.3, 0.6, 0.8, 0.9)
# A pose nearer than this to the truth, in diameters, is not called wrong for its place.
WRONG_DIAMETERS = 0.25
# Least squares of a wrong pose on what it lies on: steps, and the largest distance from it.
ALIGNING_STEPS, ALIGNING_GATE_M, ALIGNING_STRIDE = 10, 0.03, 4
LEARNING_FRAMES = 6
# Defects of the camera beside those of every scene.
MOST_BIAS_MM, MIXED_PIXELS = 3.0, 0.3
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


def simulated_samples(
    models: Sequence[ObjectModel], others: Sequence[ObjectModel], seeds: Sequence[int], noise: NoiseModel
) -> Iterator[Sample]:
    """Samples of each object and seed; ``others`` are what is wrongly taken for it."""
    for model in models:
        other = [one for one in others if one.name != model.name]
        for seed in seeds:
            yield from _Scenes(model, other[seed % len(other)], seed, noise).samples()


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


class _Scenes:
    """The scenes of one object and seed."""

    def __init__(self, model: ObjectModel, other: ObjectModel, seed: int, noise: NoiseModel) -> None:
        self._model, self._other, self._seed = model, other, seed
        self._weigher, self._other_weigher = Weigher(model, noise), Weigher(other, noise)
        self._generator = np.random.default_rng(seed)
        bias_mm = float(self._generator.uniform(-MOST_BIAS_MM, MOST_BIAS_MM))
        self._sensor = SensorConfig(depth_bias_mm=bias_mm, mixed_pixels=MIXED_PIXELS)

    def samples(self) -> Iterator[Sample]:
        """All of them; the clear ones come first, since colours are learnt there."""
        yield from self._clear()
        yield from self._covered()
        yield from self._hidden()
        yield from self._lying()
        yield from self._held()

    def _scene(self, frames: int, path: str = "unrelated", **parts: object) -> SceneSequence:
        target = ObjectConfig(model=self._model.name, path=path, speed_mm=12.0, speed_deg=8.0)
        config = SceneConfig(
            frames=frames, seed=1000 + self._seed, objects=(target,), sensor=self._sensor, **parts
        )
        return SceneSequence(config, {self._model.name: self._model})

    def _right(self, group: str, frame: Frame) -> Iterator[Sample]:
        truth = frame.truth[self._model.name]
        yield self._weigher.sample(group, True, frame, truth)
        yield self._weigher.sample(group, True, frame, near(self._model, truth, self._generator))

    def _clear(self) -> Iterator[Sample]:
        exposure = float(self._generator.uniform(0.6, 1.4))
        room = RoomConfig(support_m=float(self._generator.uniform(0.8, 1.4)))
        scene = self._scene(LEARNING_FRAMES + 4, room=room, light=LightConfig(exposure=exposure))
        for position in range(LEARNING_FRAMES):
            frame = scene.read(position)
            self._weigher.learn(frame, frame.truth[self._model.name])
        for position in range(LEARNING_FRAMES, len(scene)):
            frame = scene.read(position)
            truth = frame.truth[self._model.name]
            yield from self._right("clear", frame)
            for _ in range(2):
                pose = shifted(self._model, truth, self._generator)
                yield self._weigher.sample("shifted", False, frame, pose)
                pose = self._weigher.aligned(frame, pose)
                if is_wrong(self._model, truth, pose):
                    yield self._weigher.sample("shifted, aligned", False, frame, pose)
            pose = self._other_weigher.aligned(frame, truth)
            yield self._other_weigher.sample("another object", False, frame, pose)

    def _covered(self) -> Iterator[Sample]:
        for share in COVERED_SHARES:
            gap = float(self._generator.uniform(0.01, 0.1))
            color = BOARD_COLORS[int(self._generator.integers(2))]
            # In the middle half of its spell it hides that share.
            board = BoardConfig(first_frame=0, frames=40, share=share, gap_m=gap, color=color)
            scene = self._scene(40, boards=(board,))
            for position in (15, 22):
                yield from self._right(f"covered {100 * share:.0f} %", scene.read(position))

    def _hidden(self) -> Iterator[Sample]:
        """Behind a board: a pose on the board is wrong, and so is the true one, since nothing is seen of it."""
        for size, group in ((1.3, "board"), (1.6, "board"), (2.0, "board"), (1.0, "card")):
            board = BoardConfig(
                first_frame=0,
                frames=40,
                slide_frames=0,
                motion="follows",
                size=size,
                gap_m=float(self._generator.uniform(0.005, 0.12)),
                tilt_deg=float(self._generator.uniform(0, 25)),
                color=BOARD_COLORS[int(self._generator.integers(3))],
            )
            scene = self._scene(40, path="hand", boards=(board,))
            for position in (5, 20, 35):
                frame = scene.read(position)
                if frame.visibility[self._model.name] > 0.02:
                    continue
                truth = frame.truth[self._model.name]
                on_board = self._weigher.onto_what_is_seen(frame, truth)
                yield self._weigher.sample(group, False, frame, self._weigher.aligned(frame, on_board))
                yield self._weigher.sample(group + ", behind", False, frame, self._weigher.aligned(frame, truth))

    def _lying(self) -> Iterator[Sample]:
        for case in frozen_cases("flat-on-support", [self._seed], [self._model.name]):
            scene = case.open()
            same_color = case.group == "support" and case.config.room.support == "object"
            group = "lying in its support's colour" if same_color else f"lying, {case.group}"
            for position in (0, 30):
                frame = scene.read(position)
                yield from self._right(group, frame)
                if case.group == "support":
                    yield from self._on_bare_support(frame, case.config.room)

    def _on_bare_support(self, frame: Frame, room: RoomConfig) -> Iterator[Sample]:
        truth = frame.truth[self._model.name]
        normal = invert(frame.world_T_camera)[:3, :3] @ support_pose(room)[:3, 2]
        for _ in range(2):
            aside = np.cross(normal, random_unit_vector(self._generator))
            pose = truth.copy()
            pose[:3, 3] += self._generator.uniform(1.1, 2.0) * self._model.diameter_m * aside / np.linalg.norm(aside)
            view = self._weigher.view(frame.camera, pose)
            if view.rendering.mask.sum() < 100 or (view.rendering.mask & frame.masks[self._model.name]).any():
                continue
            yield self._weigher.sample("bare support", False, frame, pose)
            pose = self._weigher.aligned(frame, pose)
            if is_wrong(self._model, truth, pose):
                yield self._weigher.sample("bare support, aligned", False, frame, pose)

    def _held(self) -> Iterator[Sample]:
        (case,) = frozen_cases("hands", [self._seed], [self._model.name])
        scene = replace(case, model=self._model).open()
        for position in (50, 90):
            frame = scene.read(position)
            if frame.visibility[self._model.name] > 0.3:
                yield from self._right("held", frame)
