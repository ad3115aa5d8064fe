"""Networks against what is published about them, and the rigid fit against motions that are known exactly."""

import numpy as np
import pytest
import torch
from dome import RESOLUTION, dome_crops, random_residual
from torch.nn import functional

from pose_tracker_ros.networks.architectures import NETWORKS, create_network
from pose_tracker_ros.networks.matching import local_correlations
from pose_tracker_ros.networks.residual import folded_for_inference
from pose_tracker_ros.networks.rigid_fit import fit_rigid_motion, pixel_motion, surface_points
from pose_tracker_ros.networks.weights import load_weights, save_weights
from pose_tracker_ros.networks.weights_info import WeightsInfo

pytestmark = pytest.mark.usefixtures("one_thread")
INFO = WeightsInfo(
    objects={"thing": 0.15},
    architecture="compact",
    resolution=RESOLUTION,
    crop_margin=1.5,
    max_translation=0.2,
    max_rotation=0.35,
)


def test_published_network_has_the_published_size_and_output():
    network = create_network("published", 0.2, 0.3).eval()
    assert sum(parameter.numel() for parameter in network.parameters()) == 13_533_446
    translation, rotation = network(dome_crops())
    assert translation.shape == rotation.shape == (2, 3)
    assert translation.abs().max() <= 1


def test_rigid_fit_finds_the_motion_that_made_the_pixels_move():
    crops, (translation, rotation) = dome_crops(), random_residual()
    motion = pixel_motion(crops, translation, rotation, 4)
    found = fit_rigid_motion(crops, motion, torch.full_like(motion, 100.0), 4)
    assert torch.allclose(found.translation, translation, atol=1e-5)
    assert torch.allclose(found.rotation, rotation, atol=1e-4)


def test_rigid_fit_with_whole_cells_finds_it_too():
    crops, (translation, rotation) = dome_crops(), random_residual()
    motion = pixel_motion(crops, translation, rotation, 4, whole_cells=True)
    found = fit_rigid_motion(crops, motion, torch.full_like(motion, 100.0), 4, whole_cells=True)
    assert torch.allclose(found.translation, translation, atol=1e-5)
    assert torch.allclose(found.rotation, rotation, atol=1e-4)


