"""The pinhole camera, its crops, and what is no camera."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pose_tracker_ros.camera import PinholeCamera, crop_camera

CAMERA = PinholeCamera(64, 48, 60.0, 55.0, 30.5, 25.25)


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.1, 5))
def test_project_is_opencv_s(x, y, z):
    expected, _ = cv2.projectPoints(np.array([[x, y, z]]), np.zeros(3), np.zeros(3), CAMERA.matrix, np.zeros(5))
    assert CAMERA.project(np.array([x, y, z])) == pytest.approx(expected.reshape(2), abs=1e-6)


def test_points_not_in_front_project_to_nan():
    pixels = CAMERA.project(np.array([[0.0, 0, -1], [0.1, 0, 0], [0, 0, 1]]))
    assert np.isnan(pixels[:2]).all()
    assert pixels[2] == pytest.approx([30.5, 25.25])


def test_back_projection_inverts_projection_at_pixel_centres():
    depth = np.random.default_rng(0).uniform(0.3, 2, (48, 64)).astype(np.float32)
    points = CAMERA.back_project(depth)
    assert points[..., 2] == pytest.approx(depth)
    columns, rows = np.meshgrid(np.arange(64), np.arange(48))
    assert CAMERA.project(points) == pytest.approx(np.stack([columns, rows], axis=-1), abs=1e-3)


def test_no_depth_back_projects_to_zero():
    assert not CAMERA.back_project(np.zeros((48, 64), np.float32)).any()


def test_matrix_and_from_matrix_are_inverse():
    assert PinholeCamera.from_matrix(CAMERA.matrix.reshape(-1), 64, 48) == CAMERA


@given(st.sampled_from([0.25, 0.5, 2.0, 3.0]), st.floats(0, 63), st.floats(0, 47))
def test_scaling_moves_pixels_as_image_resizing_does(factor, u, v):
    """Resizing keeps the corners of the image, which are half a pixel outside the outer pixel centres."""
    scaled = CAMERA.scaled(factor)
    point = np.array([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, 1.0])
    assert scaled.project(point) == pytest.approx([(u + 0.5) * factor - 0.5, (v + 0.5) * factor - 0.5], abs=1e-9)
    assert (scaled.width, scaled.height) == (64 * factor, 48 * factor)


@pytest.mark.parametrize(
    "numbers",
    [
        (0, 48, 60, 60, 30, 20),
        (64, -1, 60, 60, 30, 20),
        (64, 48, 0, 60, 30, 20),
        (64, 48, 60, -5, 30, 20),
        (64, 48, np.nan, 60, 30, 20),
        (64, 48, 60, 60, np.inf, 20),
    ],
)
def test_an_impossible_camera_is_refused_with_what_to_check(numbers):
    with pytest.raises(ValueError, match="expected camera intrinsics.*CameraInfo"):
        PinholeCamera(*numbers)


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.2, 3), st.floats(0.05, 0.5), st.integers(8, 200))
def test_a_crop_shows_the_square_around_its_centre(x, y, z, side, resolution):
    """The square's corners fall on the crop's corners, half a pixel outside the outer pixel centres."""
    crop = crop_camera(np.array([x, y, z]), side, resolution)
    low = crop.project(np.array([x - side / 2, y - side / 2, z]))
    high = crop.project(np.array([x + side / 2, y + side / 2, z]))
    assert (crop.width, crop.height) == (resolution, resolution)
    assert low == pytest.approx([-0.5, -0.5], abs=1e-6)
    assert high == pytest.approx([resolution - 0.5, resolution - 0.5], abs=1e-6)


@pytest.mark.parametrize("z", [0.0, -0.5, np.nan])
def test_a_crop_of_something_behind_the_camera_is_refused(z):
    with pytest.raises(ValueError, match="expected an object in front of the camera"):
        crop_camera(np.array([0.0, 0.0, z]), 0.2, 64)
