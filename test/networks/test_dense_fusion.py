"""DenseFusion's geometry and losses against exact answers, and what its network must not depend on."""

import math

import numpy as np
import pytest
import torch

from pose_tracker_ros.evaluation.metrics import add_errors, adds_errors
from pose_tracker_ros.geometry import make_pose
from pose_tracker_ros.geometry_torch import so3_exp_torch
from pose_tracker_ros.networks.architectures import create_network
from pose_tracker_ros.networks.dense_fusion import (
    DenseFusion,
    FusionInput,
    compose,
    confidence_weighted,
    embedding_of_points,
    pose_distances,
    rotation_from_6d,
    to_object_frame,
)
from pose_tracker_ros.networks.fusion_weights import FusionInfo, load_fusion_weights, save_fusion_weights
from pose_tracker_ros.networks.weights import save_weights
from pose_tracker_ros.networks.weights_info import WeightsInfo

RESOLUTION, POINTS = 32, 64
INFO = FusionInfo("thing", 0.15, RESOLUTION, 1.3, POINTS, symmetric=False, examples=7)


def random_poses(count, turn=math.pi, offset=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    axes = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator, dtype=torch.float64), dim=1)
    angles = turn * torch.rand(count, 1, generator=generator, dtype=torch.float64)
    return so3_exp_torch(axes * angles), offset * torch.randn(count, 3, generator=generator, dtype=torch.float64)


def random_points(count=200, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, generator=generator, dtype=torch.float64) * torch.tensor([0.1, 0.2, 0.05])


