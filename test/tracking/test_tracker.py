"""The tracker on rendered frames: follows, coasts, loses, finds again, and refuses nonsense."""

import dataclasses

import numpy as np
import pytest
from tracking_scenes import START, blank_frame, frame_of

from pose_tracker_ros.evaluation.track import perturbed
from pose_tracker_ros.geometry import apply_residual, pose_errors
from pose_tracker_ros.networks.weights import load_weights, save_weights
from pose_tracker_ros.objects import generic_weights_path, load_object
from pose_tracker_ros.tracking import Tracker, TrackerConfig, TrackState

STEP = np.array([0.004, 0.001, -0.002])
TURN = np.radians([0.5, 1.5, -0.5])
POLISH_ONLY = TrackerConfig(network_passes=0)


@pytest.fixture(scope="module")
def cube():
    return load_object("cube")


@pytest.fixture(scope="module")
def jug():
    return load_object("demo_jug")


def moving(model, count):
    """Frames of the object on a smooth way."""
    pose = START
    for number in range(count):
        yield frame_of(model, pose, number / 30, index=number)
        pose = apply_residual(pose, STEP, TURN, model.center_m)


def test_follows_a_moving_object_from_a_perturbed_pose(jug):
    tracker = Tracker.load(jug)
    tracker.start(perturbed(jug, START, 0.02, 10.0))
    for frame in moving(jug, 15):
        result = tracker.step(frame)
    translation, rotation = pose_errors(result.camera_T_object, frame.truth["demo_jug"])
    assert result.state is TrackState.TRACKING
    assert translation < 0.006
    assert np.degrees(rotation) < 3.0


def test_network_alone_and_polish_alone_follow_too(cube):
    for config in (TrackerConfig(polish_iterations=0, contour_iterations=0), POLISH_ONLY):
        tracker = Tracker.load(cube, config)
        tracker.start(START)
        for frame in moving(cube, 8):
            result = tracker.step(frame)
        assert pose_errors(result.camera_T_object, frame.truth["cube"])[0] < 0.015


def test_coasts_over_blank_frames_and_goes_on(cube):
    tracker = Tracker.load(cube)
    tracker.start(START)
    frames = list(moving(cube, 24))
    states = [tracker.step(blank_frame(f.stamp) if 8 <= f.index < 14 else f).state for f in frames]
    assert states[7] is TrackState.TRACKING
    assert set(states[8:14]) == {TrackState.COASTING}
    assert states[-1] is TrackState.TRACKING
    assert pose_errors(tracker.step(frames[-1]).camera_T_object, frames[-1].truth["cube"])[0] < 0.01


def test_says_lost_after_the_configured_number_of_frames_and_recovers_in_place(cube):
    tracker = Tracker.load(cube, dataclasses.replace(POLISH_ONLY, lost_frames=3))
    tracker.start(START)
    assert tracker.step(frame_of(cube, START, 0.0)).state is TrackState.TRACKING
    states = [tracker.step(blank_frame(0.1 + 0.03 * n)).state for n in range(4)]
    assert states == [TrackState.COASTING, TrackState.COASTING, TrackState.LOST, TrackState.LOST]
    assert tracker.step(frame_of(cube, START, 0.4)).state is TrackState.TRACKING


def test_covariance_is_larger_while_coasting(cube):
    tracker = Tracker.load(cube, POLISH_ONLY)
    tracker.start(START)
    seen = tracker.step(frame_of(cube, START, 0.0)).covariance
    unseen = tracker.step(blank_frame(0.03)).covariance
    assert np.all(np.linalg.eigvalsh(seen) > 0)
    assert np.all(np.diag(unseen) > np.diag(seen))


def test_needs_a_first_pose(cube):
    tracker = Tracker.load(cube, POLISH_ONLY)
    with pytest.raises(RuntimeError, match="start"):
        tracker.step(frame_of(cube, START))
    with pytest.raises(ValueError, match="in front of the camera"):
        tracker.start(apply_residual(START, np.array([0, 0, -2.0]), np.zeros(3)))
    with pytest.raises(ValueError, match="rigid"):
        tracker.start(np.full((4, 4), np.nan))


def test_same_frames_give_the_same_poses(cube):
    def run():
        tracker = Tracker.load(cube)
        tracker.start(START)
        return np.stack([tracker.step(frame).camera_T_object for frame in moving(cube, 4)])

    assert np.array_equal(run(), run())


@pytest.fixture
def cube_with_weights(cube, tmp_path):
    """A cube whose folder has weights that were trained for it."""
    network, info = load_weights(generic_weights_path())
    own = dataclasses.replace(info, objects={"cube": cube.diameter_m})
    save_weights(tmp_path / "residual.safetensors", network, own)
    return dataclasses.replace(cube, folder=tmp_path)


def test_weights_of_another_object_are_refused(cube_with_weights):
    assert list(Tracker.load(cube_with_weights).info.objects) == ["cube"]
    other = dataclasses.replace(cube_with_weights, name="teapot")
    with pytest.raises(ValueError, match="teapot"):
        Tracker.load(other)
    scaled = dataclasses.replace(cube_with_weights, diameter_m=cube_with_weights.diameter_m * 1.2)
    with pytest.raises(ValueError, match="diameter"):
        Tracker.load(scaled)


def test_an_object_without_weights_gets_those_for_any_object(cube, tmp_path):
    tracker = Tracker.load(dataclasses.replace(cube, name="never seen", folder=tmp_path))
    assert not tracker.info.objects


def test_reconfigure_cannot_switch_on_a_network_that_was_not_loaded(cube):
    tracker = Tracker.load(cube, POLISH_ONLY)
    with pytest.raises(ValueError, match="network"):
        tracker.reconfigure(TrackerConfig(network_passes=1))


def test_rendering_again_after_large_motions_finds_the_rest(jug):
    """Without a network: what one rendering shows is not enough for 20 degrees, and small motions need no second."""
    frame = frame_of(jug, START)
    errors = {}
    for passes in (1, 4):
        tracker = Tracker(jug, dataclasses.replace(POLISH_ONLY, polish_passes=passes))
        found = []
        for seed in range(6):
            tracker.start(perturbed(jug, START, 0.015, 20.0, seed))
            found.append(pose_errors(tracker.step(frame).camera_T_object, START)[1])
        errors[passes] = np.median(found)
    assert errors[4] < 0.6 * errors[1]


def test_what_the_polish_looks_at_is_as_large_as_asked(jug):
    """A coarser crop is cheaper and less exact."""
    frame, poses = frame_of(jug, START), {}
    for resolution in (32, 256):
        tracker = Tracker(jug, dataclasses.replace(POLISH_ONLY, polish_resolution=resolution))
        tracker.start(perturbed(jug, START, 0.005, 2.0))
        poses[resolution] = pose_errors(tracker.step(frame).camera_T_object, START)[0]
    assert poses[256] < poses[32]
