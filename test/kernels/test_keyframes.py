"""Where a surface was seen before, against plain NumPy."""

import cv2
import numpy as np

from pose_tracker_ros.geometry import make_pose, so3_exp, transform_points
from pose_tracker_ros.kernels import keyframes


def test_what_was_seen_earlier_is_shown_where_numpy_projects_it_to_as_opencv_warps_it():
    generator = np.random.default_rng(2)
    camera, earlier_camera = np.array([200.0, 210.0, 24.0, 20.0]), np.array([150.0, 160.0, 15.0, 20.0])
    mask, depth = generator.random((40, 48)) < 0.8, generator.uniform(0.5, 0.6, (40, 48)).astype(np.float32)
    earlier_T_view = make_pose(so3_exp(np.array([0.1, -0.05, 0.2])), np.array([0.01, -0.02, 0.03]))
    earlier_depth = np.where(generator.random((36, 30)) < 0.7, 0.58, 0.0).astype(np.float32)
    earlier_grey, grey = generator.integers(0, 256, (36, 30), np.uint8), generator.integers(0, 256, (40, 48), np.uint8)
    shown, known = grey.copy(), np.empty((40, 48), bool)
    keyframes.show_earlier(mask, depth, camera, earlier_T_view, earlier_grey, earlier_depth, earlier_camera, 0.03, shown, known)

    rows, columns = np.mgrid[:40, :48]
    rays = np.dstack([(columns - camera[2]) / camera[0], (rows - camera[3]) / camera[1], np.ones((40, 48))])
    points = transform_points(earlier_T_view, (rays * depth[..., None]).reshape(-1, 3))
    pixels = earlier_camera[:2] * points[:, :2] / points[:, 2:] + earlier_camera[2:]
    near = np.rint(pixels).astype(int)
    inside = np.all((near >= 0) & (near < [30, 36]), axis=1)
    there = np.where(inside, earlier_depth[near[:, 1].clip(0, 35), near[:, 0].clip(0, 29)], 0)
    seen = (mask.ravel() & (there > 0) & (np.abs(there - points[:, 2]) <= 0.03) & (pixels[:, 0] >= 0)).reshape(40, 48)
    expected = cv2.remap(earlier_grey, pixels.reshape(40, 48, 2).astype(np.float32), None, cv2.INTER_LINEAR)
    assert 200 < seen.sum() < 1000
    assert (known == seen).all()
    assert (shown == np.where(seen, expected, grey)).all()
