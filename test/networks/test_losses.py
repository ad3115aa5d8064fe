"""Losses against values known in closed form, and gradient descent on them against the true residual."""

import math

import pytest
import torch
from dome import dome_crops, random_residual

from pose_tracker_ros.networks.architectures import create_network
from pose_tracker_ros.networks.crops import Residual
from pose_tracker_ros.networks.losses import POINT_STRIDE, TrueMotion, pixel_likelihood, point_distance, squared_error
from pose_tracker_ros.networks.rigid_fit import fit_rigid_motion, pixel_motion, surface_points
from pose_tracker_ros.training.optimisation import TrainingLoss

pytestmark = pytest.mark.usefixtures("one_thread")
ZERO = torch.zeros(2, 3)


def residual(translation, rotation):
    return Residual(translation, rotation, torch.zeros(len(translation), 6, 6))


def test_points_of_the_true_residual_are_where_they_belong():
    translation, rotation = random_residual()
    loss = point_distance(residual(translation, rotation), dome_crops(), translation, rotation).mean()
    assert loss < 1e-6


def test_point_distance_of_a_translation_is_its_length_in_diameters():
    crops = dome_crops()
    offset = torch.tensor([[0.003, 0.0, 0.004], [0.0, 0.012, 0.005]])
    loss = point_distance(residual(offset, ZERO), crops, ZERO, ZERO).mean()
    assert loss == pytest.approx((0.005 + 0.013) / 2 / 0.15, rel=1e-5)


def test_point_distance_of_a_turn_is_the_mean_chord_about_the_axis():
    crops, angle = dome_crops(), 0.2
    axis = torch.nn.functional.normalize(torch.tensor([1.0, 2.0, -1.0]), dim=0)
    turn = (angle * axis).expand(2, 3)
    _, points, mask = surface_points(crops, POINT_STRIDE)
    from_axis = (points - (points @ axis)[..., None] * axis).norm(dim=-1)
    chords = 2 * math.sin(angle / 2) * from_axis[mask].mean()
    assert point_distance(residual(ZERO, turn), crops, ZERO, ZERO).mean() == pytest.approx(chords.item(), rel=1e-4)


def test_point_distance_depends_on_where_the_truth_is_not_on_the_order():
    """ADD is symmetric: what is the truth and what the estimate does not matter, what is between them does."""
    crops, (translation, rotation) = dome_crops(), random_residual()
    one = point_distance(residual(translation, rotation), crops, ZERO, ZERO).mean()
    other = point_distance(residual(ZERO, ZERO), crops, translation, rotation).mean()
    assert one == pytest.approx(other.item(), rel=1e-4)
    assert one > 0.05


@pytest.mark.parametrize("name", ["points", "mse"])
def test_descent_recovers_a_residual(name):
    crops, (translation, rotation) = dome_crops(), random_residual()
    # Translation in diameters, so that both unknowns are of one size.
    unknown = torch.zeros(2, 6, requires_grad=True)
    optimizer = torch.optim.Adam([unknown], lr=0.02)
    for step in range(300):
        for group in optimizer.param_groups:
            group["lr"] = 0.02 * (1 - step / 300)
        estimate = residual(unknown[:, :3] * crops.diameter[:, None], unknown[:, 3:])
        if name == "points":
            loss = point_distance(estimate, crops, translation, rotation).mean()
        else:
            loss = squared_error(estimate, crops.diameter, translation, rotation, 0.2, 0.35).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert torch.allclose(unknown[:, :3].detach() * 0.15, translation, atol=2e-4)
    assert torch.allclose(unknown[:, 3:].detach(), rotation, atol=4e-3)


def test_squared_error_is_that_of_the_normalised_residual():
    crops = dome_crops()
    predicted = residual(torch.tensor([[0.03, 0.0, 0.0], [0.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.07, 0.0], [0, 0, 0]]))
    # 0.03 m of 0.2 x 0.15 m is 1, 0.07 rad of 0.35 rad is 0.2; a mean over three axes and two pairs.
    loss = squared_error(predicted, crops.diameter, ZERO, ZERO, 0.2, 0.35).mean()
    assert loss == pytest.approx((1.0 + 0.04) / 3 / 2, rel=1e-5)


