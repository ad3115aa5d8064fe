"""Rigid motion from that of pixels, compiled, against the same in torch that networks are trained with."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dome import RESOLUTION, dome_crops, random_residual

from pose_tracker_ros.kernels import rigid_motion
from pose_tracker_ros.networks.architectures import create_network
from pose_tracker_ros.networks.measured_depth import with_measured_depth
from pose_tracker_ros.networks.residual import PixelMotion
from pose_tracker_ros.networks.rigid_fit import fit_rigid_motion, pixel_motion, surface_points

pytestmark = pytest.mark.usefixtures("one_thread")
STRIDE = 4
CELLS = RESOLUTION // STRIDE


@pytest.fixture
def crops():
    """A dome whose observation is the dome itself, with holes and something near before a part of it."""
    crops = dome_crops(batch=1)
    generator = torch.Generator().manual_seed(2)
    crops.observed[:, 3] = crops.rendered[:, 3] + 0.01 * torch.randn(1, RESOLUTION, RESOLUTION, generator=generator)
    crops.observed[:, 3, :, :24] -= 0.4
    crops.observed[:, 4] = (torch.rand(1, RESOLUTION, RESOLUTION, generator=generator) < 0.8).float()
    return crops


def geometry_of(crops):
    return torch.cat([crops.intrinsics[0], crops.center[0], crops.diameter]).double().numpy()


def points_of(crops, whole_cells):
    points = np.empty((rigid_motion.POINT_ROWS, CELLS**2))
    rigid_motion.surface_points(crops.rendered[0].numpy(), geometry_of(crops), STRIDE, whole_cells, points)
    return points


def head_output(crops, whole_cells):
    """What a network might say (6, N) of a motion, beyond a rigid one (3, N): noisy, and surer in some places."""
    generator = torch.Generator().manual_seed(3)
    true = pixel_motion(crops, *random_residual(1), STRIDE, whole_cells)[0].T
    rigid = 0.5 * true
    noise = 0.02 * torch.randn(3, CELLS**2, generator=generator)
    log_deviation = 6 * torch.rand(3, CELLS**2, generator=generator) - 7
    return torch.cat([(true + noise - rigid) / rigid_motion.MOTION_SCALE, log_deviation]), rigid


@pytest.mark.parametrize("whole_cells", [False, True])
def test_points_are_those_of_training(crops, whole_cells):
    expected = surface_points(crops, STRIDE, whole_cells)
    points = points_of(crops, whole_cells)
    assert points[:2].T == pytest.approx(expected[0][0].numpy())
    assert points[2:5].T == pytest.approx(expected[1][0].numpy(), abs=1e-5)
    assert np.array_equal(points[5] > 0.5, expected[2][0].numpy())
    assert 50 < points[5].sum() < CELLS**2


@pytest.mark.parametrize(("whole_cells", "measures_depth"), [(False, False), (True, True)])
def test_the_fit_is_that_of_training(crops, whole_cells, measures_depth):
    output, rigid = head_output(crops, whole_cells)
    motion, log_deviation = PixelMotion.of(output.view(1, 6, CELLS, CELLS))
    motion, deviation = motion + rigid.T, torch.exp(log_deviation) * rigid_motion.MOTION_SCALE
    if measures_depth:
        pixels, points, mask = surface_points(crops, STRIDE, whole_cells)
        measured = with_measured_depth(crops, pixels, points, motion, deviation)
        taken = (measured[0] != motion)[..., 2][mask]
        assert taken.any() and not taken.all()
        motion, deviation = measured
    expected = fit_rigid_motion(crops, motion, 1 / deviation, STRIDE, whole_cells=whole_cells)

    residual, information = np.empty(6), np.empty((6, 6))
    rigid_motion.fit_rigid_motion(
        crops.observed[0].numpy(),
        geometry_of(crops),
        points_of(crops, whole_cells),
        output.numpy(),
        rigid.contiguous().numpy(),
        measures_depth,
        residual,
        information,
    )
    assert residual[:3] == pytest.approx(expected.translation[0].numpy(), abs=1e-7)
    assert residual[3:] == pytest.approx(expected.rotation[0].numpy(), abs=1e-5)
    assert np.abs(residual).min() > 1e-5
    scale = expected.information[0].abs().max().item()
    assert information == pytest.approx(expected.information[0].numpy(), abs=1e-4 * scale)


def test_without_a_surface_nothing_moved_and_nothing_is_known(crops):
    crops.rendered[:, 4] = 0
    output, rigid = (np.ascontiguousarray(part.numpy()) for part in head_output(crops, True))
    residual, information = np.full(6, np.nan), np.full((6, 6), np.nan)
    points = points_of(crops, True)
    args = crops.observed[0].numpy(), geometry_of(crops), points, output, rigid, True
    rigid_motion.fit_rigid_motion(*args, residual, information)
    assert not residual.any() and not information.any()


@pytest.mark.parametrize("times", [0.5, 20.0])
def test_a_second_look_sees_what_it_was_trained_with(crops, times):
    """Within the network's range, and far beyond, where the fit is shortened."""
    network = create_network("refining", 0.2, 0.35).eval()
    output, _ = head_output(crops, True)
    translation, rotation = (times * part for part in random_residual(1))
    residual = torch.cat([translation[0], rotation[0]]).double().numpy()
    mask = surface_points(crops, STRIDE, True)[2][..., None]
    shorter = [
        part * min(1.0, limit / part.norm().item()) for part, limit in ((translation, 0.2 * 0.15), (rotation, 0.35))
    ]
    assert (shorter[0] is not translation) and torch.equal(shorter[0], translation) == (times < 1)
    moved = pixel_motion(crops, *shorter, STRIDE, True) * mask
    expected_places, expected_facts = network._led(
        crops, PixelMotion.of(output.view(1, 6, CELLS, CELLS)), moved, mask
    )

    rigid, facts = np.empty((3, CELLS**2), np.float32), np.empty((9, CELLS**2), np.float32)
    places = np.empty((CELLS, CELLS, 2), np.float32)
    args = crops.observed[0].numpy(), geometry_of(crops), points_of(crops, True), output.numpy(), residual
    rigid_motion.look_again(*args, 0.2, 0.35, rigid, places, facts)
    assert rigid.T == pytest.approx(moved[0].numpy(), abs=1e-5)
    assert places == pytest.approx(expected_places[0].numpy(), abs=1e-4)
    off = np.abs(facts - expected_facts[0].flatten(1).numpy())
    # Where a place lies between two pixels either may be the nearest.
    assert off[:6].max() < 1e-3 and np.mean(off[6:] > 1e-3) < 0.01
    assert np.ptp(facts[6]) > 0.1
