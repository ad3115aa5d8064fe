"""Paths of objects and cameras: speeds, places, and what must not jump."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from shapes import sphere
from simulated_scenes import small_scene, write_trajectory

from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.geometry import invert, is_pose, make_pose, rotation_angle, so3_exp, transform_points
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.simulation.config import CameraConfig, HandConfig, ObjectConfig, RoomConfig
from pose_tracker_ros.simulation.paths import MIDDLE, PoseTrack, camera_path, lying_rotation, object_path
from pose_tracker_ros.simulation.room import support_pose
from pose_tracker_ros.simulation.scene import CAMERA

FAR = np.array([0.0, 0.0, 100.0])
UP = np.array([0.0, -0.8, -0.6])
NAMES = ("demo_jug", "carton", "drill", "bowl", "bracket", "spanner")
LEAVE = ObjectConfig(path="leave", speed_mm=4.0, speed_deg=1.5, leave_frame=20, away_frames=30)


@pytest.fixture(scope="module")
def models():
    return {model.name: model for model in benchmark_objects()}


def path_of(config: ObjectConfig, model: ObjectModel, frames: int, seed: int = 0, hands: tuple = ()) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return object_path(config, model, frames, support_pose(RoomConfig()), CAMERA, hands, generator)


def middles(poses: np.ndarray, model: ObjectModel) -> np.ndarray:
    return poses[:, :3, :3] @ model.center_m + poses[:, :3, 3]


def in_image(pose: np.ndarray, model: ObjectModel) -> np.ndarray:
    """Which vertices (V,) are in the image."""
    pixels = CAMERA.project(transform_points(pose, model.mesh.vertices.astype(np.float64)))
    return np.all((pixels > -0.5) & (pixels < (CAMERA.width - 0.5, CAMERA.height - 0.5)), axis=1)


def image_of_far_point(poses: np.ndarray) -> np.ndarray:
    """Pixels (N, 2) of a point far before the first camera."""
    return np.stack([CAMERA.project(transform_points(invert(pose), FAR[None]))[0] for pose in poses])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(4))
def test_what_leaves_is_wholly_outside_and_returns_elsewhere_without_a_visible_jump(models, name, seed):
    model, frames = models[name], 110
    poses = path_of(LEAVE, model, frames, seed)
    visible = np.array([in_image(pose, model).any() for pose in poses])
    gone = np.flatnonzero(~visible)
    assert len(gone) >= LEAVE.away_frames and np.array_equal(gone, np.arange(gone[0], gone[-1] + 1))
    assert LEAVE.leave_frame < gone[0] and visible[:20].all() and visible[80:].all()
    steps = np.linalg.norm(np.diff(middles(poses, model), axis=0), axis=1)
    turns = np.degrees(rotation_angle(poses[1:, :3, :3] @ np.swapaxes(poses[:-1, :3, :3], 1, 2)))
    seen = visible[1:] | visible[:-1]
    assert steps[seen].max() < 0.15 and turns[seen].max() < 8
    assert steps[:20].max() < 0.015
    # Where it would be had it stayed: the same wandering.
    stayed = path_of(ObjectConfig(path="hand", speed_mm=4.0, speed_deg=1.5), model, frames, seed)
    shift = np.linalg.norm(middles(poses[80:], model) - middles(stayed[80:], model), axis=1)
    turn = np.degrees(rotation_angle(poses[80:, :3, :3] @ np.swapaxes(stayed[80:, :3, :3], 1, 2)))
    assert np.all((shift > 0.03) | (turn > 5))
    assert np.allclose(poses[:21], stayed[:21])
    assert all(in_image(pose, model).mean() > 0.5 for pose in poses[85:])


@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize("pixels", [60.0, 100.0])
def test_a_jerk_moves_the_image_as_far_and_as_fast_as_asked_and_back(frames, pixels):
    config = CameraConfig(
        path="jerks", jerk_px=pixels, jerk_frames=frames, jerk_first_frame=30, jerk_period_frames=25
    )
    poses = camera_path(config, CAMERA, 100, MIDDLE, UP, np.random.default_rng(1))
    seen = image_of_far_point(poses)
    for number, first in enumerate((30, 55, 80)):
        moved = seen[first - 1 + frames] - seen[first - 1]
        assert np.linalg.norm(moved) == pytest.approx(pixels, rel=0.1)
        per_frame = np.linalg.norm(np.diff(seen[first - 1 : first + frames], axis=0), axis=1)
        assert per_frame == pytest.approx(pixels / frames, rel=0.2)
        if number == 1:
            first_moved = seen[29 + frames] - seen[29]
            assert moved == pytest.approx(-first_moved, abs=0.15 * pixels)
    rest = np.linalg.norm(np.diff(seen, axis=0), axis=1)
    jerked = [first - 1 + k for first in (30, 55, 80) for k in range(frames)]
    assert np.delete(rest, jerked).max() < 8


@pytest.mark.parametrize("path", ["orbit", "handheld", "jerks", "still"])
def test_cameras_start_at_the_identity(path):
    poses = camera_path(CameraConfig(path=path), CAMERA, 20, MIDDLE, UP, np.random.default_rng(0))
    assert poses.shape == (20, 4, 4) and all(is_pose(pose, 1e-9) for pose in poses)
    assert poses[0] == pytest.approx(np.eye(4), abs=1e-12)


def test_a_hand_held_camera_sways_as_fast_as_asked():
    config = CameraConfig(path="handheld", sway_mm=2.0, sway_deg=0.4)
    poses = camera_path(config, CAMERA, 300, MIDDLE, UP, np.random.default_rng(3))
    steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
    turns = np.degrees(rotation_angle(poses[1:, :3, :3] @ np.swapaxes(poses[:-1, :3, :3], 1, 2)))
    assert steps.mean() == pytest.approx(2e-3, rel=0.03) and turns.mean() == pytest.approx(0.4, rel=0.05)
    assert np.ptp(poses[:, :3, 3], axis=0).max() < 0.25


def test_an_orbit_goes_around_the_middle_at_one_height_and_speed():
    poses = camera_path(CameraConfig(path="orbit", orbit_deg=2.0), CAMERA, 91, MIDDLE, UP, np.random.default_rng(0))
    assert np.degrees(rotation_angle(poses[:, :3, :3])) == pytest.approx(2.0 * np.arange(91), abs=1e-6)
    assert np.ptp(poses[:, :3, 3] @ UP) < 1e-12
    assert np.linalg.norm(poses[:, :3, 3] - MIDDLE, axis=1) == pytest.approx(MIDDLE[2])
    seen = CAMERA.project(np.stack([transform_points(invert(pose), MIDDLE[None])[0] for pose in poses]))
    assert np.ptp(seen, axis=0).max() < 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_flat_touches_its_support_and_is_stable(models, name):
    model = models[name]
    rotation, height = lying_rotation(model, np.random.default_rng(1))
    points = transform_points(make_pose(rotation, np.array([0, 0, height])), model.mesh.vertices.astype(np.float64))
    assert points[:, 2].min() == pytest.approx(0, abs=1e-6)
    # Its centre of mass is above the hull of what touches.
    touching = points[points[:, 2] < 1e-4][:, :2]
    hull = trimesh.convex.convex_hull(model.mesh.vertices.astype(np.float64))
    mass = (rotation @ hull.center_mass)[:2]
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    assert len(touching) >= 3
    assert np.all((touching @ directions.T).max(axis=0) >= directions @ mass - 1e-6)
    assert np.ptp(points[:, 2]) <= 1.001 * np.ptp(model.mesh.vertices, axis=0).min()


def test_what_rests_on_the_support_lies_there(models):
    poses = path_of(ObjectConfig(path="rest", place="support", offset_x=0.1, offset_z=0.2), models["drill"], 5)
    assert np.ptp(poses, axis=0).max() == 0
    points = transform_points(invert(support_pose(RoomConfig())) @ poses[0], models["drill"].mesh.vertices.astype(float))
    assert points[:, 2].min() == pytest.approx(0, abs=1e-6)
    middle = transform_points(invert(support_pose(RoomConfig())) @ poses[0], models["drill"].center_m[None])[0]
    assert middle[:2] == pytest.approx([0.1, 0.2])


def test_what_is_carried_rests_before_and_after(models):
    hand = HandConfig(reach_frame=5, hold_frame=10, release_frame=50, gone_frame=60)
    model = models["bracket"]
    poses = path_of(ObjectConfig(path="carried", speed_mm=10.0), model, 80, hands=(hand,))
    assert np.ptp(poses[:11], axis=0).max() == 0 and np.ptp(poses[50:], axis=0).max() == 0
    way = middles(poses, model)
    steps = np.linalg.norm(np.diff(way, axis=0), axis=1)
    assert 0.005 < steps.max() <= 0.010 + 1e-9
    assert 0.03 < np.linalg.norm(way - way[0], axis=1).max() <= 0.15 + 1e-9


def test_between_frames_poses_move_steadily_but_do_not_run_after_a_jump():
    one, other = np.eye(4), make_pose(so3_exp(np.array([0, 0, 0.2])), np.array([0.1, 0, 0]))
    away = make_pose(np.eye(3), np.array([3.0, 0, 0]))
    track = PoseTrack(np.stack([one, other, away]))
    between = track.at(0.25)
    assert between[:3, 3] == pytest.approx([0.025, 0, 0]) and rotation_angle(between[:3, :3]) == pytest.approx(0.05)
    assert np.array_equal(track.at(1.4), other) and np.array_equal(track.at(1.6), away)
    assert np.array_equal(track.at(-1), one) and np.array_equal(track.at(7.5), away)


def test_a_recorded_path_is_followed_and_ends_with_it(tmp_path):
    ball = ObjectModel.from_mesh("ball", sphere(0.05, 3))
    poses = np.stack([make_pose(so3_exp(np.array([0, k, 0])), np.array([0.1 * k, 0, 0.6])) for k in range(3)])
    path = write_trajectory(tmp_path / "way.txt", poses)
    sequence = small_scene(ball, target={"path": "recorded", "trajectory": path}, frames=50)
    assert len(sequence) == 3
    for position in range(3):
        assert sequence.annotation(position).truth["ball"] == pytest.approx(poses[position], abs=1e-12)
