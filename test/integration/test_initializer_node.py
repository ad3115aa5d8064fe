"""The real initializer over real DDS: its life cycle, masks of all kinds, and the tracker that takes its pose."""

import threading
import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from live_nodes import LATCHED, depth_message, wait_until
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from several_objects import frame_of_all, place
from std_msgs.msg import Header
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection2D, Detection2DArray, Detection3DArray, ObjectHypothesisWithPose

from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.evaluation.metrics import add_errors
from pose_tracker_ros.geometry import pose_errors
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.camera_node import CameraNode
from pose_tracker_ros.nodes.initializer_node import InitializerNode
from pose_tracker_ros.nodes.object_topics import LATCHED_OF_EACH
from pose_tracker_ros.nodes.single_process import NodeGroup, command_line, initializer_remappings, tracker_remappings
from pose_tracker_ros.nodes.tracker_node import TrackerNode
from pose_tracker_ros.object_files import write_object
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.simulation.demo import simulate
from pose_tracker_ros.simulation.demo_config import SimulationConfig

# Few templates: the tests are about the node.
QUICK = {"subdivisions": 1, "in_plane": 12, "candidates": 12, "finalists": 3}


class Partner(Node):
    """Plays the camera, the segmentation and the lifecycle manager."""

    prefix = ""

    def __init__(self, **options):
        super().__init__("partner", **options)
        self.color = self.create_publisher(Image, f"{self.prefix}/initializer/color/image", 5)
        self.depth = self.create_publisher(Image, f"{self.prefix}/initializer/depth/image", 5)
        self.info = self.create_publisher(CameraInfo, f"{self.prefix}/initializer/color/camera_info", 5)
        self.mask = self.create_publisher(Image, f"{self.prefix}/initializer/mask", 5)
        self.boxes = self.create_publisher(Detection2DArray, f"{self.prefix}/initializer/detections", 5)
        self.poses, self.results = [], []
        self.create_subscription(PoseStamped, f"{self.prefix}/initializer/initial_pose", self.poses.append, LATCHED)
        self.create_subscription(DiagnosticStatus, f"{self.prefix}/initializer/result", self.results.append, LATCHED_OF_EACH)
        self.change = self.create_client(ChangeState, f"{self.prefix}/initializer/change_state")
        self.get = self.create_client(GetState, f"{self.prefix}/initializer/get_state")
        self.request = self.create_client(Trigger, f"{self.prefix}/initializer/initialize")

    def transition(self, number):
        assert self.change.wait_for_service(10.0)
        request = ChangeState.Request(transition=Transition(id=number))
        return wait(self.change.call_async(request)).success

    def state(self):
        assert self.get.wait_for_service(10.0)
        return wait(self.get.call_async(GetState.Request())).current_state.id

    def send_images(self, frame):
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id="camera_color_optical_frame")
        self.info.publish(messages.info_message(frame.camera, header))
        self.depth.publish(depth_message(frame.depth, header))
        self.color.publish(messages.image_message(frame.color, "rgb8", header))
        return header

    def send_mask(self, mask, header, encoding="mono8"):
        self.mask.publish(messages.image_message(mask, encoding, header))


class OtherPartner(Partner):
    """Of a node that is alone in its namespace."""

    prefix = "/other"


def wait(future, seconds=30.0):
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    assert done.wait(seconds), "no answer from the service"
    return future.result()


@pytest.fixture(scope="module")
def sequence():
    jug = load_object("demo_jug")
    return simulate(jug, SimulationConfig(frames=4, bar_width_px=0, blank_frames=0, random_poses=True, seed=4))


@pytest.fixture(scope="module")
def group():
    with NodeGroup() as nodes:
        partner = nodes.start(Partner)
        nodes.start(InitializerNode, parameters=QUICK)
        assert wait_until(lambda: partner.state() == State.PRIMARY_STATE_ACTIVE)
        assert wait_until(lambda: partner.color.get_subscription_count() and partner.mask.get_subscription_count())
        assert wait_until(lambda: partner.boxes.get_subscription_count())
        yield partner


def answer_to(partner, frame, mask, encoding="mono8", delay_s=0.0):
    """The result for a frame whose mask, or what publishes one under a header, comes a little later; images go on meanwhile.

    Best-effort images can get lost on a busy machine: then the mask is refused, and another frame is tried.
    """
    for _ in range(6):
        partner.results.clear()
        partner.poses.clear()
        header = partner.send_images(frame)
        deadline = time.monotonic() + delay_s
        while time.monotonic() < deadline:
            time.sleep(0.1)
            partner.send_images(frame)
        if callable(mask):
            mask(header)
        else:
            partner.send_mask(mask, header, encoding)

        def answered():
            partner.send_images(frame)
            time.sleep(0.1)
            return partner.results

        if wait_until(answered, seconds=15.0) and "no images" not in partner.results[-1].message:
            return partner.results[-1], header
    raise AssertionError("no result")


