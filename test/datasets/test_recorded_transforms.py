"""TF of a recording."""

from dataclasses import replace
from types import SimpleNamespace as Message

import numpy as np
import pytest
from recorded_messages import STORE, header, plain_messages, write_bag

from pose_tracker_ros.datasets import DatasetError, open_sequence
from pose_tracker_ros.datasets.recorded_transforms import STATIC_TOPIC, TOPIC, RecordedTransforms
from pose_tracker_ros.geometry import invert, make_pose, quaternion_from_matrix, so3_exp


def transforms(parent, child, stamp, pose):
    x, y, z, w = quaternion_from_matrix(pose[:3, :3])
    one = Message(
        header=Message(frame_id=parent, stamp=Message(sec=int(stamp), nanosec=round((stamp % 1) * 1e9))),
        child_frame_id=child,
        transform=Message(
            translation=Message(x=pose[0, 3], y=pose[1, 3], z=pose[2, 3]), rotation=Message(x=x, y=y, z=z, w=w)
        ),
    )
    return Message(transforms=[one])


MOUNT = make_pose(so3_exp(np.array([0.3, -0.2, 1.0])), np.array([0.1, 0.0, 0.2]))


def base(stamp):
    return make_pose(so3_exp(np.array([0.0, 0.0, 0.4 * stamp])), np.array([stamp, 2 * stamp, 0.0]))


@pytest.fixture
def tree():
    moving = [(TOPIC, transforms("map", "base", stamp, base(stamp))) for stamp in (1.0, 1.1, 1.15, 1.2)]
    beside = (TOPIC, transforms("/map", "table", 1.1, make_pose(np.eye(3), np.array([5.0, 0.0, 0.0]))))
    return RecordedTransforms([(STATIC_TOPIC, transforms("base", "camera", 0.0, MOUNT)), *moving[::-1], beside])


def test_a_camera_on_a_moving_base(tree):
    np.testing.assert_allclose(tree.find("map", "camera", 1.1), base(1.1) @ MOUNT, atol=1e-9)
    np.testing.assert_allclose(tree.find("camera", "map", 1.1), invert(base(1.1) @ MOUNT), atol=1e-9)


def test_between_two_stamps_it_moves_on(tree):
    np.testing.assert_allclose(tree.find("map", "camera", 1.175), base(1.175) @ MOUNT, atol=1e-9)


def test_frames_beside_each_other(tree):
    table = make_pose(np.eye(3), np.array([5.0, 0.0, 0.0]))
    np.testing.assert_allclose(tree.find("table", "/camera", 1.12), invert(table) @ base(1.12) @ MOUNT, atol=1e-9)


@pytest.mark.parametrize(("target", "source", "stamp"), [("map", "camera", 1.4), ("map", "camera", 0.8), ("map", "nothing", 1.1)])
def test_what_tf_does_not_say(tree, target, source, stamp):
    assert tree.find(target, source, stamp) is None


def test_a_transform_that_is_none_is_left_out():
    broken = transforms("map", "camera", 1.0, np.eye(4))
    broken.transforms[0].transform.rotation.w = 0.0
    assert RecordedTransforms([(TOPIC, broken)]).frames == []


def tf_message(nanoseconds, parent, child, pose):
    types = STORE.types
    quaternion = types["geometry_msgs/msg/Quaternion"](*quaternion_from_matrix(pose[:3, :3]))
    transform = types["geometry_msgs/msg/Transform"](types["geometry_msgs/msg/Vector3"](*pose[:3, 3]), quaternion)
    stamped = types["geometry_msgs/msg/TransformStamped"](replace(header(nanoseconds), frame_id=parent), child, transform)
    return types["tf2_msgs/msg/TFMessage"]([stamped])


@pytest.fixture
def bag(tmp_path):
    """Four images a tenth of a second apart, and where the base of the camera was in the first three."""
    messages = [(0, "/tf_static", tf_message(0, "base", "camera_color_optical_frame", MOUNT))]
    for stamp in (1.0, 1.1, 1.2):
        messages.append((round(stamp * 1e9), "/tf", tf_message(round(stamp * 1e9), "map", "base", base(stamp))))
    return write_bag(tmp_path / "bag", sorted([*messages, *plain_messages(5)], key=lambda one: one[0]))


def test_frames_of_a_recording_know_where_their_camera_was(bag):
    frames = list(open_sequence(bag, world_frame="map"))
    for frame in frames[:3]:
        np.testing.assert_allclose(frame.world_T_camera, base(frame.stamp) @ MOUNT, atol=1e-6)
    assert frames[4].world_T_camera is None
    assert next(iter(open_sequence(bag))).world_T_camera is None


def test_other_messages_on_a_topic_of_that_name_are_passed_over(tmp_path):
    messages = [(0, "/robot/tf", header(0)), (0, "/tf_static", tf_message(0, "map", "camera_color_optical_frame", MOUNT))]
    (frame, *_) = open_sequence(write_bag(tmp_path / "bag", [*messages, *plain_messages(1)]), world_frame="map")
    np.testing.assert_allclose(frame.world_T_camera, MOUNT, atol=1e-9)


def test_a_frame_that_tf_does_not_have_is_named(bag):
    with pytest.raises(DatasetError, match="expected the frame 'odom' in TF.*base, camera_color_optical_frame, map"):
        open_sequence(bag, world_frame="odom")
