"""Windows cut from images."""

import numpy as np
import pytest

from pose_tracker_ros.kernels import observation


def test_a_window_shows_the_image_without_what_is_beyond_its_border_and_depths_that_are_not_believed():
    random = np.random.default_rng(5)
    color = random.integers(0, 256, (30, 40, 3), np.uint8)
    depth = random.uniform(0, 2, (30, 40)).astype(np.float32)
    depth[4, 6] = np.nan
    side, left, top, scale = 17, -5, 8, 2
    cut, cut_m = np.empty((side, side, 3), np.uint8), np.empty((side, side), np.float32)
    observation.cut_color(color, left, top, scale, cut)
    observation.cut_depth(depth, left, top, scale, 0.3, 1.5, cut_m)
    rows, columns = np.meshgrid(top + scale * np.arange(side), left + scale * np.arange(side), indexing="ij")
    inside = (rows >= 0) & (rows < 30) & (columns >= 0) & (columns < 40)
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