def test_autostart_answers_a_mask_with_the_pose_of_its_frame(group, sequence):
    frame = sequence.read(0)
    result, header = answer_to(group, frame, frame.masks["demo_jug"].astype(np.uint8) * 255, delay_s=0.5)
    assert result.level == DiagnosticStatus.OK, result.message
    assert wait_until(lambda: group.poses)
    assert group.poses[-1].header == header
    translation, rotation = pose_errors(messages.pose_from_message(group.poses[-1].pose), frame.truth["demo_jug"])
    assert translation < 0.01
    assert np.degrees(rotation) < 5
    values = {item.key: item.value for item in result.values}
    assert float(values["score"]) > 0.5
    assert values["method"] == "hypotheses"


def test_a_mask_of_labels_takes_every_label_but_0(group, sequence):
    frame = sequence.read(1)
    labels = frame.masks["demo_jug"].astype(np.int32) * 7
    result, _ = answer_to(group, frame, labels, "32SC1")
    assert result.level == DiagnosticStatus.OK, result.message


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("empty", "expected a mask of at least"),
        ("background", "what is around goes on"),
        ("encoding", "encoding"),
        ("size", "as large as"),
    ],
)
def test_masks_without_a_pose_are_answered_with_the_reason(group, sequence, kind, said):
    frame = sequence.read(2)
    mask = frame.masks["demo_jug"].astype(np.uint8) * 255
    encoding = "mono8"
    if kind == "empty":
        mask = np.zeros_like(mask)
    elif kind == "background":
        mask = np.roll(mask, (150, 250), axis=(0, 1)) & ~mask
    elif kind == "encoding":
        mask, encoding = np.dstack([mask] * 3), "rgb8"
    else:
        mask = mask[:100, :100]
    result, _ = answer_to(group, frame, mask, encoding)
    assert result.level == DiagnosticStatus.ERROR
    assert said in result.message
    assert not group.poses


