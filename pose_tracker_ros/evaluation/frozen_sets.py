"""The frozen sets: scenes by name and seed, on which trackers are compared.

What a set shows must not change, since figures of different days are compared; whoever has to change one raises VERSION.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.evaluation.track import perturbed
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.simulation.config import (
    BOARD_COLORS,
    BoardConfig,
    CameraConfig,
    HandConfig,
    ObjectConfig,
    RoomConfig,
    SceneConfig,
    SensorConfig,
)
from pose_tracker_ros.simulation.motion import REACH_M
from pose_tracker_ros.simulation.scene import SceneSequence

VERSION = 1
# A first pose as people give it, metres and degrees.
OFFSET_M, ANGLE_DEG = 0.02, 10.0
# How a quick hand moves from frame to frame: 0.27 m and 110 degrees a second at 30 Hz.
QUICK_MM, QUICK_DEG = 8.9, 3.7
SHORT_FRAMES = 12


@dataclass(frozen=True)
class SceneCase:
    """One sequence of a frozen set.

    group: what is summarised together within a set; offset_m, angle_deg: how far the first pose is off.
    """

    scene: str
    group: str
    model: ObjectModel
    seed: int
    config: SceneConfig
    offset_m: float = OFFSET_M
    angle_deg: float = ANGLE_DEG

    @property
    def name(self) -> str:
        """Of the sequence in tables and files, unique."""
        return ", ".join(part for part in (self.scene, self.group, self.model.name, f"seed {self.seed}") if part)

    def open(self) -> SceneSequence:
        """The sequence."""
        return SceneSequence(self.config, {self.model.name: self.model}, name=self.name)

    def first_pose(self, sequence: SceneSequence) -> np.ndarray:
        """camera_T_object (4, 4) that the tracker is given for the first frame."""
        truth = sequence.annotation(0).truth[self.model.name]
        return perturbed(self.model, truth, self.offset_m, self.angle_deg, self.seed)


def frozen_cases(
    scene: str, seeds: Sequence[int], objects: Sequence[str] | None = None, short: bool = False
) -> list[SceneCase]:
    """All sequences of a set: for every object, or the named ones of the benchmark, and every seed.

    ``short``: of a few frames each, enough to see that everything runs. Raises ValueError for an unknown set or object.
    """
    if scene not in _SETS:
        raise ValueError(f"expected one of the sets {', '.join(FROZEN_SETS)}, got {scene!r}")
    models = {model.name: model for model in benchmark_objects()}
    unknown = [name for name in objects or () if name not in models]
    if unknown:
        raise ValueError(f"expected objects of the benchmark ({', '.join(models)}), got {', '.join(unknown)}")
    cases = []
    for number, (name, model) in enumerate(models.items()):
        for seed in seeds if not objects or name in objects else ():
            cases += _SETS[scene](_Draw(scene, model, number, seed))
    if short:
        cases = [replace(case, config=replace(case.config, frames=SHORT_FRAMES)) for case in cases]
    return cases


class _Draw:
    """One object and seed of a set, and what is drawn for them."""

    def __init__(self, scene: str, model: ObjectModel, number: int, seed: int) -> None:
        self.scene, self.model, self.seed = scene, model, seed
        self.generator = np.random.default_rng((seed, number))
        self._scene_seed = 100 * seed + number

    def uniform(self, low: float, high: float) -> float:
        return float(self.generator.uniform(low, high))

    def one_of(self, choices: Sequence, step: int = 1) -> object:
        """In turn with the seed, every ``step`` seeds another one, so that all of them come."""
        return choices[self.seed // step % len(choices)]

    def target(self, **options: object) -> ObjectConfig:
        return ObjectConfig(model=self.model.name, **options)

    def case(self, group: str, frames: int, offset_m: float = OFFSET_M, angle_deg: float = ANGLE_DEG, **parts) -> SceneCase:
        config = SceneConfig(frames=frames, seed=self._scene_seed, **parts)
        return SceneCase(self.scene, group, self.model, self.seed, config, offset_m, angle_deg)

    def at_rest_or_slow(self) -> tuple[ObjectConfig, RoomConfig]:
        """Something that is where it is expected after a spell: at rest in the air or lying, or slower than 2 mm a frame."""
        slow = {"path": "hand", "speed_mm": 1.8, "speed_deg": 0.7}
        options = self.one_of(({"path": "rest"}, slow, {"path": "rest", "place": "support"}, slow))
        return self.target(**options), self.near_support() if "place" in options else RoomConfig()

    def near_support(self, **options: object) -> RoomConfig:
        return RoomConfig(support_m=self.uniform(0.6, 0.8), support_tilt_deg=self.uniform(35, 75), **options)

    def board(self, first_frame: int, frames: int, color: str, motion: str, size: float) -> BoardConfig:
        """A board that covers the object for ``frames``, after it came and before it goes."""
        slide = BoardConfig().slide_frames
        return BoardConfig(
            first_frame=first_frame,
            frames=frames + 2 * slide,
            motion=motion,
            size=size,
            gap_m=self.uniform(0.005, 0.12),
            tilt_deg=self.uniform(0, 25),
            color=color,
        )


def _clear(draw: _Draw) -> Iterator[SceneCase]:
    for speed in (0.5, 1.0, 1.5):
        target = draw.target(speed_mm=speed * QUICK_MM, speed_deg=speed * QUICK_DEG)
        yield draw.case(f"speed {speed:g}", 90, objects=(target,))


def _boards(draw: _Draw) -> Iterator[SceneCase]:
    """A second and three seconds behind boards of at least 1.3 times the object, three behind a card of its own size."""
    target, room = draw.at_rest_or_slow()
    motions = ("stands", "follows")
    color, next_color = draw.one_of(BOARD_COLORS), draw.one_of(BOARD_COLORS[1:] + BOARD_COLORS[:1])
    motion, next_motion = draw.one_of(motions, 3), draw.one_of(motions[::-1], 3)
    boards = (
        draw.board(20, 30, color, motion, draw.uniform(1.3, 2.0)),
        draw.board(88, 90, next_color, next_motion, draw.uniform(1.3, 2.0)),
    )
    yield draw.case("boards", 218, objects=(target,), room=room, boards=boards)
    card = draw.board(20, 90, color, next_motion, 1.0)
    yield draw.case("cards", 150, objects=(target,), room=room, boards=(card,))


def _hands(draw: _Draw) -> Iterator[SceneCase]:
    hand = HandConfig(kind=draw.one_of(("hand", "gripper")), reach_frame=15, hold_frame=30, release_frame=115, gone_frame=130)
    target = draw.target(path="carried", speed_mm=draw.uniform(6, 12))
    yield draw.case("", 150, objects=(target,), hands=(hand,))


def _leave_and_return(draw: _Draw) -> Iterator[SceneCase]:
    target = draw.target(path="leave", speed_mm=4.0, speed_deg=1.5, leave_frame=40, away_frames=30)
    yield draw.case("", 150, objects=(target,))


def _jerks(draw: _Draw) -> Iterator[SceneCase]:
    camera = CameraConfig(
        path="jerks",
        jerk_px=draw.uniform(60, 100),
        jerk_frames=draw.one_of((1, 2)),
        jerk_first_frame=30,
        jerk_period_frames=35,
    )
    target = draw.target(path="rest", place="support")
    room = draw.near_support(support="other")
    yield draw.case("", 100, objects=(target,), camera=camera, room=room, sensor=SensorConfig(shutter=0.3))


def _look_alikes(draw: _Draw) -> Iterator[SceneCase]:
    """Before something of its colour and size, and something of its shape in another colour; for a second behind a board."""
    side = draw.one_of((-1.0, 1.0))

    def behind() -> float:
        """So far that the two hardly touch where the target is farthest away."""
        return REACH_M[2] + draw.uniform(0.9, 1.2) * draw.model.diameter_m

    same_color = ObjectConfig(
        model=draw.one_of(("box", "cylinder", "ball")),
        name="same_color",
        path="rest",
        paint="target",
        offset_x=side * draw.uniform(0.08, 0.16),
        offset_y=draw.uniform(-0.05, 0.05),
        offset_z=behind(),
    )
    same_shape = ObjectConfig(
        model=draw.model.name,
        name="same_shape",
        path="rest",
        paint="other",
        offset_x=-side * draw.uniform(0.08, 0.16),
        offset_y=draw.uniform(-0.05, 0.05),
        offset_z=behind(),
    )
    target = draw.target(speed_mm=1.8, speed_deg=0.7)
    board = draw.board(45, 30, draw.one_of(BOARD_COLORS), "follows", 1.3)
    room = RoomConfig(support_m=1.5)
    yield draw.case("", 120, objects=(target, same_color, same_shape), boards=(board,), room=room)


def _flat_on_support(draw: _Draw) -> Iterator[SceneCase]:
    camera = CameraConfig(path="handheld")
    room = draw.near_support(support=draw.one_of(("wood", "object", "plain", "other")))
    yield draw.case(
        "support", 60, objects=(draw.target(path="rest", place="support"),), room=room, camera=camera
    )
    wall = BoardConfig(
        first_frame=0,
        frames=60,
        slide_frames=0,
        side="back",
        size=5.0,
        gap_m=draw.uniform(0.001, 0.01),
        color=draw.one_of(("other", "mean")),
    )
    yield draw.case("wall", 60, objects=(draw.target(path="rest"),), camera=camera, boards=(wall,))


def _bad_starts(draw: _Draw) -> Iterator[SceneCase]:
    target = draw.target(speed_mm=2.0, speed_deg=0.8)
    for diameters, degrees in ((0.25, 30.0), (0.5, 30.0), (0.1, 60.0)):
        offset = diameters * draw.model.diameter_m
        yield draw.case(f"{diameters:g} d, {degrees:g} deg", 30, offset, degrees, objects=(target,))


def _biased_depth(draw: _Draw) -> Iterator[SceneCase]:
    target = draw.target(speed_mm=QUICK_MM / 2, speed_deg=QUICK_DEG / 2)
    yield draw.case("", 90, objects=(target,), sensor=SensorConfig(depth_bias_mm=draw.one_of((2.0, -4.0, 6.0, -2.0))))


def _shifted_colour(draw: _Draw) -> Iterator[SceneCase]:
    target = draw.target(speed_mm=QUICK_MM / 2, speed_deg=QUICK_DEG / 2)
    x, y = draw.one_of(((-1.0, 2.0), (2.0, -1.0), (1.5, 1.5), (-2.0, -0.5)))
    yield draw.case("", 90, objects=(target,), sensor=SensorConfig(color_shift_x_px=x, color_shift_y_px=y))


_SETS: dict[str, Callable[[_Draw], Iterator[SceneCase]]] = {
    "clear": _clear,
    "boards": _boards,
    "hands": _hands,
    "leave-and-return": _leave_and_return,
    "jerks": _jerks,
    "look-alikes": _look_alikes,
    "flat-on-support": _flat_on_support,
    "bad-starts": _bad_starts,
    "biased-depth": _biased_depth,
    "shifted-colour": _shifted_colour,
}
FROZEN_SETS = tuple(_SETS)
