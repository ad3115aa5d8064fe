"""What the camera makes of a scene: shifted colour, bias, holes, mixed pixels, motion blur."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from shapes import sphere
from simulated_scenes import PERFECT, SMALL, same_frames, small_scene, write_trajectory

from pose_tracker_ros.geometry import make_pose
from pose_tracker_ros.objects import ObjectModel, recolored
from pose_tracker_ros.simulation.config import CameraConfig, SensorConfig
from pose_tracker_ros.simulation.sensor import Sensor

RADIUS = 0.07
REST = {"path": "rest"}


@pytest.fixture(scope="module")
def ball():
    mesh = sphere(RADIUS, 4)
    return ObjectModel.from_mesh("ball", recolored(mesh, vertex_colors=np.tile(np.uint8([250, 40, 30]), (len(mesh.vertices), 1))))


def moving(tmp_path, step_m: float) -> dict:
    """A ball that is outside of the image first, then goes to the right by ``step_m`` a frame: in the middle in frame 3."""
    places = [1.5, *(step_m * (frame - 3) for frame in range(1, 6))]
    poses = np.stack([make_pose(np.eye(3), np.array([x, 0.0, 0.6])) for x in places])
    return {"path": "recorded", "trajectory": write_trajectory(tmp_path / "way.txt", poses)}


def centroid(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean(), rows.mean()])


def of_ball(frame) -> np.ndarray:
    """Pixels of the ball in depth: nothing else is as near."""
    return (frame.depth > 0) & (frame.depth < frame.truth["ball"][2, 3] + RADIUS)


@pytest.mark.parametrize("shift", [(3.0, -2.0), (-1.0, 2.0), (1.5, 0.25), (-0.5, -1.5)])
def test_colour_is_seen_beside_depth_and_the_truth_is_that_of_colour(ball, shift):
    options = {"target": {**REST, "offset_x": 0.03}, "frames": 1}
    sensor = replace(PERFECT, color_shift_x_px=shift[0], color_shift_y_px=shift[1])
    frame, registered = (small_scene(ball, sensor=one, **options).read(0) for one in (sensor, PERFECT))
    assert np.array_equal(frame.color, registered.color)
    assert np.array_equal(frame.masks["ball"], registered.masks["ball"])
    assert np.array_equal(frame.truth["ball"], registered.truth["ball"])
    red = (frame.color[..., 0] > 2 * frame.color[..., 1].astype(int)) & frame.masks["ball"]
    assert red.sum() > 0.95 * frame.masks["ball"].sum()
    assert centroid(frame.masks["ball"]) - centroid(of_ball(frame)) == pytest.approx(shift, abs=0.1)
    if all(value == int(value) for value in shift):
        dx, dy = (int(value) for value in shift)
        rows, columns = np.mgrid[10:100, 10:140]
        moved = np.abs(frame.depth[rows - dy, columns - dx] - registered.depth[rows, columns])
        assert np.mean(moved < 1e-5) > 0.999


def test_depth_bias_is_added_to_all_that_is_measured(ball):
    biased, true = (
        small_scene(ball, sensor=sensor, frames=1, target=REST).read(0)
        for sensor in (replace(PERFECT, depth_bias_mm=-4.0), PERFECT)
    )
    assert np.abs(biased.depth - true.depth + 0.004).max() < 1e-6
    sensor = Sensor(replace(PERFECT, depth_bias_mm=5.0), SMALL, 0)
    unseen = np.zeros((SMALL.height, SMALL.width), np.float32)
    assert not sensor.depth(unseen, np.random.default_rng(0)).any()


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3])
def test_holes_take_their_share(share):
    sensor = Sensor(SensorConfig(depth_holes=share), SMALL, 3)
    wall = np.full((SMALL.height, SMALL.width), 0.8, np.float32)
    holes = [np.mean(sensor.depth(wall, np.random.default_rng(number)) == 0) for number in range(30)]
    assert np.mean(holes) == pytest.approx(share, abs=0.25 * share)


def test_mixed_pixels_are_between_both_sides_of_a_step_and_only_there():
    step = np.full((SMALL.height, SMALL.width), 0.5, np.float32)
    step[:, 80:] = 0.9
    mixed, lost = (
        Sensor(SensorConfig(depth_noise_mm=0.1, depth_holes=0.0, mixed_pixels=share), SMALL, 3).depth(
            step, np.random.default_rng(0)
        )
        for share in (1.0, 0.0)
    )
    between = (mixed > 0.51) & (mixed < 0.88)
    assert set(np.nonzero(between)[1]) == {79, 80}
    assert np.mean(between[:, 79:81]) > 0.8 and mixed[:, 79:81].min() >= 0.5 and mixed[:, 79:81].max() <= 0.9
    assert np.all(lost[:, 79:81] == 0)
    beside = np.ones(step.shape, bool)
    beside[:, 79:81] = False
    assert np.array_equal(mixed[beside], lost[beside])
    half = Sensor(SensorConfig(depth_noise_mm=0.1, depth_holes=0.0, mixed_pixels=0.5), SMALL, 3)
    assert np.mean(half.depth(step, np.random.default_rng(0))[:, 79:81] > 0) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("step_m", "shutter"), [(0.03, 1.0), (0.03, 0.5), (0.05, 0.6)])
def test_blur_is_as_long_as_the_way_while_the_shutter_is_open(ball, tmp_path, step_m, shutter):
    options = {"target": moving(tmp_path, step_m)}
    sharp = small_scene(ball, **options)
    blurred = small_scene(ball, sensor=replace(PERFECT, shutter=shutter), **options)
    empty, one, other = sharp.read(0).color.astype(int), sharp.read(3), blurred.read(3)
    row = 60

    def width(color: np.ndarray) -> int:
        return int(np.sum(np.abs(color[row, 40:120].astype(int) - empty[row, 40:120]).sum(axis=1) > 8))

    expected = step_m * shutter * SMALL.fx / 0.6
    assert width(other.color) - width(one.color) == pytest.approx(expected, abs=1.6)
    assert other.color.mean() == pytest.approx(one.color.mean(), abs=0.4)
    assert np.array_equal(other.depth, one.depth) and np.array_equal(other.masks["ball"], one.masks["ball"])
    mass = np.abs(other.color.astype(int) - empty).sum(axis=(0, 2))[40:120]
    assert mass @ np.arange(40, 120) / mass.sum() == pytest.approx(SMALL.cx, abs=0.4)


def test_a_moving_camera_blurs_the_room(ball):
    options = {"target": REST, "camera_path": CameraConfig(path="orbit", orbit_deg=3.0)}
    sharp, blurred = (small_scene(ball, sensor=replace(PERFECT, shutter=shutter), **options).read(3) for shutter in (0, 1))
    room = ~sharp.masks["ball"]
    edges = [np.abs(np.diff(frame.color.astype(int), axis=1))[room[:, 1:]].mean() for frame in (sharp, blurred)]
    assert edges[1] < 0.8 * edges[0]
    assert blurred.color.mean() == pytest.approx(sharp.color.mean(), abs=0.5)


def test_what_rests_is_not_blurred_and_no_shutter_is_no_blur(ball, tmp_path):
    resting = small_scene(ball, target=REST), small_scene(ball, target=REST, sensor=replace(PERFECT, shutter=1.0))
    assert same_frames(resting[0].read(3), resting[1].read(3))
    moved = moving(tmp_path, 0.03)
    sharp, blurred = small_scene(ball, target=moved), small_scene(ball, target=moved, sensor=replace(PERFECT, shutter=1.0))
    assert not np.array_equal(sharp.read(3).color, blurred.read(3).color)


def test_what_is_put_elsewhere_leaves_no_streak(ball, tmp_path):
    poses = np.stack([make_pose(np.eye(3), np.array([x, 0.0, 0.6])) for x in (-1.0, -1.0, 1.0, 1.0)])
    target = {"path": "recorded", "trajectory": write_trajectory(tmp_path / "way.txt", poses)}
    sequence = small_scene(ball, target=target, sensor=replace(PERFECT, shutter=1.0))
    assert all(np.array_equal(sequence.read(0).color, sequence.read(position).color) for position in (1, 2))


def test_noise_of_colour_and_depth_has_no_mean(ball):
    sensor = Sensor(SensorConfig(depth_holes=0.0, color_noise=5.0, depth_noise_mm=2.0), SMALL, 0)
    grey = np.full((SMALL.height, SMALL.width, 3), 120, np.uint8)
    wall = np.full((SMALL.height, SMALL.width), 0.6, np.float32)
    generators = [np.random.default_rng(number) for number in range(20)]
    colors = np.stack([sensor.color(grey, generator) for generator in generators]).astype(float)
    depths = np.stack([sensor.depth(wall, generator) for generator in generators])
    assert colors.mean() == pytest.approx(120, abs=0.1) and colors.std() == pytest.approx(5.0, rel=0.05)
    measured = depths[depths > 0]
    assert measured.mean() == pytest.approx(0.6, abs=3e-4) and measured.std() == pytest.approx(2e-3, rel=0.15)
