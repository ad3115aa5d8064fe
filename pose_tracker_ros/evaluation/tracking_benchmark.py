"""Trackers side by side on the same frames: every variant takes every step before the next frames are made."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from pose_tracker_ros.datasets.sequence import FrameSequence
from pose_tracker_ros.evaluation.protocol import ScoredObject, TrackErrors, evaluate_track
from pose_tracker_ros.evaluation.published_pipeline import PublishedPipeline
from pose_tracker_ros.evaluation.track import estimate_of
from pose_tracker_ros.evaluation.trajectory import PoseEstimate
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.objects import ObjectModel, default_weights_path
from pose_tracker_ros.simulation.demo import simulate
from pose_tracker_ros.simulation.demo_config import SimulationConfig
from pose_tracker_ros.simulation.scene import SceneSequence
from pose_tracker_ros.tracking import Tracker, TrackerConfig

# A quick hand: on average 0.27 m and 110 degrees a second at 30 Hz, at times twice that; 30 % hidden for half of the time.
BENCHMARK_MOTION = SimulationConfig(
    frames=240, speed_mm=8.9, speed_deg=3.7, bar_width_px=0, blank_frames=0, spell_share=0.3, spell_first_frame=30
)
GREY = 128
# So many frames are made at once (2 MB each at 640x480): what a simulation leaves in caches is not the tracker's time.
FRAMES_AHEAD = 30
PUBLISHED_TIME = "published (time)"
# What a tracker can do without, by the names of its options.
INGREDIENTS = ("point_to_plane", "contour", "surface_flow", "motion", "stop", "search")
Row = TypeVar("Row")


@dataclass(frozen=True)
class Variant:
    """A tracker to be compared.

    config: its options; weights: file of its network, None for the default ones; color, depth: whether it gets to see
    them; without colour images are grey all over, without depth there is no measurement anywhere;
    times_only: the published pipeline with a random network, led by the truth, of which only times mean anything.
    """

    name: str
    config: TrackerConfig = field(default_factory=TrackerConfig)
    weights: Path | None = None
    color: bool = True
    depth: bool = True
    times_only: bool = False

    def load(self, model: ObjectModel) -> Tracker | PublishedPipeline:
        """The tracker for an object; raises as :meth:`Tracker.load` and :class:`PublishedPipeline` do."""
        if self.times_only:
            return PublishedPipeline(model, threads=self.config.threads)
        return Tracker.load([model], self.config, {} if self.weights is None else {model.name: self.weights})

    def weights_path(self, model: ObjectModel) -> Path | None:
        """The file of weights that is used for an object, None for a tracker without them."""
        if self.times_only or self.config.network == "never":
            return None
        return self.weights or default_weights_path(model)

    def seen(self, frame: Frame) -> Frame:
        """What the tracker gets of a frame."""
        if not self.color:
            frame = replace(frame, color=np.full_like(frame.color, GREY))
        if not self.depth:
            frame = frame.without_depth()
        return frame


class Run(NamedTuple):
    """Errors of one variant on one sequence."""

    variant: str
    errors: TrackErrors


def standard_variants(
    config: TrackerConfig,
    weights: Path | None = None,
    others: Sequence[tuple[str, Path]] = (),
    alone: Sequence[tuple[str, Path]] = (),
    ablations: bool = True,
) -> list[Variant]:
    """The tracker with some weights, with ``others``, with networks that work ``alone`` as published (nothing but the
    network, from the last pose), and with one ingredient missing at a time."""
    network_alone = replace(config, network="always", **dict.fromkeys(INGREDIENTS, False))
    variants = [Variant("ours", config, weights)]
    variants += [Variant(name, config, path) for name, path in others]
    variants += [Variant(name, network_alone, path) for name, path in alone]
    if ablations:
        variants += [Variant(f"no {name}", replace(config, **{name: False}), weights) for name in INGREDIENTS]
        uses = [use for use in ("never", "always") if use != config.network]
        variants += [Variant(f"network {use}", replace(config, network=use), weights) for use in uses]
        variants += [
            Variant("no depth images", config, weights, depth=False),
            Variant("no colour images", config, weights, color=False),
        ]
    return variants


def benchmark_sequence(
    model: ObjectModel, seed: int, frames: int, trajectory: Path | None = None, speed: float = 1.0
) -> SceneSequence:
    """Frames of an object, moved by a quick hand or along a recorded trajectory, with spells of occlusion.

    ``speed``: factor on the hand's motion from frame to frame.
    """
    motion = {"speed_mm": speed * BENCHMARK_MOTION.speed_mm, "speed_deg": speed * BENCHMARK_MOTION.speed_deg}
    config = replace(BENCHMARK_MOTION, frames=frames, seed=seed, **motion)
    if trajectory is not None:
        config = replace(config, trajectory=str(trajectory))
    return simulate(model, config)


def track_side_by_side(
    model: ObjectModel,
    sequence: FrameSequence,
    variants: Sequence[Variant],
    camera_T_object: np.ndarray,
    name: str,
    object_name: str | None = None,
    frames: Iterable[Frame] | None = None,
) -> list[Run]:
    """The runs of all variants on a sequence.

    ``camera_T_object`` (4, 4): the first pose. ``object_name``: the object's name in the sequence, where it differs.
    ``frames``: those of the sequence, for a caller that counts them. Raises as :meth:`Tracker.load` does.
    """
    frames = sequence if frames is None else frames
    steps = step_side_by_side(model, variants, camera_T_object, frames, object_name)
    estimates = list(zip(*(rows for _, rows in steps)))
    scored = replace(ScoredObject.from_model(model), name=object_name or model.name)
    annotations = list(sequence.annotations())
    return [
        Run(variant.name, evaluate_track(rows, annotations, scored, sequence_name=name))
        for variant, rows in zip(variants, estimates)
    ]


def step_side_by_side(
    model: ObjectModel,
    variants: Sequence[Variant],
    camera_T_object: np.ndarray,
    frames: Iterable[Frame],
    object_name: str | None = None,
) -> Iterator[tuple[Frame, list[PoseEstimate]]]:
    """Every frame with the estimates of all variants, which start from a pose (4, 4) in the first one.

    ``object_name``: the object's name in the frames, where it differs. Raises as :meth:`Variant.load` does.
    """
    trackers = [variant.load(model) for variant in variants]
    for tracker in trackers:
        tracker.warm_up()
        tracker.start(model.name, camera_T_object)
    coming = iter(frames)
    while ahead := list(islice(coming, FRAMES_AHEAD)):
        steps = []
        for frame in ahead:
            truth = frame.truth.get(object_name or model.name)
            for variant, tracker in zip(variants, trackers):
                if variant.times_only and truth is not None:
                    tracker.start(model.name, truth)
            steps.append([_timed_step(variant, tracker, model.name, frame) for variant, tracker in zip(variants, trackers)])
        yield from zip(ahead, steps)


def only_times(row: Row) -> Row:
    """A row of a table with NaN for everything but names, frames and times."""
    kept = ("name", "sequences", "frames")
    blank = [item.name for item in fields(row) if item.name not in kept and not item.name.startswith("latency")]
    return replace(row, **dict.fromkeys(blank, float("nan")))


def _timed_step(variant: Variant, tracker: Tracker | PublishedPipeline, name: str, frame: Frame) -> PoseEstimate:
    seen = variant.seen(frame)
    start = time.perf_counter()
    result = tracker.step(seen)[name]
    return estimate_of(result, frame.stamp, frame.index, (time.perf_counter() - start) * 1e3)
