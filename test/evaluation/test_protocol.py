"""Scoring of tracks, and starts and restarts of trackers, on tracks whose errors are known."""

import numpy as np
import pytest
from dataset_layouts import pose_of

from pose_tracker_ros.datasets import Annotation
from pose_tracker_ros.datasets.ycb_video import YcbVideoSequence
from pose_tracker_ros.evaluation.protocol import (
    ScoredObject,
    evaluate_track,
    object_points,
    summarize,
    summarize_by_object,
)
from pose_tracker_ros.evaluation.reinitialization import StartPolicy, lost_beyond, track_with_starts
from pose_tracker_ros.evaluation.trajectory import PoseEstimate
from pose_tracker_ros.objects import Mesh, ObjectModel

CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * 0.05
CUBE = ScoredObject("cube", CORNERS, 0.1732, np.eye(4)[None])


def shifted(index, millimetres):
    pose = pose_of(index)
    pose[0, 3] += millimetres / 1000
    return pose


def annotations(count):
    return [Annotation(index, index / 10, {"cube": pose_of(index)}) for index in range(count)]


def estimates(shifts_mm):
    """One estimate a frame, off by so many millimetres; None for a frame without a pose."""
    return [
        PoseEstimate(index / 10, index, None if shift is None else shifted(index, shift), latency_ms=10.0 + index)
        for index, shift in enumerate(shifts_mm)
    ]


def test_a_track_is_scored_frame_by_frame():
    errors = evaluate_track(estimates([0, 10, None, 20]), annotations(4), CUBE, sequence_name="a")
    np.testing.assert_allclose(errors.add, [0, 0.01, np.inf, 0.02], atol=1e-9)
    np.testing.assert_array_equal(errors.index, [0, 1, 2, 3])
    summary = summarize([errors], "cube")
    assert (summary.frames, summary.missing, summary.losses) == (4, 1, 1)
    assert summary.add_auc_exact == pytest.approx((1 + 0.9 + 0 + 0.8) / 4)
    assert summary.add_01d == 0.5, "20 mm are more than a tenth of 173 mm"
    assert summary.add_mean == pytest.approx(0.01) and summary.add_max == np.inf
    assert (summary.latency_median_ms, summary.within_5deg_5cm) == (11.5, 0.75)


def test_frames_that_were_not_tracked_are_failures():
    errors = evaluate_track(estimates([0, 0]), annotations(4), CUBE)
    assert summarize([errors], "cube").add_auc_exact == 0.5
    partial = evaluate_track(estimates([0, 0]), annotations(4), CUBE, whole_sequence=False)
    assert summarize([partial], "cube").frames == 2


def test_only_the_chosen_frames_count():
    errors = evaluate_track(estimates([0, 50, 0, 50]), annotations(4), CUBE, frames={1, 2})
    np.testing.assert_allclose(errors.add, [0.05, 0], atol=1e-9)
    with pytest.raises(ValueError, match="'cube'.*found none"):
        evaluate_track(estimates([0]), annotations(1), CUBE, frames={7})


def test_losses_are_counted_by_half_a_diameter():
    errors = evaluate_track(estimates([0, 80, 90, 0, None, None, 95, 0]), annotations(8), CUBE)
    assert summarize([errors], "cube").losses == 2
    np.testing.assert_array_equal(errors.failed, [0, 0, 1, 0, 1, 1, 1, 0])


def test_symmetric_objects_are_judged_by_adds():
    """A quarter turn of a cube: ADD says lost, ADD-S that nothing happened."""
    turn = np.eye(4)
    turn[:2, :2] = [[0, -1], [1, 0]]
    turned = [PoseEstimate(0, 0, pose_of(0) @ turn)]
    asymmetric = evaluate_track(turned, annotations(1), CUBE)
    symmetric = evaluate_track(
        turned, annotations(1), ScoredObject("cube", CORNERS, 0.1732, np.stack([np.eye(4), turn]))
    )
    assert asymmetric.add[0] == symmetric.add[0] == pytest.approx(0.1)
    assert asymmetric.failed[0] and not symmetric.failed[0]
    assert symmetric.rotation[0] == pytest.approx(0, abs=1e-7) and asymmetric.rotation[0] == pytest.approx(np.pi / 2)


