"""The command on recordings as common drivers and their users make them: a cube that moves, with the pose it must find."""

import json
import struct
from dataclasses import replace

import cv2
import numpy as np
import pytest
import trimesh
from recorded_messages import STORE, compressed, image, info_of, write_bag
from shapes import cube
from tracking_scenes import CAMERA, START, frame_of
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.evaluation.trajectory import read_trajectory
from pose_tracker_ros.geometry import invert, make_pose, quaternion_from_matrix
from pose_tracker_ros.objects import ObjectModel

SIDE, FRAMES, PERIOD_NS = 0.1, 6, 33_333_333
SPEED_M = 0.02  # a frame: depth of half a frame before is 10 mm off
MODEL = ObjectModel.from_mesh("cube", cube(SIDE))
REALSENSE = ("/camera/camera/color/image_raw", "/camera/camera/aligned_depth_to_color/image_raw", "/camera/camera/color/camera_info")


def pose_at(time_ns):
    """Where the cube is: it moves evenly to the right."""
    pose = START.copy()
    pose[0, 3] += SPEED_M * (time_ns / PERIOD_NS - FRAMES / 2)
    return pose


def millimetres(depth):
    return np.rint(depth * 1e3).astype(np.uint16)


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    path = tmp_path_factory.mktemp("mesh") / "cube.obj"
    trimesh.creation.box((SIDE, SIDE, SIDE)).export(path)
    return path


def recorded(
    path,
    topics=REALSENSE,
    color_message=lambda time, color: image(time, color, "rgb8"),
    depth_message=lambda time, depth: image(time, millimetres(depth), "16UC1"),
    info=lambda time: info_of(time, CAMERA),
    depth_rate=1,
    extra=lambda time, frame: (),
    view=lambda frame: frame,
):
    """A recording of the moving cube; ``depth_rate`` depth images a colour image, the one of its stamp the last of them."""
    color_topic, depth_topic, info_topic = topics
    messages = []
    for number in range(FRAMES):
        time = 10**9 + number * PERIOD_NS
        frame = view(frame_of(MODEL, pose_at(number * PERIOD_NS)))
        for step in range(depth_rate - 1, -1, -1):
            at = time - step * PERIOD_NS // depth_rate
            depth = view(frame_of(MODEL, pose_at(at - 10**9))).depth
            messages.append((at + 2, depth_topic, depth_message(at, depth)))
        messages += [(time, info_topic, info(time)), (time + 1, color_topic, color_message(time, frame.color))]
        messages += [(time + 3, topic, message) for topic, message in extra(time, frame)]
    return write_bag(path, sorted(messages, key=lambda entry: entry[0]))


def track(mesh, bag, output, *more):
    first = pose_at(0)
    text = " ".join(f"{number:.6f}" for number in (*first[:3, 3], *quaternion_from_matrix(first[:3, :3])))
    arguments = ["my_cube", bag, "--mesh", mesh, f"--initial-pose={text}", "--set", "network=never", "--no-video", "--output", output]
    result = CliRunner().invoke(app, ["track", *map(str, arguments), *more])
    return result.exit_code, " ".join(result.output.split())


def assert_followed(mesh, bag, output, *more, within_m=1.5e-3):
    code, text = track(mesh, bag, output, *more)
    assert code == 0, text
    rows = read_trajectory(output / "trajectory.csv")
    assert [row.index for row in rows] == list(range(FRAMES)) and {row.state for row in rows} == {"tracking"}, text
    errors = [np.linalg.norm(row.camera_T_object[:3, 3] - pose_at(row.index * PERIOD_NS)[:3, 3]) for row in rows]
    assert max(errors) < within_m, errors
    return text


def other_images(*names, encoding="16UC1"):
    """Images on other topics, of another frame."""

    def extra(time, frame):
        for name in names:
            pixels = millimetres(frame.depth) if encoding in ("16UC1", "mono16") else frame.color
            message = image(time, pixels, encoding)
            message.header.frame_id = "elsewhere"
            yield name, message

    return extra


DRIVERS = {
    "azure kinect": (
        ("/rgb/image_raw", "/depth_to_rgb/image_raw", "/rgb/camera_info"),
        other_images("/ir/image_raw", "/depth/image_raw"),
    ),
    "oak": (("/oak/rgb/image_raw", "/oak/stereo/image_raw", "/oak/rgb/camera_info"), other_images("/oak/ir/image_raw")),
    "zed": (
        ("/zed/zed_node/rgb/image_rect_color", "/zed/zed_node/depth/depth_registered", "/zed/zed_node/rgb/camera_info"),
        other_images("/zed/zed_node/left/image_rect_color", encoding="rgb8"),
    ),
    "own overlay": (REALSENSE, other_images("/tracker/overlay", "/tracker/cube/overlay", encoding="rgb8")),
}


