"""tf2_ros.Buffer of underlay/ (or the real one, where ROS 2 is sourced) against transforms worked out with SciPy."""

import numpy as np
import pytest
import tf2_ros
from geometry_msgs.msg import TransformStamped
from hypothesis import given
from hypothesis import strategies as st
from rclpy.duration import Duration
from rclpy.time import Time
from scipy.spatial.transform import Rotation, Slerp

START = 1_000.0


def stamped(parent, child, seconds, rotation=None, translation=(0.0, 0.0, 0.0)):
    """Message of a transform; rotation is SciPy's."""
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    message.header.stamp = at(seconds).to_msg()
    place, turn = message.transform.translation, message.transform.rotation
    place.x, place.y, place.z = (float(value) for value in translation)
    turn.x, turn.y, turn.z, turn.w = (Rotation.identity() if rotation is None else rotation).as_quat().tolist()
    return message


def at(seconds):
    return Time(nanoseconds=round(seconds * 1e9))


NEWEST = Time(nanoseconds=0)


def matrix_of(message):
    place, turn = message.transform.translation, message.transform.rotation
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).as_matrix()
    matrix[:3, 3] = place.x, place.y, place.z
    return matrix


def seconds_of(message):
    return message.header.stamp.sec + message.header.stamp.nanosec * 1e-9


@pytest.fixture
def buffer():
    return tf2_ros.Buffer()


poses = st.tuples(
    st.lists(st.floats(-3.0, 3.0), min_size=3, max_size=3), st.lists(st.floats(-5.0, 5.0), min_size=3, max_size=3)
)


@given(poses, poses, poses)
def test_path_over_a_common_parent_is_the_product_of_matrices(base, camera, tool):
    buffer = tf2_ros.Buffer()
    matrices = {}
    for parent, child, (turn, place) in (
        ("map", "base", base),
        ("base", "camera", camera),
        ("base", "tool", tool),
    ):
        message = stamped(parent, child, START, Rotation.from_rotvec(turn), place)
        buffer.set_transform(message, "test")
        matrices[child] = matrix_of(message)
    camera_T_tool = np.linalg.inv(matrices["camera"]) @ matrices["tool"]
    map_T_tool = matrices["base"] @ matrices["tool"]
    for target, source, expected in (
        ("camera", "tool", camera_T_tool),
        ("tool", "camera", np.linalg.inv(camera_T_tool)),
        ("map", "tool", map_T_tool),
        ("tool", "map", np.linalg.inv(map_T_tool)),
        ("tool", "tool", np.eye(4)),
    ):
        found = buffer.lookup_transform(target, source, at(START))
        np.testing.assert_allclose(matrix_of(found), expected, atol=1e-9)
        assert (found.header.frame_id, found.child_frame_id) == (target, source)


@pytest.mark.parametrize("ratio", [0.0, 0.25, 0.9, 1.0])
def test_interpolates_position_linearly_and_rotation_along_the_shortest_way(buffer, ratio):
    turns = Rotation.from_euler("xyz", [[10, 20, 30], [80, -20, 100]], degrees=True)
    buffer.set_transform(stamped("map", "base", START, turns[0], (1, 2, 3)), "test")
    second = stamped("map", "base", START + 0.1, turns[1], (2, 0, 3))
    turn = second.transform.rotation  # the same rotation, by the other quaternion
    turn.x, turn.y, turn.z, turn.w = -turn.x, -turn.y, -turn.z, -turn.w
    buffer.set_transform(second, "test")
    found = buffer.lookup_transform("map", "base", at(START + 0.1 * ratio))
    expected = np.eye(4)
    expected[:3, :3] = Slerp([0.0, 1.0], turns)(ratio).as_matrix()
    expected[:3, 3] = [1 + ratio, 2 - 2 * ratio, 3]
    np.testing.assert_allclose(matrix_of(found), expected, atol=1e-7)
    assert seconds_of(found) == pytest.approx(START + 0.1 * ratio, abs=1e-6)


def test_late_transforms_are_sorted_in(buffer):
    for offset in (0.0, 2.0, 1.0):
        buffer.set_transform(stamped("map", "base", START + offset, None, (offset * 10, 0, 0)), "test")
    assert buffer.lookup_transform("map", "base", at(START + 1.5)).transform.translation.x == pytest.approx(15.0)
    assert buffer.lookup_transform("map", "base", NEWEST).transform.translation.x == pytest.approx(20.0)


def test_newest_is_the_newest_time_that_all_links_have(buffer):
    for offset in (0.0, 1.0, 2.0):
        buffer.set_transform(stamped("map", "base", START + offset, None, (offset, 0, 0)), "test")
    for offset in (0.0, 1.5):
        buffer.set_transform(stamped("base", "camera", START + offset, None, (0, offset, 0)), "test")
    buffer.set_transform_static(stamped("camera", "optical", 0.0, None, (0, 0, 7)), "test")
    found = buffer.lookup_transform("map", "optical", NEWEST)
    np.testing.assert_allclose(matrix_of(found)[:3, 3], [1.5, 1.5, 7.0], atol=1e-9)
    assert seconds_of(found) == pytest.approx(START + 1.5)


