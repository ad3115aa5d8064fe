"""Where a surface was seen before, against plain NumPy."""

import numpy as np

from pose_tracker_ros.geometry import make_pose, so3_exp, transform_points
from pose_tracker_ros.kernels import keyframes


def test_places_are_where_numpy_projects_the_surface_to_if_it_was_seen_there():
    generator = np.random.default_rng(2)
    camera, earlier_camera = np.array([200.0, 210.0, 24.0, 20.0]), np.array([150.0, 160.0, 15.0, 20.0])
    mask, depth = generator.random((40, 48)) < 0.8, generator.uniform(0.5, 0.6, (40, 48)).astype(np.float32)
    earlier_T_view = make_pose(so3_exp(np.array([0.1, -0.05, 0.2])), np.array([0.01, -0.02, 0.03]))
    earlier_depth = np.where(generator.random((36, 30)) < 0.7, 0.58, 0.0).astype(np.float32)
    places = np.empty((40, 48, 2), np.float32)
    keyframes.find_earlier(mask, depth, camera, earlier_T_view, earlier_depth, earlier_camera, 0.03, places)

    rows, columns = np.mgrid[:40, :48]
    rays = np.dstack([(columns - camera[2]) / camera[0], (rows - camera[3]) / camera[1], np.ones((40, 48))])
    points = transform_points(earlier_T_view, (rays * depth[..., None]).reshape(-1, 3))
    pixels = earlier_camera[:2] * points[:, :2] / points[:, 2:] + earlier_camera[2:]
    near = np.rint(pixels).astype(int)
    inside = np.all((near >= 0) & (near < [30, 36]), axis=1)
    there = np.where(inside, earlier_depth[near[:, 1].clip(0, 35), near[:, 0].clip(0, 29)], 0)
    seen = mask.ravel() & (there > 0) & (np.abs(there - points[:, 2]) <= 0.03)
    expected = np.where(seen[:, None], pixels, -1).reshape(40, 48, 2)
    assert 200 < seen.sum() < 1000
    assert np.abs(places - expected).max() < 1e-4
