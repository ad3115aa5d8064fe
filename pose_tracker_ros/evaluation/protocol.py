"""How a sequence of estimates is scored: against which frames, and what is summarised."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from pose_tracker_ros.datasets.sequence import Annotation
from pose_tracker_ros.evaluation import metrics
from pose_tracker_ros.evaluation.trajectory import PoseEstimate
from pose_tracker_ros.objects import ObjectModel, mesh_diameter
from pose_tracker_ros.symmetries import symmetry_transforms

# Fewer vertices than this say little about the surface (a cube has 8), so points are sampled on it.
FEWEST_VERTICES = 500
MOST_POINTS = 5000
# A pose that is off by more than this share of the diameter no longer tells where the object is.
LOST_SHARE_OF_DIAMETER = 0.5


@dataclass(frozen=True)
class ScoredObject:
    """What scoring needs to know of an object.

    points: (P, 3) metres on which ADD and ADD-S are measured; symmetries: transforms (K, 4, 4), the
    identity among them.
    """

    name: str
    points: np.ndarray
    diameter_m: float
    symmetries: np.ndarray

    @classmethod
    def from_model(cls, model: ObjectModel, points: np.ndarray | None = None) -> ScoredObject:
        """An object with its symmetries; ``points`` default :func:`object_points`."""
        points = object_points(model) if points is None else points
        return cls(model.name, points, model.diameter_m, symmetry_transforms(model))

    @classmethod
    def from_points(cls, name: str, points: np.ndarray) -> ScoredObject:
        """An object of which only points are known, without symmetries."""
        return cls(name, points, mesh_diameter(points), np.eye(4)[None])


@dataclass(frozen=True)
class TrackErrors:
    """Errors of one object in one sequence, an array element a frame; infinite where there is no estimate.

    index, stamp: of the frame; add, adds, translation in metres; rotation in radians (to the nearest
    equivalent truth for symmetric objects); latency_ms may be NaN; estimates (N, 4, 4), NaN where missing.
    symmetric: whether ADD-S decides what counts as a loss.
    """

    sequence_name: str
    object_name: str
    diameter_m: float
    symmetric: bool
    index: np.ndarray
    stamp: np.ndarray
    add: np.ndarray
    adds: np.ndarray
    translation: np.ndarray
    rotation: np.ndarray
    latency_ms: np.ndarray
    estimates: np.ndarray

    @property
    def failed(self) -> np.ndarray:
        """True (N,) where the object is lost: no estimate, or an ADD (ADD-S if symmetric) above half a diameter."""
        error = self.adds if self.symmetric else self.add
        return ~(error <= LOST_SHARE_OF_DIAMETER * self.diameter_m)


@dataclass(frozen=True)
class Summary:
    """One row of a table. Scores are 0..1, lengths metres, angles radians; NaN for what cannot be said.

    frames: scored; missing: without an estimate; losses: how often tracking was lost; add_auc and
    adds_auc: VOC-style to 0.1 m, the _exact ones as means; add_01d, adds_01d: below a tenth of the
    diameter; within_5deg_5cm; means are over the frames that have an estimate; medians over all.
    """

    name: str
    frames: int
    missing: int
    losses: int
    add_auc: float
    adds_auc: float
    add_auc_exact: float
    adds_auc_exact: float
    add_01d: float
    adds_01d: float
    within_5deg_5cm: float
    add_mean: float
    add_median: float
    add_max: float
    adds_median: float
    translation_mean: float
    translation_median: float
    rotation_mean: float
    rotation_median: float
    latency_median_ms: float
    latency_p95_ms: float


def object_points(model: ObjectModel) -> np.ndarray:
    """Points (P, 3) metres on which ADD and ADD-S are measured.

    The vertices of the mesh, as the field does; points sampled on the surface when there are too few, and
    a fixed random choice when there are so many that they only cost time.
    """
    vertices = np.unique(model.mesh.vertices.astype(np.float64), axis=0)
    if len(vertices) < FEWEST_VERTICES:
        return model.sample_points(2 * FEWEST_VERTICES)
    if len(vertices) > MOST_POINTS:
        return vertices[np.random.default_rng(0).choice(len(vertices), MOST_POINTS, replace=False)]
    return vertices


def evaluate_track(
    estimates: Iterable[PoseEstimate],
    annotations: Iterable[Annotation],
    scored: ScoredObject,
    *,
    sequence_name: str = "",
    frames: Iterable[int] | None = None,
    whole_sequence: bool = True,
) -> TrackErrors:
    """Score a track against a sequence's truth, frame by frame of equal index.

    Every frame in which the object's true pose is known counts; a frame without an estimate is a failure.

    Parameters: ``annotations`` from ``sequence.annotations()``, with the object under ``scored.name``;
    ``frames`` the only ones to score, such as YCB-Video's keyframes; ``whole_sequence`` False scores only
    from the first to the last estimate.
    Raises ValueError when there is nothing to score.
    """
    by_index = {estimate.index: estimate for estimate in estimates}
    chosen = _choose(annotations, scored.name, by_index, None if frames is None else set(frames), whole_sequence)
    if not chosen:
        raise ValueError(
            f"expected frames with the true pose of {scored.name!r} to score in sequence {sequence_name!r}, "
            "found none; check the object's name and the frame numbers"
        )
    found = [by_index.get(annotation.index) for annotation in chosen]
    poses = [None if estimate is None else estimate.camera_T_object for estimate in found]
    errors = pose_errors(
        np.array([metrics.NO_POSE if pose is None else pose for pose in poses]),
        np.array([annotation.truth[scored.name] for annotation in chosen]),
        scored,
        sequence_name,
    )
    return replace(
        errors,
        index=np.array([annotation.index for annotation in chosen]),
        stamp=np.array([annotation.stamp for annotation in chosen]),
        latency_ms=np.array([np.nan if estimate is None else estimate.latency_ms for estimate in found]),
    )


def pose_errors(
    estimates: np.ndarray, truths: np.ndarray, scored: ScoredObject, sequence_name: str = ""
) -> TrackErrors:
    """Errors of poses (N, 4, 4) against true ones, frames counted from 0; a pose of NaN is a missing one."""
    translation, rotation = metrics.pose_errors_with_symmetry(estimates, truths, scored.symmetries)
    count = len(estimates)
    return TrackErrors(
        sequence_name=sequence_name,
        object_name=scored.name,
        diameter_m=scored.diameter_m,
        symmetric=len(scored.symmetries) > 1,
        index=np.arange(count),
        stamp=np.arange(count, dtype=np.float64),
        add=metrics.add_errors(estimates, truths, scored.points),
        adds=metrics.adds_errors(estimates, truths, scored.points),
        translation=translation,
        rotation=rotation,
        latency_ms=np.full(count, np.nan),
        estimates=estimates,
    )


def summarize(tracks: Sequence[TrackErrors], name: str) -> Summary:
    """One row of a table for all frames of some tracks together, as the field pools them."""
    add, adds, translation, rotation, latency = (
        np.concatenate([getattr(track, key) for track in tracks])
        for key in ("add", "adds", "translation", "rotation", "latency_ms")
    )
    tenths = np.concatenate([np.full(len(track.add), 0.1 * track.diameter_m) for track in tracks])
    present = np.isfinite(add)
    timed = latency[np.isfinite(latency)]
    return Summary(
        name=name,
        frames=len(add),
        missing=int(np.sum(~present)),
        losses=sum(metrics.count_losses(track.failed) for track in tracks),
        add_auc=metrics.auc_voc(add),
        adds_auc=metrics.auc_voc(adds),
        add_auc_exact=metrics.auc_exact(add),
        adds_auc_exact=metrics.auc_exact(adds),
        add_01d=metrics.accuracy(add / tenths, 1.0),
        adds_01d=metrics.accuracy(adds / tenths, 1.0),
        within_5deg_5cm=metrics.pose_accuracy(translation, rotation),
        add_mean=_mean(add[present]),
        add_median=float(np.median(add)),
        add_max=float(np.max(add)),
        adds_median=float(np.median(adds)),
        translation_mean=_mean(translation[present]),
        translation_median=float(np.median(translation)),
        rotation_mean=_mean(rotation[present]),
        rotation_median=float(np.median(rotation)),
        latency_median_ms=float(np.median(timed)) if len(timed) else float("nan"),
        latency_p95_ms=float(np.percentile(timed, 95)) if len(timed) else float("nan"),
    )


def summarize_by_object(tracks: Sequence[TrackErrors]) -> list[Summary]:
    """One row an object, in the order of their names, and the row ALL that pools all frames."""
    names = sorted({track.object_name for track in tracks})
    rows = [summarize([track for track in tracks if track.object_name == name], name) for name in names]
    return [*rows, summarize(tracks, "ALL")]


def summary_fields() -> tuple[str, ...]:
    """Names of the columns of :class:`Summary`."""
    return tuple(field.name for field in fields(Summary))


def _choose(
    annotations: Iterable[Annotation],
    name: str,
    by_index: dict[int, PoseEstimate],
    frames: set[int] | None,
    whole_sequence: bool,
) -> list[Annotation]:
    chosen = [
        annotation
        for annotation in annotations
        if name in annotation.truth and (frames is None or annotation.index in frames)
    ]
    if whole_sequence or not by_index:
        return chosen
    first, last = min(by_index), max(by_index)
    return [annotation for annotation in chosen if first <= annotation.index <= last]


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("inf")
