"""First poses that come late, and first poses that are wrong."""

import dataclasses

import numpy as np
import pytest
from tracking_scenes import START, blank_frame, frame_of

from pose_tracker_ros.geometry import apply_residual, pose_errors
from pose_tracker_ros.nodes.recent_frames import FrameBuffer
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.tracking import Tracker, TrackerConfig, TrackState
from pose_tracker_ros.tracking.config import OFFLINE


@pytest.fixture(scope="module")
def cube():
    return load_object("cube")


@pytest.fixture
def tracker(cube):
    return Tracker([cube], TrackerConfig(network="never", **OFFLINE))


def path(model, count):
    """Poses that move 1 cm and turn 3 degrees a frame."""
    return [
        apply_residual(START, np.array([0.01 * i - 0.04, 0.0, 0.004 * i]), np.radians([0, 3.0 * i, 0]), model.center_m)
        for i in range(count)
    ]


def stamps(frames):
    return [round(frame.stamp, 3) for frame in frames]


def test_frames_are_kept_for_a_while_and_found_by_stamp():
    buffer = FrameBuffer(seconds=1.01)
    for index in range(20):
        buffer.add(blank_frame(index * 0.1))
    assert len(buffer) == 11
    assert stamps(buffer.since(1.5, most=10)) == [1.5, 1.6, 1.7, 1.8, 1.9]
    assert buffer.since(0.5, most=10) is None
    assert buffer.since(2.5, most=10) is None


def test_frames_are_thinned_out_evenly_with_both_ends():
    buffer = FrameBuffer(seconds=10.0)
    for index in range(31):
        buffer.add(blank_frame(float(index)))
    assert stamps(buffer.since(22.0, most=3)) == [22.0, 26.0, 30.0]
    assert stamps(buffer.since(22.0, most=1)) == [30.0]


def test_a_fast_camera_does_not_fill_the_memory():
    buffer = FrameBuffer(seconds=2.0, most=20)
    for index in range(300):
        buffer.add(blank_frame(index / 60))
    assert 15 <= len(buffer) <= 22
    kept = stamps(buffer.since(4.0, most=100))
    assert kept[-1] == round(299 / 60, 3)
    assert kept[0] == pytest.approx(4.0, abs=0.1)
    assert max(np.diff(kept)) < 0.12


def test_a_camera_that_starts_again_empties_the_buffer():
    buffer = FrameBuffer(seconds=10.0)
    buffer.add(blank_frame(100.0))
    buffer.add(blank_frame(1.0))
    assert len(buffer) == 1


def test_a_late_pose_is_followed_to_the_present(cube, tracker):
    poses = path(cube, 9)
    frames = [frame_of(cube, pose, stamp=0.1 * i) for i, pose in enumerate(poses)]
    result = tracker.start_checked("cube", poses[0], frames)
    assert result.state is TrackState.TRACKING
    translation, rotation = pose_errors(result.camera_T_object, poses[-1])
    assert translation < 0.006
    assert np.degrees(rotation) < 3
    assert np.linalg.norm(poses[-1][:3, 3] - poses[0][:3, 3]) > 0.08


def test_a_pose_that_the_image_contradicts_changes_nothing(cube, tracker):
    frame = frame_of(cube, START)
    wrong = apply_residual(START, np.array([-0.2, 0.1, 0.0]), np.zeros(3), cube.center_m)
    assert tracker.start_checked("cube", wrong, [frame]).state is not TrackState.TRACKING
    assert tracker.state("cube") is TrackState.UNINITIALISED

    tracker.start("cube", START)
    before = tracker.step(frame)["cube"].camera_T_object
    assert tracker.start_checked("cube", wrong, [frame]).state is not TrackState.TRACKING
    assert tracker.state("cube") is TrackState.TRACKING
    after = tracker.step(frame)["cube"].camera_T_object
    assert pose_errors(after, before)[0] < 0.001


@pytest.mark.parametrize("place", ["outside of the image", "on a bare board"])
def test_a_first_pose_where_the_object_is_not_changes_nothing(cube, tracker, place):
    """Neither now nor two frames later, nor for another object that is followed."""
    pose = apply_residual(START, np.array([-0.6 if place == "outside of the image" else -0.22, 0.0, 0.0]), np.zeros(3))
    frame = frame_of(cube, START)
    frame.depth[:, :110], frame.color[:, :110] = START[2, 3] + 0.02, (170, 140, 90)
    frames = [dataclasses.replace(frame, stamp=0.03 * number) for number in range(3)]
    tracker.start("cube", START)
    tracker.step(frames[0])
    before = tracker._tracks["cube"]
    result = tracker.start_checked("cube", pose, frames)
    assert result.state is not TrackState.TRACKING, pose_errors(result.camera_T_object, START)
    assert tracker._tracks["cube"] is before


def test_without_frames_there_is_nothing_to_check_against(tracker):
    with pytest.raises(ValueError, match="at least one frame"):
        tracker.start_checked("cube", START, [])