def test_static_transform_holds_at_all_times(buffer):
    buffer.set_transform_static(stamped("base", "camera", START, None, (0, 0, 1)), "test")
    for seconds in (1.0, START, START + 1e6):
        assert buffer.lookup_transform("base", "camera", at(seconds)).transform.translation.z == 1.0
    assert seconds_of(buffer.lookup_transform("base", "camera", NEWEST)) == 0.0


def test_no_extrapolation(buffer):
    buffer.set_transform(stamped("map", "base", START), "test")
    with pytest.raises(tf2_ros.ExtrapolationException):  # a single transform holds at its very time only
        buffer.lookup_transform("map", "base", at(START + 0.001))
    buffer.set_transform(stamped("map", "base", START + 1), "test")
    with pytest.raises(tf2_ros.ExtrapolationException, match="future"):
        buffer.lookup_transform("map", "base", at(START + 1.001))
    with pytest.raises(tf2_ros.ExtrapolationException, match="past"):
        buffer.lookup_transform("base", "map", at(START - 0.001))
    assert not buffer.can_transform("map", "base", at(START + 1.001))
    assert buffer.can_transform("map", "base", at(START + 1.0))


def test_frames_below_a_link_without_data_still_meet(buffer):
    buffer.set_transform(stamped("map", "base", START), "test")
    for seconds in (START, START + 5):
        buffer.set_transform(stamped("base", "camera", seconds, None, (1, 0, 0)), "test")
        buffer.set_transform(stamped("base", "tool", seconds, None, (0, 1, 0)), "test")
    found = buffer.lookup_transform("camera", "tool", at(START + 3))
    np.testing.assert_allclose(matrix_of(found)[:3, 3], [-1, 1, 0], atol=1e-12)
    with pytest.raises(tf2_ros.ExtrapolationException):
        buffer.lookup_transform("map", "tool", at(START + 3))


def test_old_transforms_are_forgotten():
    buffer = tf2_ros.Buffer(cache_time=Duration(seconds=2))
    for offset in range(6):
        buffer.set_transform(stamped("map", "base", START + offset, None, (offset, 0, 0)), "test")
    buffer.set_transform(stamped("map", "base", START + 1, None, (50, 0, 0)), "test")  # too old to be let in
    assert buffer.can_transform("map", "base", at(START + 3.5))
    assert not buffer.can_transform("map", "base", at(START + 1))


def test_errors_tell_what_is_missing(buffer):
    buffer.set_transform(stamped("map", "base", START), "test")
    buffer.set_transform(stamped("world", "robot", START), "test")
    with pytest.raises(tf2_ros.LookupException, match="camera"):
        buffer.lookup_transform("map", "camera", NEWEST)
    for time in (NEWEST, at(START)):
        with pytest.raises(tf2_ros.ConnectivityException, match="robot"):
            buffer.lookup_transform("base", "robot", time)
    with pytest.raises(tf2_ros.InvalidArgumentException):
        buffer.lookup_transform("/map", "base", NEWEST)
    possible, reason = buffer.can_transform("map", "camera", NEWEST, return_debug_tuple=True)
    assert not possible
    assert "camera" in reason
    assert issubclass(tf2_ros.ConnectivityException, tf2_ros.TransformException)


def test_loop_is_an_error_and_no_hang(buffer):
    for parent, child in (("a", "b"), ("b", "c"), ("c", "a"), ("map", "base")):
        buffer.set_transform(stamped(parent, child, START), "test")
    for time in (NEWEST, at(START)):
        for target, source in (("a", "base"), ("base", "a")):
            with pytest.raises(tf2_ros.LookupException, match="loop"):
                buffer.lookup_transform(target, source, time)


@pytest.mark.parametrize(
    "broken",
    [
        stamped("map", "map", START),
        stamped("", "base", START),
        stamped("map", "", START),
        stamped("map", "base", START, None, (float("nan"), 0, 0)),
    ],
)
def test_broken_transforms_are_ignored(buffer, broken):
    buffer.set_transform(broken, "test")
    assert not buffer.can_transform("map", "base", NEWEST)


@pytest.mark.parametrize(("w", "x"), [(0.9, 0.0), (0.5, 0.5), (2.0, 0.0), (0.001, 0.0)])
def test_quaternions_of_another_length_are_normalised(buffer, w, x):
    message = stamped("map", "base", START)
    message.transform.rotation.w, message.transform.rotation.x = w, x
    buffer.set_transform(message, "test")
    found = buffer.lookup_transform("map", "base", NEWEST).transform.rotation
    assert np.allclose((found.w, found.x, found.y, found.z), np.array([w, x, 0, 0]) / np.hypot(w, x))


def test_quaternion_that_is_no_rotation_is_ignored(buffer):
    message = stamped("map", "base", START)
    message.transform.rotation.w = 0.0
    buffer.set_transform(message, "test")
    assert not buffer.can_transform("map", "base", NEWEST)


def test_leading_slash_of_a_message_is_dropped(buffer):
    buffer.set_transform(stamped("/map", "/base", START), "test")
    assert buffer.can_transform("map", "base", at(START))


def test_clear_forgets_what_moves(buffer):
    buffer.set_transform(stamped("map", "base", START), "test")
    buffer.set_transform_static(stamped("base", "camera", START), "test")
    buffer.clear()
    assert not buffer.can_transform("map", "base", NEWEST)
    assert buffer.can_transform("base", "camera", NEWEST)
