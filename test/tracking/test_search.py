"""Searching: turns that leave nothing out, and places that show the object."""

from dataclasses import replace

import numpy as np
import pytest
from tracking_scenes import CAMERA, START, frame_of

from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.geometry import (
    apply_residual,
    invert,
    make_pose,
    pose_errors,
    random_rotation,
    rotation_angle,
    so3_exp,
)
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.rendering.raster import RasterRenderer
from pose_tracker_ros.tracking.factors.contour import ColorStatistics
from pose_tracker_ros.tracking.search import BASIN_RAD, Places, pose_log_density, turns
from pose_tracker_ros.tracking.track import VAGUE_RAD
from pose_tracker_ros.tracking.view import make_view

NO_TURN = np.eye(3)[None]
# Flat things are seen from above here, not from their edges.
FROM_ABOVE = make_pose(so3_exp(np.array([0.4, 0.3, -0.2])), START[:3, 3])


@pytest.fixture(scope="module")
def models():
    return {model.name: model for model in [*benchmark_objects(), load_object("cube")]}


def angles_to(rotations, rotation):
    """Radians (K,) from each of rotations (K, 3, 3) to one."""
    cosine = (np.einsum("kij,ij->k", rotations, rotation) - 1) / 2
    return np.arccos(np.clip(cosine, -1, 1))


def test_the_first_turn_is_none_and_later_ones_go_ever_farther():
    angles = np.array([rotation_angle(turn) for turn in turns(0, 125)])
    assert angles[0] == pytest.approx(0, abs=1e-6)
    assert np.all(np.diff(angles) >= -1e-6) and angles[-1] < np.pi
    assert np.array_equal(turns(5, 3), turns(0, 8)[5:])


@pytest.mark.parametrize("count", [27, 64, 125])
def test_turns_leave_no_turn_out(count):
    """Within the reach of so many turns each is near one, mostly within the estimator's basin and nowhere far from it."""
    generator, tried = np.random.default_rng(0), turns(0, count)
    reach = BASIN_RAD * np.cbrt(count) - BASIN_RAD
    rotations = [random_rotation(generator) for _ in range(4000)]
    nearest = np.array([angles_to(tried, one).min() for one in rotations if rotation_angle(one) < reach])
    assert len(nearest) > 50
    assert np.mean(nearest < 1.5 * BASIN_RAD) > 0.95 and nearest.max() < 2.2 * BASIN_RAD


def found_from(model, frame, expected, rotations=NO_TURN, **options):
    """Poses (4, 4) of the four best places, best first."""
    places = Places(frame, model, RasterRenderer(model.mesh), expected, **options)
    rated = [one for rotation in rotations for one in places.best(rotation, 4)]
    return [pose for _, pose in sorted(rated, key=lambda one: -one[0])[:4]]


@pytest.mark.parametrize(("name", "pose"), [("cube", START), ("drill", START), ("spanner", FROM_ABOVE)])
def test_what_moved_by_90_px_is_found(models, name, pose):
    model, frame = models[name], frame_of(models[name], pose)
    expected = pose.copy()
    expected[0, 3] += 90 * pose[2, 3] / CAMERA.fx
    poses = found_from(model, frame, expected)
    assert len(poses) > 1
    assert min(pose_errors(one, pose)[0] for one in poses) < 0.12 * model.diameter_m
    near = found_from(model, frame, expected, reach_m=0.05)
    assert all(np.linalg.norm(one[:3, 3] - expected[:3, 3]) < 0.06 for one in near)


def test_through_a_depth_camera_of_its_own_it_is_found_too(models):
    model = models["drill"]
    color_T_depth = np.eye(4)
    color_T_depth[0, 3] = 0.05
    beside = frame_of(model, invert(color_T_depth) @ START)
    frame = replace(frame_of(model, START), depth=beside.depth, depth_camera=CAMERA, color_T_depth=color_T_depth)
    expected = START.copy()
    expected[0, 3] -= 0.15
    assert min(pose_errors(pose, START)[0] for pose in found_from(model, frame, expected)) < 0.12 * model.diameter_m


def test_the_right_turn_is_rated_best(models):
    """The first of the poses of a long thin thing has its turn."""
    model, turn = models["spanner"], np.array([0, 0, 0.9])
    wrong = FROM_ABOVE.copy()
    wrong[:3, :3] = so3_exp(turn) @ FROM_ABOVE[:3, :3]
    rotations = np.stack([np.eye(3), so3_exp(turn), so3_exp(-turn)])
    best = found_from(model, frame_of(model, FROM_ABOVE), wrong, rotations)[0]
    assert rotation_angle(best[:3, :3] @ FROM_ABOVE[:3, :3].T) < 1e-6


