"""Rigid transforms: group laws, closed forms and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.linalg import expm

from pose_tracker_ros import geometry, geometry_torch

vectors = arrays(np.float64, 3, elements=st.floats(-2, 2, width=32))
directions = vectors.filter(lambda v: np.linalg.norm(v) > 1e-2).map(lambda v: v / np.linalg.norm(v))
angles = st.floats(1e-3, np.pi - 1e-3)


@st.composite
def poses(draw):
    return geometry.make_pose(geometry.so3_exp(draw(directions) * draw(angles)), draw(vectors))


def hat(v):
    return np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])


@given(vectors)
def test_so3_exp_is_the_matrix_exponential(vector):
    assert geometry.so3_exp(vector) == pytest.approx(expm(hat(vector)), abs=1e-9)


@given(directions, angles)
def test_so3_log_inverts_so3_exp_below_a_half_turn(direction, angle):
    assert geometry.so3_log(geometry.so3_exp(direction * angle)) == pytest.approx(direction * angle, abs=1e-6)
    assert geometry.rotation_angle(geometry.so3_exp(direction * angle)) == pytest.approx(angle, abs=1e-6)


def test_so3_exp_and_log_keep_batch_shapes():
    vectors = np.random.default_rng(0).uniform(-1, 1, (2, 5, 3))
    rotations = geometry.so3_exp(vectors)
    assert rotations.shape == (2, 5, 3, 3)
    assert geometry.so3_log(rotations) == pytest.approx(vectors, abs=1e-9)


@given(poses())
def test_invert_is_the_matrix_inverse(pose):
    assert geometry.invert(pose) == pytest.approx(np.linalg.inv(pose), abs=1e-9)
    assert geometry.is_pose(geometry.invert(pose))


def test_invert_takes_batches():
    batch = np.stack(
        [geometry.make_pose(geometry.so3_exp(np.array([a, 0.2, 0])), np.array([a, 1, 2])) for a in (0.1, 2.0)]
    )
    assert geometry.invert(batch) == pytest.approx(np.linalg.inv(batch), abs=1e-12)


def test_transform_points_turns_about_z_and_then_shifts():
    pose = geometry.make_pose(geometry.so3_exp(np.array([0, 0, np.pi / 2])), np.array([10.0, 0, 0]))
    assert geometry.transform_points(pose, np.array([[1.0, 0, 0]])) == pytest.approx(np.array([[10.0, 1.0, 0]]))


@given(directions, angles)
def test_quaternion_is_x_y_z_w_of_the_half_angle(direction, angle):
    quaternion = np.array([*(direction * np.sin(angle / 2)), np.cos(angle / 2)])
    rotation = geometry.so3_exp(direction * angle)
    assert geometry.matrix_from_quaternion(quaternion) == pytest.approx(rotation, abs=1e-9)
    assert geometry.matrix_from_quaternion(-3 * quaternion) == pytest.approx(rotation, abs=1e-9)
    assert geometry.quaternion_from_matrix(rotation) == pytest.approx(quaternion, abs=1e-6)


@pytest.mark.parametrize("quaternion", [[0, 0, 0, 0], [np.nan, 0, 0, 1], [0, np.inf, 0, 1]])
def test_a_quaternion_without_direction_is_refused(quaternion):
    with pytest.raises(ValueError, match=r"expected a quaternion \(x, y, z, w\)"):
        geometry.matrix_from_quaternion(np.array(quaternion))


@pytest.mark.parametrize(
    "matrix",
    [
        np.eye(3),
        np.diag([1.0, 1.0, -1.0, 1.0]),
        np.diag([2.0, 2.0, 2.0, 1.0]),
        np.full((4, 4), np.nan),
        np.eye(4) + np.eye(4)[[3, 0, 1, 2]].T * 0.1,
    ],
    ids=["3x3", "mirrored", "scaled", "nan", "sheared"],
)
def test_what_is_no_rigid_transform_is_no_pose(matrix):
    assert not geometry.is_pose(matrix)


@given(poses(), vectors, directions, angles, vectors)
def test_residual_moves_the_centre_and_turns_about_it(pose, translation, direction, angle, center):
    moved = geometry.apply_residual(pose, translation, direction * angle, center)
    centers = [(p @ [*center, 1])[:3] for p in (pose, moved)]
    assert centers[1] - centers[0] == pytest.approx(translation, abs=1e-9)
    assert moved[:3, :3] == pytest.approx(expm(hat(direction * angle)) @ pose[:3, :3], abs=1e-9)


@given(poses(), poses(), vectors)
def test_residual_between_takes_one_pose_to_the_other(start, goal, center):
    reached = geometry.apply_residual(start, *geometry.residual_between(start, goal, center), center)
    assert reached == pytest.approx(goal, abs=1e-6)


def test_without_a_centre_the_residual_is_about_the_origin():
    pose = geometry.make_pose(geometry.so3_exp(np.array([0.3, 0, 1.0])), np.array([0.1, 0.2, 0.7]))
    moved = geometry.apply_residual(pose, np.array([0, 0, 0.01]), np.array([0, 0.5, 0]))
    assert moved[:3, 3] == pytest.approx([0.1, 0.2, 0.71])


def test_pose_errors_are_metres_and_radians():
    truth = geometry.make_pose(geometry.so3_exp(np.array([0.4, -0.2, 0.9])), np.array([0.0, 0, 1]))
    estimate = geometry.apply_residual(truth, np.array([0.03, 0, 0.04]), np.array([0, 0.25, 0]))
    assert geometry.pose_errors(estimate, truth) == pytest.approx((0.05, 0.25))


def test_random_rotations_are_uniform():
    """Under the uniform distribution every entry has mean 0 and mean square 1/3."""
    generator = np.random.default_rng(5)
    rotations = np.stack([geometry.random_rotation(generator) for _ in range(4000)])
    assert rotations.mean(axis=0) == pytest.approx(np.zeros((3, 3)), abs=0.04)
    assert (rotations**2).mean(axis=0) == pytest.approx(np.full((3, 3), 1 / 3), abs=0.03)
    assert np.linalg.det(rotations) == pytest.approx(1.0)
    lengths = [np.linalg.norm(geometry.random_unit_vector(generator)) for _ in range(10)]
    assert lengths == pytest.approx([1.0] * 10)


def test_torch_exponential_agrees_with_scipy_and_has_its_derivative_at_zero():
    vectors = np.random.default_rng(1).uniform(-2, 2, (4, 3))
    rotations = geometry_torch.so3_exp_torch(torch.tensor(vectors)).numpy()
    assert rotations == pytest.approx(np.stack([expm(hat(v)) for v in vectors]), abs=1e-9)
    jacobian = torch.autograd.functional.jacobian(geometry_torch.so3_exp_torch, torch.zeros(3, dtype=torch.float64))
    for axis in range(3):
        assert jacobian[..., axis].numpy() == pytest.approx(hat(np.eye(3)[axis]), abs=1e-9)


def test_hat_is_the_cross_product():
    a, b = torch.tensor([1.0, -2.0, 3.0]), torch.tensor([0.5, 4.0, -1.0])
    assert (geometry_torch.hat_torch(a) @ b).tolist() == pytest.approx(np.cross(a, b).tolist())


@pytest.mark.parametrize("direction", [(0, 0, 1), (0.3, -0.2, 1), (0, 2, 0), (-0.5, 0.1, -0.4)])
def test_the_smallest_rotation_that_points_the_optical_axis_somewhere(direction):
    direction = np.array(direction, float)
    rotation = geometry.rotation_towards(direction)
    unit = direction / np.linalg.norm(direction)
    np.testing.assert_allclose(rotation @ [0, 0, 1], unit, atol=1e-12)
    assert geometry.rotation_angle(rotation) == pytest.approx(np.arccos(unit[2]), abs=1e-7)