def test_pixel_likelihood_is_least_for_the_true_motion_and_a_deviation_like_the_error():
    crops, (translation, rotation) = dome_crops(), random_residual()
    target = pixel_motion(crops, translation, rotation, 4)
    true = TrueMotion.of(crops, translation, rotation, 4)
    assert torch.equal(true.motion, target)

    def loss(offset, log_deviation):
        motion = target + offset
        return pixel_likelihood(motion, torch.full_like(motion, log_deviation), true).mean().item()

    # An error of one tenth is one unit; |e| + 0.5 (|e| exp(-s) + s).
    assert loss(0.1, 0.0) == pytest.approx(1.5, rel=1e-4)
    assert loss(0.0, -2.0) == pytest.approx(-1.0, rel=1e-4)
    assert loss(0.05, math.log(0.5)) < min(loss(0.05, 0.0), loss(0.05, -2.0))


def test_point_distance_reaches_every_pixel_through_the_rigid_fit():
    """Descent on the motion of pixels, which the fit turns into a pose, brings the points to where they belong."""
    crops, (translation, rotation) = dome_crops(), random_residual()
    motion = torch.zeros_like(pixel_motion(crops, translation, rotation, 4), requires_grad=True)
    optimizer = torch.optim.Adam([motion], lr=0.004)
    losses = []
    for _ in range(60):
        fitted = fit_rigid_motion(crops, motion, torch.full_like(motion, 10.0), 4)
        loss = point_distance(fitted, crops, translation, rotation).mean()
        optimizer.zero_grad()
        loss.backward()
        assert torch.isfinite(motion.grad).all()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("architecture", ["compact", "matching", "published"])
def test_shares_of_a_batch_add_up_to_the_whole(architecture):
    """Sums and weights of two halves give the loss of the whole, though their objects cover unequal areas."""
    torch.manual_seed(0)
    crops, (translation, rotation) = dome_crops(4), random_residual(4)
    crops.rendered[0, 4, :28] = 0
    network = create_network(architecture, 0.2, 0.35).eval()

    def terms_of(part):
        share = type(crops)(*(tensor[part] for tensor in crops))
        truth = translation[part], rotation[part]
        return network.loss_terms(share, *truth), point_distance(network.predict(share), share, *truth)

    whole, one, other = terms_of(slice(None)), terms_of(slice(2)), terms_of(slice(2, None))
    for all_pairs, first, second in zip(whole, one, other):
        together = (first.total + second.total) / (first.weight + second.weight)
        assert together.item() == pytest.approx(all_pairs.mean().item(), rel=1e-4)


@pytest.mark.parametrize("architecture", ["compact", "published"])
def test_half_precision_leaves_the_losses_as_they_are(architecture):
    """What the network computes may be rounded, what it is compared with not: the truth still costs nothing."""
    crops, (translation, rotation) = dome_crops(), random_residual()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert point_distance(residual(translation, rotation), crops, translation, rotation).mean() < 1e-6
        assert torch.isfinite(create_network(architecture, 0.2, 0.35).loss(crops, translation, rotation))


@pytest.mark.parametrize("loss", ["mse", "points"])
@pytest.mark.parametrize("architecture", ["compact", "matching", "published"])
def test_every_network_learns_a_batch_with_the_losses_of_poses(architecture, loss):
    torch.manual_seed(0)
    crops, residual_of_batch = dome_crops(4), random_residual(4)
    network = create_network(architecture, 0.2, 0.35).train()
    network.set_statistics(crops)
    loss_of = TrainingLoss(network, loss)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(25):
        value = loss_of(crops, *residual_of_batch).mean()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
        if losses[-1] < 0.5 * losses[0]:
            return
    raise AssertionError(f"expected half the loss within 25 steps, got {losses}")
