"""An object is lost in a small simulated room; what bench-relocalizer counts over many is right of one."""

import numpy as np
import pytest

from pose_tracker_ros.evaluation.lost_and_found import MOVED, WITH, WITHOUT, return_to
from pose_tracker_ros.evaluation.return_scenes import AWAY, WATCHED, ReturnScene, as_seen
from pose_tracker_ros.simulation.room import support_pose
from pose_tracker_ros.tracking import TrackerConfig


@pytest.fixture(scope="module")
def scene():
    return ReturnScene(0, "demo_jug", mapped=30)


def test_the_camera_turns_away_and_comes_back_a_metre_beside(scene):
    left = scene.with_object_left()
    shares = [left.read(position).visibility["demo_jug"] for position in (0, WATCHED - 1, WATCHED, WATCHED + AWAY - 1, WATCHED + AWAY)]
    assert shares == [1.0, 1.0, 0.0, 0.0, 1.0]
    first, last = left.scene_T_camera(0), left.scene_T_camera(WATCHED + AWAY)
    assert 0.85 < np.linalg.norm((last - first)[:3, 3]) < 1.15
    frames = [as_seen(left.read(position), position) for position in (WATCHED, WATCHED + AWAY)]
    assert abs(frames[1].stamp - frames[0].stamp - 5.0) < 1e-9
    assert all(frame.world_T_camera is None for frame in frames), "the tracker would know where it is"


def test_a_moved_object_is_elsewhere_once_nobody_looks(scene):
    left, moved = scene.with_object_left(), scene.with_object_moved()
    assert np.array_equal(moved.object_pose(WATCHED - 1), left.resting_pose)
    away = moved.object_pose(WATCHED) @ np.append(moved.target.center_m, 1) - left.resting_pose @ np.append(left.target.center_m, 1)
    assert np.linalg.norm(away) > left.target.diameter_m
    up = support_pose(scene.config.room)[:3, 2]
    assert np.allclose(left.resting_pose[:3, :3].T @ up, moved.object_pose(WATCHED)[:3, :3].T @ up), "it stands as before"


def test_an_object_is_found_by_the_relocalizer_and_not_claimed_where_it_was(scene, tmp_path):
    """The tracker does not search by itself here, which takes most of the time of a run."""
    outcomes = return_to(scene, tmp_path / "map", TrackerConfig(network="never", frame_budget_ms=0.0, search=False))
    assert outcomes[WITH].lost
    assert outcomes[WITH].found_s < 2.0
    assert outcomes[WITH].offered == 1
    assert outcomes[WITHOUT].offered == 0
    assert outcomes[WITHOUT].found_s is None
    assert outcomes[MOVED].offered > 1
    assert outcomes[MOVED].claimed_s is None
