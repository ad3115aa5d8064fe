"""Trackers side by side on one sequence of a frozen set, scored frame by frame."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from pose_tracker_ros.evaluation.consistency import TWIST_SIZE, degrees_of_freedom, normalized_errors_squared
from pose_tracker_ros.evaluation.frozen_sets import SceneCase
from pose_tracker_ros.evaluation.metrics import NO_POSE
from pose_tracker_ros.evaluation.protocol import ScoredObject, pose_errors
from pose_tracker_ros.evaluation.real_cases import RealCase
from pose_tracker_ros.evaluation.scene_metrics import SceneTrack
from pose_tracker_ros.evaluation.scene_summary import SceneSummary, summarize_scenes
from pose_tracker_ros.evaluation.tracking_benchmark import Variant, only_times, step_side_by_side
from pose_tracker_ros.evaluation.trajectory import PoseEstimate
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.objects import ObjectModel

UNKNOWN_COVARIANCE = np.full((TWIST_SIZE, TWIST_SIZE), np.nan)


class SceneFrame(NamedTuple):
    """One frame of a run.

    index, stamp: of the frame; state, score, latency_ms: as the tracker said, see :class:`PoseEstimate`;
    visibility: 0..1; add, adds: metres, infinite without a pose; error_squared: normalised error squared, NaN where not
    known; estimate, truth: camera_T_object (4, 4), NaN where missing; center: (3,) the object's true centre in camera
    axes.
    """

    index: int
    stamp: float
    state: str
    score: float
    visibility: float
    add: float
    adds: float
    error_squared: float
    latency_ms: float
    estimate: np.ndarray
    truth: np.ndarray
    center: np.ndarray


@dataclass(frozen=True)
class SceneRun:
    """What one tracker did on one sequence.

    name, scene, group, object_name, seed: of the sequence; variant: the tracker's name; checksum: of colour, depth,
    camera and truth of all frames, so that runs prove that they saw the same; diameter_m, symmetric, freedom: of the
    object (freedom as :func:`degrees_of_freedom`); alone: False where other sequences ran beside it, which makes times
    longer; load: the machine's load average of the last minute at the end; times_only: see :class:`Variant`.
    """

    name: str
    scene: str
    group: str
    object_name: str
    seed: int
    variant: str
    checksum: str
    diameter_m: float
    symmetric: bool
    freedom: int
    frames: tuple[SceneFrame, ...]
    alone: bool
    load: float
    times_only: bool = False

    @property
    def track(self) -> SceneTrack:
        """What is counted."""
        columns = dict(zip(SceneFrame._fields, (np.array(values) for values in zip(*self.frames))))
        return SceneTrack(
            object_name=self.object_name,
            seed=self.seed,
            diameter_m=self.diameter_m,
            error=columns["adds" if self.symmetric else "add"],
            freedom=self.freedom,
            **{name: columns[name] for name in ("state", "visibility", "center", "error_squared", "latency_ms")},
        )

    @property
    def summary(self) -> SceneSummary:
        """The row of this sequence alone."""
        return pooled([self])

    def to_dict(self) -> dict[str, Any]:
        """The run in plain numbers and lists.

        ``add`` is what the tables count, ADD and for symmetric objects ADD-S; None stands for what is infinite (a
        missing pose) or not known.
        """
        track = self.track
        return {
            "name": self.name,
            "scene": self.scene,
            "group": self.group,
            "object": self.object_name,
            "seed": self.seed,
            "variant": self.variant,
            "checksum": self.checksum,
            "diameter_m": self.diameter_m,
            "alone": self.alone,
            "load": self.load,
            "summary": {name: _plain(value) for name, value in asdict(self.summary).items()},
            "state": track.state.tolist(),
            "visibility": track.visibility.tolist(),
            "add": [_plain(value) for value in track.error],
            "ms": [_plain(value) for value in track.latency_ms],
        }


def pooled(runs: Sequence[SceneRun]) -> SceneSummary:
    """The row of some runs of one tracker."""
    row = summarize_scenes([run.track for run in runs])
    return only_times(row) if runs[0].times_only else row


def run_scene(
    case: SceneCase | RealCase,
    variants: Sequence[Variant],
    on_frame: Callable[[], None] | None = None,
    alone: bool = True,
) -> list[SceneRun]:
    """The runs of all variants on a sequence, which is rendered, or read, once.

    Frames without a true pose are tracked, but are no frames of the run; where visibility is not known it is 1.
    ``on_frame`` is called after every frame; ``alone``: whether nothing else of this program runs beside it.
    Raises as :meth:`Variant.load` does.
    """
    sequence = case.open()
    checksum = FramesChecksum()
    truths, visibilities, steps = [], [], []
    for frame, estimates in step_side_by_side(case.model, variants, case.first_pose(sequence), sequence):
        checksum.add(frame)
        if case.model.name in frame.truth:
            truths.append(frame.truth[case.model.name])
            visibilities.append(float(frame.visibility.get(case.model.name, 1.0)))
            steps.append(estimates)
        if on_frame:
            on_frame()
    scored = ScoredObject.from_model(case.model)
    return [
        SceneRun(
            name=case.name,
            scene=case.scene,
            group=case.group,
            object_name=case.model.name,
            seed=case.seed,
            variant=variant.name,
            checksum=checksum.text,
            diameter_m=case.model.diameter_m,
            symmetric=len(scored.symmetries) > 1,
            freedom=degrees_of_freedom(case.model),
            frames=tuple(_scored_frames(estimates, np.stack(truths), visibilities, case.model, scored)),
            alone=alone,
            load=os.getloadavg()[0],
            times_only=variant.times_only,
        )
        for variant, estimates in zip(variants, zip(*steps))
    ]


class FramesChecksum:
    """A checksum over frames, to the last bit."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)

    def add(self, frame: Frame) -> None:
        """Take a frame in: colour, depth, intrinsics and true poses."""
        camera = frame.camera
        intrinsics = np.array([camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy], np.float64)
        truths = (frame.truth[name] for name in sorted(frame.truth))
        for array in (frame.color, frame.depth, intrinsics, *truths):
            self._hash.update(np.ascontiguousarray(array))

    @property
    def text(self) -> str:
        """32 hexadecimal digits."""
        return self._hash.hexdigest()


