"""Intrinsics as CameraInfo defines them: every case is a point projected by the definition of its model, written out here."""

import cv2
import numpy as np
import pytest

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.intrinsics import Calibration, Intrinsics, image_geometry

K = (600.0, 0.0, 311.0, 0.0, 590.0, 247.0, 0.0, 0.0, 1.0)
P = (500.0, 0.0, 330.0, 0.0, 0.0, 505.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SIZE = (640, 480)
PLUMB_BOB = (-0.28, 0.08, 0.001, -0.002, 0.01)
RATIONAL = (0.5, -2.6, 0.0004, -0.0002, 1.5, 0.4, -2.4, 1.4)
THIN_PRISM = (-0.2, 0.05, 0.001, -0.001, 0.0, 0.02, 0.0, 0.0, 0.004, -0.002, -0.003, 0.001)
TILTED = (*THIN_PRISM, 0.02, -0.03)
FISHEYE = (-0.05, 0.01, -0.003, 0.0005)


def distorted(model, d, x, y):
    """Where a model has the direction (x, y, 1), in normalised coordinates (OpenCV's documentation)."""
    r2 = x * x + y * y
    if model == "equidistant":
        r = np.sqrt(r2)
        theta = np.arctan(r)
        scale = theta * (1 + d[0] * theta**2 + d[1] * theta**4 + d[2] * theta**6 + d[3] * theta**8) / r
        return x * scale, y * scale
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4, tilt_x, tilt_y = (*d, *[0] * 14)[:14]
    radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    flat = (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + s1 * r2 + s2 * r2**2,
        y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y + s3 * r2 + s4 * r2**2,
    )
    about_x = np.array([[1, 0, 0], [0, np.cos(tilt_x), np.sin(tilt_x)], [0, -np.sin(tilt_x), np.cos(tilt_x)]])
    about_y = np.array([[np.cos(tilt_y), 0, -np.sin(tilt_y)], [0, 1, 0], [np.sin(tilt_y), 0, np.cos(tilt_y)]])
    turn = about_y @ about_x
    tilted = np.array([[turn[2, 2], 0, -turn[0, 2]], [0, turn[2, 2], -turn[1, 2]], [0, 0, 1]]) @ turn @ [*flat, 1.0]
    return tuple(tilted[:2] / tilted[2])


def spot(size, column, row):
    """A black image with one soft spot, and its centre of mass from such an image."""
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    return (255 * np.exp(-((columns - column) ** 2 + (rows - row) ** 2) / 18)).astype(np.uint8)


def middle_of(image):
    columns, rows = np.meshgrid(np.arange(image.shape[1]), np.arange(image.shape[0]))
    weights = image.astype(np.float64)
    return (columns * weights).sum() / weights.sum(), (rows * weights).sum() / weights.sum()


@pytest.mark.parametrize(
    ("model", "d"),
    [
        ("plumb_bob", PLUMB_BOB),
        ("plumb_bob", PLUMB_BOB[:4]),
        ("rational_polynomial", RATIONAL),
        ("rational_polynomial", THIN_PRISM),
        ("thin_prism", TILTED),
        ("equidistant", FISHEYE),
    ],
)
@pytest.mark.parametrize("direction", [(0.3, -0.2), (-0.4, 0.3), (0.01, 0.02)])
@pytest.mark.parametrize("binning", [1, 2])
def test_a_raw_image_becomes_that_of_the_pinhole_camera(model, d, direction, binning):
    x, y = distorted(model, d, *direction)
    size = (SIZE[0] // binning, SIZE[1] // binning)
    full = (K[0] * x + K[2], K[4] * y + K[5])
    raw = spot(size, *((c + 0.5) / binning - 0.5 for c in full))
    geometry = image_geometry(Calibration(*SIZE, K, d, model, P, (binning, binning)), size, "/camera/image_raw")
    expected = geometry.camera.project(np.array([*direction, 1.0]))
    assert np.allclose(middle_of(geometry.color(np.dstack([raw] * 3))[..., 1]), expected, atol=0.1)
    # Depth is taken from the nearest pixel.
    depth = geometry.labels(raw.astype(np.float32))
    assert depth.dtype == np.float32 and np.allclose(middle_of(depth), expected, atol=0.5)
    assert geometry.labels(raw > 128).dtype == bool
    assert np.allclose(geometry.points(np.array([[(c + 0.5) / binning - 0.5 for c in full]])), expected, atol=0.01)


@pytest.mark.parametrize(
    ("name", "d", "distortion", "matrix", "undistorted"),
    [
        ("/camera/image_raw", PLUMB_BOB, "auto", K, True),
        ("/camera/color/image", PLUMB_BOB, "auto", K, True),
        ("/camera/image_rect", PLUMB_BOB, "auto", P, False),
        ("/zed/rgb/color/rect/image", PLUMB_BOB, "auto", P, False),
        ("/camera/image_rect_color/compressed", PLUMB_BOB, "auto", P, False),
        ("/direct/image_raw", PLUMB_BOB, "auto", K, True),
        ("/camera/image_raw", PLUMB_BOB, "rectified", P, False),
        ("/camera/image_rect", PLUMB_BOB, "undistort", K, True),
        ("/camera/depth/image_rect_raw", (0.0,) * 5, "auto", P, False),
        ("/camera/image_raw", (0.0,) * 5, "auto", K, False),
        ("/camera/image", (), "auto", P, False),
        ("/camera/image_rect", PLUMB_BOB, "refuse", P, False),
    ],
)
def test_which_matrix_holds(name, d, distortion, matrix, undistorted):
    geometry = image_geometry(Calibration(*SIZE, K, d, "plumb_bob", P), SIZE, name, distortion)
    expected = np.array(matrix).reshape(3, -1)[:, :3]
    assert np.allclose(geometry.camera.matrix, expected)
    assert (geometry.undistortion is not None) == undistorted


@pytest.mark.parametrize(("k", "p"), [(K, (0.0,) * 12), (K, ()), ((0.0,) * 9, (*K[:3], 0.0, *K[3:6], 0.0, 0.0, 0.0, 1.0, 0.0))])
def test_a_matrix_that_is_empty_is_replaced_by_the_other(k, p):
    for name in ("image_raw", "image_rect", ""):
        assert np.allclose(image_geometry(Calibration(*SIZE, k, p=p), SIZE, name).camera.matrix, np.reshape(K, (3, 3)))


@pytest.mark.parametrize(
    ("name", "k", "p", "words"),
    [
        ("image_raw", (0.0,) * 9, P, "matrix K of raw images"),
        ("image_rect", K, (0.0,) * 12, "matrix P of rectified images"),
        ("image_rect", K, (), "matrix P of rectified images"),
    ],
)
def test_of_a_lens_that_distorts_no_matrix_stands_for_the_other_unless_a_user_says_so(name, k, p, words):
    calibration = Calibration(*SIZE, k, PLUMB_BOB, "plumb_bob", p)
    with pytest.raises(ValueError, match=words):
        image_geometry(calibration, SIZE, name)
    expected = np.reshape(K if k == K else P, (3, -1))[:, :3]
    assert np.allclose(image_geometry(calibration, SIZE, name, "rectified").camera.matrix, expected)


@pytest.mark.parametrize(
    ("binning", "roi", "size"),
    [
        ((2, 2), (0, 0, 0, 0), (320, 240)),
        ((2, 1), (0, 0, 0, 0), (320, 480)),
        ((1, 1), (100, 60, 320, 240), (320, 240)),
        ((2, 2), (101, 60, 320, 241), (160, 120)),
        ((4, 4), (0, 0, 640, 480), (160, 120)),
        ((0, 0), (0, 0, 0, 0), (640, 480)),
    ],
)
def test_binning_and_region(binning, roi, size):
    """Pixels of the image are means of blocks of pixels of the full resolution, and so are their places."""
    camera = image_geometry(Calibration(*SIZE, K, p=P, binning=binning, roi=roi), size, "image_raw").camera
    point = np.array([0.02, -0.03, 0.7])
    column, row = PinholeCamera.from_matrix(K, *SIZE).project(point)
    across, down = max(1, binning[0]), max(1, binning[1])
    places = [np.mean([(roi[axis] + by * index + np.arange(by)) for index in (0, 1)], axis=1) for axis, by in ((0, across), (1, down))]
    expected = [(value - first) / (second - first) for value, (first, second) in zip((column, row), places)]
    assert np.allclose(camera.project(point), expected)
    assert (camera.width, camera.height) == size


def test_a_calibration_without_size_is_the_images():
    assert image_geometry(Calibration(0, 0, K), SIZE).camera == PinholeCamera.from_matrix(K, *SIZE)


@pytest.mark.parametrize(
    ("fields", "size", "distortion", "words"),
    [
        ({"width": 1280, "height": 960}, SIZE, "auto", "CameraInfo of the image's size 640x480, got 1280x960; subscribe"),
        ({"binning": (2, 2)}, SIZE, "auto", "640x480, binning 2x2"),
        ({"roi": (100, 0, 640, 480)}, SIZE, "auto", r"region 640x480 at \(100, 0\)"),
        ({"d": PLUMB_BOB}, SIZE, "refuse", "rectified images, got plumb_bob coefficients -0.28, 0.08"),
        ({"d": PLUMB_BOB, "model": "double_sphere"}, SIZE, "auto", "5 of model 'double_sphere'; .* rectified"),
        ({"d": PLUMB_BOB, "model": "equidistant"}, SIZE, "auto", "5 of model 'equidistant'"),
        ({"d": (float("nan"),) * 5}, SIZE, "auto", "finite distortion"),
        ({"k": (0.0,) * 9}, SIZE, "auto", "calibrated"),
        ({}, SIZE, "yes", "distortion as one of auto, undistort"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(fields, size, distortion, words):
    calibration = Calibration(**{"width": SIZE[0], "height": SIZE[1], "k": K, **fields})
    with pytest.raises(ValueError, match=words) as error:
        image_geometry(calibration, size, "image_raw", distortion)
    assert "\n" not in str(error.value)


def test_maps_are_made_once_for_a_camera_and_anew_when_it_changes():
    intrinsics, raw = Intrinsics(), Calibration(*SIZE, K, PLUMB_BOB)
    first = intrinsics.geometry(raw, SIZE)
    assert intrinsics.geometry(Calibration(*SIZE, K, PLUMB_BOB), SIZE) is first
    assert intrinsics.geometry(Calibration(*SIZE, K, PLUMB_BOB[:4]), SIZE) is not first


def test_undistorting_is_what_opencv_does():
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8), (0, 0), 3)
    ours = image_geometry(Calibration(*SIZE, K, RATIONAL, "rational_polynomial"), SIZE, "image_raw").color(image)
    theirs = cv2.undistort(image, np.reshape(K, (3, 3)), np.array(RATIONAL))
    assert np.abs(ours[20:-20, 20:-20].astype(int) - theirs[20:-20, 20:-20]).max() <= 2
