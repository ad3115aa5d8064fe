"""A tracker on real sequences: errors against annotated poses, and agreement with the images themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.datasets.sequence import FrameSequence
from pose_tracker_ros.evaluation.image_agreement import (
    Agreement,
    OutlineJudge,
    depth_difference,
    find_outlines,
    frames_of,
    judge_track,
    stated_depth,
)
from pose_tracker_ros.evaluation.protocol import ScoredObject, Summary, evaluate_track, summarize
from pose_tracker_ros.evaluation.real_sequences import RealSequence
from pose_tracker_ros.evaluation.track import perturbed, track_frames
from pose_tracker_ros.evaluation.trajectory import PoseEstimate
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.rendering import Renderer, create_renderer
from pose_tracker_ros.tracking import Tracker, TrackerConfig

# Frames at which depth is compared where there are no outlines.
DEPTH_FRAMES = 40
ANNOTATED = "annotated poses"


class ImageAgreement(NamedTuple):
    """Medians over frames: overlap 0..1 and shift in pixels of outlines, depth and absolute depth in metres; NaN: unknown."""

    overlap: float
    shift_px: float
    depth_m: float
    absolute_depth_m: float


class RealResult(NamedTuple):
    """One row of the table: who, from which start, on what; summary is None for the annotated poses themselves."""

    name: str
    start: str
    summary: Summary | None
    agreement: ImageAgreement
    published: str


def run_real(
    case: RealSequence, config: TrackerConfig, start: tuple[str, float, float], frames: Iterable[Frame], seed: int = 0
) -> RealResult:
    """Track an object of a real sequence from a start and compare the poses with annotated ones and with the images.

    Parameters: ``start`` its name, and how far the first pose is off, metres and degrees; ``frames`` of the sequence, for a
    caller that counts them.
    """
    label, offset_m, angle_deg = start
    tracker = Tracker.load([case.model], config)
    first = perturbed(case.model, case.first, offset_m, angle_deg, seed)
    estimates = list(track_frames(tracker, case.model.name, frames, first))
    scored = replace(ScoredObject.from_model(case.model), name=case.object_name)
    errors = evaluate_track(estimates, case.sequence.annotations(), scored, sequence_name=case.name)
    return RealResult(case.name, label, summarize([errors], label), image_agreement(case, estimates), case.published)


def annotated(case: RealSequence) -> RealResult:
    """The annotated poses beside the images."""
    estimates = [
        PoseEstimate(annotation.stamp, annotation.index, annotation.truth[case.object_name])
        for annotation in case.sequence.annotations()
        if case.object_name in annotation.truth
    ]
    return RealResult(case.name, ANNOTATED, None, image_agreement(case, estimates), "")


def image_agreement(case: RealSequence, estimates: Sequence[PoseEstimate]) -> ImageAgreement:
    """How estimates agree with outlines where there are some, else with depth alone."""
    renderer = create_renderer("raycast", case.model.mesh)
    if case.outlines is None:
        return ImageAgreement(np.nan, np.nan, *_depth_agreement(renderer, estimates, case.sequence))
    try:
        found: Agreement = judge_track(OutlineJudge(find_outlines(case.outlines), renderer), estimates, case.sequence)
    except ValueError:  # there is a pose for none of the frames with an outline
        return ImageAgreement(np.nan, np.nan, np.nan, np.nan)
    return ImageAgreement(*(found.median(name) for name in ("overlap", "shift_px", "depth_m", "absolute_depth_m")))


def _depth_agreement(renderer: Renderer, estimates: Sequence[PoseEstimate], sequence: FrameSequence) -> tuple[float, float]:
    """Medians over evenly chosen frames of what depth differs inside the drawn object."""
    with_pose = {one.index: one for one in estimates if one.camera_T_object is not None}
    step = max(1, len(with_pose) // DEPTH_FRAMES)
    values = []
    for frame in frames_of(sequence, list(with_pose)[::step]):
        if frame.registered:
            rendering = renderer.render(frame.camera, with_pose[frame.index].camera_T_object)
            values.append(depth_difference(stated_depth(frame.depth, with_pose[frame.index]), rendering, rendering.mask))
    known = np.array([value for value in values if np.isfinite(value[0])])
    return (float(np.median(known[:, 0])), float(np.median(known[:, 1]))) if len(known) else (np.nan, np.nan)
