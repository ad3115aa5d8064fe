"""Which of two poses counts where a motion is expected: one near it, and one that a network led to."""

from types import SimpleNamespace

import numpy as np
import pytest
from tracking_scenes import START

from pose_tracker_ros.geometry import apply_residual
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.tracking.motion import Motion
from pose_tracker_ros.tracking.network_factor import likelier
from pose_tracker_ros.tracking.track import VAGUE, Expectation

# Deviation of where it is expected, metres and radians.
DEVIATION = 0.005
EXPECTED = Expectation(START, np.eye(6) / DEVIATION**2, Motion())


@pytest.fixture(scope="module")
def cube():
    return load_object("cube")


def found(deviations, merit, motion=None):
    """A pose so many deviations to the right of where it is expected."""
    pose = apply_residual(START, np.array([deviations * DEVIATION, 0, 0]), np.zeros(3))
    one = SimpleNamespace(camera_T_object=pose, merit=merit, expected=Expectation(pose, VAGUE, motion), name=merit)
    one.moved_as = lambda expected, model: SimpleNamespace(**{**vars(one), "expected": expected})
    return one


@pytest.mark.parametrize(("gain", "chosen"), [(0.7, "near"), (3.0, "near"), (3.7, "far"), (30.0, "far")])
def test_a_jump_has_to_be_28_times_as_likely(cube, gain, chosen):
    """The logarithm of 28 is 3.3."""
    near, far = found(0, 0.0, EXPECTED.motion), found(7, gain)
    assert likelier(near, far, EXPECTED, cube).merit == {"near": near, "far": far}[chosen].merit


@pytest.mark.parametrize(("deviations", "goes_on"), [(0.5, True), (2.5, True), (2.7, False), (7, False)])
def test_what_rather_moved_goes_on_and_what_jumped_may_go_anywhere(cube, deviations, goes_on):
    """From 2.57 deviations on a jump is likelier."""
    best = likelier(found(0, 0.0, EXPECTED.motion), found(deviations, 10.0), EXPECTED, cube)
    assert best.merit == 10.0 and (best.expected is EXPECTED) is goes_on


def test_without_a_motion_the_likelihood_decides(cube):
    near, far = found(0, 0.0), found(50, 0.1)
    assert likelier(near, far, EXPECTED._replace(motion=None), cube) is far
    assert likelier(near, None, EXPECTED, cube).merit == near.merit
