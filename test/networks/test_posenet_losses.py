"""The losses of camera pose regression on answers that are known."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from pose_tracker_ros.networks.posenet import CameraPoses
from pose_tracker_ros.networks.posenet_losses import (
    PoseLoss,
    PoseTruth,
    beta_loss,
    learned_loss,
    reprojection_loss,
    rotation_of,
)

FOCAL = (100.0, 110.0)


def truth_of(rotations, positions, points=None):
    points = torch.zeros(len(positions), 4, 3) if points is None else points
    return PoseTruth(torch.tensor(positions), torch.from_numpy(rotations.as_quat()).float(), points)


@pytest.fixture
def scene():
    """Three cameras with points before them."""
    generator = np.random.default_rng(0)
    points = torch.from_numpy(generator.uniform((-1, -1, 1.5), (1, 1, 4), (3, 40, 3))).float()
    rotations = Rotation.from_rotvec(generator.normal(0, 0.5, (3, 3)))
    return truth_of(rotations, generator.normal(0, 1, (3, 3)).astype(np.float32), points)


def turned(truth, degrees, axis=(0, 1, 0)):
    turn = Rotation.from_rotvec(np.radians(degrees) * np.array(axis))
    rotations = Rotation.from_quat(truth.quaternion.numpy()) * turn
    return CameraPoses(truth.position, torch.from_numpy(rotations.as_quat()).float())


def test_the_weighted_loss_is_position_plus_beta_times_quaternion():
    truth = truth_of(Rotation.identity(2), [[0.0, 0, 0], [1.0, 1, 1]])
    quaternion = torch.from_numpy(Rotation.from_rotvec([[0, 0, 0.2], [0, 0, 0]]).as_quat()).float()
    poses = CameraPoses(torch.tensor([[3.0, 4, 0], [1.0, 1, 1]]), quaternion)
    # Unit quaternions of rotations by an angle a lie 2 sin(a / 4) apart.
    expected = torch.tensor([5 + 500 * 2 * math.sin(0.05), 0.0])
    torch.testing.assert_close(beta_loss(poses, truth, 500.0), expected)


def test_a_quaternion_and_its_negative_are_one_rotation(scene):
    poses = CameraPoses(scene.position, -scene.quaternion)
    torch.testing.assert_close(beta_loss(poses, scene, 500.0), torch.zeros(3))


def test_learned_weights_settle_at_the_logarithms_of_the_losses():
    """Residuals of 0.5 and 0.02 (sums of absolute errors) give s = ln 0.5 and ln 0.02; the loss may be negative."""
    truth = truth_of(Rotation.identity(1), [[0.0, 0, 0]])
    poses = CameraPoses(torch.tensor([[0.3, 0.2, 0.0]]), torch.tensor([[0.02, 0, 0, 1.0]]))
    log_variances = torch.tensor([0.0, -3.0], requires_grad=True)
    optimizer = torch.optim.Adam([log_variances], lr=0.02)
    for _ in range(600):
        optimizer.zero_grad()
        loss = learned_loss(poses, truth, log_variances).sum()
        loss.backward()
        optimizer.step()
    assert log_variances.tolist() == pytest.approx([-0.693, -3.912], abs=0.01)
    assert loss.item() == pytest.approx(2 - 0.693 - 3.912, abs=0.01)


def test_reprojection_is_zero_at_the_truth_and_grows_with_the_error(scene):
    errors = [reprojection_loss(turned(scene, degrees), scene, FOCAL, 1e4) for degrees in (0, 0.5, 1, 2, 4)]
    assert errors[0].max() < 1e-3
    assert all((after > before).all() for before, after in zip(errors, errors[1:]))


def test_reprojection_of_a_known_motion():
    """A point on the axis at 2 m, seen by a camera that is 0.1 m to the right and 0.2 m too low."""
    truth = truth_of(Rotation.identity(1), [[0.0, 0, 0]], torch.tensor([[[0.0, 0, 2], [0, 0, 0]]]))
    poses = CameraPoses(torch.tensor([[0.1, 0.2, 0]]), truth.quaternion)
    assert reprojection_loss(poses, truth, FOCAL, 1e4).item() == pytest.approx(100 * 0.05 + 110 * 0.1)


def test_reprojection_does_not_depend_on_the_frame_of_reference(scene):
    poses = turned(scene, 3)._replace(position=scene.position + 0.05)
    move, offset = Rotation.from_rotvec([0.4, -0.2, 1.0]), torch.tensor([3.0, -2, 1])
    matrix = torch.from_numpy(move.as_matrix()).float()

    def moved(one):
        quaternion = torch.from_numpy((move * Rotation.from_quat(one.quaternion.numpy())).as_quat()).float()
        return one._replace(position=one.position @ matrix.T + offset, quaternion=quaternion)

    before, after = (
        reprojection_loss(poses, scene, FOCAL, 1e4),
        reprojection_loss(moved(poses), moved(scene), FOCAL, 1e4),
    )
    torch.testing.assert_close(before, after, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("offset", [1.0, 2.0, 3.0])
def test_points_at_and_behind_the_camera_count_as_far_off_and_give_finite_gradients(offset):
    truth = truth_of(Rotation.identity(1), [[0.0, 0, 0]], torch.tensor([[[0.1, 0, 1], [0.2, 0, 2], [0, 0, 0]]]))
    position = torch.tensor([[0.0, 0, offset]], requires_grad=True)
    loss = reprojection_loss(CameraPoses(position, truth.quaternion), truth, FOCAL, 50.0).sum()
    loss.backward()
    assert torch.isfinite(position.grad).all()
    assert 25 <= loss.item() <= 50


def test_images_without_points_cost_nothing():
    truth = truth_of(Rotation.identity(1), [[0.0, 0, 0]])
    assert reprojection_loss(CameraPoses(torch.ones(1, 3), truth.quaternion), truth, FOCAL, 50.0).item() == 0


def test_rotations_of_quaternions_are_those_of_scipy(scene):
    expected = Rotation.from_quat(scene.quaternion.numpy()).as_matrix()
    np.testing.assert_allclose(rotation_of(scene.quaternion).numpy(), expected, atol=1e-6)


def test_auxiliary_heads_count_three_tenths(scene):
    right, wrong = turned(scene, 0), turned(scene, 5)
    loss = PoseLoss("beta", 250.0, FOCAL, 96.0)
    alone = loss((wrong,), scene).mean()
    assert loss((wrong, right, wrong), scene).mean().item() == pytest.approx(1.3 * alone.item(), rel=1e-5)


def test_the_geometric_loss_begins_with_learned_weights(scene):
    poses = (turned(scene, 5),)
    geometric, learned = (PoseLoss(name, 0.0, FOCAL, 96.0) for name in ("geometric", "learned"))
    assert geometric(poses, scene).mean() == learned(poses, scene).mean()
    geometric.begun = True
    expected = reprojection_loss(poses[0], scene, FOCAL, 96.0).mean()
    torch.testing.assert_close(geometric(poses, scene).mean(), expected)
