"""Names and numbers as people write them in files, in a node that runs."""

import re
import shutil

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped
from live_nodes import wait_until
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from tracking_scenes import CAMERA, frame_of

from pose_tracker_ros.geometry import make_pose, matrix_from_quaternion, pose_errors
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.single_process import NodeGroup, command_line
from pose_tracker_ros.nodes.tracker_node import TrackerNode
from pose_tracker_ros.objects import load_object

TRUTH = make_pose(matrix_from_quaternion(np.array([1.0, 1.0, 0.0, 1.0])), np.array([0.0, 0.0, 1.0]))


class Camera(Node):
    """Publishes one frame again and again, and listens to an object's pose and to TF."""

    def __init__(self, frame, topic, **options):
        super().__init__("camera", **options)
        self.color = self.create_publisher(Image, "/tracker/color/image", 5)
        self.depth = self.create_publisher(Image, "/tracker/depth/image", 5)
        self.info = self.create_publisher(CameraInfo, "/tracker/color/camera_info", 5)
        self.frame, self.poses, self.transforms = frame, [], []
        self.create_subscription(PoseStamped, f"/tracker/{topic}/pose", self.poses.append, 5)
        self.create_subscription(TFMessage, "/tf", self.transforms.append, 5)
        self.create_timer(0.05, self.send)

    def send(self):
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id="camera")
        self.info.publish(messages.info_message(CAMERA, header))
        self.depth.publish(messages.image_message(self.frame.depth, "32FC1", header))
        self.color.publish(messages.image_message(self.frame.color, "rgb8", header))


@pytest.mark.parametrize(("name", "topic"), [("021", "object_021"), ("1_000", "object_1_000"), ("yes", "yes")])
def test_names_are_texts_and_whole_numbers_are_numbers(tmp_path, name, topic):
    cube = load_object("cube")
    folder = tmp_path / "object"
    shutil.copytree(cube.folder, folder)
    description = (folder / "object.yaml").read_text()
    (folder / "object.yaml").write_text(f"name: {name}\n" + re.sub("^name:.*\n", "", description, flags=re.MULTILINE))
    file = tmp_path / "mine.yaml"
    written = f"object: {folder}\nnetwork: never\nmin_depth_m: 0\nmax_depth_m: 4\ntf_wait_s: 1\ninitial_pose: [0, 0, 1, 1, 1, 0, 1]\n"
    file.write_text("/**/tracker:\n  ros__parameters:\n" + "".join(f"    {line}\n" for line in written.splitlines()))
    with NodeGroup() as group:
        tracker = group.start(TrackerNode, command_line(parameter_files=[file]))
        camera = group.start(lambda **options: Camera(frame_of(cube, TRUTH), topic, **options))
        assert wait_until(lambda: len(camera.poses) > 3 and camera.transforms)
        assert tracker.tracking.objects.names == [name]
        assert camera.transforms[-1].transforms[0].child_frame_id == name
        translation, rotation = pose_errors(messages.pose_from_message(camera.poses[-1].pose), TRUTH)
    assert translation < 0.002 and np.degrees(rotation) < 1