def random_input(batch=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(batch, 5, RESOLUTION, RESOLUTION, generator=generator)
    image[:, :3] *= 255
    choose = torch.stack([torch.randperm(RESOLUTION**2, generator=generator)[:POINTS] for _ in range(batch)])
    return FusionInput(image, torch.randn(batch, POINTS, 3, generator=generator) * 0.3, choose)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = DenseFusion().train()
    with torch.no_grad():
        for seed in range(3):
            network(random_input(8, seed))
    return network.eval()


@pytest.mark.parametrize("symmetric", [False, True])
def test_distance_is_zero_at_the_truth_and_the_same_in_every_frame(symmetric):
    points, truth, estimate = random_points(), random_poses(4), random_poses(4, seed=5)

    def distance(pose, target):
        return pose_distances(pose[0][:, None], pose[1][:, None], *target, points, symmetric)

    assert distance(truth, truth).max() < 1e-7
    motion = random_poses(4, seed=9)
    moved = distance(compose(*motion, *estimate), compose(*motion, *truth))
    assert torch.allclose(moved, distance(estimate, truth), rtol=1e-9)
    assert (distance(estimate, truth) > 0.1).all()


def test_distances_are_those_of_the_evaluation():
    points, truth, estimate = random_points(), random_poses(5, offset=0.1), random_poses(5, offset=0.1, seed=3)
    poses = [
        np.stack([make_pose(rotation.numpy(), translation.numpy()) for rotation, translation in zip(*pose)])
        for pose in (estimate, truth)
    ]
    for symmetric, errors in ((False, add_errors), (True, adds_errors)):
        distance = pose_distances(estimate[0][:, None], estimate[1][:, None], *truth, points, symmetric)[:, 0]
        assert np.allclose(distance, errors(*poses, points.numpy()), atol=1e-9)
    nearest = pose_distances(estimate[0][:, None], estimate[1][:, None], *truth, points, True)
    corresponding = pose_distances(estimate[0][:, None], estimate[1][:, None], *truth, points, False)
    assert (nearest <= corresponding).all()


def test_a_half_turn_of_a_symmetric_box_is_no_error_to_nearest_points():
    corner = random_points(60)
    points = torch.cat([corner, corner * torch.tensor([-1.0, -1.0, 1.0])])
    half_turn = torch.diag(torch.tensor([-1.0, -1.0, 1.0], dtype=torch.float64))
    rotation, translation = random_poses(1)
    turned = (rotation @ half_turn)[:, None]
    assert pose_distances(turned, translation[:, None], rotation, translation, points, True).max() < 1e-6
    assert pose_distances(turned, translation[:, None], rotation, translation, points, False).min() > 0.1


def test_nearest_points_are_searched_from_the_truth_to_the_estimate():
    """A far model point of the estimate is nobody's nearest; seen the other way it would count."""
    points = torch.tensor([[0.0, 0, 0], [0.0, 0, 0], [1.0, 0, 0]], dtype=torch.float64)
    eye, zero = torch.eye(3, dtype=torch.float64)[None], torch.zeros(1, 3, dtype=torch.float64)
    turned = torch.diag(torch.tensor([-1.0, -1.0, 1.0], dtype=torch.float64))[None]
    shifted = torch.tensor([[0.4, 0.0, 0.0]], dtype=torch.float64)
    # Estimated points are at 0.4, 0.4 and -0.6, the true ones at 0, 0 and 1.
    distance = pose_distances(turned[:, None], shifted[:, None], eye, zero, points, True)
    assert distance.item() == pytest.approx((0.4 + 0.4 + 0.6) / 3)


@pytest.mark.parametrize("symmetric", [False, True])
def test_gradient_at_the_truth_is_finite(symmetric):
    rotation, translation = random_poses(1)
    moving = translation.clone().requires_grad_()
    pose_distances(
        rotation[:, None], moving[:, None], rotation, translation, random_points(), symmetric
    ).sum().backward()
    assert torch.isfinite(moving.grad).all()


@pytest.mark.parametrize(("distance", "best"), [(0.030, 0.5), (0.015, 1.0), (0.060, 0.25)])
def test_least_loss_is_at_confidence_weight_by_distance(distance, best):
    """With w = 15 mm as published; c = w / d up to 1."""
    weight = 0.015
    confidence = torch.linspace(-12, 12, 20_001, dtype=torch.float64)
    losses = torch.stack([confidence_weighted(torch.tensor(distance), value, weight) for value in confidence[::10]])
    found = confidence[::10][losses.argmin()].sigmoid()
    assert found == pytest.approx(best, abs=3e-3)
    for side, sign in ((0.9, -1), (1.1, 1)):
        if best * side < 1:
            value = torch.logit(torch.tensor(best * side, dtype=torch.float64)).requires_grad_()
            confidence_weighted(torch.tensor(distance), value, weight).backward()
            assert torch.sign(value.grad) == sign


def test_the_loss_scales_with_the_unit_only_when_its_weight_does():
    """The weight is a length: millimetres with a weight in metres make the loss another one, which broke users."""
    points, truth, estimate = random_points(), random_poses(4, offset=0.1), random_poses(4, offset=0.1, seed=3)
    confidence = torch.linspace(-2, 2, 4, dtype=torch.float64)[:, None]

    def loss(unit, weight):
        distance = pose_distances(
            estimate[0][:, None], unit * estimate[1][:, None], truth[0], unit * truth[1], unit * points, False
        )
        return confidence_weighted(distance, confidence, weight).item()

    assert loss(1000, 1000 * 0.015) == pytest.approx(1000 * loss(1, 0.015))
    assert loss(1000, 0.015) != pytest.approx(1000 * loss(1, 0.015), rel=0.01)


def test_one_perfect_residual_leads_to_the_truth():
    truth, start = random_poses(50), random_poses(50, seed=2)
    residual = relative(start, truth)
    rotation, translation = compose(*start, *residual)
    assert (rotation - truth[0]).abs().max() < 1e-9
    assert (translation - truth[1]).abs().max() < 1e-9


def test_residuals_compose_on_the_right_and_not_in_reverse_order():
    truth = random_poses(1000, offset=0.3)
    start = compose(*truth, *random_poses(1000, turn=math.radians(20), offset=0.05, seed=4))
    half = random_poses(1000, turn=math.radians(20), offset=0.05, seed=6)
    rest = relative(compose(*start, *half), truth)
    right = compose(*compose(*start, *half), *rest)
    assert (right[1] - truth[1]).abs().max() < 1e-9
    reverse = compose(*compose(*rest, *half), *start)
    assert (reverse[1] - truth[1]).norm(dim=1).median() > 0.05


def test_points_move_to_the_object_frame_that_the_residual_is_in():
    """Model points seen at the true pose, moved by a wrong pose's inverse, are the model moved by the residual."""
    truth, start, model = random_poses(3), random_poses(3, seed=8), random_points(50)
    seen = model @ truth[0].transpose(1, 2) + truth[1][:, None]
    rotation, translation = relative(start, truth)
    expected = model @ rotation.transpose(1, 2) + translation[:, None]
    assert torch.allclose(to_object_frame(seen, *start), expected, atol=1e-9)


def relative(start, truth):
    """The residual dT = start^-1 truth."""
    inverse = start[0].transpose(1, 2)
    return inverse @ truth[0], (inverse @ (truth[1] - start[1])[..., None])[..., 0]


def test_rotations_stay_rotations():
    numbers = torch.randn(20, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rotation, translation = rotation_from_6d(numbers), torch.zeros(20, 3, dtype=torch.float64)
    for seed in range(100):
        rotation, translation = compose(rotation, translation, *random_poses(20, turn=0.3, seed=seed))
    assert (rotation @ rotation.transpose(1, 2) - torch.eye(3)).abs().max() < 1e-6
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(20, dtype=torch.float64), atol=1e-6)
    again = rotation_from_6d(torch.cat([rotation[..., 0], rotation[..., 1]], dim=-1).float())
    assert (again - rotation).abs().max() < 1e-6


def test_every_point_has_the_embedding_of_its_own_pixel():
    grid = torch.arange(RESOLUTION // 2 * RESOLUTION // 2, dtype=torch.float32)
    embedding = torch.stack([grid, grid + 1000]).reshape(1, 2, RESOLUTION // 2, RESOLUTION // 2)
    row, column = torch.tensor([0, 1, 4, 31]), torch.tensor([0, 3, 31, 30])
    picked = embedding_of_points(embedding, (row * RESOLUTION + column)[None], RESOLUTION)
    expected = (row // 2 * (RESOLUTION // 2) + column // 2).float()
    assert torch.equal(picked[0], torch.stack([expected, expected + 1000], dim=1))


def test_translation_is_an_offset_from_the_point(network):
    inputs = random_input()
    last = network.translation_head[-1]
    kept = last.weight.detach().clone(), last.bias.detach().clone()
    try:
        with torch.no_grad():
            last.weight.zero_()
            last.bias.copy_(torch.tensor([0.1, 0.2, 0.3]))
            translation = network(inputs).translation
    finally:
        with torch.no_grad():
            last.weight.copy_(kept[0])
            last.bias.copy_(kept[1])
    assert torch.allclose(translation, inputs.points + torch.tensor([0.1, 0.2, 0.3]), atol=1e-6)


@torch.no_grad()
def test_the_order_of_points_does_not_matter(network):
    inputs = random_input()
    order = torch.randperm(POINTS, generator=torch.Generator().manual_seed(3))
    plain = network(inputs)
    permuted = network(inputs._replace(points=inputs.points[:, order], choose=inputs.choose[:, order]))
    for before, after in zip(plain[:3], permuted[:3]):
        assert torch.allclose(before[:, order], after, atol=1e-5)
    for before, after in zip(plain.best(), permuted.best()):
        assert torch.allclose(before, after, atol=1e-5)


@torch.no_grad()
def test_a_batch_gives_what_its_members_give(network):
    inputs = random_input()
    together = network(inputs)
    for index in range(3):
        alone = network(FusionInput(*(part[index : index + 1] for part in inputs)))
        for whole, part in zip(together, alone):
            assert torch.allclose(whole[index : index + 1], part, atol=1e-4)
    assert together.rotation.shape == (3, POINTS, 3, 3)
    assert network(inputs, 5).translation.shape == (3, 5, 3)
    assert together.embedding.shape[:2] == network(inputs, 5).embedding.shape[:2] == (3, POINTS)


@torch.no_grad()
def test_colours_off_the_mask_are_not_seen(network):
    inputs = random_input()
    inputs.image[:, 3] = (inputs.image[:, 3] > 0.5).float()
    other = inputs.image.clone()
    other[:, :3] = torch.where(other[:, 3:4] > 0, other[:, :3], torch.tensor(255.0))
    assert torch.equal(network(inputs).translation, network(inputs._replace(image=other)).translation)


@torch.no_grad()
def test_the_best_proposal_is_the_most_confident(network):
    answer = network(random_input())
    rotation, translation = answer.best()
    for index, most in enumerate(answer.confidence.argmax(dim=1)):
        assert torch.equal(rotation[index], answer.rotation[index, most])
        assert torch.equal(translation[index], answer.translation[index, most])


@torch.no_grad()
def test_an_untrained_refinement_leaves_the_pose_where_it_is():
    network, inputs = DenseFusion().eval(), random_input()
    rotation, translation = (part.float() for part in random_poses(3))
    refined = network.refine(inputs.points, torch.zeros(3, POINTS, 32), rotation, translation)
    assert torch.allclose(refined[0], rotation, atol=1e-5)
    assert torch.allclose(refined[1], translation, atol=1e-5)


@pytest.fixture
def weights(network, tmp_path):
    path = tmp_path / "dense_fusion.safetensors"
    save_fusion_weights(path, network, INFO)
    return path


@torch.no_grad()
def test_weights_come_back_as_they_were_saved(network, weights):
    loaded, info = load_fusion_weights(weights)
    assert (info.object_name, info.diameter_m, info.resolution, info.points) == ("thing", 0.15, RESOLUTION, POINTS)
    assert info.examples == 7
    assert torch.allclose(loaded(random_input()).translation, network(random_input()).translation, atol=5e-3)
    assert weights.stat().st_size < 5e6


def test_faulty_weights_are_refused_with_a_reason(weights, tmp_path):
    with pytest.raises(FileNotFoundError, match="train-initializer"):
        load_fusion_weights(tmp_path / "none.safetensors")
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="complete safetensors"):
        load_fusion_weights(weights)
    other = tmp_path / "residual.safetensors"
    save_weights(other, create_network("compact", 0.2, 0.3), WeightsInfo({}, "compact", 64, 1.5, 0.2, 0.3))
    with pytest.raises(ValueError, match="DenseFusion weights of this package"):
        load_fusion_weights(other)


def test_weights_say_which_object_they_are_for(weights):
    _, info = load_fusion_weights(weights)
    info.check_object("thing", 0.1505, weights)
    with pytest.raises(ValueError, match="trained for 'thing'"):
        info.check_object("other", 0.15, weights)
    with pytest.raises(ValueError, match="diameter"):
        info.check_object("thing", 0.18, weights)
