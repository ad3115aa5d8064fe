"""The geometric polish against poses that are known exactly."""

import numpy as np
import pytest
from tracking_scenes import START, crop_at, frame_of

from pose_tracker_ros.geometry import apply_residual, pose_errors
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.tracking.fusion import Measurement, fuse
from pose_tracker_ros.tracking.refine import polish


@pytest.fixture(scope="module")
def cube():
    """A shape whose three visible faces fix all six degrees of freedom."""
    return load_object("cube")


def moved(model, pose, polished):
    return apply_residual(pose, polished.motion[:3], polished.motion[3:], model.center_m)


def test_finds_back_to_the_observed_pose(cube):
    start = apply_residual(START, np.array([0.004, -0.005, 0.006]), np.radians([2.0, -3.0, 2.0]), cube.center_m)
    polished = polish(crop_at(cube, frame_of(cube, START), start), 15)
    translation, rotation = pose_errors(moved(cube, start, polished), START)
    assert translation < 0.001
    assert np.degrees(rotation) < 0.5


def test_an_occluder_does_not_pull(cube):
    start = apply_residual(START, np.array([0.002, 0.002, 0.004]), np.radians([1.0, -1.0, 1.0]), cube.center_m)
    frame = frame_of(cube, START, bar=(160, 185))
    translation, rotation = pose_errors(moved(cube, start, polish(crop_at(cube, frame, start), 15)), START)
    assert translation < 0.002
    assert np.degrees(rotation) < 1.0


def test_a_strong_prior_holds_the_pose(cube):
    start = apply_residual(START, np.array([0.0, 0.0, 0.006]), np.zeros(3), cube.center_m)
    crop = crop_at(cube, frame_of(cube, START), start)
    prior = np.eye(6) * 1e12
    motion, _ = fuse(prior, polish(crop, 10, Measurement(np.zeros(6), prior)))
    assert np.linalg.norm(motion) < 1e-4


def test_fusion_is_the_mean_weighted_by_information():
    polished = Measurement(np.array([0.01, 0, 0, 0, 0.1, 0]), np.eye(6) * 3e6)
    motion, information = fuse(np.eye(6) * 1e6, polished)
    assert motion == pytest.approx([0.0075, 0, 0, 0, 0.075, 0], rel=1e-3)
    assert np.allclose(information, np.eye(6) * 4e6)


def test_a_biased_camera_is_trusted_no_further_than_its_bias(cube):
    crop = crop_at(cube, frame_of(cube, START), START)
    exact, biased = polish(crop, 10), polish(crop, 10, depth_bias_m=0.005)
    deviation = np.sqrt(np.diag(np.linalg.inv(biased.information)))
    assert np.linalg.inv(exact.information)[2, 2] < 0.002**2
    assert deviation[2] >= 0.005
    assert deviation[3] >= 0.005 / cube.diameter_m


def test_without_depth_the_pose_stays(cube):
    frame = frame_of(cube, START)
    crop = crop_at(cube, frame, START)._replace(depth=np.zeros((128, 128), np.float32))
    polished = polish(crop, 10)
    assert not polished.motion.any()
    assert not polished.information.any()
