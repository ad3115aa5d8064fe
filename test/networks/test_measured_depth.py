"""Measured depth at the places that pixels went to: taken in where it fits, left out where it does not."""

import pytest
import torch
from dome import RESOLUTION, dome_crops

from pose_tracker_ros.kernels.rigid_motion import MEASURED_DEVIATION
from pose_tracker_ros.networks.measured_depth import with_measured_depth
from pose_tracker_ros.networks.rigid_fit import fit_rigid_motion, pixel_motion, surface_points

pytestmark = pytest.mark.usefixtures("one_thread")


def crops_that_see(depth_change, valid=1.0):
    """The dome, observed where it was rendered but ``depth_change`` diameters farther."""
    crops = dome_crops()
    crops.observed[:, 3] = crops.rendered[:, 3] + depth_change
    crops.observed[:, 4] = valid
    return crops


def fused(crops, motion, deviation):
    pixels, points, mask = surface_points(crops, 4, whole_cells=True)
    motion, deviation = with_measured_depth(crops, pixels, points, motion, deviation)
    return motion, deviation, mask


def nothing_known(crops, deviation=0.05):
    motion = torch.zeros_like(surface_points(crops, 4, whole_cells=True)[1])
    return motion, torch.full_like(motion, deviation)


def test_prediction_and_measurement_are_averaged_by_their_variances():
    crops = crops_that_see(0.03)
    motion, deviation, mask = fused(crops, *nothing_known(crops))
    weights = torch.tensor([1 / 0.05**2, 1 / MEASURED_DEVIATION**2])
    assert torch.allclose(motion[mask][:, 2], 0.03 * weights[1] / weights.sum(), atol=1e-5)
    assert torch.allclose(deviation[mask][:, 2], weights.sum().rsqrt())
    assert (motion[..., :2] == 0).all() and (deviation[..., :2] == 0.05).all()


@pytest.mark.parametrize(("change", "valid"), [(-0.4, 1.0), (0.8, 1.0), (0.03, 0.0)])
def test_occluders_background_and_holes_say_nothing(change, valid):
    crops = crops_that_see(change, valid)
    before, deviation_before = nothing_known(crops)
    motion, deviation, mask = fused(crops, before, deviation_before)
    assert torch.allclose(motion[mask], before[mask], atol=1e-7)
    assert torch.allclose(deviation[mask], deviation_before[mask])


def test_it_is_looked_up_where_the_pixel_went():
    """A picture moved by 4 pixels to the right: at the same places it shows other depths, at the moved ones the same."""
    crops = crops_that_see(0.0)
    crops.observed[:, 3] = torch.roll(crops.rendered[:, 3], 4, dims=2)
    motion, deviation = nothing_known(crops)
    motion[..., 0] = 4 / RESOLUTION
    moved, _, mask = fused(crops, motion, deviation)
    assert moved[mask][:, 2].abs().max() < 1e-5


def test_the_fit_finds_a_turn_out_of_the_image_that_only_depth_shows():
    """The network knows where pixels went but not their depth; a third of the turn's effect is missing without it."""
    crops = dome_crops()
    translation, rotation = torch.tensor([[0.0, 0.0, 0.004]] * 2), torch.tensor([[0.0, 0.15, 0.0]] * 2)
    true = pixel_motion(crops, translation, rotation, 4, whole_cells=True)
    pixels, points, mask = surface_points(crops, 4, whole_cells=True)
    places = (pixels + true[..., :2] * RESOLUTION).round().long().clamp(0, RESOLUTION - 1)
    crops.observed[:, 3:5] = 0
    batch = torch.arange(2)[:, None].expand(places.shape[:2])
    crops.observed[batch[mask], 3, places[mask][:, 1], places[mask][:, 0]] = (points + true)[..., 2][mask]
    crops.observed[batch[mask], 4, places[mask][:, 1], places[mask][:, 0]] = 1.0
    flat = torch.cat([true[..., :2], torch.zeros_like(true[..., 2:])], dim=-1)
    deviation = torch.full_like(true, 0.05)
    motion, sharper = with_measured_depth(crops, pixels, points, flat, deviation)
    blind, seeing = (
        (fit_rigid_motion(crops, m, 1 / d, 4, whole_cells=True).rotation - rotation).norm(dim=1).max()
        for m, d in ((flat, deviation), (motion, sharper))
    )
    assert seeing < 0.3 * blind
