"""Cameras that say more of themselves than an intrinsic matrix: what frames of their recordings are then."""

import cv2
import numpy as np
import pytest
from dataset_layouts import HEIGHT, WIDTH, K, color_of, depth_m_of
from recorded_messages import COLOR, DEPTH, INFO, STORE, camera_info, depth_mm, image, write_bag
from rosbags.typesys import get_types_from_msg

from pose_tracker_ros.datasets import DatasetError, open_sequence
from pose_tracker_ros.geometry import make_pose, so3_exp

OWN_DEPTH, OWN_INFO = "/camera/camera/depth/image_rect_raw", "/camera/camera/depth/camera_info"
MOVED = make_pose(so3_exp(np.array([0.01, -0.02, 0.03])), np.array([0.055, 0.001, -0.002]))


def in_frame(message, frame_id):
    message.header.frame_id = frame_id
    return message


def bag_of(path, info=None, color=COLOR, color_image=None, depth=DEPTH, depth_image=None, extra=()):
    messages = [
        (10, INFO, info or camera_info(10)),
        (11, color, color_image or image(10**9, color_of(1), "rgb8")),
        (12, depth, depth_image or image(10**9, depth_mm(1), "16UC1")),
    ]
    return write_bag(path, [*((1 + i, topic, message) for i, (topic, message) in enumerate(extra)), *messages])


def pose_message(pose):
    from scipy.spatial.transform import Rotation

    types = STORE.types
    return types["geometry_msgs/msg/Transform"](
        types["geometry_msgs/msg/Vector3"](*pose[:3, 3]),
        types["geometry_msgs/msg/Quaternion"](*Rotation.from_matrix(pose[:3, :3]).as_quat()),
    )


def transforms(*edges):
    """A TFMessage of (parent, child, parent_T_child)."""
    types = STORE.types
    header = camera_info(10).header
    stamped = types["geometry_msgs/msg/TransformStamped"]
    return types["tf2_msgs/msg/TFMessage"](
        [
            stamped(types["std_msgs/msg/Header"](header.stamp, parent), child, pose_message(pose))
            for parent, child, pose in edges
        ]
    )


def own_camera(path, extra, focal=33.0, **options):
    """A recording whose depth camera has a frame and, with another focal length than colour's 40, intrinsics of its own."""
    info = in_frame(camera_info(10), "camera_depth_optical_frame")
    info.k[0] = info.p[0] = focal
    message = in_frame(image(10**9, depth_mm(1), "16UC1"), "camera_depth_optical_frame")
    bag = bag_of(path, depth=OWN_DEPTH, depth_image=message, extra=[(OWN_INFO, info), *extra])
    return next(iter(open_sequence(bag, **options)))


def link_edges():
    """From both cameras to a link between them, so that the way leads over it."""
    link_T_color = make_pose(so3_exp(np.array([0.2, 0.1, -0.3])), np.array([0.01, 0.02, 0.03]))
    return [("camera_link", "camera_color_optical_frame", link_T_color), ("camera_link", "camera_depth_optical_frame", link_T_color @ MOVED)]


def test_depth_of_another_frame_is_that_of_its_camera(tmp_path):
    frame = own_camera(tmp_path / "bag", [("/tf_static", transforms(*link_edges()))])
    np.testing.assert_allclose(frame.color_T_depth, MOVED, atol=1e-9)
    assert frame.depth_camera.fx == 33 and frame.camera.fx == 40
    np.testing.assert_allclose(frame.depth, depth_m_of(1), atol=1e-6)


@pytest.mark.parametrize(("focal", "registered"), [(40.0, True), (33.0, False)])
def test_depth_of_colours_frame_is_registered_where_its_intrinsics_are_colours(tmp_path, focal, registered):
    info = camera_info(10)
    info.k[0] = info.p[0] = focal
    bag = bag_of(tmp_path / "bag", depth=OWN_DEPTH, extra=[(OWN_INFO, info)])
    frame = next(iter(open_sequence(bag)))
    assert frame.registered == registered
    if not registered:
        assert frame.depth_camera.fx == focal and np.array_equal(frame.color_T_depth, np.eye(4))


