"""Messages to arrays and back: geometry, intrinsics, and one clear sentence for what does not fit."""

import array
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from live_nodes import depth_message
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets.image_messages import color_from_message, depth_from_message
from pose_tracker_ros.geometry import make_pose, so3_exp
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.frames import FrameMaker, RgbdMessages
from pose_tracker_ros.nodes.image_options import ImageOptions

FRAMES = FrameMaker(ImageOptions(), ("image_raw", "depth/image_raw"), lambda color, depth: np.eye(4))
CAMERA = PinholeCamera(8, 6, 10.0, 11.0, 3.5, 2.5)
FIELDS = ("width", "height", "encoding", "step", "is_bigendian")
FINITE = st.floats(-3, 3)


def color_message(width=8, height=6, encoding="rgb8"):
    message = messages.image_message(np.full((height, width, 3), 7, np.uint8), "rgb8", Header())
    message.encoding = encoding
    return message


def flat_depth(width=8, height=6):
    return depth_message(np.full((height, width), 0.5, np.float32))


def frame_from(color, depth, info, depth_info=None):
    return FRAMES.frame(RgbdMessages(color, depth, info, depth_info))


@given(arrays(np.float64, 3, elements=FINITE), arrays(np.float64, 3, elements=FINITE))
def test_poses_survive_the_way_there_and_back(rotation, translation):
    pose = make_pose(so3_exp(rotation), translation)
    assert np.allclose(messages.pose_from_message(messages.pose_message(pose)), pose, atol=1e-9)
    transform = messages.transform_stamped(pose, Header(frame_id="camera"), "object")
    assert np.allclose(messages.transform_matrix(transform), pose, atol=1e-9)


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_depth_survives_in_both_encodings(encoding):
    depth = np.array([[0.0, 0.5], [1.234, 3.0]], np.float32)
    camera = PinholeCamera(2, 2, 1.0, 1.0, 0.5, 0.5)
    color = messages.image_message(np.zeros((2, 2, 3), np.uint8), "rgb8", Header())
    frame = frame_from(color, depth_message(depth, encoding=encoding), messages.info_message(camera, Header()))
    assert np.allclose(frame.depth, depth, atol=5e-4)
    assert frame.camera == camera


def test_nan_depth_is_no_measurement():
    depth = np.full((6, 8), np.nan, np.float32)
    message = messages.image_message(depth, "32FC1", Header())
    frame = frame_from(color_message(), message, messages.info_message(CAMERA, Header()))
    assert not frame.depth.any()


def padded(message, padding=5):
    """The same image with some bytes after each row."""
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    message.data = array.array("B", np.pad(rows, ((0, 0), (0, padding)), constant_values=255).tobytes())
    message.step += padding
    return message


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(("color_encoding", "depth_encoding"), [("rgb8", "16UC1"), ("bgr8", "32FC1")])
def test_frames_are_as_kernels_need_them(color_encoding, depth_encoding, padding):
    pixels = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    depth = np.linspace(0.5, 2.0, 48, dtype=np.float32).reshape(6, 8)
    color = messages.image_message(pixels if color_encoding == "rgb8" else pixels[..., ::-1], color_encoding, Header())
    frame = frame_from(
        padded(color, padding),
        padded(depth_message(depth, encoding=depth_encoding), padding * 4),
        messages.info_message(CAMERA, Header()),
    )
    assert np.array_equal(frame.color, pixels)
    assert np.allclose(frame.depth, depth, atol=5.1e-4)
    for image, kind in ((frame.color, np.uint8), (frame.depth, np.float32)):
        assert image.dtype == kind and image.dtype.isnative
        assert image.flags.c_contiguous and image.flags.writeable


def test_bytes_that_may_not_be_written_to_are_copied():
    message = color_message()
    data = bytes(message.data)
    image = color_from_message(SimpleNamespace(**{name: getattr(message, name) for name in FIELDS}, data=data))
    assert image.flags.writeable
    assert np.shares_memory(color_from_message(message), np.frombuffer(message.data, np.uint8))


def test_infinite_and_negative_depth_is_no_measurement():
    depth = np.array([[np.inf, -np.inf, -1.0, 0.7]], np.float32)
    assert depth_from_message(messages.image_message(depth, "32FC1", Header())).tolist() == [[0, 0, 0, depth[0, 3]]]


@pytest.mark.parametrize(
    ("color", "depth", "camera", "words"),
    [
        (color_message(), flat_depth(width=4), CAMERA, "register depth"),
        (color_message(encoding="nv24"), flat_depth(), CAMERA, "nv24"),
        (color_message(), messages.image_message(np.zeros((6, 8), np.uint8), "8UC1", Header()), CAMERA, "8UC1"),
        (color_message(), flat_depth(), PinholeCamera(16, 12, 9.0, 9.0, 8.0, 6.0), "CameraInfo"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(color, depth, camera, words):
    with pytest.raises(ValueError, match=words) as error:
        frame_from(color, depth, messages.info_message(camera, Header()))
    assert "\n" not in str(error.value)


def test_an_uncalibrated_camera_is_refused():
    with pytest.raises(ValueError, match="calibrated"):
        frame_from(color_message(), None, CameraInfo(width=8, height=6))


def test_extrinsics_are_stored_by_columns_and_have_a_rotation():
    moved = make_pose(so3_exp(np.array([0.1, -0.2, 0.3])), np.array([0.05, 0.0, 0.01]))
    message = SimpleNamespace(rotation=moved[:3, :3].T.ravel(), translation=moved[:3, 3])
    assert np.allclose(messages.transform_from_extrinsics(message), moved)
    for rotation in (np.zeros(9), np.full(9, np.nan), np.diag([1.0, 1.0, -1.0]).ravel()):
        with pytest.raises(ValueError, match="extrinsics with a rotation"):
            messages.transform_from_extrinsics(SimpleNamespace(rotation=rotation, translation=np.zeros(3)))


def test_a_pose_without_orientation_is_refused():
    message = messages.pose_message(np.eye(4))
    message.orientation.w = 0.0
    with pytest.raises(ValueError, match="quaternion"):
        messages.pose_from_message(message)
