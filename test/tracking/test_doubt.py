"""A pose that explains the image much less well than usual is doubted: it is compared with its rivals again."""

import dataclasses

import numpy as np
import pytest
from tracking_scenes import START, frame_of, noisy

from pose_tracker_ros.geometry import apply_residual, pose_errors
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.tracking import Tracker, TrackerConfig, TrackState
from pose_tracker_ros.tracking.config import OFFLINE
from pose_tracker_ros.tracking.search import BASIN_RAD
from pose_tracker_ros.tracking.searcher import Searcher

KNOWN = 3


@pytest.fixture(scope="module")
def jug():
    return load_object("demo_jug")


def errors_deg(jug, poses, search=True, shade=1.0):
    """Turns that a tracker is off by, in noisy frames of some poses; of the last ones colours are darker by ``shade``."""
    random, errors = np.random.default_rng(0), []
    tracker = Tracker([jug], TrackerConfig(network="never", search=search, **OFFLINE))
    tracker.start("demo_jug", START)
    for number, pose in enumerate(poses):
        frame = noisy(frame_of(jug, pose, number / 30, index=number), random)
        if number >= KNOWN:
            frame = dataclasses.replace(frame, color=(frame.color * shade).astype(np.uint8))
        result = tracker.step(frame)["demo_jug"]
        assert result.state is TrackState.TRACKING or number == KNOWN
        errors.append(np.degrees(pose_errors(result.camera_T_object, pose)[1]))
    return np.array(errors)


@pytest.mark.parametrize("turn_deg", [60, 90, 120])
def test_an_object_that_turned_at_once_is_followed(jug, turn_deg):
    axis = START[:3, :3] @ np.linalg.eigh(jug.surface_moments)[1][:, -1]
    turned = apply_residual(START, np.zeros(3), np.radians(turn_deg) * axis, jug.center_m)
    poses = [*[START] * KNOWN, *[turned] * 3]
    assert errors_deg(jug, poses)[-1] < 0.5
    assert errors_deg(jug, poses, search=False)[-1] > 20


@pytest.mark.parametrize(("turn_deg", "axis"), [(45, 1), (45, 2), (60, 1)])
def test_a_turn_that_was_told_wrong_is_found_by_colours_alone(jug, turn_deg, axis):
    """Without depth such a pose is believed from even odds on, but not sure: it is compared with its rivals."""
    turn = np.radians(turn_deg) * START[:3, :3] @ np.linalg.eigh(jug.surface_moments)[1][:, axis]
    errors = {}
    for search in (True, False):
        random = np.random.default_rng(0)
        tracker = Tracker([jug], TrackerConfig(network="never", depth="none", search=search, **OFFLINE))
        tracker.start("demo_jug", apply_residual(START, np.zeros(3), turn, jug.center_m))
        for number in range(KNOWN + 7):
            result = tracker.step(noisy(frame_of(jug, START, number / 30, index=number), random))["demo_jug"]
        errors[search] = np.degrees(pose_errors(result.camera_T_object, START)[1])
    assert errors[True] < 3
    assert errors[False] > 20


def test_what_looks_otherwise_from_now_on_is_doubted_once(jug, monkeypatch):
    """The light goes out, and no rival is any better."""
    asked, compared = [], Searcher._compared
    monkeypatch.setattr(Searcher, "_compared", lambda *arguments: asked.append(1) or compared(*arguments))

    assert errors_deg(jug, [START] * (KNOWN + 8), shade=0.15).max() < 0.5
    assert len(asked) == 1


@pytest.mark.parametrize(("step_deg", "jump_deg", "are_kept"), [(8, 20, True), (4, 30, False)])
def test_earlier_views_are_kept_unless_they_were_of_another_turn(jug, monkeypatch, step_deg, jump_deg, are_kept):
    """A jug turns on and jumps by as much as its own basin reaches, or more, while the light goes out: another pose than the first found is taken."""
    apart, likelier = [], Searcher.likelier

    def noted(self, found, may_compare):
        standing = likelier(self, found, may_compare)
        if standing.best is not found:
            apart.append(pose_errors(standing.best.camera_T_object, found.camera_T_object)[1])
        return standing

    monkeypatch.setattr(Searcher, "likelier", noted)
    axis = START[:3, :3] @ np.linalg.eigh(jug.surface_moments)[1][:, -1]
    random, before = np.random.default_rng(0), 0
    tracker = Tracker([jug], TrackerConfig(network="never", **OFFLINE))
    tracker.start("demo_jug", START)
    for number in range(10):
        turn_deg = step_deg * min(number, 8) + (jump_deg if number == 9 else 0)
        pose = apply_residual(START, np.zeros(3), np.radians(turn_deg) * axis, jug.center_m)
        frame = noisy(frame_of(jug, pose, number / 30, index=number), random)
        if number == 9:
            before = len(tracker._tracks["demo_jug"].keyframes)
            frame = dataclasses.replace(frame, color=(frame.color * 0.15).astype(np.uint8))
        found = tracker.step(frame)["demo_jug"]
    assert np.degrees(pose_errors(found.camera_T_object, pose)[1]) < 0.5
    assert [one < BASIN_RAD for one in apart] == [are_kept]
    assert before > 1
    assert (len(tracker._tracks["demo_jug"].keyframes) >= before) == are_kept


def test_two_that_turn_in_one_frame_are_both_followed(jug):
    """Rivals of one object are compared in a frame: the other waits, and stays doubted."""
    axis = START[:3, :3] @ np.linalg.eigh(jug.surface_moments)[1][:, -1]
    other = dataclasses.replace(jug, name="other")
    beside = apply_residual(START, np.array([-0.2, 0.0, 0.1]), np.zeros(3))
    random = np.random.default_rng(0)
    tracker = Tracker([jug, other], TrackerConfig(network="never", **OFFLINE))
    tracker.start("demo_jug", START)
    tracker.start("other", beside)
    for number in range(KNOWN + 5):
        turn = np.zeros(3) if number < KNOWN else np.radians(90) * axis
        poses = [apply_residual(pose, np.zeros(3), turn, jug.center_m) for pose in (START, beside)]
        one, two = (frame_of(jug, pose, number / 30, index=number) for pose in poses)
        is_two = (two.depth < one.depth)[..., None]
        both = dataclasses.replace(one, color=np.where(is_two, two.color, one.color), depth=np.minimum(one.depth, two.depth))
        results = tracker.step(noisy(both, random))
    for name, pose in zip(("demo_jug", "other"), poses):
        assert np.degrees(pose_errors(results[name].camera_T_object, pose)[1]) < 0.5
