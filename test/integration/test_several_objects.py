"""One tracker node of several objects, over real DDS: names, topics, TF, detections, objects that come and go."""

import dataclasses
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from live_nodes import wait_until
from several_objects import OPTICAL_FRAME, Partner, frame_of_all, place
from std_msgs.msg import Header, String
from vision_msgs.msg import Detection3DArray
from visualization_msgs.msg import Marker, MarkerArray

from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.geometry import pose_errors, transform_points
from pose_tracker_ros.nodes import messages, object_set
from pose_tracker_ros.nodes.detections import detection
from pose_tracker_ros.nodes.object_tracking import ObjectTracking
from pose_tracker_ros.nodes.single_process import NodeGroup, command_line
from pose_tracker_ros.nodes.tracker_node import TrackerNode
from pose_tracker_ros.object_files import write_object
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.tracking import TrackState

CARTON = "021-carton"
TOPIC = {"cube": "cube", "cube#2": "cube_2", CARTON: "object_021_carton", "demo_jug": "demo_jug"}
PLACES = {
    "cube": place(-0.12, 0.07),
    "cube#2": place(0.15, 0.09, (0.5, 1.0, 0.2), 0.7),
    CARTON: place(0.1, -0.12, (0.3, 0.4, 0.1), 0.75),
    "demo_jug": place(-0.13, -0.1, (1.8, 0.2, 0.1), 0.7),
}
ALL = "/tracker/detections"


@pytest.fixture(scope="module")
def carton(tmp_path_factory):
    """Folder of an object whose name is none for ROS."""
    model = next(model for model in benchmark_objects() if model.name == "carton")
    return write_object(dataclasses.replace(model, name=CARTON), tmp_path_factory.mktemp("objects") / "carton")


@pytest.fixture(scope="module")
def models(carton):
    cube = load_object("cube")
    return {"cube": cube, "cube#2": cube, CARTON: load_object(str(carton)), "demo_jug": load_object("demo_jug")}


@pytest.fixture(scope="module")
def frame(models):
    """All objects where they are."""
    return frame_of_all(models, PLACES)


@pytest.fixture
def partner(carton):
    """The partner of a tracker of three objects, two of them alike; without a network, so that the tests are about the node."""
    with NodeGroup() as group:
        group.start(TrackerNode, parameters={"objects": ["cube", str(carton), "cube"], "network": "never"})
        partner = group.start(Partner)
        assert wait_until(partner.is_connected)
        partner.hear(PoseStamped, "/object_pose")
        for topic in TOPIC.values():
            partner.hear(PoseStamped, f"/tracker/{topic}/pose")
            partner.hear(String, f"/tracker/{topic}/state")
            partner.hear(Marker, f"/tracker/{topic}/marker")
        partner.hear(MarkerArray, "/tracker/markers")
        partner.hear(DiagnosticArray, "/diagnostics")
        yield partner


def are_followed(partner, frame, names):
    """Whether all of some objects get a pose of the newest frame; a frame may get lost on a busy machine."""
    topics = [f"/tracker/{TOPIC[name]}/pose" for name in names]
    assert wait_until(lambda: partner.answers(frame, topics) is not None), f"{names} are not all followed"
    for name, topic in zip(names, topics):
        pose = messages.pose_from_message(partner.received[topic][-1].pose)
        assert pose_errors(pose, PLACES[name])[0] < 0.003, name
    return True


