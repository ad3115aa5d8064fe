"""Poses from pixels and points, and how well they are known."""

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import invert, make_pose, pose_errors, so3_exp, transform_points
from pose_tracker_ros.relocalization.absolute_pose import COMMON_M, COMMON_RAD, LIMIT_DEVIATIONS, absolute_pose

CAMERA = PinholeCamera(640, 480, 585.0, 580.0, 320.0, 240.0)


def pixels_and_points(count, wrong, noise_px, seed):
    generator = np.random.default_rng(seed)
    camera_T_map = make_pose(so3_exp(np.array([0.3, -0.8, 0.1])), np.array([0.2, -0.4, 1.0]))
    in_camera = generator.uniform([-1, -0.8, 1.5], [1, 0.8, 4.0], (count, 3))
    pixels = CAMERA.project(in_camera) + generator.normal(0, noise_px, (count, 2))
    pixels[:wrong] = generator.uniform(0, 480, (wrong, 2))
    return pixels, transform_points(invert(camera_T_map), in_camera), camera_T_map


def test_the_pose_is_found_among_wrong_pairs():
    pixels, points, truth = pixels_and_points(100, wrong=70, noise_px=0.0, seed=0)
    found = absolute_pose(pixels, points, CAMERA, 4.0)
    translation, rotation = pose_errors(found.camera_T_points, truth)
    assert translation < 1e-6
    assert rotation < 1e-6
    assert found.inliers[70:].all()
    assert found.inliers[:70].sum() < 5


def test_too_few_points_have_no_pose():
    pixels, points, _ = pixels_and_points(3, wrong=0, noise_px=0.0, seed=0)
    assert absolute_pose(pixels, points, CAMERA, 4.0) is None


def test_information_is_that_of_a_camera_that_is_moved():
    pixels, points, _ = pixels_and_points(50, wrong=0, noise_px=0.0, seed=1)
    found = absolute_pose(pixels, points, CAMERA, 4.0)
    step = 1e-6
    columns = []
    for number in range(6):
        twist = np.zeros(6)
        twist[number] = step
        moved = invert(make_pose(so3_exp(twist[3:]), twist[:3])) @ found.camera_T_points
        columns.append((CAMERA.project(transform_points(moved, points)) - pixels).ravel() / step)
    jacobian = np.column_stack(columns)
    own = jacobian.T @ jacobian / (4.0 / LIMIT_DEVIATIONS) ** 2
    common = np.diag([COMMON_M**2] * 3 + [COMMON_RAD**2] * 3)
    np.testing.assert_allclose(np.linalg.inv(found.information), np.linalg.inv(own) + common, rtol=1e-3, atol=1e-9)
