"""Errors of camera poses on answers that are known."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pose_tracker_ros.evaluation.camera_poses import camera_pose_errors, orientation_error_deg, score_camera_poses
from pose_tracker_ros.evaluation.nearest_view import NearestView
from pose_tracker_ros.geometry import make_pose


def turn(degrees, axis=(0, 0, 1)):
    axis = np.array(axis) / np.linalg.norm(axis)
    return Rotation.from_rotvec(np.radians(degrees) * axis)


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (1, -2, 3)])
@pytest.mark.parametrize("degrees", [10.0, 90.0, 179.0])
def test_the_angle_is_neither_half_nor_twice_of_it(axis, degrees):
    base = turn(40, (1, 1, 0))
    first, second = base.as_quat(), (base * turn(degrees, axis)).as_quat()
    for sign in (1, -1):
        assert orientation_error_deg(first, sign * second) == pytest.approx(degrees, abs=1e-4)
    assert orientation_error_deg(3 * first, second) == pytest.approx(degrees, abs=1e-4)


def test_equal_rotations_have_no_angle_whatever_rounding_does():
    quaternions = Rotation.random(200, random_state=0).as_quat().astype(np.float32)
    errors = orientation_error_deg(quaternions, -quaternions)
    assert errors.shape == (200,) and np.isfinite(errors).all() and errors.max() < 1e-3


def test_medians_and_recall_of_known_errors():
    truths = [np.eye(4)] * 5
    offsets, degrees = (0.01, 0.049, 0.051, 0.02, 0.30), (1, 4.9, 1, 5.1, 30)
    estimates = [make_pose(turn(angle).as_matrix(), (0, offset, 0)) for offset, angle in zip(offsets, degrees)]
    np.testing.assert_allclose(camera_pose_errors(estimates, truths), np.column_stack([offsets, degrees]), atol=1e-6)
    score = score_camera_poses(estimates, truths)
    assert (score.position_m, score.orientation_deg) == (pytest.approx(0.049), pytest.approx(4.9))
    assert (score.recall, score.frames) == (pytest.approx(0.4), 5)


def test_a_frame_without_an_estimate_counts_as_wrong():
    score = score_camera_poses([np.eye(4), None, None], [np.eye(4)] * 3)
    assert score.recall == pytest.approx(1 / 3) and np.isinf(score.position_m)
    with pytest.raises(ValueError, match="at least one frame"):
        score_camera_poses([], [])


def test_the_nearest_view_by_look_and_by_pose():
    generator = np.random.default_rng(0)
    images = [generator.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(3)]
    poses = [make_pose(np.eye(3), (x, 0, 0)) for x in (0.0, 1.0, 2.0)]
    nearest = NearestView(images, poses)
    darker = (0.5 * images[2]).astype(np.uint8)
    assert nearest.by_look(darker)[0, 3] == 2
    assert nearest.by_pose(make_pose(turn(10).as_matrix(), (0.7, 0, 0)))[0, 3] == 1
