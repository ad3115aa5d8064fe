"""The second look sees the observation where the first one says that it went."""

import pytest
import torch
from dome import RESOLUTION, dome_crops, random_residual

from pose_tracker_ros.kernels.rigid_motion import DEPTH_LIMIT
from pose_tracker_ros.networks.architectures import create_network
from pose_tracker_ros.networks.compiled_fits import led
from pose_tracker_ros.networks.pixel_inference import PixelFit
from pose_tracker_ros.networks.residual import PixelMotion
from pose_tracker_ros.networks.rigid_fit import pixel_motion, surface_points

pytestmark = pytest.mark.usefixtures("one_thread")
CELLS = RESOLUTION // 4
# Of what the second look sees, from the end: where the object is, where depth is known, the depth difference.
MASK, KNOWN, DIFFERENCE = -1, -2, -3


@pytest.fixture
def network():
    torch.manual_seed(0)
    return create_network("refining", 0.2, 0.35).eval()


def shifted(network, crops, motion):
    """What the second look sees (B, C, CELLS, CELLS) after a motion (B, N, 3) of the surface."""
    mask = surface_points(crops, 4, whole_cells=True)[2][..., None]
    with torch.no_grad():
        match = network.match(crops.rendered, crops.observed)
        led = network._led(crops, PixelMotion.of(match.output), motion * mask, mask)
        return network._compared(*match[1:], *led), match


def test_before_any_training_it_adds_nothing_to_the_rigid_fit(network):
    """Its correction starts at zero, so that training begins with the first look's pose."""
    crops = dome_crops()
    with torch.no_grad():
        first, second = network._looks(crops)
    mask = surface_points(crops, 4, whole_cells=True)[2]
    motion = second.motion[mask]
    assert not torch.allclose(first.motion[mask], motion, atol=1e-3)
    assert (second.log_deviation == 0).all()


def test_where_the_depth_moved_as_foreseen_there_is_no_difference_left(network):
    crops, (translation, rotation) = dome_crops(), random_residual()
    true = pixel_motion(crops, translation, rotation, 4, whole_cells=True)
    pixels, points, mask = surface_points(crops, 4, whole_cells=True)
    places = (pixels + true[..., :2] * RESOLUTION).round().long().clamp(0, RESOLUTION - 1)
    batch = torch.arange(2)[:, None].expand(places.shape[:2])
    crops.observed[:, 3], crops.observed[:, 4] = 2.0, 0.0
    crops.observed[batch[mask], 3, places[mask][:, 1], places[mask][:, 0]] = (points + true)[..., 2][mask]
    crops.observed[batch[mask], 4, places[mask][:, 1], places[mask][:, 0]] = 1.0
    seen, _ = shifted(network, crops, true)
    assert seen[:, DIFFERENCE].abs().max() < 0.3
    still, _ = shifted(network, crops, torch.zeros_like(true))
    assert still[:, DIFFERENCE].abs().max() > 2 * seen[:, DIFFERENCE].abs().max()
    assert torch.equal(seen[:, MASK].flatten(1) > 0.5, mask)
    assert (seen[:, KNOWN].flatten(1)[mask] == 1).all()


def test_depth_far_off_is_cut_to_what_can_be_told_apart(network):
    crops = dome_crops()
    crops.observed[:, 3], crops.observed[:, 4] = 2.0, 1.0
    seen, _ = shifted(network, crops, torch.zeros(2, CELLS**2, 3))
    assert seen[:, DIFFERENCE].max() == pytest.approx(DEPTH_LIMIT / 0.1)


def test_features_are_looked_up_where_pixels_went(network):
    crops = dome_crops()
    motion = torch.zeros(2, CELLS**2, 3)
    motion[..., 0] = 2 / CELLS
    seen, match = shifted(network, crops, motion)
    hidden, features = match.hidden.shape[1], match.features.shape[1]
    looked_up = seen[:, hidden + features : hidden + 2 * features]
    _, observed = match.features.chunk(2)
    inside = surface_points(crops, 4, whole_cells=True)[2].view(2, 1, CELLS, CELLS)[..., : CELLS - 2]
    assert torch.allclose((looked_up[..., :-2] * inside), observed[..., 2:] * inside, atol=1e-4)
    assert not torch.allclose(looked_up[..., :-2] * inside, observed[..., :-2] * inside, atol=1e-2)


def test_its_loss_trains_both_looks(network):
    crops, (translation, rotation) = dome_crops(), random_residual()
    network.train().loss(crops, translation, rotation).backward()
    untouched = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert not untouched
    assert network.head.weight.grad.abs().max() > 0 and network.refine_head.weight.grad.abs().max() > 0


def test_a_fit_beyond_its_range_is_cut(network):
    """A first look that is far off would send the second one out of the crop."""
    crops = dome_crops()
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.copy_(torch.tensor([8.0, 0, 0, -5, -5, -5]))
        _, second = network._looks(crops)
    mask = surface_points(crops, 4, whole_cells=True)[2]
    across = second.motion[..., 0][mask] * RESOLUTION * 0.15 * 1.5 / RESOLUTION / 0.15
    assert across.max() < 0.2 * 1.6


def test_where_the_first_look_led_is_compiled_and_the_same_as_by_torch(network):
    """Also where a depth is not measured, and beyond the range."""
    crops = dome_crops()
    crops.observed[:, 4, :20] = 0.0
    with torch.no_grad():
        network.head.weight.mul_(3.0)
        output = network.match(crops.rendered, crops.observed).output
        compiled = led(crops, output, PixelFit.of(network))
        expected = network._led_by(crops, PixelMotion.of(output))
    assert compiled[0].abs().max() > 0.02
    for one, other in zip(compiled, expected):
        assert one.shape == other.shape
        assert torch.allclose(one, other, atol=2e-3)
