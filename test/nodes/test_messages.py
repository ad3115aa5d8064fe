"""Messages to arrays and back: geometry, intrinsics, and one clear sentence for what does not fit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import make_pose, so3_exp
from pose_tracker_ros.nodes import messages

CAMERA = PinholeCamera(8, 6, 10.0, 11.0, 3.5, 2.5)
FINITE = st.floats(-3, 3)


def color_message(width=8, height=6, encoding="rgb8"):
    return messages.image_message(np.full((height, width, 3), 7, np.uint8), encoding, Header())


def depth_message(width=8, height=6, encoding="16UC1"):
    return messages.depth_message(np.full((height, width), 0.5, np.float32), encoding, Header())


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
    frame = messages.frame_from_messages(
        color, messages.depth_message(depth, encoding, Header()), messages.info_message(camera, Header())
    )
    assert np.allclose(frame.depth, depth, atol=5e-4)
    assert frame.camera == camera


def test_nan_depth_is_no_measurement():
    depth = np.full((6, 8), np.nan, np.float32)
    message = messages.image_message(depth, "32FC1", Header())
    frame = messages.frame_from_messages(color_message(), message, messages.info_message(CAMERA, Header()))
    assert not frame.depth.any()


@pytest.mark.parametrize(
    ("color", "depth", "camera", "words"),
    [
        (color_message(), depth_message(width=4), CAMERA, "register depth"),
        (color_message(encoding="yuv422"), depth_message(), CAMERA, "yuv422"),
        (color_message(), messages.image_message(np.zeros((6, 8), np.uint8), "8UC1", Header()), CAMERA, "8UC1"),
        (color_message(), depth_message(), PinholeCamera(16, 12, 9.0, 9.0, 8.0, 6.0), "CameraInfo"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(color, depth, camera, words):
    with pytest.raises(ValueError, match=words) as error:
        messages.frame_from_messages(color, depth, messages.info_message(camera, Header()))
    assert "\n" not in str(error.value)


def test_an_uncalibrated_camera_is_refused():
    with pytest.raises(ValueError, match="calibrated"):
        messages.camera_from_info(CameraInfo(width=640, height=480))


def test_a_pose_without_orientation_is_refused():
    message = messages.pose_message(np.eye(4))
    message.orientation.w = 0.0
    with pytest.raises(ValueError, match="quaternion"):
        messages.pose_from_message(message)
