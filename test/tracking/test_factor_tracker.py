"""The tracker on factors and evidence: what a board hides is not on the board, and what comes back is found."""

from dataclasses import replace

import numpy as np
import pytest

from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.evaluation.metrics import add_errors
from pose_tracker_ros.evaluation.track import perturbed
from pose_tracker_ros.simulation.config import BoardConfig, ObjectConfig, SceneConfig
from pose_tracker_ros.simulation.scene import SceneSequence
from pose_tracker_ros.tracking import TrackState
from pose_tracker_ros.tracking.factor_tracker import FactorTracker

BOARD = BoardConfig(first_frame=8, frames=22, slide_frames=3, motion="follows", color="mean", gap_m=0.03)
SLOW = {"path": "hand", "speed_mm": 1.8, "speed_deg": 0.7}


@pytest.fixture(scope="module")
def model():
    return {model.name: model for model in benchmark_objects()}["drill"]


def scene(model, boards=(BOARD,), frames=40, seed=1) -> SceneSequence:
    config = SceneConfig(frames=frames, seed=seed, objects=(ObjectConfig(model=model.name, **SLOW),), boards=boards)
    return SceneSequence(config, {model.name: model})


def test_a_board_is_not_tracked_and_what_it_hid_is_found_again(model):
    sequence, tracker = scene(model), FactorTracker(model)
    truth = np.stack([annotation.truth["drill"] for annotation in sequence.annotations()])
    tracker.start(perturbed(model, truth[0], 0.01, 5.0))
    results, visible = [], []
    for frame in sequence:
        results.append(tracker.step(frame))
        visible.append(frame.visibility["drill"])
    states = np.array([result.state for result in results])
    errors = add_errors(np.stack([r.camera_T_object for r in results]), truth, model.sample_points(300))
    assert np.sum(np.array(visible) == 0) >= 12
    assert not np.any(states[np.array(visible) < 0.02] == TrackState.TRACKING)
    assert np.all(states[3:8] == TrackState.TRACKING) and np.all(states[-6:] == TrackState.TRACKING)
    assert errors[states == TrackState.TRACKING].max() < 0.2 * model.diameter_m
    assert np.median(errors[states == TrackState.TRACKING]) < 1e-3
    covariances = [results[position].covariance for position in (5, 20)]
    assert covariances[0][2, 2] < 0.1 * covariances[1][2, 2]


def test_what_was_never_there_is_not_believed_and_given_up(model):
    sequence = scene(model, boards=(), frames=6)
    frame = sequence.read(0)
    tracker = FactorTracker(model, lost_frames=4)
    beside = frame.truth["drill"].copy()
    beside[0, 3] += 0.35
    tracker.start(beside)
    states = [tracker.step(replace(frame, stamp=0.03 * number)).state for number in range(5)]
    assert states[0] is TrackState.COASTING and states[-1] is TrackState.LOST


def test_a_start_must_be_a_pose_and_come_first(model):
    tracker = FactorTracker(model)
    with pytest.raises(RuntimeError, match="call start"):
        tracker.step(scene(model, boards=(), frames=1).read(0))
    with pytest.raises(ValueError, match="expected a rigid 4x4 pose"):
        tracker.start(np.zeros((4, 4)))
