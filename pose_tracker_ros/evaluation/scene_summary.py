"""Rows of the tables of simulated scenes: sequences pooled, with intervals over seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student_t

from pose_tracker_ros.evaluation.consistency import CONFIDENCE, inside_ellipsoid
from pose_tracker_ros.evaluation.metrics import auc_voc, count_losses
from pose_tracker_ros.evaluation.scene_metrics import (
    RECOVERY_FRAMES,
    SEEN,
    UNOCCLUDED,
    SceneTrack,
    due_frames,
    judged_reappearances,
    recovered,
)


@dataclass(frozen=True)
class SceneSummary:
    """One row of a table: sequences pooled over all of their frames. NaN for what cannot be said.

    Shares are 0..1, lengths metres. ``_pm``: half the 95 % interval over seeds, see :func:`half_interval`; NaN with one
    seed.

    sequences, frames: pooled; lost: how often, runs of frames without a pose or with an error above 0.5 diameters;
    false_tracking: share of tracking_frames, those reported as tracking, whose error exceeds 0.2 diameters
    (false_tracking_frames); false_lost: share of due_frames (:func:`due_frames`) reported as anything else
    (false_lost_frames);
    add_auc (VOC-style to 0.1 m) and add_median: of the error over seen_frames (visibility >= 0.1), a missing pose being
    infinitely wrong; add_median_unoccluded: over unoccluded_frames (>= 0.98);
    error_squared: mean normalised error squared over claimed_frames, those reported as tracking, seen, and with a
    covariance; freedom: what it would be on average of a tracker that is exactly as sure as it may be; inside_95:
    share inside the 95 % ellipsoid;
    events: reappearances with 30 frames after them, recovered_15 and recovered_30 of them (:func:`recovered`);
    expected_events and so on: those at the expected place;
    latency_median_ms, latency_p95_ms, latency_max_ms: of all frames.
    """

    sequences: int
    frames: int
    lost: int
    tracking_frames: int
    false_tracking_frames: int
    false_tracking: float
    false_tracking_pm: float
    due_frames: int
    false_lost_frames: int
    false_lost: float
    seen_frames: int
    add_auc: float
    add_auc_pm: float
    add_median: float
    add_median_pm: float
    unoccluded_frames: int
    add_median_unoccluded: float
    add_median_unoccluded_pm: float
    claimed_frames: int
    error_squared: float
    freedom: float
    inside_95: float
    events: int
    recovered_15: int
    recovered_30: int
    expected_events: int
    expected_recovered_15: int
    expected_recovered_30: int
    latency_median_ms: float
    latency_p95_ms: float
    latency_max_ms: float


def summarize_scenes(tracks: Sequence[SceneTrack]) -> SceneSummary:
    """One row for some sequences of one tracker."""
    tracking = _count(tracks, lambda track: track.tracking)
    false = _count(tracks, _is_false)
    due = _count(tracks, due_frames)
    unreported = _count(tracks, lambda track: due_frames(track) & ~track.tracking)
    latency = np.concatenate([track.latency_ms for track in tracks])
    return SceneSummary(
        sequences=len(tracks),
        frames=len(latency),
        lost=sum(count_losses(track.failed) for track in tracks),
        tracking_frames=tracking,
        false_tracking_frames=false,
        false_tracking=_share(false, tracking),
        false_tracking_pm=_over_seeds(tracks, _false_tracking),
        due_frames=due,
        false_lost_frames=unreported,
        false_lost=_share(unreported, due),
        **_accuracy(tracks),
        **_claims(tracks),
        **_recoveries(tracks),
        latency_median_ms=float(np.median(latency)),
        latency_p95_ms=float(np.percentile(latency, 95)),
        latency_max_ms=float(latency.max()),
    )


def half_interval(values: Sequence[float]) -> float:
    """Half of the 95 % confidence interval of the mean of values, by Student's t; NaN for fewer than two finite ones.

    Values are those of seeds, since frames of one sequence depend on each other. With the 3 to 10 seeds of a run a
    bootstrap over sequences gives intervals that are too short (with 3 it cannot leave the range of the values); t is
    right for few values, as far as they are spread normally.
    """
    if len(values) < 2 or not np.all(np.isfinite(values)):
        return float("nan")
    quantile = student_t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)
    return float(quantile * np.std(values, ddof=1) / np.sqrt(len(values)))


def _over_seeds(tracks: Sequence[SceneTrack], statistic: Callable[[Sequence[SceneTrack]], float]) -> float:
    """Half the interval of a statistic that pools the objects of every seed."""
    seeds = sorted({track.seed for track in tracks})
    return half_interval([statistic([track for track in tracks if track.seed == seed]) for seed in seeds])


def _accuracy(tracks: Sequence[SceneTrack]) -> dict[str, float]:
    seen, unoccluded = _errors_where(tracks, SEEN), _errors_where(tracks, UNOCCLUDED)
    return {
        "seen_frames": len(seen),
        "add_auc": _auc(seen),
        "add_auc_pm": _over_seeds(tracks, lambda some: _auc(_errors_where(some, SEEN))),
        "add_median": _median(seen),
        "add_median_pm": _over_seeds(tracks, lambda some: _median(_errors_where(some, SEEN))),
        "unoccluded_frames": len(unoccluded),
        "add_median_unoccluded": _median(unoccluded),
        "add_median_unoccluded_pm": _over_seeds(tracks, lambda some: _median(_errors_where(some, UNOCCLUDED))),
    }


def _claims(tracks: Sequence[SceneTrack]) -> dict[str, float]:
    claimed = [track.tracking & (track.visibility >= SEEN) & ~np.isnan(track.error_squared) for track in tracks]
    errors = [track.error_squared[chosen] for track, chosen in zip(tracks, claimed)]
    inside = [inside_ellipsoid(some, track.freedom) for track, some in zip(tracks, errors)]
    freedom = [np.full(len(some), track.freedom) for track, some in zip(tracks, errors)]
    return {
        "claimed_frames": sum(len(some) for some in errors),
        "error_squared": _mean(np.concatenate(errors)),
        "freedom": _mean(np.concatenate(freedom)),
        "inside_95": _mean(np.concatenate(inside)),
    }


def _recoveries(tracks: Sequence[SceneTrack]) -> dict[str, int]:
    events = [(track, event) for track in tracks for event in judged_reappearances(track)]
    counts = {}
    for prefix, some in (("", events), ("expected_", [pair for pair in events if pair[1].expected_place])):
        counts[f"{prefix}events"] = len(some)
        for frames in RECOVERY_FRAMES:
            counts[f"{prefix}recovered_{frames}"] = sum(recovered(track, event, frames) for track, event in some)
    return counts


def _false_tracking(tracks: Sequence[SceneTrack]) -> float:
    return _share(_count(tracks, _is_false), _count(tracks, lambda track: track.tracking))


def _is_false(track: SceneTrack) -> np.ndarray:
    return track.tracking & ~track.right


def _errors_where(tracks: Sequence[SceneTrack], visibility: float) -> np.ndarray:
    return np.concatenate([track.error[track.visibility >= visibility] for track in tracks])


def _count(tracks: Sequence[SceneTrack], chosen: Callable[[SceneTrack], np.ndarray]) -> int:
    return sum(int(chosen(track).sum()) for track in tracks)


def _share(count: int, total: int) -> float:
    return count / total if total else float("nan")


def _auc(errors: np.ndarray) -> float:
    return auc_voc(errors) if len(errors) else float("nan")


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
