"""What looks the same after any turn about an axis: the turn that is reported stays, and nothing is said to be known of it."""

import numpy as np
import pytest
from tracking_scenes import START, frame_of, noisy

from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.geometry import apply_residual, make_pose, so3_exp
from pose_tracker_ros.symmetries import observable_directions
from pose_tracker_ros.tracking import Tracker, TrackerConfig
from pose_tracker_ros.tracking.config import OFFLINE


@pytest.fixture(scope="module")
def bowl():
    return next(model for model in benchmark_objects() if model.name == "bowl")


def turn_about_axis_deg(before, after, axis):
    """Of the rotation from one pose (4, 4) to another: its part about the object's axis, degrees."""
    relative = before[:3, :3].T @ after[:3, :3]
    across = relative - relative.T
    sine = axis @ [across[2, 1], across[0, 2], across[1, 0]]
    return np.degrees(np.arctan2(sine, np.trace(relative) - axis @ relative @ axis))


@pytest.mark.parametrize("motion", [np.zeros(3), [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]], ids=["rests", "turns sideways", "rolls"])
@pytest.mark.parametrize("config", [{"network": "never"}, {"network": "when_needed"}], ids=lambda config: config["network"])
def test_a_bowl_does_not_spin(bowl, motion, config):
    """Its facets and the noise of outlines look like turns, and a motion that learns from them goes on with them."""
    axis = bowl.continuous_symmetries[0].axis / np.linalg.norm(bowl.continuous_symmetries[0].axis)
    tilt = so3_exp(np.array([2.2, 0.3, 0.0]))
    pose = make_pose(tilt, START[:3, :3] @ bowl.center_m + START[:3, 3] - tilt @ bowl.center_m)
    tracker, random = Tracker.load([bowl], TrackerConfig(**config, **OFFLINE)), np.random.default_rng(0)
    tracker.start("bowl", pose)
    poses, truth = [pose], pose
    for number in range(45):
        result = tracker.step(noisy(frame_of(bowl, truth, number / 30, index=number), random))["bowl"]
        poses.append(result.camera_T_object)
        seen = observable_directions(bowl, result.camera_T_object)
        spin = np.concatenate([np.zeros(3), result.camera_T_object[:3, :3] @ axis])
        assert spin @ result.covariance @ spin == pytest.approx(np.pi**2 / 3, rel=0.01)
        assert np.sqrt(np.diag(seen.T @ result.covariance @ seen)).max() < 0.1
        assert np.abs(result.camera_T_object[:3, :3] @ axis - truth[:3, :3] @ axis).max() < 0.05
        truth = apply_residual(truth, np.zeros(3), np.radians(motion), bowl.center_m)
    turns = [turn_about_axis_deg(before, after, axis) for before, after in zip(poses, poses[1:])]
    assert np.abs(turns).max() < 0.01
