"""Windows cut from images."""

import numpy as np

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
