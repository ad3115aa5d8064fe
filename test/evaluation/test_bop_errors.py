"""BOP's errors and recalls against closed forms."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.evaluation import bop_errors
from pose_tracker_ros.evaluation.bop_errors import MatchedTarget

CAMERA = PinholeCamera(64, 48, 60.0, 60.0, 31.5, 23.5)
NONE = np.eye(4)[None]
CUBE = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * 0.05


def moved(pose, translation=(0, 0, 0), rotation_vector=(0, 0, 0)):
    result = np.eye(4)
    result[:3, :3] = Rotation.from_rotvec(rotation_vector).as_matrix() @ pose[:3, :3]
    result[:3, 3] = pose[:3, 3] + translation
    return result


@pytest.fixture
def truth():
    pose = np.eye(4)
    pose[2, 3] = 1.0
    return pose


def test_mssd_of_a_translation_is_its_length(truth):
    estimate = moved(truth, (0.003, 0.004, 0))
    assert bop_errors.mssd_error(estimate, truth, CUBE, NONE) == pytest.approx(0.005)


def test_mssd_takes_the_farthest_point(truth):
    """A turn by 90 degrees about z moves the corners by sqrt(2) times their distance from the axis."""
    estimate = moved(truth, rotation_vector=(0, 0, np.pi / 2))
    expected = np.sqrt(2) * np.hypot(0.05, 0.05)
    assert bop_errors.mssd_error(estimate, truth, CUBE, NONE) == pytest.approx(expected)


def test_symmetric_turn_costs_nothing(truth):
    symmetries = np.stack([moved(np.eye(4), rotation_vector=(0, 0, k * np.pi / 2)) for k in range(4)])
    estimate = truth @ symmetries[3]
    assert bop_errors.mssd_error(estimate, truth, CUBE, symmetries) == pytest.approx(0, abs=1e-9)
    assert bop_errors.mspd_error(estimate, truth, CUBE, symmetries, CAMERA) == pytest.approx(0, abs=1e-7)
    assert bop_errors.mspd_error(estimate, truth, CUBE, symmetries[:2], CAMERA) > 1


def test_mspd_of_a_sideways_shift(truth):
    """The nearest face is at z = 0.95, where 1 mm is 60 / 0.95 / 1000 pixels."""
    estimate = moved(truth, (0.01, 0, 0))
    assert bop_errors.mspd_error(estimate, truth, CUBE, NONE, CAMERA) == pytest.approx(60 * 0.01 / 0.95)


def test_mspd_of_an_estimate_behind_the_camera_is_infinite(truth):
    assert bop_errors.mspd_error(moved(truth, (0, 0, -2)), truth, CUBE, NONE, CAMERA) == np.inf


def test_hull_gives_the_same_mssd_as_all_points(truth):
    generator = np.random.default_rng(0)
    points = generator.normal(scale=0.04, size=(500, 3))
    hull = bop_errors.hull_points(points)
    assert len(hull) < 100
    for _ in range(20):
        estimate = moved(truth, generator.normal(scale=0.02, size=3), generator.normal(size=3))
        assert bop_errors.mssd_error(estimate, truth, hull, NONE) == pytest.approx(
            bop_errors.mssd_error(estimate, truth, points, NONE)
        )
    flat = np.c_[generator.normal(size=(20, 2)), np.zeros(20)]
    assert bop_errors.hull_points(flat) is flat


def plate(rows, columns, depth):
    image = np.zeros((48, 64), np.float32)
    image[rows, columns] = depth
    return image


def test_vsd_of_overlapping_plates():
    """Two plates of 10 x 10 pixels that share 5 x 10: 15 columns in all, 5 of them agree."""
    true = plate(slice(10, 20), slice(20, 30), 0.5)
    estimated = plate(slice(10, 20), slice(25, 35), 0.5)
    measured = np.full((48, 64), 0.5, np.float32)
    errors = bop_errors.vsd_errors(estimated, true, measured, CAMERA, 0.1)
    np.testing.assert_allclose(errors, 2 / 3)


def test_vsd_counts_depth_beyond_the_tolerance_as_misaligned():
    """On the optical axis a distance is a depth: 12 mm are beyond 0.1 and within 0.15 of a 100 mm diameter."""
    centre = (slice(23, 25), slice(31, 33))
    true, estimated = plate(*centre, 0.5), plate(*centre, 0.512)
    errors = bop_errors.vsd_errors(estimated, true, true, CAMERA, 0.1)
    np.testing.assert_allclose(errors, [1, 1] + [0] * 8)


def test_vsd_ignores_what_is_hidden():
    """An occluder 10 cm in front hides the left half of the truth; the estimate agrees on the right half."""
    true = plate(slice(10, 20), slice(20, 30), 0.5)
    estimated = plate(slice(10, 20), slice(25, 30), 0.5)
    measured = np.full((48, 64), 0.5, np.float32)
    measured[:, :25] = 0.4
    np.testing.assert_allclose(bop_errors.vsd_errors(estimated, true, measured, CAMERA, 0.1), 0)
    measured[:, :25] = 0
    np.testing.assert_allclose(bop_errors.vsd_errors(estimated, true, measured, CAMERA, 0.1), 0.5)


def test_vsd_of_nothing_visible_is_one():
    nothing = np.zeros((48, 64), np.float32)
    np.testing.assert_allclose(bop_errors.vsd_errors(nothing, nothing, nothing, CAMERA, 0.1), 1)


def test_recalls_match_by_score_and_only_once():
    """Both estimates are near the first instance; the better-scored one takes it."""
    target = MatchedTarget(np.array([[0.2, 0.9], [0.1, 0.8]])[..., None], 2)
    shares = bop_errors.recalls([target], np.array([0.15, 0.3, 0.85, 0.95]))
    np.testing.assert_allclose(shares[:, 0], [0.5, 0.5, 1.0, 1.0])


def test_recalls_count_targets_without_estimates():
    found = MatchedTarget(np.array([[[0.1]]]), 1)
    missed = MatchedTarget(np.zeros((0, 3, 1)), 3)
    assert bop_errors.average_recall([found, missed], np.array([0.05, 0.2])) == pytest.approx((0 + 0.25) / 2)
    assert bop_errors.recalls([MatchedTarget(np.array([[[0.1]]]), 1)], np.array([0.1]))[0, 0] == 0, "strictly below"
