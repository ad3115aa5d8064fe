"""What shared errors do to objects of different build."""

import numpy as np
import pytest

from pose_tracker_ros.geometry import random_rotation, so3_exp
from pose_tracker_ros.tracking.fusion import BULKY_LEVER, limited, shared_covariance, turning_slack


def test_a_ball_is_bulky_and_a_rod_turns_about_its_axis_unnoticed():
    generator = np.random.default_rng(0)
    directions = generator.normal(size=(20000, 3))
    ball = 0.05 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    assert turning_slack(ball, 0.1) == pytest.approx(np.eye(3), abs=0.01)
    # A thin-walled pipe of radius r: all of its surface is r from its axis.
    angle, along = generator.uniform(0, 2 * np.pi, 20000), generator.uniform(-0.1, 0.1, 20000)
    pipe = np.column_stack([along, 0.01 * np.cos(angle), 0.01 * np.sin(angle)])
    expected = np.diag([(BULKY_LEVER * 0.2 / 0.01) ** 2, 1, 1])
    assert turning_slack(pipe, 0.2) == pytest.approx(expected, rel=0.01, abs=0.3)


def test_slack_turns_with_the_object():
    generator = np.random.default_rng(1)
    points = generator.normal(size=(500, 3)) * [0.05, 0.01, 0.004]
    rotation = random_rotation(generator)
    turned = rotation @ turning_slack(points, 0.3) @ rotation.T
    assert turning_slack(points @ rotation.T, 0.3) == pytest.approx(turned)


def test_shared_errors_cap_what_many_pixels_say():
    rotation = so3_exp(np.array([0.3, 0.2, 0.1]))
    slack = rotation @ np.diag([16.0, 1.0, 1.0]) @ rotation.T
    covariance = np.linalg.inv(limited(np.eye(6) * 1e9, shared_covariance(np.full(3, 0.004), 0.02, slack)))
    assert np.sqrt(np.diag(covariance)[:3]) == pytest.approx(0.004, rel=1e-3)
    axis = rotation[:, 0]
    assert np.sqrt(axis @ covariance[3:, 3:] @ axis) == pytest.approx(0.08, rel=1e-3)
    assert not limited(np.zeros((6, 6)), covariance).any()
