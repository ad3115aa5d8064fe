"""Simulated scenes with right and wrong poses in them: in the clear, covered, hidden, lying flat, held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from pose_tracker_ros.evaluation.evidence_samples import (
    LEARNING_FRAMES,
    Sample,
    Weigher,
    is_wrong,
    near,
    shifted,
)
from pose_tracker_ros.evaluation.frozen_sets import frozen_cases
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import invert, random_unit_vector
from pose_tracker_ros.objects import ObjectModel
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
from pose_tracker_ros.tracking.noise import NoiseModel

COVERED_SHARES = (0.3, 0.6, 0.8, 0.9)
# Defects of the camera beside those of every scene.
MOST_BIAS_MM, MIXED_PIXELS = 3.0, 0.3


def simulated_samples(
    models: Sequence[ObjectModel], others: Sequence[ObjectModel], seeds: Sequence[int], noise: NoiseModel
) -> Iterator[Sample]:
    """Samples of each object and seed; ``others`` are what is wrongly taken for it."""
    for model in models:
        other = [one for one in others if one.name != model.name]
        for seed in seeds:
            yield from _Scenes(model, other[seed % len(other)], seed, noise).samples()


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
