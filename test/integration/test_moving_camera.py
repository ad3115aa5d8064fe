"""A tracker node whose camera moves, which TF tells: first poses of before, and what rests in a fixed frame."""

import threading
import time

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped
from live_nodes import wait_until
from several_objects import OPTICAL_FRAME, Partner, frame_of_all, place
from std_msgs.msg import Header, String

from pose_tracker_ros.geometry import apply_residual, invert, pose_errors
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.single_process import NodeGroup
from pose_tracker_ros.nodes.tracker_node import TrackerNode
from pose_tracker_ros.objects import load_object

WORLD = "world"
WORLD_T_CUBE = place(0.02, -0.03)
RATE_HZ = 10.0
# From frame to frame: 5 cm and 6 degrees, once around and back.
STEP = apply_residual(np.eye(4), np.array([0.03, 0.0, 0.0]), np.radians([0.0, -3.0, 1.0]), np.zeros(3))


class MovingCamera(Partner):
    """Sways to and fro before a resting cube, with TF of every image; the cube is at rest in the world."""

    def __init__(self, cube, **options):
        super().__init__(**options)
        ways = [np.linalg.matrix_power(STEP, number) for number in range(7)]
        self.path = ways + ways[-2:0:-1]
        self.frames = [frame_of_all({"cube": cube}, {"cube": invert(pose) @ WORLD_T_CUBE}) for pose in self.path]
        self.sent = []
        self.tells_tf = True
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.play, daemon=True)

    def play(self):
        number = 0
        while not self.stopped.wait(1 / RATE_HZ):
            step = number % len(self.path)
            header = self.header()
            in_world = Header(stamp=header.stamp, frame_id=WORLD)
            if self.tells_tf:
                self.broadcaster.sendTransform(messages.transform_stamped(self.path[step], in_world, OPTICAL_FRAME))
            self.send(self.frames[step], header)
            self.sent.append((header, step))
            number += 1

    def destroy_node(self):
        self.stopped.set()
        if self.thread.is_alive():
            self.thread.join(5.0)
        super().destroy_node()


@pytest.fixture
def camera(request):
    """A camera that plays for a second and a half before anybody tells a first pose."""
    cube = load_object("cube")
    with NodeGroup() as group:
        parameters = {"object": "cube", "network": "never", "target_frame": WORLD, **getattr(request, "param", {})}
        group.start(TrackerNode, parameters=parameters)
        camera = group.start(lambda **options: MovingCamera(cube, **options))
        assert wait_until(camera.is_connected)
        camera.hear(PoseStamped, "/object_pose")
        camera.hear(PoseStamped, "/object_pose_in_target_frame")
        camera.hear(String, "/tracker/state")
        assert wait_until(lambda: camera.count_publishers("/object_pose_in_target_frame"))
        camera.thread.start()
        time.sleep(1.5)
        yield camera


def tell(camera, frame_id, ago_s=1.0):
    """The true first pose of an image of before, in a frame."""
    newest = camera.sent[-1][0].stamp
    header, step = min(
        camera.sent, key=lambda one: abs(messages.seconds(newest) - messages.seconds(one[0].stamp) - ago_s)
    )
    camera_T_cube = invert(camera.path[step]) @ WORLD_T_CUBE
    pose = WORLD_T_CUBE if frame_id == WORLD else camera_T_cube
    camera.first_pose.publish(messages.pose_stamped(pose, Header(stamp=header.stamp, frame_id=frame_id)))


@pytest.mark.parametrize(
    ("camera", "frame_id"),
    [({}, OPTICAL_FRAME), ({}, WORLD), ({"catch_up_s": 0.0}, OPTICAL_FRAME)],
    ids=["in the camera", "in the world", "without frames since then"],
    indirect=["camera"],
)
def test_a_first_pose_of_a_second_ago_is_taken_and_what_rests_stays(camera, frame_id):
    tell(camera, frame_id)
    assert wait_until(lambda: len(camera.received["/object_pose_in_target_frame"]) > 20)
    assert not [one.data for one in camera.received["/tracker/state"] if "refused" in one.data]
    poses = np.stack([messages.pose_from_message(one.pose) for one in camera.received["/object_pose_in_target_frame"]])
    assert {one.header.frame_id for one in camera.received["/object_pose_in_target_frame"]} == {WORLD}
    apart = np.linalg.norm(poses[:, :3, 3] - WORLD_T_CUBE[:3, 3], axis=1)
    print(f"a resting cube in {WORLD}: {np.median(apart) * 1e3:.2f} mm off in the median, {apart.max() * 1e3:.2f} mm at most")
    assert apart.max() < 0.003
    steps = {header.stamp.nanosec: step for header, step in camera.sent}
    for one in camera.received["/object_pose"]:
        assert one.header.frame_id == OPTICAL_FRAME
        truth = invert(camera.path[steps[one.header.stamp.nanosec]]) @ WORLD_T_CUBE
        assert pose_errors(messages.pose_from_message(one.pose), truth)[0] < 0.003
    parents = {one.header.frame_id for message in camera.received["/tf"] for one in message.transforms if one.child_frame_id == "cube"}
    assert parents == {WORLD}


def test_without_tf_poses_are_in_the_camera_alone(camera):
    camera.tells_tf = False
    time.sleep(0.5)
    camera.received["/object_pose_in_target_frame"].clear()
    tell(camera, OPTICAL_FRAME, ago_s=0.0)
    assert wait_until(lambda: len(camera.received["/object_pose"]) > 3)
    assert not camera.received["/object_pose_in_target_frame"]