def test_all_are_followed_each_under_its_own_name(partner, models, frame):
    partner.send(frame)
    three = {name: PLACES[name] for name in ("cube", CARTON, "cube#2")}
    partner.start(models, three)
    assert are_followed(partner, frame, list(three))
    header = None

    def answered():
        nonlocal header
        header = partner.answers(frame, [ALL, "/object_pose", "/tracker/cube/pose"])
        return header

    assert wait_until(answered)
    assert partner.received["/object_pose"][-1] == partner.received["/tracker/cube/pose"][-1], "the first one"
    detections = {one.id: one for one in partner.received[ALL][-1].detections}
    assert list(detections) == ["cube", CARTON, "cube#2"]
    for name, one in detections.items():
        assert one.header == header
        assert one.results[0].hypothesis.class_id == name.partition("#")[0]
        assert one.results[0].hypothesis.score > 0.9
        assert np.linalg.eigvalsh(np.reshape(one.results[0].pose.covariance, (6, 6)))[0] > 0
        # All of the mesh is in the box, and touches its sides.
        object_T_box = messages.pose_from_message(one.bbox.center)
        corners = transform_points(np.linalg.inv(object_T_box) @ three[name], models[name].mesh.vertices)
        size = np.array([one.bbox.size.x, one.bbox.size.y, one.bbox.size.z])
        assert np.ptp(corners, axis=0) == pytest.approx(size, abs=0.004)
        assert np.abs(corners).max(axis=0) == pytest.approx(size / 2, abs=0.004)

    def children():
        """Of each message of the frame's transforms."""
        of_frame = [one for one in partner.received["/tf"] if one.transforms[0].header.stamp == header.stamp]
        return [[one.child_frame_id for one in message.transforms] for message in of_frame]

    assert wait_until(children)
    assert children() == [["cube", CARTON, "cube#2"]]
    assert wait_until(lambda: partner.received[f"/tracker/{TOPIC[CARTON]}/marker"])
    assert partner.received[f"/tracker/{TOPIC[CARTON]}/marker"][-1].header.frame_id == CARTON
    arrays = partner.received["/tracker/markers"]
    assert wait_until(lambda: arrays and {one.ns for one in arrays[-1].markers} >= set(three))


def test_resets_by_name_and_of_all(partner, models, frame):
    partner.send(frame)
    partner.start(models, {name: PLACES[name] for name in ("cube", CARTON)})
    assert are_followed(partner, frame, ["cube", CARTON])
    assert partner.call(f"{TOPIC[CARTON]}/reset").success
    assert wait_until(lambda: partner.state(f"/tracker/{TOPIC[CARTON]}/state").startswith("uninitialised: reset"))
    assert are_followed(partner, frame, ["cube"])
    assert partner.state("/tracker/cube/state") == "tracking: seen"
    assert wait_until(lambda: partner.answers(frame, [ALL]))
    assert [one.id for one in partner.received[ALL][-1].detections] == ["cube"]
    assert partner.call("reset").success
    assert wait_until(lambda: partner.state("/tracker/cube/state").startswith("uninitialised: reset"))


def test_no_frame_in_work_overtakes_a_reset(partner, models, frame):
    stopped = threading.Event()

    def play():
        while not stopped.wait(0.01):
            partner.send(frame)

    playing = threading.Thread(target=play, daemon=True)
    playing.start()
    try:
        for _ in range(5):
            partner.start(models, {"cube": PLACES["cube"]})
            assert wait_until(lambda: partner.state("/tracker/cube/state").startswith("tracking"))
            assert partner.call("cube/reset").success
            assert wait_until(lambda: partner.state("/tracker/cube/state").startswith("uninitialised: reset"))
            assert not wait_until(lambda: not partner.state("/tracker/cube/state").startswith("uninitialised: reset"), 0.3)
    finally:
        stopped.set()
        playing.join()


def test_objects_come_and_go_while_others_are_followed(partner, carton, models, frame):
    partner.send(frame)
    partner.start(models, {"cube": PLACES["cube"]})
    assert are_followed(partner, frame, ["cube"])
    refused = partner.set("objects", ["cube", "teapot"])
    assert not refused.successful and "teapot" in refused.reason and "cube, demo_jug" in refused.reason
    assert partner.set("objects", ["demo_jug", "cube"]).successful
    assert wait_until(lambda: partner.state("/tracker/demo_jug/state"))
    assert wait_until(lambda: partner.count_publishers(f"/tracker/{TOPIC[CARTON]}/pose") == 0)
    partner.start(models, {"demo_jug": PLACES["demo_jug"]})
    assert are_followed(partner, frame, ["cube", "demo_jug"])
    assert wait_until(lambda: partner.answers(frame, ["/object_pose", "/tracker/demo_jug/pose"]))
    assert partner.received["/object_pose"][-1] == partner.received["/tracker/demo_jug/pose"][-1], "it is the first one"
    newest = partner.received["/diagnostics"]
    assert wait_until(lambda: newest and {one.hardware_id for one in newest[-1].status} == {"camera", "cube", "demo_jug"})