@pytest.mark.parametrize("spin", [-0.25, 0.2])
def test_between_the_turns_a_thin_thing_is_turned_about_the_line_of_sight(models, spin):
    """None of the turns that are tried is right, and half of the spanner lies beside itself by each of them."""
    model, expected = models["spanner"], FROM_ABOVE.copy()
    expected[:3, :3] = so3_exp(np.array([0, 0, spin])) @ FROM_ABOVE[:3, :3]
    best = found_from(model, frame_of(model, FROM_ABOVE), expected)[0]
    assert rotation_angle(best[:3, :3] @ FROM_ABOVE[:3, :3].T) < BASIN_RAD / 4
    assert pose_errors(best, FROM_ABOVE)[0] < 0.12 * model.diameter_m


@pytest.mark.parametrize("depth_camera_m", [(0, 0, 0), (0.08, -0.05, 0.02)])
def test_within_reach_nothing_is_left_out(models, depth_camera_m):
    """Places within reach are the same as those of a search everywhere, in a depth camera beside the colour camera, too."""
    model, color_T_depth = models["drill"], make_pose(np.eye(3), np.array(depth_camera_m, float))
    depth = frame_of(model, invert(color_T_depth) @ START).depth
    frame = replace(frame_of(model, START), depth=depth, depth_camera=CAMERA, color_T_depth=color_T_depth)
    expected = START.copy()
    expected[:3, 3] += (0.06, -0.04, 0.05)
    reach_m = np.linalg.norm(expected[:3, 3] - START[:3, 3]) + 0.02
    best = found_from(model, frame, expected, reach_m=reach_m)[0]
    assert pose_errors(best, START)[0] < 0.12 * model.diameter_m


def test_colours_decide_between_two_alike(models):
    """Two of a kind side by side: the one in the object's colours is rated best."""
    model = models["cube"]
    places = [START.copy(), START.copy()]
    for pose, side in zip(places, (-1, 1)):
        pose[0, 3] += side * 0.12
    frames = [frame_of(model, pose) for pose in places]
    nearer = [frame.depth < other.depth for frame, other in zip(frames, frames[::-1])]
    for own in (0, 1):
        color = np.where(nearer[own][..., None], frames[own].color, frames[1 - own].color)
        color[nearer[1 - own]] = 255 - color[nearer[1 - own]]
        both = replace(frames[own], color=color, depth=np.minimum(frames[0].depth, frames[1].depth))
        view = make_view(both, RasterRenderer(model.mesh), model, places[own], 128)
        poses = found_from(model, both, START, colors=ColorStatistics.seen_in(view))
        assert pose_errors(poses[0], places[own])[0] < 0.12 * model.diameter_m


def test_of_two_alike_the_nearer_to_the_last_place_is_rated_best(models):
    model = models["cube"]
    places = [START.copy(), START.copy()]
    for pose, side in zip(places, (-1, 1)):
        pose[0, 3] += side * 0.12
    one, other = (frame_of(model, pose) for pose in places)
    both = replace(one, depth=np.minimum(one.depth, other.depth))
    for right in places:
        expected = right.copy()
        expected[1, 3] += 0.05
        assert pose_errors(found_from(model, both, expected)[0], right)[0] < 0.12 * model.diameter_m


def test_what_moved_or_turned_farther_is_the_less_likely_by_orders_of_magnitude():
    center = np.array([0.3, -0.1, 0.05])

    def density(shift_m, angle_rad):
        pose = apply_residual(START, np.array([0, shift_m, 0]), np.array([angle_rad, 0, 0]), center)
        return pose_log_density(pose, START, center)

    assert density(0, 0) == pytest.approx(0, abs=1e-9)
    assert density(0, 1e-3) == pytest.approx(-1.5 * (1e-3 / VAGUE_RAD) ** 2, rel=1e-3), "normal within what is vague"
    assert density(0.4, 0) - density(0.8, 0) == pytest.approx(3 * np.log(2), rel=0.01)
    assert density(0, 1.5) - density(0, 3.0) == pytest.approx(3 * np.log(2), rel=0.03)
    assert density(0.4, 1.5) == pytest.approx(density(0.4, 0) + density(0, 1.5))


def test_without_depth_there_are_no_places(models):
    frame = frame_of(models["cube"], START)
    assert found_from(models["cube"], replace(frame, depth=np.zeros_like(frame.depth)), START) == []