@pytest.mark.parametrize("driver", DRIVERS)
def test_cameras_are_found_by_themselves(mesh, tmp_path, one_thread, driver):
    topics, extra = DRIVERS[driver]
    assert_followed(mesh, recorded(tmp_path / "bag", topics, extra=extra), tmp_path / "out")


def test_topics_are_named_by_options(mesh, tmp_path, one_thread):
    topics = ("/left/a", "/left/b", "/left/camera_info")
    bag = recorded(tmp_path / "bag", topics, extra=other_images("/right/a", encoding="rgb8"))
    reader = [f"--reader={name}_topic={topic}" for name, topic in zip(("color", "depth", "camera_info"), topics)]
    assert_followed(mesh, bag, tmp_path / "out", *reader)


@pytest.mark.parametrize("depth_rate", [2, 3])
def test_faster_depth_is_that_of_the_colour_images_moment(mesh, tmp_path, one_thread, depth_rate):
    text = assert_followed(mesh, recorded(tmp_path / "bag", depth_rate=depth_rate), tmp_path / "out")
    assert "warning" not in text


def as_yuyv(color):
    """Two pixels share their colour: luma of each, and of both the difference of blue, then that of red."""
    yuv = cv2.cvtColor(color, cv2.COLOR_RGB2YUV)
    packed = np.empty((*color.shape[:2], 2), np.uint8)
    packed[..., 0], packed[:, ::2, 1], packed[:, 1::2, 1] = yuv[..., 0], yuv[:, ::2, 1], yuv[:, ::2, 2]
    return packed


def as_bayer_rggb(color):
    mosaic = color[..., 1].copy()
    mosaic[::2, ::2], mosaic[1::2, 1::2] = color[::2, ::2, 0], color[1::2, 1::2, 2]
    return mosaic


def compressed_floats(time, depth):
    """compressedDepth of floats: inverse depth in 16 bits with its two coefficients in front."""
    a, b = 10100.0, -1009.0
    inverse = np.where(depth > 0, a / np.maximum(depth, 1e-3) + b, 0).clip(0, 65535).astype(np.uint16)
    data = struct.pack("<iff", 0, a, b) + cv2.imencode(".png", inverse)[1].tobytes()
    return compressed(time, data, "32FC1; compressedDepth png")