def test_rows_pool_frames_and_not_objects():
    long = evaluate_track(estimates([0] * 9), annotations(9), CUBE)
    other = [Annotation(0, 0.0, {"can": pose_of(0)})]
    short = evaluate_track([], other, ScoredObject("can", CORNERS, 0.1732, np.eye(4)[None]))
    can, cube, everything = summarize_by_object([long, short])
    assert [row.name for row in (can, cube, everything)] == ["can", "cube", "ALL"]
    assert (can.add_auc_exact, cube.add_auc_exact, everything.add_auc_exact) == (0, 1, pytest.approx(0.9))


def test_a_mesh_with_few_vertices_is_scored_on_its_surface():
    faces = [
        (0, 1, 3),
        (0, 3, 2),
        (4, 6, 7),
        (4, 7, 5),
        (0, 4, 5),
        (0, 5, 1),
        (2, 3, 7),
        (2, 7, 6),
        (0, 2, 6),
        (0, 6, 4),
        (1, 5, 7),
        (1, 7, 3),
    ]
    mesh = Mesh(CORNERS.astype(np.float32), np.array(faces, np.int32), CORNERS.astype(np.float32))
    points = object_points(ObjectModel.from_mesh("cube", mesh))
    assert len(points) >= 500
    np.testing.assert_allclose(np.abs(points).max(axis=1), 0.05, atol=1e-6)


class ScriptedTracker:
    """Keeps the pose it was given, moved by so much more in every frame."""

    def __init__(self, drift_m):
        self.drift_m = drift_m
        self.pose = None
        self.starts = []

    def start(self, pose):
        self.starts.append(pose)
        self.pose = pose.copy()

    def step(self, frame):
        self.pose = self.pose.copy()
        self.pose[0, 3] += self.drift_m
        return PoseEstimate(frame.stamp, frame.index, self.pose)


def test_tracking_starts_from_the_truth_or_from_a_given_pose(ycb_video):
    sequence = YcbVideoSequence(ycb_video)
    tracker = ScriptedTracker(0.0)
    found, restarts = track_with_starts(sequence, "025_mug", tracker.start, tracker.step)
    assert [estimate.index for estimate in found] == [1, 2, 3] and restarts == []
    np.testing.assert_allclose(tracker.starts, [sequence.read(0).truth["025_mug"]])
    tracker = ScriptedTracker(0.0)
    track_with_starts(sequence, "025_mug", tracker.start, tracker.step, StartPolicy(first=np.eye(4)))
    np.testing.assert_allclose(tracker.starts, [np.eye(4)])


def test_published_restarts_are_followed(ycb_video):
    sequence = YcbVideoSequence(ycb_video)
    given = sequence.read(1).truth["025_mug"] @ pose_of(1)
    tracker = ScriptedTracker(0.0)
    policy = StartPolicy(at_frames={2: given, 3: None}, score_starts=True)
    found, restarts = track_with_starts(sequence, "025_mug", tracker.start, tracker.step, policy)
    assert restarts == [2, 3] and len(tracker.starts) == 3
    np.testing.assert_allclose(found[1].camera_T_object, given)
    np.testing.assert_allclose(found[2].camera_T_object, sequence.read(2).truth["025_mug"])


def test_a_lost_object_is_started_again_in_the_next_frame(ycb_video):
    """The true mug moves 1 cm a frame; this tracker jumps 10 cm in every frame."""
    sequence = YcbVideoSequence(ycb_video)
    tracker = ScriptedTracker(0.1)
    _, restarts = track_with_starts(sequence, "025_mug", tracker.start, tracker.step, StartPolicy(lost=lost_beyond()))
    assert restarts == [2, 3]
    for start, position in zip(tracker.starts, range(3)):
        np.testing.assert_allclose(start, sequence.read(position).truth["025_mug"])


def test_a_start_without_a_true_pose_is_refused(ycb_video):
    tracker = ScriptedTracker(0.0)
    with pytest.raises(ValueError, match="'011_banana' in frame 1"):
        track_with_starts(YcbVideoSequence(ycb_video), "011_banana", tracker.start, tracker.step)


def test_the_rule_of_rbot_knows_symmetries():
    turn = np.eye(4)
    turn[:2, :2] = -np.eye(2)
    assert lost_beyond()(turn, np.eye(4)) and not lost_beyond(symmetries=np.stack([np.eye(4), turn]))(turn, np.eye(4))
    near = np.eye(4)
    near[0, 3] = 0.049
    assert not lost_beyond()(near, np.eye(4))