def test_whole_cells_see_thin_parts_and_agree_where_middles_see():
    crops = dome_crops()
    pixels, points, mask = surface_points(crops, 4)
    all_pixels, all_points, all_mask = surface_points(crops, 4, whole_cells=True)
    assert (all_mask >= mask).all() and (all_mask != mask).any()
    assert torch.equal(all_pixels[mask], pixels[mask]) and torch.equal(all_points[mask], points[mask])
    # Every point lies on a rendered pixel, with that pixel's depth, in its own cell.
    columns, rows = all_pixels.long().unbind(-1)
    batch = torch.arange(len(columns))[:, None].expand_as(columns)
    assert (crops.rendered[batch, 4, rows, columns][all_mask] > 0.5).all()
    assert torch.allclose(crops.rendered[batch, 3, rows, columns][all_mask], all_points[..., 2][all_mask], atol=1e-5)
    cells = crops.rendered.shape[-1] // 4
    assert (((rows // 4) * cells + columns // 4) == torch.arange(cells**2)).all()
    # A line one pixel wide that misses all middles.
    line = crops._replace(rendered=crops.rendered.clone())
    line.rendered[:, 4] = 0
    line.rendered[:, 4, :, 17] = 1
    assert not surface_points(line, 4)[2].any()
    assert surface_points(line, 4, whole_cells=True)[2].sum() == len(columns) * cells


def test_rigid_fit_is_not_moved_by_a_few_wrong_pixels():
    crops, (translation, rotation) = dome_crops(), random_residual()
    motion = pixel_motion(crops, translation, rotation, 4)
    motion[:, ::10] += 0.3
    found = fit_rigid_motion(crops, motion, torch.full_like(motion, 500.0), 4, iterations=20)
    assert (found.translation - translation).abs().max() < 0.002
    assert (found.rotation - rotation).abs().max() < 0.03


def test_less_certain_pixels_give_less_information():
    crops = dome_crops()
    motion = pixel_motion(crops, *random_residual(), 4)
    sure, unsure = (fit_rigid_motion(crops, motion, torch.full_like(motion, p), 4).information for p in (100.0, 10.0))
    assert torch.linalg.eigvalsh(sure).min() > 50 * torch.linalg.eigvalsh(unsure).min() > 0


@pytest.mark.parametrize("architecture", NETWORKS)
def test_one_batch_can_be_learnt(architecture):
    torch.manual_seed(0)
    crops, residual = dome_crops(4), random_residual(4)
    network = create_network(architecture, 0.2, 0.35).train()
    network.set_statistics(crops)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-4)
    losses = []
    for _ in range(12):
        loss = network.loss(crops, *residual)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if losses[-1] < 0.6 * losses[0]:
            return
    raise AssertionError(f"expected 0.6 of the loss within 12 steps, got {losses}")


def test_local_correlations_are_dot_products_with_the_neighbours():
    generator = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, 2, 5, 6, 7, generator=generator)
    found = local_correlations(one, other, 2)
    assert found.shape == (2, 25, 6, 7)
    for row, column, down, right in [(0, 0, 0, 0), (3, 4, -2, 1), (5, 6, 1, 0), (2, 0, 0, -1), (5, 0, -2, 2)]:
        inside = 0 <= row + down < 6 and 0 <= column + right < 7
        expected = (
            (one[:, :, row, column] * other[:, :, row + down, column + right]).sum(1) if inside else torch.zeros(2)
        )
        assert torch.allclose(found[:, (down + 2) * 5 + right + 2, row, column], expected, atol=1e-5)


def test_correlations_tell_how_far_a_picture_has_moved():
    picture = functional.normalize(torch.randn(1, 32, 12, 12, generator=torch.Generator().manual_seed(0)), dim=1)
    moved = torch.roll(picture, (1, -2), dims=(2, 3))
    best = local_correlations(picture, moved, 3)[0, :, 3:9, 3:9].argmax(dim=0)
    assert (best == (1 + 3) * 7 + (-2 + 3)).all()


@pytest.mark.parametrize("architecture", ["compact", "matching"])
def test_folding_batch_norm_changes_nothing(architecture):
    torch.manual_seed(0)
    crops = dome_crops()
    network = create_network(architecture, 0.2, 0.35)
    network.train()(crops)
    with torch.inference_mode():
        plain, folded = network.eval()(crops), folded_for_inference(network)(crops)
    assert torch.allclose(plain.motion, folded.motion, atol=1e-5)
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules())
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded_for_inference(network).modules())


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "residual.safetensors"
    save_weights(path, create_network("compact", INFO.max_translation, INFO.max_rotation), INFO)
    return path


def test_weights_come_back_as_they_were_saved(weights):
    torch.manual_seed(0)
    original = create_network("compact", INFO.max_translation, INFO.max_rotation).eval()
    network, info = load_weights(weights)
    assert info.objects == INFO.objects
    assert (info.resolution, info.crop_margin) == (INFO.resolution, INFO.crop_margin)
    with torch.inference_mode():
        assert torch.allclose(network(dome_crops()).motion, original(dome_crops()).motion, atol=2e-3)


def test_faulty_weights_are_refused_with_a_reason(weights, tmp_path):
    with pytest.raises(FileNotFoundError, match="train"):
        load_weights(tmp_path / "none.safetensors")
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="complete safetensors"):
        load_weights(weights)
    with pytest.raises(ValueError, match="network to be one of"):
        create_network("unknown", 0.2, 0.3)


def test_weights_say_which_object_they_are_for(weights):
    _, info = load_weights(weights)
    info.check_object("thing", 0.1505, weights)
    with pytest.raises(ValueError, match="trained for thing"):
        info.check_object("other", 0.15, weights)
    with pytest.raises(ValueError, match="diameter"):
        info.check_object("thing", 0.18, weights)


def test_information_has_the_shape_and_units_of_the_residual():
    residual = create_network("compact", 0.2, 0.35).eval().predict(dome_crops())
    assert residual.information.shape == (2, 6, 6)
    assert np.isfinite(residual.information.detach().numpy()).all()
