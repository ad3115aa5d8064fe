"""The real relocalizer over real DDS: the camera in the map, and an object that the tracker lost."""

import threading

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseWithCovarianceStamped
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from live_nodes import LATCHED, depth_message, wait_until
from mapped_room import camera_error, views, write_map
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header, String
from tf2_msgs.msg import TFMessage
from tf2_ros import TransformBroadcaster
from vision_msgs.msg import Detection3D, Detection3DArray, ObjectHypothesisWithPose

from pose_tracker_ros.geometry import invert, make_pose, pose_errors
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.relocalizer_node import RelocalizerNode
from pose_tracker_ros.nodes.single_process import NodeGroup

BASE = "camera_link"
NAME = "my-jug"
CAMERA_T_BASE = make_pose(np.diag([1.0, -1.0, -1.0]), np.array([0.1, 0.2, 0.3]))
QUICK = {"rate_hz": 20.0, "rest_s": 0.5, "sync_slop": 0.05}


class Partner(Node):
    """Plays the camera and the tracker; ``relocalizer`` is the name of the node it talks to."""

    relocalizer, optical = "relocalizer", "camera_color_optical_frame"

    def __init__(self, **options):
        super().__init__(f"partner_of_{self.relocalizer}", **options)
        self.color = self.create_publisher(Image, f"/{self.relocalizer}/color/image", 5)
        self.depth = self.create_publisher(Image, f"/{self.relocalizer}/depth/image", 5)
        self.info = self.create_publisher(CameraInfo, f"/{self.relocalizer}/color/camera_info", 5)
        self.detections = self.create_publisher(Detection3DArray, f"/{self.relocalizer}_tracker/detections", 5)
        self.states = self.create_publisher(String, f"/{self.relocalizer}_tracker/my_jug/state", LATCHED)
        self.broadcaster = TransformBroadcaster(self)
        self.poses, self.results, self.offers, self.transforms = [], [], [], []
        self.create_subscription(PoseWithCovarianceStamped, f"/{self.relocalizer}/pose", self.poses.append, 10)
        self.create_subscription(DiagnosticStatus, f"/{self.relocalizer}/result", self.results.append, 10)
        self.create_subscription(Detection3DArray, f"/{self.relocalizer}_tracker/initial_poses", self.offers.append, 10)
        self.create_subscription(TFMessage, "/tf", lambda message: self.transforms.extend(message.transforms), 10)
        self.change = self.create_client(ChangeState, f"/{self.relocalizer}/change_state")
        self.get = self.create_client(GetState, f"/{self.relocalizer}/get_state")

    def state(self):
        assert self.get.wait_for_service(10.0)
        future = self.get.call_async(GetState.Request())
        assert wait_until(future.done)
        return future.result().current_state.id

    def transition(self, number):
        future = self.change.call_async(ChangeState.Request(transition=Transition(id=number)))
        assert wait_until(future.done)
        return future.result().success

    def send(self, frame, stamp_s, map_T_object=None, says_where=False):
        """One image, what the tracker saw in it, and with ``says_where`` the camera's transform."""
        header = Header(stamp=Time(seconds=stamp_s).to_msg(), frame_id=self.optical)
        if says_where:
            fixed = Header(stamp=header.stamp, frame_id="map")
            self.broadcaster.sendTransform(messages.transform_stamped(frame.world_T_camera, fixed, self.optical))
        else:
            base = Header(stamp=header.stamp, frame_id=BASE)
            self.broadcaster.sendTransform(messages.transform_stamped(invert(CAMERA_T_BASE), base, self.optical))
        if map_T_object is not None:
            result = ObjectHypothesisWithPose()
            result.pose.pose = messages.pose_message(invert(frame.world_T_camera) @ map_T_object)
            result.pose.covariance = np.diag([1e-4] * 6).ravel().tolist()
            self.detections.publish(Detection3DArray(header=header, detections=[Detection3D(id=NAME, results=[result])]))
            self.states.publish(String(data="tracking: seen"))
        self.info.publish(messages.info_message(frame.camera, header))
        self.depth.publish(depth_message(frame.depth, header))
        self.color.publish(messages.image_message(frame.color, "rgb8", header))
        return header


class PartnerOfTf(Partner):
    """Of the node that takes the camera's pose from TF."""

    relocalizer, optical = "other", "other_optical_frame"


class OtherRelocalizer(RelocalizerNode):
    """One more in the process."""


@pytest.fixture(scope="module")
def frames():
    return [views(6, places=1).read(position) for position in range(6)]


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    folder = write_map(tmp_path_factory.mktemp("maps") / "room")
    with NodeGroup() as nodes:
        partner = nodes.start(Partner)
        nodes.start(RelocalizerNode, parameters={"map": str(folder), "tracker": "relocalizer_tracker", "base_frame": BASE, **QUICK})
        partner_of_tf = nodes.start(PartnerOfTf)
        parameters = {"camera_pose": "tf", "tracker": "other_tracker", **QUICK}
        nodes.start(OtherRelocalizer, ["--ros-args", "-r", "__node:=other"], parameters)
        for one in (partner, partner_of_tf):
            assert wait_until(lambda one=one: one.state() == State.PRIMARY_STATE_ACTIVE)
            assert wait_until(lambda one=one: one.color.get_subscription_count() and one.detections.get_subscription_count())
        yield partner, partner_of_tf


def in_front_of(frame):
    """map_T_object (4, 4) of something a metre before the camera."""
    return frame.world_T_camera @ make_pose(np.eye(3), np.array([0.05, 0.02, 1.0]))


