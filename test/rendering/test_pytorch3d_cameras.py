"""PyTorch3D's camera convention: its documented examples, and one pixel for one point in both."""

import numpy as np
import pytest

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import is_pose, make_pose, random_rotation, transform_points
from pose_tracker_ros.rendering.pytorch3d_cameras import (
    PyTorch3DCamera,
    field_of_view_focal,
    from_pytorch3d,
    look_at,
    look_at_pose,
    to_pytorch3d,
)


def ndc(camera, points):
    """PyTorch3D's projection, written after its documentation: row vectors, x left, y up."""
    view = points @ camera.R + camera.T
    return camera.focal_length * view[:, :2] / view[:, 2:] + camera.principal_point


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (200, 200)])
def test_points_fall_on_the_same_pixels(size):
    width, height = size
    camera = PinholeCamera(width, height, 601.0, 598.0, 0.47 * width, 0.55 * height)
    generator = np.random.default_rng(1)
    pose = make_pose(random_rotation(generator), np.array([0.02, 0.05, 0.8]))
    points = generator.uniform(-0.1, 0.1, (50, 3))
    converted = to_pytorch3d(camera, pose)
    assert np.linalg.det(converted.R) == pytest.approx(1)
    # NDC to screen: the shorter side is 2, +1 is left and top, and pixel i is sampled at i + 0.5.
    screen = np.array([width, height]) / 2 - ndc(converted, points) * min(size) / 2
    assert screen - 0.5 == pytest.approx(camera.project(transform_points(pose, points)), abs=1e-9)


def test_a_camera_in_the_middle_has_the_documented_focal_length():
    camera = to_pytorch3d(PinholeCamera(640, 480, 600, 600, 319.5, 239.5), np.eye(4))
    assert camera.focal_length == pytest.approx([2.5, 2.5]) and camera.principal_point == pytest.approx([0, 0])
    assert ndc(camera, np.array([[0.1, 0, 1]]))[0, 0] < 0, "what is right of the camera has negative NDC x"
    assert field_of_view_focal(60.0) == pytest.approx(3**0.5)


def test_there_and_back():
    generator = np.random.default_rng(4)
    camera = PinholeCamera(320, 240, 300.0, 310.0, 150.0, 133.0)
    pose = make_pose(random_rotation(generator), generator.normal(size=3))
    back, pose_back = from_pytorch3d(to_pytorch3d(camera, pose))
    assert (back.width, back.height) == (320, 240) and back.matrix == pytest.approx(camera.matrix)
    assert pose_back == pytest.approx(pose)


def test_look_at_of_the_documentation():
    R, T = look_at(2.7, 0, 0)
    assert R == pytest.approx(np.diag([-1, 1, -1])) and T == pytest.approx([0, 0, 2.7])


@pytest.mark.parametrize(("elevation", "azimuth"), [(0, 90), (30, 0), (50, -120), (-80, 200)])
def test_look_at_puts_the_middle_in_the_middle_and_up_upwards(elevation, azimuth):
    at = np.array([0.2, -0.1, 0.4])
    pose = look_at_pose(1.5, elevation, azimuth, at=at)
    assert is_pose(pose, 1e-9)
    assert transform_points(pose, at[None])[0] == pytest.approx([0, 0, 1.5])
    above = transform_points(pose, at[None] + [[0, 0.1, 0]])[0]
    assert above[1] < 0 and above[0] == pytest.approx(0)
    center = np.linalg.inv(pose)[:3, 3] - at
    e, a = np.radians([elevation, azimuth])
    assert center == pytest.approx(1.5 * np.array([np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)]))
    R, T = look_at(1.5, elevation, azimuth, at=at)
    camera = PyTorch3DCamera(R, T, np.ones(2), np.zeros(2), (100, 100))
    assert from_pytorch3d(camera)[1] == pytest.approx(pose)


def test_looking_along_up_is_refused():
    with pytest.raises(ValueError, match="look along up"):
        look_at(1.0, 90, 0)
    with pytest.raises(ValueError, match="positive distance"):
        look_at(0.0)
