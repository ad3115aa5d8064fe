"""The score tells agreement, contradiction and ignorance apart."""

import numpy as np
import pytest
from tracking_scenes import START, crop_at, frame_of

from pose_tracker_ros.geometry import apply_residual
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.tracking.quality import is_hidden, score


@pytest.fixture(scope="module")
def cube():
    return load_object("cube")


def test_the_true_pose_is_supported(cube):
    assert score(crop_at(cube, frame_of(cube, START), START)) > 0.97


def test_seeing_the_wall_through_the_object_contradicts(cube):
    beside = apply_residual(START, np.array([0.3, 0.0, 0.0]), np.zeros(3))
    assert score(crop_at(cube, frame_of(cube, START), beside)) == 0.0


def test_a_hidden_part_does_not_count_against_the_pose(cube):
    assert score(crop_at(cube, frame_of(cube, START, bar=(160, 190)), START)) > 0.95


def test_a_fully_hidden_object_is_not_supported(cube):
    assert score(crop_at(cube, frame_of(cube, START, bar=(0, 320)), START)) == 0.0


def test_no_depth_is_no_support(cube):
    crop = crop_at(cube, frame_of(cube, START), START)
    assert score(crop._replace(depth=np.zeros_like(crop.depth))) == 0.0


def test_hidden_is_what_something_nearer_covers(cube):
    still = np.zeros(6)
    assert is_hidden(crop_at(cube, frame_of(cube, START, bar=(0, 320)), START), still)
    assert not is_hidden(crop_at(cube, frame_of(cube, START), START), still)
    assert not is_hidden(crop_at(cube, frame_of(cube, START, bar=(160, 190)), START), still)
    beside = apply_residual(START, np.array([0.3, 0.0, 0.0]), np.zeros(3))
    assert not is_hidden(crop_at(cube, frame_of(cube, START), beside), still)