def test_one_of_a_kind_is_found_by_the_class_where_no_id_is_given(partner, models, frame):
    partner.send(frame)
    header = Header(frame_id=OPTICAL_FRAME)
    nameless = [detection("cube", models["cube"], PLACES[name], header, 1.0) for name in ("cube", "cube#2")]
    for one in nameless:
        one.id = ""
    partner.first_poses.publish(Detection3DArray(header=header, detections=nameless))
    assert are_followed(partner, frame, ["cube", "cube#2"])


def test_names_that_would_have_one_topic_are_refused_with_both(tmp_path):
    folders = [write_object(dataclasses.replace(load_object("cube"), name=name), tmp_path / name) for name in ("my-cup", "my_cup")]
    with NodeGroup() as group, pytest.raises(ValueError, match="'my-cup' and 'my_cup', which would both be 'my_cup'"):
        group.start(TrackerNode, parameters={"objects": list(map(str, folders)), "network": "never"})


def test_nodes_in_two_namespaces_share_nothing(models, frame):
    with NodeGroup() as group:
        for namespace, name in (("/one", "cube"), ("/two", "demo_jug")):
            group.start(TrackerNode, command_line(namespace=namespace), {"object": name, "network": "never"})
        one, two = (group.start(lambda n=namespace, **options: Partner(n, **options)) for namespace in ("/one", "/two"))
        assert wait_until(one.is_connected) and wait_until(two.is_connected)
        for partner in (one, two):
            partner.hear(PoseStamped, partner.prefix.replace("tracker", "object_pose"))
            partner.hear(String, f"{partner.prefix}/state")
        shared = {"/tf", "/tf_static", "/diagnostics", "/rosout", "/parameter_events"}
        names = [
            name
            for namespace in ("/one", "/two")
            for ask in (one.get_publisher_names_and_types_by_node, one.get_subscriber_names_and_types_by_node)
            for name, _ in ask("tracker", namespace)
        ]
        assert any(name.startswith("/one/tracker/") for name in names) and any(name.startswith("/two/tracker/") for name in names)
        outside = [name for name in names if name not in shared and not name.startswith(("/one/", "/two/"))]
        assert not outside
        header = Header(frame_id=OPTICAL_FRAME)
        one.first_pose.publish(messages.pose_stamped(PLACES["cube"], header))
        two.send(frame)
        assert wait_until(lambda: one.answers(frame, ["/one/object_pose"]))
        for _ in range(3):
            two.send(frame)
        assert wait_until(lambda: two.state("/two/tracker/state"))
        assert two.state("/two/tracker/state") == "uninitialised: waiting for a first pose"


def test_a_fault_while_an_object_is_loaded_costs_this_object_alone(partner, monkeypatch):
    def faulty(name, *mesh):
        raise KeyError("vertices")

    with monkeypatch.context() as patched:
        patched.setattr(object_set, "load_object", faulty)
        assert partner.set("objects", ["cube", "demo_jug"]).successful
        heard = partner.received["/diagnostics"]
        assert wait_until(lambda: heard and any("a fault of the tracker" in one.message for one in heard[-1].status))
    assert partner.set("objects", ["demo_jug"]).successful
    assert wait_until(lambda: partner.state("/tracker/demo_jug/state").startswith("uninitialised"))


def test_an_object_that_is_given_up_while_it_is_drawn_is_left_out(frame):
    """The tracker has no renderer of it any more when the drawing thread asks for it."""
    drawn, renderers = [], {}
    tracking = SimpleNamespace(
        objects={"cube": SimpleNamespace(model=None)},
        tracker=SimpleNamespace(render=lambda name, *view: renderers[name]),
        _node=SimpleNamespace(context=SimpleNamespace(ok=lambda: True)),
        _overlays=SimpleNamespace(publish=drawn.append),
    )
    result = SimpleNamespace(state=TrackState.TRACKING, camera_T_object=PLACES["cube"])
    ObjectTracking._draw(tracking, (frame, {"cube": result}, Header()))
    assert len(drawn) == 1