def _scored_frames(
    estimates: Sequence[PoseEstimate],
    truths: np.ndarray,
    visibilities: Sequence[float],
    model: ObjectModel,
    scored: ScoredObject,
) -> list[SceneFrame]:
    poses = np.stack([NO_POSE if row.camera_T_object is None else row.camera_T_object for row in estimates])
    covariances = np.stack([UNKNOWN_COVARIANCE if row.covariance is None else row.covariance for row in estimates])
    errors = pose_errors(poses, _least_turned(poses, truths, model), scored)
    squared = normalized_errors_squared(poses, truths, covariances, model, scored.symmetries)
    centers = truths[:, :3, :3] @ model.center_m + truths[:, :3, 3]
    return [
        SceneFrame(row.index, row.stamp, row.state, row.score, visibility, *numbers, row.latency_ms, *places)
        for row, visibility, numbers, places in zip(
            estimates, visibilities, zip(errors.add, errors.adds, squared), zip(poses, truths, centers)
        )
    ]


def _least_turned(poses: np.ndarray, truths: np.ndarray, model: ObjectModel) -> np.ndarray:
    """Truths (N, 4, 4) of a round object turned as the poses are.

    Between sampled points ADD-S would measure the turn that nobody can see: 1.4 degrees of the bowl's 64 sections cost 1.5 mm.
    """
    for symmetry in model.continuous_symmetries:
        truths = np.stack([symmetry.turned_towards(pose, truth) for pose, truth in zip(poses, truths)])
    return truths


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
