"""What is cut out of an image agrees with projecting points, and channels mean what they are named."""

from __future__ import annotations

import numpy as np
import pytest
from shapes import sphere

from pose_tracker_ros.camera import PinholeCamera, crop_camera
from pose_tracker_ros.geometry import make_pose
from pose_tracker_ros.kernels.channels import DEPTH_LIMIT
from pose_tracker_ros.networks.crop import Crop, cut, to_arrays, to_tensors
from pose_tracker_ros.rendering.raycast import RaycastRenderer

CAMERA = PinholeCamera(320, 240, 310.0, 300.0, 161.0, 118.0)
CENTER = np.array([0.06, -0.03, 0.6])
DIAMETER = 0.1
CROP_CAMERA = crop_camera(CENTER, 1.5 * DIAMETER, 96)


def coordinates() -> tuple[np.ndarray, np.ndarray]:
    """Images whose pixels say where they are: column and row in colour, their mix in depth."""
    rows, columns = np.mgrid[: CAMERA.height, : CAMERA.width]
    color = np.stack([columns * 0.75, rows, np.full(rows.shape, 77)], axis=2)
    return np.rint(color).astype(np.uint8), (1 + columns * 0.01 + rows * 1e-5).astype(np.float32)


@pytest.fixture(scope="module")
def crop():
    """A ball with its image by the same crop camera as the observation."""
    rendering = RaycastRenderer(sphere(DIAMETER / 2)).render(CROP_CAMERA, make_pose(np.eye(3), CENTER))
    return Crop(CROP_CAMERA, rendering, rendering.color, rendering.depth, CENTER, DIAMETER)


def test_a_cut_pixel_shows_what_the_image_has_where_its_ray_projects():
    color, depth = cut(*coordinates(), CAMERA, CROP_CAMERA)
    in_image = CAMERA.project(CROP_CAMERA.rays().astype(np.float64))
    assert np.abs(color[..., 0] - in_image[..., 0] * 0.75).max() < 1.1
    assert np.abs(color[..., 1] - in_image[..., 1]).max() < 1.1
    assert np.all(color[..., 2] == 77)
    # The nearest pixel is at most half a pixel off, and a little where two are equally near.
    columns = (depth - 1 - in_image[..., 1] * 1e-5) / 0.01
    assert np.abs(columns - in_image[..., 0]).max() < 0.55


def test_cut_depth_is_never_a_mean_over_an_edge():
    color, depth = coordinates()
    depth[:] = np.where(np.arange(CAMERA.width) < 195, np.float32(0.5), np.float32(1.5))
    _, cut_depth = cut(color, depth, CAMERA, CROP_CAMERA)
    assert np.unique(cut_depth).tolist() == [0.5, 1.5]


def test_beyond_the_border_is_black_without_depth():
    outside = crop_camera(np.array([-0.31, 0.0, 0.6]), 0.15, 96)
    color, depth = cut(*coordinates(), CAMERA, outside)
    columns = CAMERA.project(outside.rays().astype(np.float64))[..., 0]
    assert 0.2 < np.mean(columns < -1) < 0.8
    assert not color[columns < -1].any() and not depth[columns < -1].any()
    assert np.all(depth[columns > 0.5] > 0)


def test_rendered_channels_are_colour_depth_mask_and_normal(crop):
    (channels,) = to_arrays([crop]).rendered
    mask = crop.rendering.mask
    assert channels.shape == (8, 96, 96) and channels.dtype == np.float32
    assert np.array_equal(channels[:3].transpose(1, 2, 0), crop.rendering.color)
    assert channels[3][mask] == pytest.approx((crop.rendering.depth[mask] - CENTER[2]) / DIAMETER, abs=1e-5)
    # The ball's nearest point is half a diameter before its centre.
    assert channels[3].min() == pytest.approx(-0.5, abs=2e-3)
    assert np.all(channels[3][~mask] == DEPTH_LIMIT)
    assert np.array_equal(channels[4], mask)
    assert np.array_equal(channels[5:].transpose(1, 2, 0), crop.rendering.normal)


def test_observed_channels_are_colour_depth_and_where_there_is_depth(crop):
    depth, color = np.zeros((96, 96), np.float32), np.zeros((96, 96, 3), np.uint8)
    depth[:2, :3] = [[0.0, 0.6, 0.65], [0.55, 9.0, 0.01]]
    color[:2, :3] = np.arange(18).reshape(2, 3, 3)
    (channels,) = to_arrays([crop._replace(color=color, depth=depth, center=np.array([0, 0, 0.6]))]).observed
    assert channels.shape == (5, 96, 96) and channels.dtype == np.float32
    assert channels[:3, 1, 2].tolist() == [15, 16, 17]
    assert channels[3, :2, :3].tolist() == [
        pytest.approx([DEPTH_LIMIT, 0.0, 0.5], abs=1e-5),
        pytest.approx([-0.5, DEPTH_LIMIT, -DEPTH_LIMIT], abs=1e-5),
    ]
    assert channels[4, :2, :3].tolist() == [[0, 1, 1], [1, 1, 1]]


def test_tensors_keep_the_order_of_the_crops(crop):
    other = crop._replace(center=CENTER + 0.01, diameter_m=0.2)
    batch = to_tensors([crop, other])
    assert batch.rendered.shape == (2, 8, 96, 96) and batch.observed.shape == (2, 5, 96, 96)
    assert batch.diameter.tolist() == pytest.approx([0.1, 0.2])
    assert batch.center[1].tolist() == pytest.approx((CENTER + 0.01).tolist())
    assert batch.intrinsics[0].tolist() == pytest.approx(
        [CROP_CAMERA.fx, CROP_CAMERA.fy, CROP_CAMERA.cx, CROP_CAMERA.cy]
    )
