"""Windows cut from images."""

import numpy as np
import pytest

from pose_tracker_ros.geometry import make_pose, so3_exp, transform_points
from pose_tracker_ros.kernels import observation


def test_a_window_shows_the_image_without_what_is_beyond_its_border_and_depths_that_are_not_believed():
    random = np.random.default_rng(5)
    color = random.integers(0, 256, (30, 40, 3), np.uint8)
    depth = random.uniform(0, 2, (30, 40)).astype(np.float32)
    depth[4, 6] = np.nan
    side, left, top, scale = 17, -5, 8, 2
    cut, cut_m = np.empty((side, side, 3), np.uint8), np.empty((side, side), np.float32)
    window = observation.cut_color(color, left, top, scale, cut)
    observation.cut_depth(depth, left, top, scale, 0.3, 1.5, cut_m)
    rows, columns = np.meshgrid(top + scale * np.arange(side), left + scale * np.arange(side), indexing="ij")
    inside = (rows >= 0) & (rows < 30) & (columns >= 0) & (columns < 40)
    covered = np.argwhere(inside)
    assert window == (*covered.min(axis=0)[::-1], *covered.max(axis=0)[::-1] + 1)
    at = rows.clip(0, 29), columns.clip(0, 39)
    assert np.array_equal(cut, np.where(inside[..., None], color[at], 0))
    believed = inside & (depth[at] >= np.float32(0.3)) & (depth[at] <= 1.5)
    assert np.array_equal(cut_m, np.where(believed, depth[at], 0))


def test_an_image_differs_from_a_window_by_the_share_of_their_variance_that_depth_or_colours_changed_by():
    random, side, left, top, scale, across, along = np.random.default_rng(6), 60, -8, 5, 2, 1, -2
    image, depths = random.integers(100, 130, (100, 120, 3), np.uint8), random.uniform(0.5, 0.504, (100, 120)).astype(np.float32)
    depths *= random.random(depths.shape) < 0.9
    mask = random.random((side, side)) < 0.7
    color, depth = random.integers(100, 130, (side, side, 3), np.uint8), random.uniform(0.5, 0.504, (side, side)).astype(np.float32)
    place, noise = (left, top, scale, across, along), (0.003, 0.001, 16.0)
    changed = observation.changed_share(mask, color, depth, image, depths, *place, *noise)
    parts = []
    for row, column in np.argwhere(mask):
        y, x = top + scale * row, left + scale * column
        if row % observation.COMPARED or column % observation.COMPARED or not (0 <= x < 120 and 0 <= y < 100 and x >= across and y - along < 100):
            continue
        z, other = float(depth[row, column]), float(depths[y - along, x - across])
        if other > 0:
            by_color = np.mean(((image[y, x].astype(float) - color[row, column]) / 16) ** 2)
            parts.append(min(max(((other - z) / (0.001 + 0.003 * z * z)) ** 2, by_color) / 2, 1))
    assert len(parts) > 50 and changed == pytest.approx(np.mean(parts), rel=1e-5)
    assert observation.changed_share(mask, color, depth, color, depth, 0, 0, 1, 0, 0, *noise) == 0
    assert observation.changed_share(mask & False, color, depth, image, depths, *place, *noise) == 1


def warped(image, camera, part, window_T_depth, window_camera, shift, limits, side):
    """A window (side, side) of the nearest of all points whose squares cover a pixel's centre."""
    size = window_camera[0] / camera[0]
    step = max(1, int(1 / size))
    rows, columns = np.mgrid[part[1] : part[3] : step, part[0] : part[2] : step].reshape(2, -1)
    z = image[rows, columns].astype(float)
    rays = np.column_stack([(columns + shift[0] - camera[2]) / camera[0], (rows + shift[1] - camera[3]) / camera[1], np.ones(len(rows))])
    points = transform_points(window_T_depth, rays * z[:, None])
    points = points[(z >= limits[0]) & (z <= limits[1]) & (points[:, 2] >= observation.NEAREST_M)]
    off = np.indices((side, side))[::-1, ..., None] - (window_camera[:2] * points[:, :2] / points[:, 2:] + window_camera[2:]).T[:, None, None]
    half = observation.OVERLAP / 2 * max(1, step * size)
    covered = np.all((off >= -half) & (off < half), axis=0)
    return np.where(covered.any(axis=-1), np.where(covered, points[:, 2], np.inf).min(axis=-1, initial=np.inf), 0)


@pytest.mark.parametrize("ahead_m", [-0.4, 0.1])
@pytest.mark.parametrize("focal_px", [14.0, 35.0, 90.0], ids=["every second pixel", "one for one", "larger pixels"])
@pytest.mark.parametrize("part", [(0, 0, 40, 30), (3, 8, 32, 29), (5, 5, 5, 30)], ids=["whole", "part", "nothing"])
def test_depth_of_a_camera_beside_is_that_of_the_nearest_points_that_cover_a_pixel(ahead_m, focal_px, part):
    """Some depths are 0 or not believed, some points may lie behind the window's camera, and the window shows but a part."""
    random, side, shift, limits = np.random.default_rng(7), 18, (0.7, -1.3), (0.2, 1.5)
    depth = (random.uniform(0, 2, (30, 40)) * (random.random((30, 40)) < 0.7)).astype(np.float32)
    camera, window_camera = np.array([33.0, 31.0, 21.3, 14.2]), np.array([focal_px, focal_px + 2, 7.1, 9.4])
    beside = make_pose(so3_exp(np.array([0.1, -0.2, 0.3])), np.array([0.05, -0.02, ahead_m]))
    window = np.full((side, side), np.nan, np.float32)
    observation.warp_depth(depth, camera, np.array(part), beside, window_camera, *shift, *limits, window)
    expected = warped(depth, camera, part, beside, window_camera, shift, limits, side)
    assert window == pytest.approx(expected, rel=1e-6)
    assert (expected > 0).any() == (part[0] < part[2])