ENCODINGS = {
    "yuyv": {"color_message": lambda time, color: image(time, as_yuyv(color), "yuv422_yuy2")},
    "bayer": {"color_message": lambda time, color: image(time, as_bayer_rggb(color), "bayer_rggb8")},
    "rgb16": {"color_message": lambda time, color: image(time, color.astype(np.uint16) * 257, "rgb16")},
    "compressed floats": {"depth_message": compressed_floats},
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_of_common_drivers(mesh, tmp_path, one_thread, encoding):
    assert_followed(mesh, recorded(tmp_path / "bag", **ENCODINGS[encoding]), tmp_path / "out", within_m=2.5e-3)


def moved_camera(frame):
    """What a depth camera 55 mm beside the colour camera measures."""
    seen = frame_of(MODEL, invert(COLOR_T_DEPTH) @ next(iter(frame.truth.values())))
    return replace(frame, depth=seen.depth)


COLOR_T_DEPTH = make_pose(np.eye(3), np.array([0.055, 0.0, 0.0]))


def in_depth_frame(time, depth):
    message = image(time, millimetres(depth), "16UC1")
    message.header.frame_id = "camera_depth_optical_frame"
    return message


def depth_beside(path, with_transform):
    def extra(time, frame):
        own = info_of(time, CAMERA)
        own.header.frame_id = "camera_depth_optical_frame"
        yield "/camera/camera/depth/camera_info", own
        if with_transform:
            types = STORE.types
            shift = types["geometry_msgs/msg/Vector3"](*COLOR_T_DEPTH[:3, 3])
            transform = types["geometry_msgs/msg/Transform"](shift, types["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0))
            stamped = types["geometry_msgs/msg/TransformStamped"](info_of(time, CAMERA).header, "camera_depth_optical_frame", transform)
            yield "/tf_static", types["tf2_msgs/msg/TFMessage"]([stamped])

    topics = (REALSENSE[0], "/camera/camera/depth/image_rect_raw", REALSENSE[2])
    return recorded(path, topics, depth_message=in_depth_frame, extra=extra, view=moved_camera)


def test_depth_of_a_camera_beside_is_taken_from_there_or_refused(mesh, tmp_path, one_thread):
    assert_followed(mesh, depth_beside(tmp_path / "with", True), tmp_path / "out", within_m=3e-3)
    bag = depth_beside(tmp_path / "without", False)
    code, text = track(mesh, bag, tmp_path / "refused")
    assert code == 1 and "camera_depth_optical_frame" in text and not (tmp_path / "refused").exists()
    assert_followed(mesh, bag, tmp_path / "told", "--reader=color_T_depth=0.055 0 0 0 0 0 1", within_m=3e-3)


OTHER_K = np.array([[320.0, 0, 150], [0, 310, 125], [0, 0, 1]])


def test_a_rectified_image_has_the_projection_matrix(mesh, tmp_path, one_thread):
    info = lambda time: info_of(time, CAMERA, OTHER_K, CAMERA.matrix, (0.1, -0.2, 0.001, 0.001, 0.05))  # noqa: E731
    bag = recorded(tmp_path / "bag", ("/camera/color/image_rect", "/camera/depth/image_rect", "/camera/color/camera_info"), info=info)
    assert_followed(mesh, bag, tmp_path / "out")


def test_a_raw_image_is_undistorted(mesh, tmp_path, one_thread):
    d = np.array([-0.28, 0.08, 0, 0, 0.0])
    grid = np.stack(np.meshgrid(np.arange(CAMERA.width), np.arange(CAMERA.height)), -1).reshape(-1, 1, 2).astype(np.float32)
    ideal = cv2.undistortPoints(grid, CAMERA.matrix, d, P=CAMERA.matrix).reshape(CAMERA.height, CAMERA.width, 2)

    def distorted(frame):
        remap = [cv2.remap(one, ideal[..., 0], ideal[..., 1], how, borderMode=cv2.BORDER_REPLICATE)
                 for one, how in ((frame.color, cv2.INTER_LINEAR), (frame.depth, cv2.INTER_NEAREST))]
        return replace(frame, color=remap[0], depth=remap[1])

    bag = recorded(tmp_path / "bag", info=lambda time: info_of(time, CAMERA, distortion=d), view=distorted)
    assert_followed(mesh, bag, tmp_path / "out", within_m=3e-3)


NOTHING = {
    "unknown encoding": ({"color_message": lambda time, color: image(time, color[..., 0], "nv21_of_tomorrow")}, "nv21_of_tomorrow"),
    "no intrinsics": ({"info": lambda time: info_of(time, CAMERA, np.zeros((3, 3)))}, "expected camera intrinsics"),
    "images of another size": ({"color_message": lambda time, color: image(time, color[::2], "rgb8")}, "320x120"),
}


@pytest.mark.parametrize("kind", NOTHING)
def test_nothing_read_is_a_failure_with_its_reason_once(mesh, tmp_path, kind):
    options, words = NOTHING[kind]
    code, text = track(mesh, recorded(tmp_path / "bag", **options), tmp_path / "out")
    assert code == 1 and f"got none of its {FRAMES}" in text and words in text and f"({FRAMES} times)" in text
    assert text.count(words) <= 2 and not (tmp_path / "out").exists()


def test_a_scene_without_depth_is_a_failure(mesh, tmp_path):
    scene = tmp_path / "set" / "test" / "000001"
    (scene / "rgb").mkdir(parents=True)
    cameras = {}
    for number in range(3):
        cv2.imwrite(str(scene / "rgb" / f"{number:06d}.png"), frame_of(MODEL, START).color)
        cameras[str(number)] = {"cam_K": CAMERA.matrix.ravel().tolist(), "depth_scale": 1.0}
    (scene / "scene_camera.json").write_text(json.dumps(cameras))
    code, text = track(mesh, scene, tmp_path / "out")
    assert code == 1 and "got none of its 3" in text and "depth" in text and "(3 times)" in text


def test_frames_that_cannot_be_read_are_counted_in_a_line(mesh, tmp_path, one_thread):
    cut = lambda time, color: image(time, color if time < 10**9 + 3 * PERIOD_NS else color[::2], "rgb8")  # noqa: E731
    code, text = track(mesh, recorded(tmp_path / "bag", color_message=cut), tmp_path / "out")
    assert code == 0 and "3 of 6 frames could not be read" in text and "(3 times)" in text
    assert [row.index for row in read_trajectory(tmp_path / "out" / "trajectory.csv")] == [0, 1, 2]


def test_another_unit_of_depth_is_told_and_named_by_option(mesh, tmp_path, one_thread):
    bag = recorded(tmp_path / "bag", depth_message=lambda time, depth: image(time, millimetres(4 * depth), "16UC1"))
    code, text = track(mesh, bag, tmp_path / "wrong")
    assert code == 0 and "depth says 2.2 m where first pose and mesh say 0.5" in text and "--depth-unit" in text
    text = assert_followed(mesh, bag, tmp_path / "right", "--depth-unit", "0.25mm")
    assert "depth says" not in text
