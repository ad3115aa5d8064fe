"""What a scene shows agrees with equations, with a second renderer, with counting, and with itself."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from shapes import sphere
from simulated_scenes import (
    PERFECT,
    SMALL,
    STEADY,
    ball_depth,
    fitted_plane,
    opened,
    same_frames,
    small_scene,
    whole_silhouette,
)

from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.geometry import transform_points
from pose_tracker_ros.objects import ObjectModel, load_object
from pose_tracker_ros.rendering import create_renderer
from pose_tracker_ros.simulation.config import (
    BoardConfig,
    CameraConfig,
    HandConfig,
    ObjectConfig,
    RoomConfig,
    SceneConfig,
    SensorConfig,
)

RADIUS = 0.06
# How far the triangles of the ball are below its surface at most.
SAGITTA = 3e-5
WALL = BoardConfig(first_frame=0, frames=20, slide_frames=0, side="back", size=10.0, gap_m=0.05)
HAND = HandConfig(reach_frame=5, hold_frame=15, release_frame=40, gone_frame=50)


@pytest.fixture(scope="module")
def ball():
    return ObjectModel.from_mesh("ball", sphere(RADIUS, 5))


@pytest.fixture(scope="module")
def models():
    return {model.name: model for model in benchmark_objects()}


@pytest.fixture(scope="module")
def crowd(models):
    """Three objects, of which the target hides the others, seen by a moving camera."""
    others = [
        ObjectConfig(model="drill", path="rest", offset_x=0.08, offset_z=0.25),
        ObjectConfig(model="cylinder", name="can", path="hand", offset_x=-0.1, offset_z=0.3, paint="other"),
    ]
    config = SceneConfig(
        frames=20,
        objects=(ObjectConfig(model="demo_jug"), *others),
        camera=CameraConfig(path="handheld", sway_mm=8.0, sway_deg=1.0),
        room=RoomConfig(clutter=0, support_m=1.6),
        sensor=PERFECT,
        light=STEADY,
    )
    return opened(config, models)


def test_a_ball_before_a_wall_is_where_its_equation_says(ball):
    frame = small_scene(ball, target={"path": "rest"}, boards=(WALL,)).read(3)
    center = frame.truth["ball"][:3, 3]
    expected, distance = ball_depth(SMALL, center, RADIUS)
    mask = frame.masks["ball"]
    assert mask.sum() > 500
    assert np.array_equal(mask | (distance > RADIUS - SAGITTA), distance < np.inf)
    assert not np.any(mask & (distance > RADIUS))
    facing = mask & (distance < 0.95 * RADIUS)
    assert np.abs(frame.depth - expected)[facing].max() < 1e-4
    around = ~mask & (distance < 1.3 * RADIUS)
    assert np.abs(frame.depth - (center[2] + RADIUS + WALL.gap_m))[around].max() < 1e-4


def test_a_tilted_wall_has_its_tilt_and_gap(ball):
    frame = small_scene(ball, target={"path": "rest"}, boards=(replace(WALL, tilt_deg=20.0),)).read(0)
    center = frame.truth["ball"][:3, 3]
    distance = ball_depth(SMALL, center, RADIUS)[1]
    normal, offset, residual = fitted_plane(SMALL, frame.depth, (distance > RADIUS) & (distance < 1.3 * RADIUS))
    assert residual < 1e-5
    assert np.degrees(np.arccos(normal[2])) == pytest.approx(20.0, abs=0.05)
    assert offset - normal @ center == pytest.approx(RADIUS + WALL.gap_m, abs=2e-4)


def test_the_second_renderer_sees_the_same(crowd):
    for position in (0, 19):
        frame = crowd.read(position)
        renderings = [
            create_renderer("opengl", model.mesh).render(SMALL, frame.truth[name]) for name, model in crowd.objects.items()
        ]
        depths = np.stack([np.where(rendering.mask, rendering.depth, np.inf) for rendering in renderings])
        nearest, owner = depths.min(axis=0), depths.argmin(axis=0)
        for number, name in enumerate(crowd.objects):
            expected = (owner == number) & np.isfinite(nearest)
            assert expected.sum() > 20
            assert np.sum(expected != frame.masks[name]) <= 2
        seen = np.any(list(frame.masks.values()), axis=0) & np.isfinite(nearest)
        assert np.quantile(np.abs(frame.depth - nearest)[seen], 0.99) < 1e-5
        assert np.all(frame.depth[~seen] < nearest[~seen])


def test_annotations_are_the_frames_truth(crowd):
    for position in (0, 7):
        index, stamp, truth = crowd.annotation(position)
        frame = crowd.read(position)
        assert (index, stamp) == (frame.index, frame.stamp) == (position, pytest.approx(position / 30))
        assert truth.keys() == frame.truth.keys() == {"demo_jug", "drill", "can"}
        assert all(np.array_equal(truth[name], frame.truth[name]) for name in truth)


def test_what_rests_has_one_pose_in_the_scene_however_the_camera_moves(crowd):
    frames = [crowd.read(position) for position in range(0, 20, 6)]
    poses = np.stack([frame.world_T_camera @ frame.truth["drill"] for frame in frames])
    assert np.ptp(poses, axis=0).max() < 1e-12
    assert np.ptp([frame.truth["drill"] for frame in frames], axis=0).max() > 0.01
    assert frames[0].world_T_camera == pytest.approx(np.eye(4), abs=1e-12)


def test_the_room_does_not_move_with_the_camera(crowd):
    """Points of the room in one frame lie on what another frame measures."""
    one, other = crowd.read(0), crowd.read(19)
    room = ~np.any(list(one.masks.values()), axis=0)
    points = transform_points(one.world_T_camera, SMALL.back_project(one.depth)[room].astype(np.float64))
    in_other = transform_points(np.linalg.inv(other.world_T_camera), points)
    pixels = np.rint(SMALL.project(in_other)).astype(int)
    inside = np.all((pixels >= 0) & (pixels < (SMALL.width, SMALL.height)), axis=1)
    measured = other.depth[pixels[inside, 1], pixels[inside, 0]]
    assert inside.mean() > 0.7
    # A pixel of a wall that is seen at an angle.
    assert np.median(np.abs(measured / in_other[inside, 2] - 1)) < 0.005


@pytest.mark.parametrize(
    "place",
    [(0.0, 0.0, 0.0), (0.30, 0.0, 0.0), (-0.36, 0.2, 0.05), (0.33, -0.24, -0.05), (0.0, 0.28, 0.0), (0.55, 0.0, 0.0)],
)
@pytest.mark.parametrize("name", ["drill", "bracket"])
def test_visibility_is_the_counted_share_of_the_whole_silhouette(models, name, place):
    """Also where it is half outside of the image."""
    offset = dict(zip(("offset_x", "offset_y", "offset_z"), place))
    frame = small_scene(models[name], target={"path": "rest", **offset}, frames=1, seed=3).read(0)
    whole = whole_silhouette(models[name], SMALL, frame.truth[name])
    assert whole > 200
    assert frame.visibility[name] == pytest.approx(frame.masks[name].sum() / whole, abs=0.02)


def test_what_is_behind_the_camera_or_outside_of_the_image_is_not_visible(ball):
    for offset in ({"offset_z": -1.5}, {"offset_z": -0.65, "offset_y": 0.3}, {"offset_x": 1.0}, {"offset_y": -1.5}):
        frame = small_scene(ball, target={"path": "rest", **offset}, frames=1).read(0)
        assert frame.visibility["ball"] == 0 and not frame.masks["ball"].any()


def test_blank_frames_show_nothing(ball):
    sequence = small_scene(ball, blank_first_frame=2, blank_frames=1)
    blank = sequence.read(2)
    assert not blank.color.any() and not blank.depth.any() and blank.visibility == {"ball": 0.0}
    assert np.array_equal(blank.truth["ball"], sequence.annotation(2).truth["ball"])
    assert sequence.read(3).visibility == {"ball": 1.0}


@pytest.mark.parametrize("kind", ["hand", "gripper"])
def test_a_hand_hides_only_while_it_is_there_and_carries_the_object(models, kind):
    jug, target = models["demo_jug"], {"path": "carried", "speed_mm": 12.0}
    held = small_scene(jug, target=target, frames=60, hands=(replace(HAND, kind=kind),), seed=4)
    alone = small_scene(jug, target=target, frames=60, seed=4)
    poses = np.stack([annotation.truth["demo_jug"] for annotation in held.annotations()])
    assert np.ptp(poses[:16], axis=0).max() == 0 and np.ptp(poses[40:], axis=0).max() == 0
    moved = np.linalg.norm(np.diff(poses[:, :3, :3] @ jug.center_m + poses[:, :3, 3], axis=0), axis=1)
    assert 0.02 < np.linalg.norm(poses[28, :3, 3] - poses[0, :3, 3])
    assert moved.max() == pytest.approx(0.012, rel=0.25)
    for position in (0, 4):
        assert same_frames(held.read(position), alone.read(position))
    visible = np.array([held.read(position).visibility["demo_jug"] for position in range(12, 48, 3)])
    assert np.all(visible > 0.1) and visible.min() < 0.97
    for position in (50, 59):
        frame = held.read(position)
        expected = create_renderer("opengl", jug.mesh).render(SMALL, frame.truth["demo_jug"]).mask
        assert np.sum(frame.masks["demo_jug"] != expected) <= 3


def test_hidden_by_a_hand_means_that_the_hand_is_nearer(models):
    frame = small_scene(
        models["demo_jug"], target={"path": "carried"}, frames=60, hands=(HAND,), seed=4
    ).read(28)
    rendering = create_renderer("opengl", models["demo_jug"].mesh).render(SMALL, frame.truth["demo_jug"])
    hidden = rendering.mask & ~frame.masks["demo_jug"]
    assert hidden.sum() > 5
    assert np.mean(frame.depth[hidden] < rendering.depth[hidden]) > 0.9


def test_a_scene_of_a_seed_is_the_same_in_any_order_and_another_one_with_another_seed(models):
    config = busy_scene()
    first, again = opened(config, models), opened(config, models)
    frames = {position: first.read(position) for position in (0, 5, 8, 9)}
    for position in (9, 0, 8, 5):
        assert same_frames(again.read(position), frames[position])
    other = opened(replace(config, seed=8), models)
    assert not np.allclose(other.annotation(0).truth["drill"], frames[0].truth["drill"])
    assert np.mean(other.read(0).color != frames[0].color) > 0.5


def test_another_process_with_other_threads_makes_the_same_bits(models):
    here = fingerprint(opened(busy_scene(), models))
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "PYTHONHASHSEED": "5"}
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    code = (
        f"import sys; sys.path[:0] = {folders!r}\n"
        "from test_scene import *\n"
        "models = {model.name: model for model in benchmark_objects()}\n"
        "print(fingerprint(opened(busy_scene(), models)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert result.stdout.strip() == here


def test_one_more_object_changes_nothing_beside_itself(models):
    config = replace(busy_scene(), sensor=PERFECT)
    more = (*config.objects, ObjectConfig(model="ball", name="new", path="hand", offset_x=-0.1, paint="other"))
    before, after = opened(config, models), opened(replace(config, objects=more), models)
    for position in (0, 5):
        one, other = before.read(position), after.read(position)
        assert all(np.array_equal(one.truth[name], other.truth[name]) for name in one.truth)
        elsewhere = ~other.masks["new"]
        assert 0 < other.masks["new"].sum() < 5000
        assert np.array_equal(one.color[elsewhere], other.color[elsewhere])
        assert np.array_equal(one.depth[elsewhere], other.depth[elsewhere])


def test_unknown_objects_and_options_that_do_not_go_together_are_refused(models):
    cases = [
        (ObjectConfig(model="teapot"), FileNotFoundError, "expected a known object.*'teapot'"),
        (ObjectConfig(path="recorded"), ValueError, "expected the option trajectory"),
        (ObjectConfig(path="hand", place="support"), ValueError, "expected path hand to begin in the air"),
    ]
    for one, error, sentence in cases:
        with pytest.raises(error, match=sentence):
            opened(SceneConfig(objects=(one,)), models)
    with pytest.raises(ValueError, match="expected at least one object"):
        opened(SceneConfig(objects=()), models)


def busy_scene() -> SceneConfig:
    """Everything that is random, in ten frames."""
    return SceneConfig(
        frames=10,
        seed=7,
        objects=(
            ObjectConfig(model="drill", path="carried"),
            ObjectConfig(model="box", path="rest", paint="target", offset_z=0.4),
        ),
        boards=(BoardConfig(first_frame=3, frames=6, slide_frames=2, color="cutout", tilt_deg=20.0, share=0.5),),
        hands=(HandConfig(reach_frame=0, hold_frame=3, release_frame=8, gone_frame=9),),
        camera=CameraConfig(path="jerks", jerk_px=20.0, jerk_first_frame=5, jerk_period_frames=3),
        sensor=SensorConfig(mixed_pixels=0.5, color_shift_x_px=1.5, shutter=0.5),
    )


def fingerprint(sequence) -> str:
    digest = hashlib.sha256()
    for position in (4, 5):
        frame = sequence.read(position)
        for array in (frame.color, frame.depth, *frame.truth.values(), *frame.masks.values()):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def test_the_object_of_the_scene_may_come_from_the_models_folder():
    sequence = small_scene(load_object("demo_jug"), frames=1)
    assert sequence.target.name == "demo_jug" and sequence.read(0).visibility["demo_jug"] > 0.9
