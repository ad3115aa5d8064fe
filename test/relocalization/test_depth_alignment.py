"""Depth images of a simulated room against each other."""

import numpy as np
import pytest
from mapped_room import views

from pose_tracker_ros.geometry import make_pose, pose_errors, so3_exp
from pose_tracker_ros.relocalization.agreement import agreement
from pose_tracker_ros.relocalization.depth_alignment import View, align_depth, twist_between
from pose_tracker_ros.relocalization.surface import Surface

PRIOR = np.diag([0.05**-2] * 3 + [0.03**-2] * 3)


@pytest.fixture(scope="module")
def seen():
    """Surfaces from thirty places with their poses."""
    return [View(Surface.of(frame), frame.world_T_camera) for frame in views(30, places=0)]


def overlapping(seen, position, count=3):
    """The views that see most of what one sees."""
    scores = [
        agreement(seen[position].surface, [other], seen[position].map_T_camera).depth_same if other is not seen[position] else -1
        for other in seen
    ]
    return [seen[number] for number in np.argsort(scores)[::-1][:count]]


def test_a_pose_that_is_off_is_put_right(seen):
    errors, squares = [], []
    off = make_pose(so3_exp(np.array([0.01, -0.01, 0.008])), np.array([0.012, -0.01, 0.012]))
    for position in range(8):
        truth = seen[position].map_T_camera
        found = align_depth(seen[position].surface, overlapping(seen, position), truth @ off, PRIOR)
        errors.append(pose_errors(found.map_T_camera, truth))
        offset = twist_between(found.map_T_camera, truth)
        squares.append(offset @ found.information @ offset)
    before = pose_errors(off, np.eye(4))
    assert np.median([one[0] for one in errors]) < before[0] / 2
    assert np.median([one[1] for one in errors]) < before[1] / 2
    assert np.median(squares) < 12.6  # 95 % of chi squared with six degrees of freedom


def test_what_depth_does_not_say_stays_with_the_prior():
    """A plane says nothing about motions along it, nor of turns about its normal."""
    frame = views(1, places=0).read(0)
    plane = Surface.of(frame.__class__(frame.color, np.full_like(frame.depth, 2.0), frame.camera, 0.0))
    start = make_pose(so3_exp(np.array([0.0, 0.0, 0.02])), np.array([0.04, -0.03, 0.05]))
    found = align_depth(plane, [View(plane, np.eye(4))], start, PRIOR)
    np.testing.assert_allclose(found.map_T_camera[:2, 3], [0.04, -0.03], atol=3e-3)
    assert abs(found.map_T_camera[2, 3]) < 5e-3
    deviations = np.sqrt(np.diag(np.linalg.inv(found.information)))
    np.testing.assert_allclose(deviations[[0, 1, 5]], [0.05, 0.05, 0.03], rtol=0.05)
    assert np.all(deviations[[2, 3, 4]] < 0.02)


def test_agreement_tells_the_right_place_from_another(seen):
    one, other = seen[0], overlapping(seen, 0)[0]
    right = agreement(one.surface, [other], one.map_T_camera)
    wrong = agreement(one.surface, [other], one.map_T_camera @ make_pose(np.eye(3), np.array([0.0, 0.0, 0.3])))
    assert right.depth > 0.98
    assert right.looks > 0.8
    assert wrong.depth < 0.7


def test_nothing_in_common_is_no_agreement(seen):
    turned = seen[0].map_T_camera @ make_pose(so3_exp(np.array([0.0, np.pi, 0.0])), np.zeros(3))
    nothing = agreement(seen[0].surface, [View(seen[0].surface, seen[0].map_T_camera)], turned)
    assert nothing.depth_same == 0
    assert nothing.looks_same == 0