def test_transforms_may_come_one_by_one_and_with_leading_slashes(tmp_path):
    first, second = link_edges()
    slashed = transforms(("/camera_link", "/camera_depth_optical_frame", second[2]))
    frame = own_camera(tmp_path / "bag", [("/tf_static", transforms(first)), ("/tf", slashed)])
    np.testing.assert_allclose(frame.color_T_depth, MOVED, atol=1e-9)


def test_a_transform_that_was_never_filled_in_is_left_out(tmp_path):
    first, second = link_edges()
    message = transforms(first, ("camera_link", "camera_depth_optical_frame", np.eye(4)), second)
    message.transforms[1].transform.rotation.w = 0.0
    frame = own_camera(tmp_path / "bag", [("/tf_static", message)])
    np.testing.assert_allclose(frame.color_T_depth, MOVED, atol=1e-9)


def test_extrinsics_of_the_driver_tell_the_place_where_tf_does_not(tmp_path):
    """RealSense's message, whose type comes with the recording; its rotation is stored column by column."""
    kind = "realsense2_camera_msgs/msg/Extrinsics"
    if kind not in STORE.types:
        STORE.register(get_types_from_msg("float64[9] rotation\nfloat64[3] translation\n", kind))
    message = STORE.types[kind](MOVED[:3, :3].T.flatten(), MOVED[:3, 3].copy())
    other = STORE.types[kind](np.eye(3).ravel(), np.ones(3))
    extra = [("/other/extrinsics/depth_to_color", other), ("/camera/camera/extrinsics/depth_to_color", message)]
    np.testing.assert_allclose(own_camera(tmp_path / "bag", extra).color_T_depth, MOVED, atol=1e-9)
    unfilled = STORE.types[kind](np.zeros(9), np.zeros(3))
    with pytest.raises(DatasetError, match="'camera_depth_optical_frame'"):
        own_camera(tmp_path / "unfilled", [("/camera/camera/extrinsics/depth_to_color", unfilled)])


def test_depth_of_another_frame_without_its_place_is_refused_or_told_by_option(tmp_path):
    with pytest.raises(DatasetError, match="'camera_depth_optical_frame'.*aligned depth.*color_T_depth=.*registered=true"):
        own_camera(tmp_path / "refused", [])
    frame = own_camera(tmp_path / "told", [], color_T_depth="0.055 0 0 0 0 0 1")
    np.testing.assert_allclose(frame.color_T_depth[:3, 3], [0.055, 0, 0])
    assert own_camera(tmp_path / "registered", [], registered=True).registered


def test_an_identity_between_frames_is_registered_where_intrinsics_are_colours(tmp_path):
    edge = ("camera_color_optical_frame", "camera_depth_optical_frame", np.eye(4))
    assert own_camera(tmp_path / "bag", [("/tf_static", transforms(edge))], focal=40.0).registered
    other = own_camera(tmp_path / "other", [("/tf_static", transforms(edge))])
    assert other.depth_camera.fx == 33.0 and np.array_equal(other.color_T_depth, np.eye(4))


def test_a_rectified_image_has_the_projection_matrix(tmp_path):
    info = camera_info(10)
    info.k[:] = np.array([[44, 0, 12], [0, 44, 14], [0, 0, 1.0]]).ravel()
    info.d = np.array([0.1, -0.2, 0.001, 0.001, 0.05])
    (frame,) = open_sequence(bag_of(tmp_path / "bag", info, color="/camera/camera/color/image_rect"))
    np.testing.assert_allclose(frame.camera.matrix, K)
    np.testing.assert_array_equal(frame.color, color_of(1))


