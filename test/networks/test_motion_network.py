"""What a network says: nearer to the truth, alone as among others, with the certainty that it deserves."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import shapes
from tracking_scenes import START, frame_of

from pose_tracker_ros.evaluation.track import perturbed
from pose_tracker_ros.geometry import make_pose, residual_between, so3_exp
from pose_tracker_ros.networks.calibration import PLACE_DEVIATION_D
from pose_tracker_ros.networks.motion_network import MotionNetwork, shared_covariance
from pose_tracker_ros.objects import ObjectModel, generic_weights_path, load_object
from pose_tracker_ros.rendering.raster import RasterRenderer
from pose_tracker_ros.symmetries import ContinuousSymmetry

RANGE_M = (0.1, 4.0)


@pytest.fixture(scope="module")
def cube():
    """The object and its renderer."""
    model = load_object("cube")
    return model, RasterRenderer(model.mesh)


@pytest.fixture(scope="module")
def network():
    """The one that fits any object."""
    return MotionNetwork.load(generic_weights_path(), "cpu", "torch")


def test_the_motion_leads_to_the_object_and_the_information_says_how_far(cube, network, one_thread):
    model, renderer = cube
    start = perturbed(model, START, 0.1 * model.diameter_m, 12.0)
    (motion,) = network.predict(frame_of(model, START), [(model, renderer, start)], RANGE_M)
    truth = np.concatenate(residual_between(start, START, model.center_m))
    assert np.linalg.norm(motion.motion[:3] - truth[:3]) < 0.25 * np.linalg.norm(truth[:3])
    assert np.linalg.norm(motion.motion[3:] - truth[3:]) < 0.25 * np.linalg.norm(truth[3:])
    # Never surer than the errors that all pixels share, and not much less on a perfect image: a deviation of three times as much, since it is
    # calibrated on pairs as far off as first poses are, fully spoilt (432 cells as one; those of before, not calibrated, said 20).
    covariance = np.linalg.inv(motion.information)
    shared = shared_covariance(model, start)
    assert np.linalg.eigvalsh(covariance - shared)[0] > 0
    assert (np.diag(covariance) < 12 * np.diag(shared)).all()


def test_calibration_counts_for_frames_with_depth_and_for_those_without(cube, network, one_thread):
    model, renderer = cube
    frame, question = frame_of(model, START), [(model, renderer, START)]
    doubtful = MotionNetwork(network._inference, dataclasses.replace(network.info, correlated_cells_without_depth=2000.0))
    with_depth, doubted_with_depth = (one.predict(frame, question, RANGE_M)[0] for one in (network, doubtful))
    assert np.array_equal(with_depth.information, doubted_with_depth.information)
    without, doubted = (one.predict(frame.without_depth(), question, RANGE_M)[0] for one in (network, doubtful))
    assert np.array_equal(without.motion, doubted.motion)
    assert np.linalg.eigvalsh(without.information - doubted.information)[0] > 0


def test_a_batch_says_the_same_as_its_parts_and_nothing_of_what_is_out_of_sight(cube, network, one_thread):
    model, renderer = cube
    frame = frame_of(model, START)
    aside, behind = START.copy(), START.copy()
    aside[0, 3], behind[2, 3] = 0.12, -0.6
    places = [(model, renderer, pose) for pose in (START, behind, aside)]
    together = network.predict(frame, places, RANGE_M)
    assert not together[1].motion.any() and not together[1].information.any()
    for place, motion in zip(places, together):
        (alone,) = network.predict(frame, [place], RANGE_M)
        assert motion.motion == pytest.approx(alone.motion, abs=1e-5)
        assert motion.information == pytest.approx(alone.information, rel=1e-3, abs=1.0)


def test_a_rod_is_less_sure_of_its_own_turn_than_a_cube_by_its_surface():
    """Of a box with sides a, b, c the surface's mean square distance from an axis is known in closed form."""
    sides = np.array([0.04, 0.04, 0.3])
    mesh = shapes.cube(1.0)
    model = ObjectModel.from_mesh("rod", dataclasses.replace(mesh, vertices=mesh.vertices * sides.astype(np.float32)))
    rotation = so3_exp(np.array([0.3, -1.1, 0.4]))
    covariance = shared_covariance(model, make_pose(rotation, np.array([0.1, 0.2, 0.7])))
    a, b, c = sides
    faces = np.array([b * c, a * c, a * b])
    squares = [
        (faces[axis] * sides[axis] ** 2 / 4 + (faces.sum() - faces[axis]) * sides[axis] ** 2 / 12) / faces.sum()
        for axis in range(3)
    ]
    turn = rotation.T @ covariance[3:, 3:] @ rotation
    place_m = PLACE_DEVIATION_D * model.diameter_m
    assert covariance[:3, :3] == pytest.approx(place_m**2 * np.eye(3))
    expected = [place_m**2 / (sum(squares) - square) for square in squares]
    # But for what no lever is shorter than.
    assert np.diag(turn) == pytest.approx(expected, rel=0.05)
    assert turn[2, 2] > 10 * turn[0, 0]


def test_a_network_can_add_where_it_is_surer_and_not_about_a_turn_that_no_image_tells(cube, network):
    model, _ = cube
    sure = 0.5 * shared_covariance(model, START)
    assert not network.may_add(model, START, sure)
    axis = np.array([0.0, 0.6, 0.8])
    turn = np.concatenate([np.zeros(3), START[:3, :3] @ axis])
    unsure = sure + np.outer(turn, turn)
    assert network.may_add(model, START, unsure)
    round_one = dataclasses.replace(model, continuous_symmetries=(ContinuousSymmetry(axis, model.center_m),))
    assert not network.may_add(round_one, START, unsure)
    assert network.may_add(round_one, START, unsure + np.diag([1e-2, 0, 0, 0, 0, 0]))
