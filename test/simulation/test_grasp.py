"""Grasps fit the object, hands come, hold and leave as told, and what is carried keeps its bounds."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.geometry import (
    invert,
    is_pose,
    make_pose,
    random_rotation,
    random_unit_vector,
    rotation_angle,
    transform_points,
)
from pose_tracker_ros.objects import Mesh, ObjectModel, mesh_with_normals
from pose_tracker_ros.simulation.grasp import Grasp, carried_path, hand_poses, object_T_grasp
from pose_tracker_ros.simulation.grippers import gripper_mesh, hand_mesh

GRASP = Grasp(reach_frame=5, hold_frame=15, release_frame=50, gone_frame=60, reach_m=0.3)


@pytest.fixture(scope="module")
def objects():
    return {model.name: model for model in benchmark_objects()}


def brick(extents: tuple[float, float, float], center: tuple[float, float, float] = (0, 0, 0)) -> ObjectModel:
    box = trimesh.creation.box(extents=extents).apply_translation(center)
    return ObjectModel.from_mesh("brick", mesh_with_normals(np.asarray(box.vertices), np.asarray(box.faces)))


def palm_front(mesh: Mesh, opening: float) -> float:
    """How far the palm reaches along z: what is in the middle between the fingers."""
    whole = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    surface, _ = trimesh.sample.sample_surface(whole, 20000, seed=0)
    return surface[np.abs(surface[:, 0]) < 0.2 * opening][:, 2].max()


def carried(seed: int = 0, **options: object) -> np.ndarray:
    start = make_pose(random_rotation(np.random.default_rng(9)), np.array([0.1, -0.2, 0.8]))
    bounds = {"frames": 80, "hold_frame": 15, "release_frame": 50, "reach_m": 0.2, "turn_rad": 1.0, "speed_m": 0.02}
    return carried_path(start, generator=np.random.default_rng(seed), **{**bounds, **options})


def test_a_brick_is_gripped_across_its_narrow_side():
    center = np.array([0.1, -0.3, 0.2])
    pose, opening = object_T_grasp(brick((0.16, 0.05, 0.06), center), np.array([0, 0, -2.0]))
    assert np.allclose(pose[:3, 2], [0, 0, -1]) and np.allclose(np.abs(pose[:3, 0]), [0, 1, 0])
    assert 0.05 < opening < 0.06
    assert np.allclose(pose[1:3, 3], center[1:]) and pose[0, 3] == pytest.approx(center[0], abs=0.01)


def test_a_deep_brick_is_gripped_at_its_end():
    pose, opening = object_T_grasp(brick((0.05, 0.07, 0.3)), np.array([0, 0, 1.0]))
    assert 0.05 < opening < 0.06
    assert -0.01 < pose[2, 3] + palm_front(gripper_mesh(opening), opening) - -0.15 < 0


def test_the_hand_grips_what_is_between_its_fingers():
    """A hammer held at its handle: its head is wider than a hand opens, but beside the fingers."""
    handle = trimesh.creation.box(extents=(0.3, 0.03, 0.03))
    head = trimesh.creation.box(extents=(0.05, 0.25, 0.03)).apply_translation((0.15, 0, 0))
    whole = trimesh.util.concatenate([handle, head])
    model = ObjectModel.from_mesh("hammer", mesh_with_normals(np.asarray(whole.vertices), np.asarray(whole.faces)))
    pose, opening = object_T_grasp(model, np.array([0, 0, 1.0]))
    assert np.abs(pose[1, 0]) == pytest.approx(1, abs=1e-3) and 0.03 < opening < 0.04


def test_what_is_too_wide_is_refused():
    with pytest.raises(ValueError, match="another side"):
        object_T_grasp(brick((0.3, 0.25, 0.05)), np.array([0, 0, 1.0]))


@pytest.mark.parametrize("name", ["demo_jug", "spanner", "drill", "bowl"])
def test_hands_stay_outside_of_the_object(objects, name):
    model = objects[name]
    generator = np.random.default_rng(4)
    for _ in range(6):
        approach = random_unit_vector(generator)
        pose, opening = object_T_grasp(model, approach)
        assert is_pose(pose, 1e-9) and np.allclose(pose[:3, 2], approach)
        surface = transform_points(invert(pose), model.sample_points(6000, seed=5))
        nearest = transform_points(invert(pose), model.mesh.vertices)[:, 2].min()
        for mesh in (gripper_mesh(opening), hand_mesh(opening, (200, 150, 120), generator)):
            assert palm_front(mesh, opening) < nearest
        # Between the pads and all along their way: nothing reaches beyond, something is between them.
        swept = surface[(np.abs(surface[:, 1]) < 0.012) & (surface[:, 2] < 0.02)]
        assert len(swept) and np.abs(swept[:, 0]).max() < opening / 2


def test_one_object_is_gripped_in_one_way(objects):
    one, same = (object_T_grasp(objects["bowl"], np.array([0, 0.3, -1.0])) for _ in range(2))
    assert np.array_equal(one[0], same[0]) and one[1] == same[1]


@pytest.mark.parametrize("approach", [np.zeros(3), np.array([np.nan, 0, 1]), np.ones(2)])
def test_no_approach_is_refused(objects, approach):
    with pytest.raises(ValueError, match="approach direction"):
        object_T_grasp(objects["drill"], approach)


def test_hand_comes_holds_and_leaves():
    path = carried()
    on_object = make_pose(random_rotation(np.random.default_rng(2)), np.array([0.01, 0.02, -0.03]))
    poses, visible = hand_poses(path, on_object, GRASP)
    assert np.array_equal(np.flatnonzero(visible), np.arange(5, 60))
    relative = invert(path) @ poses
    assert np.allclose(relative[15:51], on_object, atol=1e-12)

    # Seen from the final grasp the hand is only ever back along z, without turning, by all of its reach at first.
    for frames, held in ((range(5, 16), 15), (range(50, 61), 50)):
        away = invert(path[held] @ on_object) @ poses[list(frames)]
        assert np.allclose(away[:, :3, :3], np.eye(3)) and np.allclose(away[:, :2, 3], 0)
        distance = -away[:, 2, 3] if held == 15 else -away[::-1, 2, 3]
        assert distance[0] == pytest.approx(0.3) and distance[-1] == pytest.approx(0)
        steps = -np.diff(distance)
        assert np.all(steps > 0) and steps[[0, -1]].max() < 0.2 * steps.max()


def test_hand_that_is_there_from_the_first_to_the_last_frame():
    path = carried(frames=30, hold_frame=-10, release_frame=40)
    poses, visible = hand_poses(path, np.eye(4), Grasp(-20, -10, 40, 50))
    assert visible.all() and np.allclose(poses, path)


@pytest.mark.parametrize("frames", [(5, 5, 8, 9), (5, 4, 8, 9), (1, 5, 4, 9), (1, 5, 8, 8)])
def test_frames_out_of_order_are_refused(frames):
    with pytest.raises(ValueError, match="reach_frame < hold_frame"):
        Grasp(*frames)


@pytest.mark.parametrize("seed", range(8))
def test_carried_object_rests_before_and_after_and_keeps_its_bounds(seed):
    path = carried(seed)
    assert all(is_pose(pose, 1e-9) for pose in path)
    assert np.ptp(path[:16], axis=0).max() == 0 and np.ptp(path[50:], axis=0).max() == 0
    way = path[:, :3, 3]
    speeds = np.linalg.norm(np.diff(way, axis=0), axis=1)
    assert speeds.max() <= 0.02 * (1 + 1e-9)
    # It starts and stops gently, and uses its space or its speed.
    assert max(speeds[15], speeds[49]) < 0.5 * speeds.max()
    reached = np.linalg.norm(way - way[0], axis=1).max()
    assert reached <= 0.2 * (1 + 1e-9)
    assert max(reached / 0.2, speeds.max() / 0.02) == pytest.approx(1)
    assert rotation_angle(path[:, :3, :3] @ path[0, :3, :3].T).max() == pytest.approx(1.0)


def test_long_carrying_goes_to_and_fro():
    """Both bounds are nearly reached when there is time, so that a long sequence is not a slow one."""
    way = carried(frames=600, release_frame=550)[:, :3, 3]
    assert np.linalg.norm(way - way[0], axis=1).max() > 0.1
    assert np.linalg.norm(np.diff(way, axis=0), axis=1).max() > 0.01


def test_carried_object_turns_about_its_center():
    center = np.array([0.0, 0.0, 0.5])
    still = carried(reach_m=1e-9, center=center)
    places = np.stack([transform_points(pose, center[None])[0] for pose in still])
    assert np.ptp(places, axis=0).max() < 1e-8 and np.ptp(still[:, :3, 3], axis=0).max() > 0.1


def test_one_seed_carries_along_one_path():
    assert np.array_equal(carried(1), carried(1)) and not np.allclose(carried(1), carried(2))


@pytest.mark.parametrize(
    "wrong", [{"release_frame": 15}, {"reach_m": 0.0}, {"speed_m": -1.0}, {"turn_rad": -0.1}, {"reach_m": np.nan}]
)
def test_bounds_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        carried(**wrong)
