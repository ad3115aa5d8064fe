"""The tracker as a lifecycle node: what it offers and hears in each state, and what it leaves behind."""

import threading

import pytest
from geometry_msgs.msg import PoseStamped
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from live_nodes import LATCHED, depth_message, wait_until
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header, String
from tracking_scenes import CAMERA, START, frame_of

from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.single_process import NodeGroup
from pose_tracker_ros.nodes.tracker_node import TrackerNode
from pose_tracker_ros.objects import load_object

FRAME = "camera_color_optical_frame"
STEPS = (
    Transition.TRANSITION_CONFIGURE,
    Transition.TRANSITION_ACTIVATE,
    Transition.TRANSITION_DEACTIVATE,
    Transition.TRANSITION_CLEANUP,
)


class Manager(Node):
    """Plays the manager, the camera and the robot."""

    def __init__(self, **options):
        super().__init__("manager", **options)
        self.change = self.create_client(ChangeState, "/tracker/change_state")
        self.get = self.create_client(GetState, "/tracker/get_state")
        self.color = self.create_publisher(Image, "/tracker/color/image", 5)
        self.depth = self.create_publisher(Image, "/tracker/depth/image", 5)
        self.info = self.create_publisher(CameraInfo, "/tracker/color/camera_info", 5)
        self.initial_pose = self.create_publisher(PoseStamped, "/tracker/initial_pose", 1)
        self.poses, self.states = [], []
        self.create_subscription(PoseStamped, "/object_pose", self.poses.append, 10)
        self.create_subscription(String, "/tracker/state", lambda message: self.states.append(message.data), LATCHED)

    def _answer(self, client, request):
        assert client.wait_for_service(20)
        answer = client.call_async(request)
        assert wait_until(answer.done)
        return answer.result()

    def step(self, number):
        return self._answer(self.change, ChangeState.Request(transition=Transition(id=number))).success

    def state(self):
        return self._answer(self.get, GetState.Request()).current_state.id

    def is_heard(self):
        return [one.get_subscription_count() > 0 for one in (self.color, self.depth, self.info, self.initial_pose)]

    def send(self, frame):
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=FRAME)
        self.info.publish(messages.info_message(CAMERA, header))
        self.depth.publish(depth_message(frame.depth, header))
        self.color.publish(messages.image_message(frame.color, "rgb8", header))


@pytest.fixture
def managed():
    with NodeGroup() as group:
        parameters = {"object": "cube", "network": "never", "autostart": False}
        tracker = group.start(TrackerNode, parameters=parameters)
        yield tracker, group.start(Manager)


def test_it_hears_only_while_it_is_active_and_needs_a_first_pose_each_time(managed):
    _, manager = managed
    frame = frame_of(load_object("cube"), START)

    def tracked():
        manager.initial_pose.publish(messages.pose_stamped(START, Header(frame_id=FRAME)))
        manager.send(frame)
        return wait_until(lambda: manager.poses, 0.5)

    assert manager.state() == State.PRIMARY_STATE_UNCONFIGURED
    assert manager.count_publishers("/object_pose") == 0
    assert manager.step(Transition.TRANSITION_CONFIGURE)
    assert wait_until(lambda: manager.count_publishers("/object_pose") == 1)
    assert manager.is_heard() == [False] * 4
    for _ in range(2):
        assert manager.step(Transition.TRANSITION_ACTIVATE)
        assert wait_until(lambda: all(manager.is_heard()))
        for _ in range(3):
            manager.send(frame)
        assert not wait_until(lambda: manager.poses, 0.5)
        assert wait_until(tracked)
        assert manager.step(Transition.TRANSITION_DEACTIVATE)
        assert wait_until(lambda: not any(manager.is_heard()))
        assert wait_until(lambda: manager.states[-1:] == ["uninitialised: deactivated"])
        manager.poses.clear()
    assert manager.step(Transition.TRANSITION_CLEANUP)
    assert wait_until(lambda: manager.count_publishers("/object_pose") == 0)
    assert manager.step(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert manager.state() == State.PRIMARY_STATE_FINALIZED


def test_cycles_leave_nothing_behind_and_wrong_transitions_are_refused(managed):
    tracker, manager = managed

    def held():
        kinds = (tracker.publishers, tracker.subscriptions, tracker.timers, tracker.services, tracker.clients)
        return [len(list(kind)) for kind in kinds] + [threading.active_count()]

    before = held()
    assert not manager.step(Transition.TRANSITION_ACTIVATE)
    for _ in range(3):
        assert all(manager.step(number) for number in STEPS)
    assert held() == before
    assert manager.state() == State.PRIMARY_STATE_UNCONFIGURED


def test_what_cannot_be_configured_stays_unconfigured():
    with NodeGroup() as group:
        group.start(TrackerNode, parameters={"object": "teapot", "autostart": False})
        manager = group.start(Manager)
        assert not manager.step(Transition.TRANSITION_CONFIGURE)
        assert manager.state() == State.PRIMARY_STATE_UNCONFIGURED


def test_a_destroyed_node_is_not_heard_of_before_python_collects_it():
    with NodeGroup() as group:
        node = group.start(TrackerNode, parameters={"autostart": False, "object": "cube", "network": "never"})
        assert wait_until(lambda: "tracker" in node.get_node_names())
    with NodeGroup() as group:
        other = group.start(lambda **options: Node("other", **options))
        assert wait_until(lambda: "other" in other.get_node_names())
        assert wait_until(lambda: "tracker" not in other.get_node_names(), 2.0)
    assert node is not None