@pytest.mark.parametrize("model", ["plumb_bob", "rational_polynomial", "equidistant"])
def test_raw_images_with_distortion_are_undistorted_with_their_depth(tmp_path, model):
    """A point goes to the pixel where a pinhole camera would see it, in colour and in depth."""
    d = {"plumb_bob": [-0.28, 0.08, 0, 0, 0], "rational_polynomial": [-0.3, 0.1, 0, 0, 0, 0.1, 0.1, 0], "equidistant": [0.1, 0.02, 0, 0]}
    info = camera_info(10)
    info.distortion_model, info.d = model, np.array(d[model], float)
    point = np.array([[[0.16, 0.11, 0.5]]])
    project = cv2.fisheye.projectPoints if model == "equidistant" else cv2.projectPoints
    zero = np.zeros(3)
    seen = project(point, zero, zero, K, info.d)[0].ravel()
    ideal = K @ point.ravel() / 0.5
    colors, depths = np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.full((HEIGHT, WIDTH), 800, np.uint16)
    column, row = np.rint(seen).astype(int)
    colors[row - 1 : row + 2, column - 1 : column + 2], depths[row - 1 : row + 2, column - 1 : column + 2] = 255, 500
    assert np.linalg.norm(seen - ideal[:2]) > 0.5
    bag = bag_of(tmp_path / "bag", info, color_image=image(10**9, colors, "rgb8"), depth_image=image(10**9, depths, "16UC1"))
    (frame,) = open_sequence(bag)
    column, row = np.rint(ideal[:2]).astype(int)
    assert frame.color[row, column].min() > 150 and frame.depth[row, column] == pytest.approx(0.5)
    (as_it_is,) = open_sequence(bag, distortion="rectified")
    np.testing.assert_array_equal(as_it_is.color, colors)
    with pytest.raises(DatasetError, match="expected rectified images"):
        list(open_sequence(bag, distortion="refuse"))


def test_binning_scales_the_intrinsics(tmp_path):
    info = camera_info(10)
    info.width, info.height, info.binning_x, info.binning_y = 2 * WIDTH, 2 * HEIGHT, 2, 2
    info.k[:] = np.array([[80, 0, 31.5], [0, 84, 23.5], [0, 0, 1.0]]).ravel()
    info.p[:] = 0
    (frame,) = open_sequence(bag_of(tmp_path / "bag", info))
    np.testing.assert_allclose(frame.camera.matrix, [[40, 0, 15.5], [0, 42, 11.5], [0, 0, 1]])


def test_a_region_moves_the_centre(tmp_path):
    info = camera_info(10)
    info.width, info.height = 2 * WIDTH, 2 * HEIGHT
    info.roi = STORE.types["sensor_msgs/msg/RegionOfInterest"](7, 3, HEIGHT, WIDTH, False)
    (frame,) = open_sequence(bag_of(tmp_path / "bag", info))
    np.testing.assert_allclose(frame.camera.matrix, K - [[0, 0, 7], [0, 0, 3], [0, 0, 0]])


def test_units_of_depth_are_options_for_whole_numbers(tmp_path):
    bag = bag_of(tmp_path / "bag", depth_image=image(10**9, (depth_mm(1) * 4).astype(np.uint16), "16UC1"))
    np.testing.assert_allclose(next(iter(open_sequence(bag, depth_unit="0.25mm"))).depth, depth_m_of(1), atol=1e-6)
    nothing = depth_mm(1)
    nothing[3, 4] = 65535
    far = bag_of(tmp_path / "nothing", depth_image=image(10**9, nothing, "16UC1"))
    assert next(iter(open_sequence(far))).depth[3, 4] == 0
    floats = bag_of(tmp_path / "floats", depth_image=image(10**9, depth_m_of(1).astype(np.float32), "32FC1"))
    np.testing.assert_allclose(next(iter(open_sequence(floats, depth_unit="0.25mm"))).depth, depth_m_of(1), atol=1e-6)


def test_without_camera_info_intrinsics_are_an_option(tmp_path):
    messages = [(11, COLOR, image(10**9, color_of(1), "rgb8")), (12, DEPTH, image(10**9, depth_mm(1), "16UC1"))]
    bag = write_bag(tmp_path / "bag", messages)
    with pytest.raises(DatasetError, match="color_intrinsics"):
        open_sequence(bag)
    (frame,) = open_sequence(bag, color_intrinsics="40 42 15.5 11.5")
    np.testing.assert_allclose(frame.camera.matrix, K)
