"""Turns that only paint tells apart."""

import numpy as np
import pytest

from pose_tracker_ros.evaluation.alignment_trials import cube_symmetries
from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.geometry import apply_residual, make_pose, rotation_angle, so3_exp
from pose_tracker_ros.initialization.look_alikes import LookAlikes
from pose_tracker_ros.objects import ObjectModel, load_object

HALF_TURNS = [np.diag(signs) for signs in ((1.0, -1.0, -1.0), (-1.0, 1.0, -1.0), (-1.0, -1.0, 1.0))]


@pytest.fixture(scope="module")
def objects():
    return {model.name: model for model in benchmark_objects()}


def nearest_deg(turn, others):
    return np.degrees(rotation_angle(np.array(others).transpose(0, 2, 1) @ turn[:3, :3])).min()


def test_all_turns_of_a_cube_are_found():
    turns = LookAlikes(load_object("cube")).turns
    group = [turn[:3, :3] for turn in cube_symmetries()]
    for expected in group:
        assert nearest_deg(expected, [np.eye(3), *turns[:, :3, :3]]) < 8
    for found in turns:
        assert nearest_deg(found, group) < 8


def test_declared_symmetries_are_not_among_them(objects):
    cube = ObjectModel.from_mesh("cube", load_object("cube").mesh, discrete_symmetries=cube_symmetries())
    assert len(LookAlikes(cube).turns) == 0
    # A bowl is of revolution, which is declared.
    assert len(LookAlikes(objects["bowl"]).turns) == 0


def test_a_carton_has_three_half_turns(objects):
    turns = LookAlikes(objects["carton"]).turns
    assert len(turns) == 3
    for turn in turns:
        assert nearest_deg(turn, HALF_TURNS) < 8


def test_a_bracket_looks_like_itself_in_no_turn(objects):
    assert len(LookAlikes(objects["bracket"]).turns) == 0


def test_poses_are_apart_by_turn_or_place_but_not_by_a_symmetry(objects):
    carton, bowl = objects["carton"], objects["bowl"]
    pose = make_pose(so3_exp(np.array([0.4, -0.2, 0.1])), np.array([0.02, 0.0, 0.6]))

    def moved(model, turn_deg, shift_m):
        turn = np.radians(turn_deg) * pose[:3, 2]
        return apply_residual(pose, np.array([shift_m, 0.0, 0.0]), turn, model.center_m)

    apart = LookAlikes(carton).are_apart
    assert not apart(pose, moved(carton, 15, 0.015))
    assert apart(pose, moved(carton, 25, 0.0))
    assert apart(pose, moved(carton, 0, 0.025))
    assert not LookAlikes(bowl).are_apart(pose, moved(bowl, 25, 0.0))
