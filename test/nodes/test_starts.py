"""First poses that are followed up while frames come: how much of it in each frame, and what becomes of them."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from std_msgs.msg import Header
from tracking_scenes import START, frame_of

from pose_tracker_ros.geometry import apply_residual, pose_errors
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.recent_frames import FrameBuffer
from pose_tracker_ros.nodes.starts import FEWEST_FRAMES, MOST_DEFERRED, Starts
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.tracking import Tracker, TrackerConfig, TrackState
from pose_tracker_ros.tracking.config import OFFLINE

PERIOD_S = 0.1
# Ends of a frame's time: long ago, and never.
NO_TIME, ALL_TIME = -math.inf, math.inf


class Node:
    """The parts of a tracker node around first poses, on one object that moves; frames are numbered."""

    def __init__(self, caplog: list[str]) -> None:
        cube = load_object("cube")
        self.tracker = Tracker([cube], TrackerConfig(network="never", **OFFLINE))
        publisher = SimpleNamespace(state=TrackState.UNINITIALISED, publish_forgotten=caplog.append)
        self.cube = SimpleNamespace(named=SimpleNamespace(name="cube"), model=cube, publisher=publisher, last_start="")
        self.objects = Objects(self.tracker, {"cube": self.cube})
        self.recent = FrameBuffer(seconds=5.0)
        logger = SimpleNamespace(info=caplog.append, warning=caplog.append)
        self.starts = Starts(logger, self.objects, self.recent, lambda pose, frame, header: messages.pose_from_message(pose.pose))
        self.number = 0

    def pose(self, number: int) -> np.ndarray:
        """Of the cube in a frame: it moves 8 mm and turns 2 degrees between two."""
        moved = np.array([0.008 * number - 0.04, 0.0, 0.003 * number])
        return apply_residual(START, moved, np.radians([0, 2.0 * number, 0]), self.cube.model.center_m)

    def ask(self, number: int) -> None:
        """A true first pose of a frame."""
        header = Header()
        header.stamp.sec, header.stamp.nanosec = divmod(round(self._stamp(number) * 1e9), 1_000_000_000)
        self.starts.ask({"cube": messages.pose_stamped(self.pose(number), header)})

    def frame(self, until: float, is_behind: bool = False) -> dict:
        """The next frame; what came of first poses in it."""
        frame = frame_of(self.cube.model, self.pose(self.number), stamp=self._stamp(self.number))
        self.number += 1
        self.recent.add(frame)
        return self.starts.go_on(frame, Header(), until, is_behind)

    def _stamp(self, number: int) -> float:
        return 1.0 + PERIOD_S * number


class Objects(dict):
    """An object set."""

    def __init__(self, tracker: Tracker, objects: dict) -> None:
        super().__init__(objects)
        self.tracker = tracker


@pytest.fixture
def told():
    return []


@pytest.fixture
def node(told):
    return Node(told)


def assert_is_followed(node, result):
    assert result.state is TrackState.TRACKING
    translation, rotation = pose_errors(result.camera_T_object, node.pose(node.number - 1))
    assert translation < 0.006
    assert np.degrees(rotation) < 3


def test_with_enough_time_a_late_pose_is_taken_in_the_next_frame(node, told):
    for _ in range(4):
        node.frame(ALL_TIME)
    node.ask(0)
    assert_is_followed(node, node.frame(ALL_TIME)["cube"])
    assert node.tracker.state("cube") is TrackState.TRACKING
    assert told == ["first pose of 'cube' taken: 0.40 s old, followed over 5 frames, score 1.00"]
    assert not node.starts


def test_without_time_it_comes_nearer_with_every_frame(node, told):
    for _ in range(4):
        node.frame(NO_TIME)
    node.ask(0)
    # Five frames, of which two are followed, while one comes: 5, 4, 3, 2.
    results = [node.frame(NO_TIME) for _ in range(4)]
    assert [bool(result) for result in results] == [False, False, False, True]
    assert FEWEST_FRAMES == 2
    assert_is_followed(node, results[-1]["cube"])
    assert told == ["first pose of 'cube' taken: 0.70 s old, followed over 8 frames, score 1.00"]


def test_frames_that_wait_go_before_but_not_for_ever(node):
    node.ask(0)
    taken = [bool(node.frame(ALL_TIME, is_behind=True)) for _ in range(MOST_DEFERRED + 1)]
    assert taken == [False] * MOST_DEFERRED + [True]


def test_a_newer_pose_goes_before_an_older_one(node, told):
    for _ in range(6):
        node.frame(NO_TIME)
    node.ask(0)
    assert not node.frame(NO_TIME)
    node.ask(7)
    assert_is_followed(node, node.frame(NO_TIME)["cube"])
    assert [text for text in told if "taken" in text] == ["first pose of 'cube' taken: 0.00 s old, followed over 1 frames, score 1.00"]


@pytest.mark.parametrize("begun", [False, True])
def test_an_object_that_is_given_up_meanwhile_is_not_followed(node, begun):
    for _ in range(5):
        node.frame(NO_TIME)
    node.ask(0)
    if begun:
        assert not node.frame(NO_TIME)
    node.tracker.remove("cube")
    del node.objects["cube"]
    assert not node.frame(ALL_TIME)
    assert not node.starts


def test_a_fault_costs_one_frame(node, monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(Tracker, "step", fail)
    node.ask(0)
    with pytest.raises(ZeroDivisionError):
        node.frame(ALL_TIME)
    assert not node.frame(ALL_TIME)


def test_what_is_refused_is_told(node, told):
    node.ask(30)
    assert not node.frame(ALL_TIME)
    assert node.cube.last_start.startswith("refused: ")
    assert told[0].startswith("first pose of 'cube' refused: ")
    assert told[1].startswith("first pose refused: ")
