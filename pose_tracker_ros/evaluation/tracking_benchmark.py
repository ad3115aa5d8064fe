"""Trackers side by side on the same simulated frames: every variant takes every step before the next frame is made."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.datasets.sequence import FrameSequence
from pose_tracker_ros.datasets.simulation import SimulatedSequence, SimulationConfig
from pose_tracker_ros.evaluation.protocol import ScoredObject, TrackErrors, evaluate_track
from pose_tracker_ros.evaluation.track import estimate_of
from pose_tracker_ros.evaluation.trajectory import PoseEstimate
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.tracking import Tracker, TrackerConfig

# A quick hand: on average 0.27 m and 110 degrees a second at 30 Hz, at times twice that; 30 % hidden for half of the time.
BENCHMARK_MOTION = SimulationConfig(
    frames=240, speed_mm=8.9, speed_deg=3.7, bar_width_px=0, blank_frames=0, spell_share=0.3, spell_first_frame=30
)
GREY = 128


@dataclass(frozen=True)
class Variant:
    """A tracker to be compared.

    config: its options; weights: file of its network, None for the default ones; color, depth: whether it gets to see
    them; without colour images are grey all over, without depth there is no measurement anywhere.
    """

    name: str
    config: TrackerConfig = field(default_factory=TrackerConfig)
    weights: Path | None = None
    color: bool = True
    depth: bool = True

    def seen(self, frame: Frame) -> Frame:
        """What the tracker gets of a frame."""
        if not self.color:
            frame = replace(frame, color=np.full_like(frame.color, GREY))
        if not self.depth:
            frame = replace(frame, depth=np.zeros_like(frame.depth))
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
    """The tracker with some weights, with ``others``, with networks that work ``alone`` as published (one pass, no
    polish, no motion prior), without network, and with one ingredient missing at a time."""
    polish_off = {"polish_iterations": 0, "contour_iterations": 0}
    as_published = replace(config, network_passes=1, motion_prior=0.0, **polish_off)
    variants = [Variant("ours", config, weights)]
    variants += [Variant(name, config, path) for name, path in others]
    variants += [Variant(name, as_published, path) for name, path in alone]
    variants.append(Variant("polish only", replace(config, network_passes=0)))
    if ablations:
        variants += [
            Variant("no depth", config, weights, depth=False),
            Variant("no colour", config, weights, color=False),
            Variant("no polish", replace(config, **polish_off), weights),
            Variant("one pass", replace(config, network_passes=1), weights),
            Variant("one pass, no polish", replace(config, network_passes=1, **polish_off), weights),
        ]
    return variants


def benchmark_sequence(
    model: ObjectModel, seed: int, frames: int, trajectory: Path | None = None, speed: float = 1.0
) -> SimulatedSequence:
    """Frames of an object, moved by a quick hand or along a recorded trajectory, with spells of occlusion.

    ``speed``: factor on the hand's motion from frame to frame.
    """
    motion = {"speed_mm": speed * BENCHMARK_MOTION.speed_mm, "speed_deg": speed * BENCHMARK_MOTION.speed_deg}
    config = replace(BENCHMARK_MOTION, frames=frames, seed=seed, **motion)
    if trajectory is not None:
        config = replace(config, trajectory=str(trajectory))
    return SimulatedSequence(model, config)


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
    trackers = [Tracker.load(model, variant.config, variant.weights) for variant in variants]
    for tracker in trackers:
        tracker.warm_up()
        tracker.start(camera_T_object)
    estimates: list[list[PoseEstimate]] = [[] for _ in variants]
    for frame in sequence if frames is None else frames:
        for variant, tracker, rows in zip(variants, trackers, estimates):
            seen = variant.seen(frame)
            start = time.perf_counter()
            result = tracker.step(seen)
            rows.append(estimate_of(result, frame.stamp, frame.index, (time.perf_counter() - start) * 1e3))
    scored = replace(ScoredObject.from_model(model), name=object_name or model.name)
    annotations = list(sequence.annotations())
    return [
        Run(variant.name, evaluate_track(rows, annotations, scored, sequence_name=name))
        for variant, rows in zip(variants, estimates)
    ]
