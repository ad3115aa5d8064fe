"""From how far off a tracker finds an object: starts beside the truth, judged five frames later."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.evaluation.metrics import add_errors, adds_errors
from pose_tracker_ros.evaluation.protocol import ScoredObject
from pose_tracker_ros.evaluation.track import perturbed
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.tracking import Tracker, TrackState

# Starts are off by so many diameters and degrees, and judged in the last of so many frames.
OFFSETS_D, TURNS_DEG, FRAMES = (0.1, 0.25, 0.5), (10.0, 30.0, 60.0), 5
# An object is found when ADD (ADD-S of symmetric ones) is below the first, and wrong above the second, diameters.
FOUND_D, WRONG_D = 0.1, 0.2
# Quantile of the normal distribution for intervals of 95 %.
QUANTILE_95 = 1.96


class BasinStart(NamedTuple):
    """One start: how far off, in diameters and degrees, whether the object was found, and whether a wrong pose is tracked."""

    object_name: str
    offset_d: float
    turn_deg: float
    found: bool
    is_false: bool


def basin_starts(
    tracker: Tracker, model: ObjectModel, frames: Sequence[Frame], object_name: str, seed: int
) -> Iterator[BasinStart]:
    """One start for each offset and turn, in the first of some frames; ``object_name``: of the model in their truth."""
    scored = ScoredObject.from_model(model)
    errors_of = adds_errors if len(scored.symmetries) > 1 else add_errors
    first, last = (frame.truth[object_name] for frame in (frames[0], frames[-1]))
    cells = list(product(OFFSETS_D, TURNS_DEG))
    for number, (offset_d, turn_deg) in enumerate(cells):
        start = perturbed(model, first, offset_d * model.diameter_m, turn_deg, seed * len(cells) + number)
        tracker.start(model.name, start, frames[0].stamp)
        for frame in frames:
            result = tracker.step(frame)[model.name]
        tracker.stop(model.name)
        error_d = float(errors_of(result.camera_T_object[None], last[None], scored.points)[0]) / model.diameter_m
        is_tracked = result.state is TrackState.TRACKING
        yield BasinStart(model.name, offset_d, turn_deg, error_d < FOUND_D, is_tracked and error_d > WRONG_D)


def wilson_interval(successes: int, count: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, Journal of the American Statistical Association 1927). Raises ValueError without trials."""
    if count < 1:
        raise ValueError(f"expected at least one trial, got {count}")
    share, square = successes / count, QUANTILE_95**2 / count
    middle = (share + square / 2) / (1 + square)
    half = QUANTILE_95 * math.sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
    return middle - half, middle + half


def spread_over(length: int, count: int) -> list[int]:
    """First frames of ``count`` starts, spread evenly over a sequence of so many frames. Raises ValueError where it is too short."""
    if length < FRAMES:
        raise ValueError(f"expected a sequence of at least {FRAMES} frames, got {length}")
    return np.linspace(0, length - FRAMES, count).round().astype(int).tolist()
