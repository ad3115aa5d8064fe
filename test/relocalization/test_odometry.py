"""Poses that nobody gives: a camera goes around and comes back to where it was."""

from dataclasses import replace

import numpy as np
import pytest
from mapped_room import ROOM

from pose_tracker_ros.geometry import invert, make_pose, so3_exp
from pose_tracker_ros.relocalization.config import MapConfig
from pose_tracker_ros.relocalization.odometry import Edge, Odometry, optimised
from pose_tracker_ros.simulation.room_views import RoomViews


def loop(count):
    """Frames of a camera that swings to the side and back again."""
    room = RoomViews(1, ROOM, places=0)
    start = make_pose(np.eye(3), np.array([-0.2, -0.2, -0.2]))
    for position in range(count):
        turn = 2 * np.pi * position / count
        way = make_pose(so3_exp(np.array([0.0, 0.35 * np.sin(turn), 0.0])), 0.3 * np.array([1 - np.cos(turn), 0.0, np.sin(turn)]))
        room._poses[0] = start @ way
        yield replace(room.read(0), index=position, stamp=position / 30)


def test_the_way_of_a_camera_is_found_and_closed():
    odometry = Odometry(MapConfig(keyframe_m=0.08, keyframe_deg=5))
    truths = []
    for frame in loop(20):
        truths.append(frame.world_T_camera)
        odometry.add(replace(frame, world_T_camera=None))
    assert odometry.lost == 0
    assert odometry.close_loops() > 0
    for keyframe in odometry.keyframes:
        between = invert(keyframe.map_T_camera) @ invert(truths[0]) @ truths[keyframe.number]
        assert np.linalg.norm(between[:3, 3]) < 0.02
        assert np.degrees(np.arccos(np.clip((np.trace(between[:3, :3]) - 1) / 2, -1, 1))) < 1.0


def test_a_jump_to_an_unknown_place_is_lost():
    odometry = Odometry(MapConfig())
    frames = list(loop(4))
    odometry.add(frames[0])
    assert not odometry.add(replace(frames[1], color=frames[1].color * 0, depth=frames[1].depth * 0))
    assert odometry.lost == 1


@pytest.mark.parametrize("wrong_loop", [False, True])
def test_drift_is_shared_out_and_a_wrong_loop_is_not_believed(wrong_loop):
    """Steps of 0.1 m along x, each measured 2 mm too long: the loop back to the start says so."""
    step = make_pose(np.eye(3), np.array([0.1, 0.0, 0.0]))
    count = 10
    truths = [make_pose(np.eye(3), np.array([0.1 * min(one, count - one), 0.05 * (one > count / 2), 0.0])) for one in range(count + 1)]
    information = np.diag([0.004**-2] * 3 + [0.004**-2] * 3)
    poses, edges = [truths[0]], []
    for one in range(count):
        between = invert(truths[one]) @ truths[one + 1]
        between[1, 3] += 0.002
        poses.append(poses[-1] @ between)
        edges.append(Edge(one, one + 1, between, information, False))
    edges.append(Edge(0, count, invert(truths[0]) @ truths[count], information, True))
    if wrong_loop:
        edges.append(Edge(1, count - 2, step @ step @ step @ step @ step, information, True))
    before = np.linalg.norm(poses[-1][:3, 3] - truths[-1][:3, 3])
    after = optimised(poses, edges)
    np.testing.assert_allclose(after[0], poses[0], atol=1e-12)
    assert np.linalg.norm(after[-1][:3, 3] - truths[-1][:3, 3]) < before / 4
