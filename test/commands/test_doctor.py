"""pose-tracker doctor on a running camera and on a recording, in one table."""

import re

import pytest
from live_nodes import depth_message
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from tracking_scenes import CAMERA, START, frame_of
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.geometry import quaternion_from_matrix
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.single_process import NodeGroup
from pose_tracker_ros.objects import load_object

NAMESPACE = "/cell/eye"


class Camera(Node):
    """Publishes one frame at 30 Hz, its CameraInfo with distortion."""

    def __init__(self, frame, **options):
        super().__init__("driver", **options)
        self.color = self.create_publisher(Image, f"{NAMESPACE}/color/image_raw", 5)
        self.depth = self.create_publisher(Image, f"{NAMESPACE}/aligned_depth_to_color/image_raw", 5)
        self.info = self.create_publisher(CameraInfo, f"{NAMESPACE}/color/camera_info", 5)
        self.frame, self.info_frame = frame, "eye_optical"
        self.create_timer(1 / 30, self.send)

    def send(self):
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id="eye_optical")
        self.info.publish(messages.info_message(CAMERA, Header(stamp=header.stamp, frame_id=self.info_frame)))
        self.depth.publish(depth_message(self.frame.depth, header))
        self.color.publish(messages.image_message(self.frame.color, "rgb8", header))


def lines_of(output):
    """Verdict and text of every line of the table, by its check."""
    rows = [[cell.strip() for cell in re.split("[│┃|]", line)[1:-1]] for line in output.splitlines()]
    return {row[0]: row[1:] for row in rows if len(row) == 4}


def test_a_running_camera_is_described_in_one_table():
    cube = load_object("cube")
    place = " ".join(f"{value:.5f}" for value in (*START[:3, 3], *quaternion_from_matrix(START[:3, :3])))
    with NodeGroup() as group:
        group.start(lambda **options: Camera(frame_of(cube, START), **options))
        arguments = ["doctor", "--camera", NAMESPACE, "--seconds", "4", "--object", "cube", "--initial-pose", place, "--set", "network=never"]
        done = CliRunner().invoke(app, arguments)
    lines = lines_of(done.output)
    assert lines["colour"][:1] == ["good"] and f"{NAMESPACE}/color/image_raw: Image rgb8 320x240, eye_optical" in lines["colour"][1]
    assert "16UC1" in lines["depth"][1] and "registered" in lines["registration"][1]
    assert "/driver: reliable, volatile" in lines["colour QoS"][1]
    assert "no distortion" in lines["CameraInfo"][1] and "median 1.2" in lines["depth unit"][1]
    assert lines["colour to depth"][0] == "good"
    assert {"shared memory", "kernel cache", "GPU", "NumPy, OpenCV"} <= lines.keys()


def test_what_may_be_wrong_with_camera_infos_is_said():
    """Depth's CameraInfo does not come, and that of colour is of another frame and of two publishers."""
    with NodeGroup() as group:
        camera = group.start(lambda **options: Camera(frame_of(load_object("cube"), START), **options))
        camera.create_publisher(CameraInfo, f"{NAMESPACE}/aligned_depth_to_color/camera_info", 5)
        other = group.start(lambda **options: Node("other", **options)).create_publisher(CameraInfo, f"{NAMESPACE}/color/camera_info", 5)
        camera.info_frame = "elsewhere"
        done = CliRunner().invoke(app, ["doctor", "--camera", NAMESPACE, "--seconds", "1.5"])
        assert other is not None and done.exit_code == 1
    for words in (
        f"none on {NAMESPACE}/aligned_depth_to_color/camera_info, though there is a publisher",
        f"/driver and /other publish on {NAMESPACE}/color/camera_info",
        "of frame elsewhere",
    ):
        assert words in done.output


def test_a_camera_that_is_not_there_is_bad():
    done = CliRunner().invoke(app, ["doctor", "--camera", "/nowhere", "--seconds", "1"])
    assert done.exit_code == 1
    lines = lines_of(done.output)
    assert lines["colour"][0] == "bad" and "nobody publishes there" in lines["colour"][1]
    assert lines["CameraInfo"][0] == "bad"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.mcap", "--color-topic", "/rgb"], "--reader color_topic=TOPIC"),
        (["--reader", "depth_unit=1mm"], "--reader with a recording"),
        (["nowhere.mcap"], "nowhere.mcap"),
    ],
)
def test_options_that_would_be_passed_over_are_refused(arguments, words):
    done = CliRunner().invoke(app, ["doctor", *arguments])
    assert done.exit_code == 1 and words in done.output


def test_recordings_are_looked_at_too(eoat_video):
    done = CliRunner().invoke(app, ["doctor", str(eoat_video)])
    lines = lines_of(done.output)
    assert "depth unit" in lines and "colour rate" in lines and "colour QoS" not in lines
