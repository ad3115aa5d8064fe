"""The real camera node over real DDS: the truth of several objects, TF, masks, and what it refuses."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from geometry_msgs.msg import PoseStamped
from live_nodes import LATCHED, wait_until
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Float32MultiArray, UInt32
from tf2_msgs.msg import TFMessage
from tf2_ros import Buffer, TransformListener

from pose_tracker_ros.datasets.image_messages import color_from_message, depth_from_message
from pose_tracker_ros.evaluation.named_scenes import open_scene
from pose_tracker_ros.geometry import pose_errors
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.camera_node import CameraNode
from pose_tracker_ros.nodes.ready_frames import FrameFile
from pose_tracker_ros.nodes.single_process import NodeGroup, command_line
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.simulation.scene import SceneSequence

OPTICAL_FRAME = "camera_color_optical_frame"
# Topics and frames of the cube, and of an object whose name is none for ROS.
CUBE, BALL = "cube", "object_2nd_ball"
SCENE = """
frames: 4
rate_hz: 5.0
objects:
  - {model: cube, speed_mm: 20.0}
  - {model: ball, name: 2nd ball, offset_x: 0.12, path: rest}
camera: {path: orbit, orbit_deg: 2.0}
"""


class Listener(Node):
    """Keeps what the camera publishes about its objects."""

    def __init__(self, **options):
        super().__init__("listener", **options)
        self.received = {}
        for topic in ("", f"{CUBE}/", f"{BALL}/"):
            self.keep(PoseStamped, f"/camera/{topic}ground_truth", 20)
            self.keep(PoseStamped, f"/camera/{topic}initial_pose", LATCHED)
            self.keep(Image, f"/camera/{topic}mask", 20)
        self.keep(TFMessage, "/tf", 100)
        self.buffer = Buffer()
        self.listener = TransformListener(self.buffer, self)

    def keep(self, kind, topic, quality):
        self.received[topic] = []
        self.create_subscription(kind, topic, self.received[topic].append, quality)


class ImageListener(Node):
    """Keeps the images of a camera in a namespace of its own."""

    def __init__(self, **options):
        super().__init__("image_listener", **options)
        self.color, self.depth, self.prerendered, self.publishing_s = [], [], [], []
        self.create_subscription(
            Float32MultiArray, "/alone/camera/publishing_s", lambda message: self.publishing_s.extend(message.data), LATCHED
        )
        self.create_subscription(Image, "/alone/color/image_raw", self.color.append, 10)
        self.create_subscription(Image, "/alone/aligned_depth_to_color/image_raw", self.depth.append, 10)
        self.create_subscription(
            UInt32, "/alone/camera/prerendered", lambda message: self.prerendered.append(message.data), LATCHED
        )


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    path = tmp_path_factory.mktemp("scene") / "two.yaml"
    path.write_text(SCENE)
    return path


@pytest.fixture(scope="module")
def played(scene):
    """What was heard of a scene that is played again and again."""
    parameters = {"scene": str(scene), "object": "cube", "loop": True, "wait_for_subscriber_s": 0.0, "mask_every": 1}
    with NodeGroup() as group:
        listener = group.start(Listener)
        camera = group.start(CameraNode, parameters=parameters)
        assert wait_until(lambda: all(len(messages) >= 1 for messages in listener.received.values()))
        assert wait_until(lambda: len(listener.received["/camera/ground_truth"]) >= 5)
        assert wait_until(lambda: len(listener.received[f"/camera/{BALL}/mask"]) >= 5)
        yield listener, camera, open_scene(str(scene))


def truths_of(sequence, name):
    return [annotation.truth[name] for annotation in sequence.annotations()]


def nearest(pose, others):
    """Errors in translation and rotation to the nearest of some poses."""
    return min(pose_errors(pose, other) for other in others)


@pytest.mark.parametrize(("topic", "name"), [("", "cube"), (f"{CUBE}/", "cube"), (f"{BALL}/", "2nd ball")])
def test_the_truth_of_every_object_is_published(played, topic, name):
    listener, _, sequence = played
    heard = listener.received[f"/camera/{topic}ground_truth"]
    assert all(message.header.frame_id == OPTICAL_FRAME for message in heard)
    for message in heard[:4]:
        translation, rotation = nearest(messages.pose_from_message(message.pose), truths_of(sequence, name))
        assert translation < 1e-9 and rotation < 1e-6


@pytest.mark.parametrize("prerender_frames", [0, 4])
def test_images_are_those_of_the_scene_rendered_before_or_while_it_plays(scene, prerender_frames, tmp_path):
    expected = [(frame.color, np.rint(frame.depth * 1000)) for frame in open_scene(str(scene))]
    parameters = {"scene": str(scene), "object": "cube", "rate_hz": 50.0, "prerender_frames": prerender_frames}
    with NodeGroup() as group:
        listener = group.start(ImageListener)
        group.start(CameraNode, command_line(namespace="/alone"), parameters)
        assert wait_until(lambda: len(listener.color) == len(listener.depth) == 4)
        assert [message.header.stamp for message in listener.color] == [one.header.stamp for one in listener.depth]
        for color, depth, (expected_color, expected_depth) in zip(listener.color, listener.depth, expected):
            assert np.array_equal(color_from_message(color), expected_color)
            assert np.allclose(1000 * depth_from_message(depth), expected_depth, atol=1e-3)
        assert wait_until(lambda: len(listener.publishing_s) == 4)
        assert all(0 < seconds < 10 for seconds in listener.publishing_s)
        assert listener.prerendered[-1:] == ([prerender_frames] if prerender_frames else [])


def test_without_room_it_renders_while_it_plays_and_says_so(scene, monkeypatch, capfd):
    def no_room(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(FrameFile, "append", no_room)
    parameters = {"scene": str(scene), "object": "cube", "rate_hz": 50.0}
    with NodeGroup() as group:
        listener = group.start(ImageListener)
        group.start(CameraNode, command_line(namespace="/alone"), parameters)
        assert wait_until(lambda: len(listener.color) == 4)
    assert "rendering while playing, since 4 frames cannot be kept: [Errno 28]" in capfd.readouterr().err


def test_one_message_of_transforms_a_frame_has_all_objects_and_the_camera(played):
    listener, _, sequence = played
    message = listener.received["/tf"][0]
    frames = {(one.header.frame_id, one.child_frame_id): messages.transform_matrix(one) for one in message.transforms}
    assert set(frames) == {
        (OPTICAL_FRAME, f"{CUBE}_truth"),
        (OPTICAL_FRAME, f"{BALL}_truth"),
        ("world", OPTICAL_FRAME),
    }
    in_world = frames["world", OPTICAL_FRAME] @ frames[OPTICAL_FRAME, f"{BALL}_truth"]
    resting = sequence.scene_T_camera(0) @ sequence.annotation(0).truth["2nd ball"]
    assert np.allclose(in_world, resting, atol=1e-9)
    distances = [np.abs(frames["world", OPTICAL_FRAME] - sequence.scene_T_camera(i)).max() for i in range(4)]
    assert min(distances) < 1e-9


def test_tf_finds_what_rests_at_one_place_of_the_world(played):
    listener, _, sequence = played
    stamp = listener.received[f"/camera/{BALL}/ground_truth"][-1].header.stamp
    assert wait_until(lambda: listener.buffer.can_transform("world", f"{BALL}_truth", stamp))
    found = messages.transform_matrix(listener.buffer.lookup_transform("world", f"{BALL}_truth", stamp))
    assert np.allclose(found, sequence.scene_T_camera(0) @ sequence.annotation(0).truth["2nd ball"], atol=1e-9)


@pytest.mark.parametrize(("topic", "name"), [("", "cube"), (f"{BALL}/", "2nd ball")])
def test_first_poses_are_off_by_as_much_as_asked_about_the_middle(played, topic, name):
    listener, _, sequence = played
    message = listener.received[f"/camera/{topic}initial_pose"][0]
    model, truth = sequence.load_model(name), truths_of(sequence, name)[0]
    pose = messages.pose_from_message(message.pose)
    middles = [transform[:3, :3] @ model.center_m + transform[:3, 3] for transform in (pose, truth)]
    assert np.linalg.norm(middles[0] - middles[1]) == pytest.approx(0.02, abs=1e-6)
    assert np.degrees(pose_errors(pose, truth)[1]) == pytest.approx(10.0, abs=1e-3)


@pytest.mark.parametrize(("topic", "name"), [("", "cube"), (f"{BALL}/", "2nd ball")])
def test_masks_are_those_of_the_object(played, topic, name):
    listener, _, sequence = played
    expected = [frame.masks[name] for frame in sequence]
    for message in listener.received[f"/camera/{topic}mask"][:2]:
        mask = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width) > 0
        assert any(np.array_equal(mask, other) for other in expected)


def test_the_parameter_file_lists_every_parameter(played):
    _, camera, _ = played
    file = Path(__file__).resolve().parents[2] / "config" / "camera.yaml"
    listed = yaml.safe_load(file.read_text())["/**/camera"]["ros__parameters"]
    simulation = {f"simulation.{name}" for name in listed.pop("simulation")}
    known = [name for name in camera.list_parameters([], 0).names if not name.startswith("qos_overrides.")]
    of_rclpy = {"use_sim_time", "start_type_description_service"}
    assert set(known) - of_rclpy == {*listed, *simulation}
    given = ("scene", "object", "loop", "wait_for_subscriber_s", "mask_every")
    for name in set(listed).difference(given):
        assert camera.get_parameter(name).value == listed[name], name


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"scene": "SCENE", "object": "demo_jug"}, "expected the parameter object to be one of the scene's .cube, 2nd ball."),
        ({"scene": "SCENE", "source": "video"}, "expected source 'simulation' with a scene, got the source 'video'"),
        ({"scene": "boards/teapot/0"}, "expected objects of the benchmark"),
        ({"source": "nowhere"}, "expected a sequence or a recording at nowhere"),
    ],
)
def test_what_cannot_be_played_is_refused_at_the_start(scene, parameters, message):
    parameters = {name: str(scene) if value == "SCENE" else value for name, value in parameters.items()}
    with NodeGroup() as group, pytest.raises(ValueError, match=message):
        group.start(CameraNode, parameters={**parameters, "autostart": False})


def test_depth_of_a_camera_of_its_own_has_its_own_topic_intrinsics_and_place(scene, monkeypatch):
    read, color_T_depth = SceneSequence.read, np.eye(4)
    color_T_depth[0, 3] = 0.055

    def with_depth_camera(self, position):
        frame = read(self, position)
        return replace(frame, depth_camera=replace(frame.camera, fx=321.0), color_T_depth=color_T_depth)

    monkeypatch.setattr(SceneSequence, "read", with_depth_camera)
    parameters = {"scene": str(scene), "object": "cube", "loop": True, "wait_for_subscriber_s": 0.0}
    with NodeGroup() as group:
        listener = group.start(Listener)
        listener.keep(Image, "/depth/image_rect_raw", 10)
        listener.keep(CameraInfo, "/depth/camera_info", 10)
        group.start(CameraNode, parameters=parameters)
        images, infos = listener.received["/depth/image_rect_raw"], listener.received["/depth/camera_info"]
        assert wait_until(lambda: images and infos)
        own_frame = images[0].header.frame_id
        assert own_frame == infos[0].header.frame_id == "camera_depth_optical_frame" and infos[0].k[0] == 321.0
        assert wait_until(lambda: listener.buffer.can_transform(OPTICAL_FRAME, own_frame, Time()))
        place = listener.buffer.lookup_transform(OPTICAL_FRAME, own_frame, Time())
        assert np.allclose(messages.transform_matrix(place), color_T_depth)


def test_a_frozen_case_is_opened():
    with NodeGroup() as group:
        camera = group.start(CameraNode, parameters={"scene": "boards/demo_jug/3/cards", "autostart": False})
        assert camera.sequence.name == "boards, cards, demo_jug, seed 3"
        assert camera.sequence.load_model("demo_jug").diameter_m == load_object("demo_jug").diameter_m


def test_an_object_given_as_a_folder_has_its_name():
    folder = Path(__file__).resolve().parents[2] / "models" / "cube"
    with NodeGroup() as group:
        camera = group.start(CameraNode, parameters={"object": str(folder), "autostart": False})
        assert "/camera/cube/ground_truth" in [name for name, _ in camera.get_topic_names_and_types()]


@pytest.fixture
def recorded_folder(tmp_path):
    """A frame as one records it, its depth of 0.5 m in tenths of millimetres."""
    for name, image in (("rgb", np.full((24, 32, 3), 90, np.uint8)), ("depth", np.full((24, 32), 5000, np.uint16))):
        (tmp_path / "kettle" / name).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "kettle" / name / "0.png"), image)
    np.savetxt(tmp_path / "kettle" / "cam_K.txt", [[40.0, 0, 15.5], [0, 42, 11.5], [0, 0, 1]])
    return tmp_path / "kettle"


@pytest.mark.parametrize(("options", "depth_m"), [([""], 5.0), (["depth_unit=0.1mm"], 0.5), (["depth_unit=0.25mm", "rate_hz=5"], 1.25)])
def test_options_of_a_reader_are_a_parameter(recorded_folder, options, depth_m):
    with NodeGroup() as group:
        parameters = {"source": str(recorded_folder), "reader": options, "object": "cube", "autostart": False}
        camera = group.start(CameraNode, parameters=parameters)
        assert np.allclose(camera.sequence.read(0).depth, depth_m)


def test_a_wrong_option_of_a_reader_is_answered_with_those_that_there_are(recorded_folder):
    with NodeGroup() as group, pytest.raises(ValueError, match="depth_unit.*got units"):
        group.start(CameraNode, parameters={"source": str(recorded_folder), "reader": ["units=mm"], "autostart": False})
