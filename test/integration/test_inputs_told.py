"""What the nodes say of inputs that cannot be right, over real DDS, and options of readers that reach the camera node."""

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped
from live_nodes import depth_message, wait_until
from rcl_interfaces.msg import Log
from rclpy.node import Node
from rclpy.parameter import Parameter
from recorded_messages import COLOR, DEPTH, plain_messages, write_bag
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from tracking_scenes import CAMERA, START, frame_of

from pose_tracker_ros.nodes import camera_subscriber, messages
from pose_tracker_ros.nodes.camera_node import CameraNode
from pose_tracker_ros.nodes.single_process import NodeGroup
from pose_tracker_ros.nodes.tracker_node import TrackerNode
from pose_tracker_ros.objects import load_object

OPTICAL_FRAME = "camera_color_optical_frame"


class Camera(Node):
    """A camera whose depth is multiplied by a factor, and who listens to warnings."""

    def __init__(self, **options):
        super().__init__("partner", **options)
        self.color = self.create_publisher(Image, "/tracker/color/image", 5)
        self.depth = self.create_publisher(Image, "/tracker/depth/image", 5)
        self.info = self.create_publisher(CameraInfo, "/tracker/color/camera_info", 5)
        self.first_pose = self.create_publisher(PoseStamped, "/tracker/initial_pose", 1)
        self.told, self.poses = [], []
        self.create_subscription(Log, "/rosout", lambda message: self.told.append(message.msg), 100)

    def send(self, frame, factor):
        """A first pose, and a frame."""
        self.first_pose.publish(messages.pose_stamped(START, Header(frame_id=OPTICAL_FRAME)))
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=OPTICAL_FRAME)
        self.info.publish(messages.info_message(CAMERA, header))
        self.depth.publish(depth_message((factor * frame.depth).astype(np.float32), header))
        self.color.publish(messages.image_message(frame.color, "rgb8", header))

    def tell_first_pose(self, frame, factor, words):
        """Give a first pose and frames until the words are told; what is sent while nodes find each other may get lost."""

        def answered():
            self.send(frame, factor)
            return wait_until(lambda: any(words in line for line in self.told), 0.3)

        return wait_until(answered)


def test_the_tracker_tells_units_and_limits_that_take_the_objects_depth_away():
    frame = frame_of(load_object("cube"), START)
    with NodeGroup() as group:
        tracker = group.start(TrackerNode, parameters={"object": "cube", "network": "never"})
        camera = group.start(Camera)
        publishers = (camera.color, camera.depth, camera.info, camera.first_pose)
        assert wait_until(lambda: all(one.get_subscription_count() for one in publishers))
        assert camera.tell_first_pose(frame, 4.0, "where first pose and mesh say 0.5"), camera.told
        told = next(line for line in camera.told if "depth says" in line)
        assert "first pose of 'cube'" in told and "depth says 2." in told
        assert all(one.successful for one in tracker.set_parameters([Parameter("min_depth_m", value=0.8)]))
        assert camera.tell_first_pose(frame, 1.0, "is nearer than min_depth_m 0.8"), camera.told


def test_a_clock_that_stands_still_is_told_and_keeps_nobody_from_tracking(monkeypatch, capfd):
    """Of simulators that are not there, and bags that are played without it."""
    monkeypatch.setattr(camera_subscriber, "WATCH_PERIOD_S", 0.3)
    frame = frame_of(load_object("cube"), START)
    with NodeGroup() as group:
        camera = group.start(Camera)
        camera.create_subscription(PoseStamped, "/object_pose", camera.poses.append, 5)
        tracker = group.start(TrackerNode, parameters={"object": "cube", "network": "never", "use_sim_time": True})
        publishers = (camera.color, camera.depth, camera.info, camera.first_pose)
        assert wait_until(lambda: all(one.get_subscription_count() for one in publishers))
        said = []

        def answered():
            camera.send(frame, 1.0)
            said.append(capfd.readouterr().err)
            return wait_until(lambda: camera.poses and "no time has come on /clock" in "".join(said), 0.2)

        assert wait_until(answered), "".join(said)
        assert tracker.get_clock().now().nanoseconds == 0


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_camera_node_takes_options_of_the_sources_reader(tmp_path, side):
    messages_of_two = [
        (time, topic.replace("/camera/camera", f"/{one}"), message)
        for one in ("left", "right")
        for time, topic, message in plain_messages(2)
    ]
    bag = write_bag(tmp_path / "bag", sorted(messages_of_two, key=lambda entry: entry[0]))
    with NodeGroup() as group:
        reader = [f"color_topic={COLOR.replace('/camera/camera', f'/{side}')}", "depth_unit=0.5mm"]
        node = group.start(CameraNode, parameters={"source": str(bag), "reader": reader, "autostart": False})
        assert node.sequence.topics.depth == DEPTH.replace("/camera/camera", f"/{side}")
        assert next(iter(node.sequence)).depth.max() == pytest.approx(0.25, abs=1e-3)