def test_the_camera_is_published_in_the_map(group, frames):
    partner, _ = group
    sent = {}

    def located():
        stamp = 1.0 + 0.1 * len(sent)
        sent[round(stamp, 3)] = partner.send(frames[0], stamp)
        return partner.poses and [one for one in partner.transforms if one.child_frame_id == BASE]

    assert wait_until(lambda: wait_until(located, 0.3))
    pose = partner.poses[-1]
    assert pose.header.frame_id == "map"
    assert pose.header.stamp in [header.stamp for header in sent.values()]
    assert camera_error(messages.pose_from_message(pose.pose.pose), frames[0])[0] < 0.03
    covariance = np.array(pose.pose.covariance).reshape(6, 6)
    assert np.all(np.linalg.eigvalsh(covariance) > 0)
    # The camera has its parent already, so the map becomes that of the frame above it.
    assert {one.header.frame_id for one in partner.transforms if one.child_frame_id == partner.optical} == {BASE}
    transform = [one for one in partner.transforms if one.child_frame_id == BASE][-1]
    assert transform.header.frame_id == "map"
    assert camera_error(messages.transform_matrix(transform) @ invert(CAMERA_T_BASE), frames[0])[0] < 0.03
    assert partner.results[-1].level == DiagnosticStatus.OK
    assert float({item.key: item.value for item in partner.results[-1].values}["confidence"]) > 0.9


@pytest.mark.parametrize("source", ["map", "tf"])
def test_a_lost_object_is_offered_where_it_rested(group, frames, source):
    partner = group[0 if source == "map" else 1]
    says_where = source == "tf"
    map_T_object = in_front_of(frames[0])
    partner.offers.clear()
    clock = [100.0]

    def send(frame, seen=None):
        clock[0] += 0.1
        partner.send(frame, clock[0], seen, says_where)

    def rested():
        """Watched from two places; then it is lost, and would be offered if it was remembered."""
        for _ in range(16):
            send(frames[0], map_T_object)
            wait_until(lambda: False, 0.1)
        partner.states.publish(String(data="lost: searched in vain"))
        wait_until(lambda: False, 0.2)
        send(frames[0])
        return wait_until(lambda: partner.offers, 1.0)

    assert wait_until(rested, 60.0)
    offer = partner.offers[-1].detections[0]
    assert offer.id == NAME
    assert partner.offers[-1].header.frame_id == partner.optical
    offered = messages.pose_from_message(offer.results[0].pose.pose)
    translation, rotation = pose_errors(offered, invert(frames[0].world_T_camera) @ map_T_object)
    assert translation < 0.03
    assert rotation < 0.03
    partner.states.publish(String(data="tracking: seen"))
    wait_until(lambda: False, 0.5)
    partner.offers.clear()
    for _ in range(5):
        send(frames[0])
        wait_until(lambda: False, 0.1)
    assert not partner.offers, "the tracker has it again"


def test_a_black_image_is_not_located_and_the_node_lives(group, frames):
    partner, _ = group
    black = frames[0].__class__(frames[0].color * 0, frames[0].depth * 0, frames[0].camera, 0.0, world_T_camera=np.eye(4))
    partner.poses.clear()
    partner.results.clear()

    def answered():
        partner.send(black, 500.0 + len(partner.results))
        wait_until(lambda: False, 0.1)
        return partner.results

    assert wait_until(answered)
    assert partner.results[-1].level == DiagnosticStatus.WARN
    assert not partner.poses


def test_the_life_cycle_can_go_round_and_round(group):
    partner, _ = group
    for number in (
        Transition.TRANSITION_DEACTIVATE,
        Transition.TRANSITION_CLEANUP,
        Transition.TRANSITION_CONFIGURE,
        Transition.TRANSITION_ACTIVATE,
    ):
        assert partner.transition(number)
    assert not partner.transition(Transition.TRANSITION_ACTIVATE)
    assert partner.state() == State.PRIMARY_STATE_ACTIVE


def test_without_a_map_it_says_so_and_stays_unconfigured(tmp_path):
    with NodeGroup() as nodes:
        node = nodes.start(RelocalizerNode, parameters={"map": str(tmp_path), "autostart": False})
        assert node.trigger_configure().name == "FAILURE"


def test_transitions_leave_nothing_behind():
    with NodeGroup() as nodes:
        parameters = {"camera_pose": "tf", "autostart": False}
        node = nodes.start(OtherRelocalizer, ["--ros-args", "-r", "__node:=circling"], parameters)

        def turn():
            for change in (node.trigger_configure, node.trigger_activate, node.trigger_deactivate, node.trigger_cleanup):
                assert change().name == "SUCCESS"

        def held():
            entities = (node.publishers, node.subscriptions, node.timers, node.services, node.clients, node._managed_entities)
            return [len(list(kind)) for kind in entities] + [threading.active_count()]

        of_rclpy = {one.topic_name for one in node.publishers}
        turn()
        assert {one.topic_name for one in node.publishers} == of_rclpy
        assert "/parameter_events" in of_rclpy
        before = held()
        for _ in range(3):
            turn()
        assert held() == before


def test_offers_go_where_the_launch_file_has_the_tracker_listen():
    with NodeGroup() as nodes:
        for number, target in enumerate(("/segmentation/poses", "tracker/initial_poses")):
            # As tracker.launch.py remaps it, by default to itself.
            arguments = ["--ros-args", "-r", f"__node:=offering_{number}", "-r", f"tracker/initial_poses:={target}"]
            node = nodes.start(OtherRelocalizer, arguments, {"camera_pose": "tf", "autostart": False})
            assert node.trigger_configure().name == "SUCCESS"
            assert "/" + target.lstrip("/") in {one.topic_name for one in node.publishers}
