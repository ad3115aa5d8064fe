"""Detections: boxes that stand where the mesh does, and which first pose is of which object."""

import numpy as np
import pytest
from std_msgs.msg import Header
from tracking_scenes import START
from vision_msgs.msg import Detection3D, Detection3DArray, ObjectHypothesisWithPose

from pose_tracker_ros.geometry import make_pose, transform_points
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.detections import detection, poses_by_name
from pose_tracker_ros.objects import load_object

NAMES = ("cube", "cube#2", "jug", "cube#3")


def test_the_box_holds_the_mesh_and_nothing_more():
    jug = load_object("demo_jug")
    found = detection("demo_jug#2", jug, START, Header(frame_id="camera"), 0.75, np.eye(6))
    assert (found.id, found.results[0].hypothesis.class_id, found.results[0].hypothesis.score) == ("demo_jug#2", "demo_jug", 0.75)
    assert np.allclose(messages.pose_from_message(found.results[0].pose.pose), START)
    size = np.array([found.bbox.size.x, found.bbox.size.y, found.bbox.size.z])
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * size / 2
    in_object = transform_points(np.linalg.inv(START) @ messages.pose_from_message(found.bbox.center), corners)
    assert np.allclose(in_object.min(axis=0), jug.mesh.vertices.min(axis=0), atol=1e-6)
    assert np.allclose(in_object.max(axis=0), jug.mesh.vertices.max(axis=0), atol=1e-6)


def told(*ids, classes=None, frame_id=""):
    """A message with one pose for each id, the first at x = 0, the next at x = 1 and so on."""
    detections = []
    for number, name in enumerate(ids):
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id = classes[number] if classes else ""
        result.pose.pose = messages.pose_message(make_pose(np.eye(3), np.array([float(number), 0, 0])))
        detections.append(Detection3D(header=Header(frame_id=frame_id), id=name, results=[result]))
    return Detection3DArray(header=Header(frame_id="array"), detections=detections)


@pytest.mark.parametrize(
    ("message", "tracked", "expected"),
    [
        (told("jug", "cube#2"), (), {"jug": 0, "cube#2": 1}),
        (told("", "", classes=["cube", "jug"]), (), {"cube": 0, "jug": 1}),
        (told("", "", classes=["cube", "cube"]), (), {"cube": 0, "cube#2": 1}),
        (told("", classes=["cube"]), ("cube",), {"cube#2": 0}),
        (told("", "", classes=["cube", "cube"]), ("cube#2",), {"cube": 0, "cube#3": 1}),
        (told("cube", "cube", "cube"), (), {"cube": 0, "cube#2": 1, "cube#3": 2}),
        (told("", "cube", classes=["cube", ""]), (), {"cube#2": 0, "cube": 1}),
        (told("17", "4", classes=["jug", "cube"]), (), {"jug": 0, "cube": 1}),
        (told("jug", classes=["cube"]), (), {"jug": 0}),
    ],
)
def test_poses_go_to_who_is_meant(message, tracked, expected):
    poses, refused = poses_by_name(message, NAMES, tracked)
    assert {name: int(pose.pose.position.x) for name, pose in poses.items()} == expected
    assert not refused
    assert {pose.header.frame_id for pose in poses.values()} == {"array"}


def test_a_detections_own_header_goes_before_that_of_all():
    poses, _ = poses_by_name(told("jug", frame_id="own"), NAMES, ())
    assert poses["jug"].header.frame_id == "own"


@pytest.mark.parametrize(("own", "expected"), [((0, ""), (7, "array")), ((0, "own"), (7, "own")), ((3, ""), (3, "array"))])
def test_of_a_detections_header_counts_what_is_set(own, expected):
    message = told("jug")
    message.header.stamp.sec = 7
    message.detections[0].header.stamp.sec, message.detections[0].header.frame_id = own
    header = poses_by_name(message, NAMES, ())[0]["jug"].header
    assert (header.stamp.sec, header.frame_id) == expected


@pytest.mark.parametrize("scores", [(0.2, 0.9), (float("nan"), 0.1), (-1.0, 0.0)])
def test_of_several_results_the_surest_counts(scores):
    message = told("jug")
    message.detections[0].results = [one.results[0] for one in told("jug", "jug").detections]
    for result, score in zip(message.detections[0].results, scores):
        result.hypothesis.score = score
    assert poses_by_name(message, NAMES, ())[0]["jug"].pose.position.x == 1


def test_what_is_of_no_use_is_told():
    message = told("teapot", "jug", "jug", "cube#9", classes=["", "jug", "jug", "cube"])
    message.detections[1].results.clear()
    poses, refused = poses_by_name(message, NAMES, ())
    assert list(poses) == ["jug"] and int(poses["jug"].pose.position.x) == 2
    assert "got 'teapot'" in refused[0] and "a pose of 'jug'" in refused[1] and "got 'cube#9'" in refused[2]