def test_bad_boxes_beside_a_good_one_cost_nothing(group, sequence):
    """The surest one is beyond the image, the next is no box at all, and the score of the last is no number."""
    frame = sequence.read(0)
    rows, columns = np.nonzero(frame.masks["demo_jug"])
    good = ((columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2, np.ptp(columns), np.ptp(rows), 0.6)
    nowhere = float("nan")
    corners = [(5000.0, 5000.0, 50.0, 50.0, 0.9), (nowhere, 100.0, 50.0, 50.0, 0.8), good, (20.0, 20.0, 50.0, 50.0, nowhere)]

    def send(header):
        boxes = [Detection2D(results=[ObjectHypothesisWithPose()]) for _ in corners]
        for one, (x, y, width, height, score) in zip(boxes, corners, strict=True):
            one.bbox.center.position.x, one.bbox.center.position.y = float(x), float(y)
            one.bbox.size_x, one.bbox.size_y, one.results[0].hypothesis.score = float(width), float(height), score
        group.boxes.publish(Detection2DArray(header=header, detections=boxes))

    result, _ = answer_to(group, frame, send)
    assert result.level == DiagnosticStatus.OK, result.message
    assert wait_until(lambda: group.poses)
    translation, rotation = pose_errors(messages.pose_from_message(group.poses[-1].pose), frame.truth["demo_jug"])
    assert translation < 0.01 and np.degrees(rotation) < 5
    result, _ = answer_to(group, frame, lambda header: group.boxes.publish(Detection2DArray(header=header)))
    assert "expected a detection of any class, got none" in result.message


def test_a_mask_of_another_clock_is_answered(group, sequence):
    """Its stamp is so far ahead that no image can come that it was made of."""
    frame, group.results[:] = sequence.read(0), []
    header = group.send_images(frame)
    header.stamp.sec += 100
    group.send_mask(frame.masks["demo_jug"].astype(np.uint8), header)
    assert wait_until(lambda: any("mask dropped: there are no images of its stamp" in one.message for one in group.results))


def test_every_transition_works_and_a_mask_is_answered_afterwards(group, sequence):
    for number, state in (
        (Transition.TRANSITION_DEACTIVATE, State.PRIMARY_STATE_INACTIVE),
        (Transition.TRANSITION_CLEANUP, State.PRIMARY_STATE_UNCONFIGURED),
        (Transition.TRANSITION_CONFIGURE, State.PRIMARY_STATE_INACTIVE),
        (Transition.TRANSITION_ACTIVATE, State.PRIMARY_STATE_ACTIVE),
    ):
        assert group.transition(number)
        assert group.state() == state
    assert wait_until(lambda: group.mask.get_subscription_count())
    frame = sequence.read(3)
    result, _ = answer_to(group, frame, frame.masks["demo_jug"].astype(np.uint8) * 255)
    assert result.level == DiagnosticStatus.OK, result.message


def test_inactive_nodes_do_not_listen(group, sequence):
    assert group.transition(Transition.TRANSITION_DEACTIVATE)
    assert wait_until(lambda: group.mask.get_subscription_count() == 0)
    assert not group.transition(Transition.TRANSITION_CONFIGURE)
    assert group.transition(Transition.TRANSITION_ACTIVATE)
    assert wait_until(lambda: group.mask.get_subscription_count())


def test_a_bad_configuration_stays_unconfigured_with_a_reason():
    with NodeGroup() as nodes:
        partner = nodes.start(OtherPartner)
        parameters = {**QUICK, "autostart": False, "object": "teapot"}
        nodes.start(InitializerNode, command_line(namespace="/other"), parameters)
        assert partner.state() == State.PRIMARY_STATE_UNCONFIGURED
        assert not partner.transition(Transition.TRANSITION_CONFIGURE)
        assert partner.state() == State.PRIMARY_STATE_UNCONFIGURED


def test_where_it_is_to_start_by_itself_and_cannot_who_runs_it_is_told():
    with NodeGroup() as nodes:
        parameters = {**QUICK, "object": "cube", "method": "dense_fusion", "weights_path": "no/such.safetensors"}
        nodes.start(InitializerNode, command_line(namespace="/other"), parameters)
        assert wait_until(lambda: nodes.fault)
        assert "the initializer cannot start: " in str(nodes.fault) and "no/such.safetensors" in str(nodes.fault)


def test_transitions_leave_nothing_behind():
    with NodeGroup() as nodes:
        partner = nodes.start(OtherPartner)
        parameters = {**QUICK, "autostart": False, "in_plane": 4}
        node = nodes.start(InitializerNode, command_line(namespace="/other"), parameters)

        def turn():
            for number in (
                Transition.TRANSITION_CONFIGURE,
                Transition.TRANSITION_ACTIVATE,
                Transition.TRANSITION_DEACTIVATE,
                Transition.TRANSITION_CLEANUP,
            ):
                assert partner.transition(number)

        def held():
            entities = (node.publishers, node.subscriptions, node.timers, node.services, node.clients)
            return [len(list(kind)) for kind in entities] + [threading.active_count(), len(node._managed_entities)]

        for _ in range(2):
            turn()
        before, memory = held(), resident_mb()
        for _ in range(10):
            turn()
        assert held() == before
        assert resident_mb() - memory < 60


def resident_mb():
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


@pytest.mark.parametrize("camera_first", [False, True], ids=["camera last", "camera first"])
def test_camera_mask_initializer_tracker(camera_first):
    """One mask, and nothing but it, makes the tracker follow the object."""
    jug = load_object("demo_jug")
    camera = "/cell/camera"
    simulation = {
        "simulation.speed_mm": 2.0,
        "simulation.speed_deg": 0.8,
        "simulation.bar_width_px": 0,
        "simulation.blank_frames": 0,
        "rate_hz": 8.0,
        "prerender_frames": 0,
    }
    poses, truths = {}, {}

    class Listener(Node):
        def __init__(self, **options):
            super().__init__("listener", **options)
            self.create_subscription(PoseStamped, "/object_pose", lambda m: poses.setdefault(key(m), m), 100)
            self.create_subscription(
                PoseStamped, f"{camera}/camera/ground_truth", lambda m: truths.setdefault(key(m), m), 100
            )

    with NodeGroup() as nodes:
        nodes.start(Listener)

        def start_camera():
            nodes.start(CameraNode, command_line(namespace=camera), simulation)

        if camera_first:
            start_camera()
        nodes.start(TrackerNode, command_line(tracker_remappings(camera)), {"network": "never"})
        nodes.start(InitializerNode, command_line(initializer_remappings(camera, f"{camera}/camera/mask")), QUICK)
        if not camera_first:
            start_camera()
        assert wait_until(lambda: len(poses) > 10, seconds=60.0), "the tracker never started"
        time.sleep(0.5)
    common = sorted(set(poses) & set(truths))
    assert len(common) > 5
    estimates, truth = (np.stack([messages.pose_from_message(m[k].pose) for k in common]) for m in (poses, truths))
    errors = add_errors(estimates, truth, jug.sample_points(300))
    assert np.median(errors) < 0.005
    assert errors[0] < 0.02


def key(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


class Several(Partner):
    """Of an initializer of three objects, two of them alike."""

    prefix = "/several"

    def __init__(self, **options):
        super().__init__(**options)
        self.all_poses = []
        self.create_subscription(Detection3DArray, "/several/initializer/initial_poses", self.all_poses.append, LATCHED)


@pytest.fixture(scope="module")
def three():
    """Three objects before a wall, printed so that one frame tells how they are turned; their models and the frame."""
    jug = load_object("demo_jug")
    models = {"demo_jug": jug, "carton": next(one for one in benchmark_objects() if one.name == "carton"), "demo_jug#2": jug}
    poses = {
        "demo_jug": place(-0.11, 0.06, (1.8, 0.2, 0.1)),
        "carton": place(0.08, -0.1, (0.3, 0.4, 0.1), 0.75),
        "demo_jug#2": place(0.16, 0.1, (1.6, -0.4, 0.6), 0.7),
    }
    return models, frame_of_all(models, poses)


@pytest.fixture(scope="module")
def several(three, tmp_path_factory):
    carton = write_object(three[0]["carton"], tmp_path_factory.mktemp("objects") / "carton")
    with NodeGroup() as nodes:
        partner = nodes.start(Several)
        parameters = {**QUICK, "objects": ["demo_jug", str(carton), "demo_jug"]}
        nodes.start(InitializerNode, command_line(namespace="/several"), parameters)
        assert wait_until(lambda: partner.state() == State.PRIMARY_STATE_ACTIVE)
        assert wait_until(lambda: partner.color.get_subscription_count() and partner.mask.get_subscription_count())
        assert wait_until(lambda: partner.boxes.get_subscription_count())
        yield partner


def found_under(partner, frame, publish, count):
    """Poses by name, and results by name, of so many objects, for what is published with the frame's header.

    Answers to a mask that was sent before may still come: they have another stamp.
    """
    for _ in range(6):
        partner.results.clear()
        header = partner.send_images(frame)
        publish(header)
        stamp = f"{messages.seconds(header.stamp):.9f}"

        def answers(stamp=stamp):
            values = [{one.key: one.value for one in result.values} for result in partner.results]
            return [result for result, of in zip(partner.results, values, strict=False) if of["stamp"] == stamp]

        if wait_until(lambda: len(answers()) >= count, 10.0) and "no images" not in answers()[0].message:
            break
    poses = {
        one.id: messages.pose_from_message(one.results[0].pose.pose)
        for message in partner.all_poses
        if message.header.stamp == header.stamp
        for one in message.detections
    }
    return poses, {one.hardware_id: one for one in answers()}


def test_one_mask_of_labels_has_several_objects(several, three):
    _, frame = three
    labels = sum(number * frame.masks[name].astype(np.int32) for number, name in enumerate(frame.truth, start=1))
    poses, results = found_under(several, frame, lambda header: several.send_mask(labels, header, "32SC1"), 3)
    assert list(results) == list(poses) == ["demo_jug", "carton", "demo_jug#2"]
    for name, pose in poses.items():
        assert pose_errors(pose, frame.truth[name])[0] < 0.01, name
    only = np.where(labels == 2, labels, 0)
    poses, results = found_under(several, frame, lambda header: several.send_mask(only, header, "32SC1"), 1)
    assert list(results) == list(poses) == ["carton"], "what the mask does not have is not asked for"


def test_one_message_of_boxes_has_several_objects(several, three):
    _, frame = three

    def send(header):
        detections = []
        for number, name in enumerate(frame.truth):
            rows, columns = np.nonzero(frame.masks[name])
            box = Detection2D(header=header, results=[ObjectHypothesisWithPose()])
            box.results[0].hypothesis.class_id = name.partition("#")[0]
            box.results[0].hypothesis.score = 0.9 - 0.1 * number
            center = box.bbox.center.position
            center.x, center.y = float(columns.min() + columns.max()) / 2, float(rows.min() + rows.max()) / 2
            box.bbox.size_x, box.bbox.size_y = float(np.ptp(columns)), float(np.ptp(rows))
            detections.append(box)
        several.boxes.publish(Detection2DArray(header=header, detections=detections))

    poses, results = found_under(several, frame, send, 3)
    assert set(results) == {"demo_jug", "carton", "demo_jug#2"}
    # A box tells less than a mask: of one side of a carton not enough.
    assert set(poses) >= {"demo_jug", "demo_jug#2"}
    for name, pose in poses.items():
        assert pose_errors(pose, frame.truth[name])[0] < 0.01, name


def test_labels_of_other_number_than_objects_are_refused(several):
    with NodeGroup() as nodes:
        partner = nodes.start(OtherPartner)
        parameters = {**QUICK, "autostart": False, "objects": ["demo_jug", "cube"], "mask_labels": [7]}
        nodes.start(InitializerNode, command_line(namespace="/other"), parameters)
        assert not partner.transition(Transition.TRANSITION_CONFIGURE)


def test_parameters_of_before_are_answered_with_those_of_today():
    with NodeGroup() as nodes, pytest.raises(ValueError, match="mask_label is no more: mask_labels"):
        nodes.start(InitializerNode, command_line(namespace="/other"), {"mask_label": 3})
