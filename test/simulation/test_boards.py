"""Boards hide, and do not hide, what their options say, and stand where they say."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_scenes import PERFECT, SMALL, small_scene

from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.geometry import invert, make_pose, random_rotation, transform_points
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import create_renderer
from pose_tracker_ros.simulation.boards import Board, BoardScene
from pose_tracker_ros.simulation.canvas import Canvas, put_rendering
from pose_tracker_ros.simulation.config import BoardConfig, CameraConfig, SensorConfig
from pose_tracker_ros.simulation.motion import hand_motion
from pose_tracker_ros.simulation.paths import MIDDLE, PoseTrack, about_center, camera_path
from pose_tracker_ros.simulation.props import mean_color

FRAMES = 40
UP = np.array([0.0, -0.8, -0.6])
SPELL = {"first_frame": 10, "frames": 20, "slide_frames": 5}
CORE = range(15, 25)


@pytest.fixture(scope="module")
def models():
    return {model.name: model for model in benchmark_objects()}


class Stage:
    """An object that a hand moves, or that rests, a camera, and one board."""

    def __init__(
        self, model: ObjectModel, config: BoardConfig, camera: str = "still", speed_mm: float = 8.0, seed: int = 0
    ) -> None:
        generator = np.random.default_rng(seed)
        self.model = model
        self.object = PoseTrack(
            about_center(hand_motion(FRAMES, MIDDLE, speed_mm * 1e-3, speed_mm * 0.01, generator), model)
        )
        motion = CameraConfig(path=camera, sway_mm=8.0, sway_deg=0.5, orbit_deg=1.0)
        self.camera = PoseTrack(camera_path(motion, SMALL, FRAMES, MIDDLE, UP, generator))
        self.renderer = create_renderer("raycast", model.mesh)
        scene = BoardScene(model, self.object, self.camera, SMALL, self.render)
        self.board = Board(config, scene, generator)

    def render(self, time: float):
        return self.renderer.render(SMALL, invert(self.camera.at(time)) @ self.object.at(time))

    def masks(self, time: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixels of the object that are seen, all of its pixels, and those where the board is seen."""
        canvas = Canvas(SMALL)
        rendering = self.render(time)
        put_rendering(canvas, rendering, UP, 0.5, 1.0, 0)
        patch = self.board.patch(time)
        if patch is not None:
            patch.draw(canvas, invert(self.camera.at(time)), 1.0)
        return canvas.owner == 0, rendering.mask, (canvas.owner != 0) & (canvas.depth > 0)

    def hidden(self, time: int) -> float:
        seen, whole, _ = self.masks(time)
        return 1 - seen.sum() / whole.sum()

    def distances(self, time: int) -> np.ndarray:
        """How far all vertices (V,) of the object are behind the board's plane."""
        patch = self.board.patch(time)
        normal = patch.normal
        if normal @ (patch.corner - self.camera.at(time)[:3, 3]) < 0:
            normal = -normal
        points = transform_points(self.object.at(time), self.model.mesh.vertices.astype(np.float64))
        return (points - patch.corner) @ normal


@pytest.mark.parametrize("motion", ["stands", "follows"])
@pytest.mark.parametrize(("camera", "tilt"), [("still", 0.0), ("still", 25.0), ("handheld", 20.0), ("orbit", 25.0)])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_board_covers_the_object_wholly_between_coming_and_going(models, motion, camera, tilt, seed):
    config = BoardConfig(**SPELL, motion=motion, size=1.3, tilt_deg=tilt)
    stage = Stage(models["drill"], config, camera, seed=seed)
    assert all(stage.hidden(time) == 1 for time in CORE)
    assert all(stage.hidden(time) == 0 for time in (0, 9, 10, 29, 30, 39))


@pytest.mark.parametrize("motion", ["stands", "follows"])
def test_a_card_of_the_objects_own_size_just_covers_it(models, motion):
    stage = Stage(models["carton"], BoardConfig(**SPELL, motion=motion, size=1.0, gap_m=0.02))
    assert all(stage.hidden(time) > 0.99 for time in CORE)
    smaller = Stage(models["carton"], BoardConfig(**SPELL, motion=motion, size=0.8, gap_m=0.02))
    assert min(smaller.hidden(time) for time in CORE) < 0.99


@pytest.mark.parametrize("seed", range(8))
def test_boards_come_from_and_go_to_beside_the_object(models, seed):
    stage = Stage(models["spanner"], BoardConfig(**SPELL, size=1.0), seed=seed, speed_mm=0.0)
    shares = np.array([stage.hidden(time) for time in range(9, 31)])
    assert shares[1] < 0.02 and shares[-2] < 0.02
    assert np.all(np.diff(shares[:8]) >= 0) and np.all(np.diff(shares[-8:]) <= 0)
    assert shares.max() > 0.99


@pytest.mark.parametrize("motion", ["stands", "follows", "sweeps"])
@pytest.mark.parametrize("gap", [0.03, -0.04])
def test_the_gap_is_the_least_distance_between_plane_and_object(models, motion, gap):
    stage = Stage(models["drill"], BoardConfig(**SPELL, motion=motion, gap_m=gap, tilt_deg=15.0, size=1.5))
    nearest = min(stage.distances(time).min() for time in CORE)
    assert nearest == pytest.approx(gap, abs=1e-6)


def test_a_board_that_cuts_the_object_leaves_what_is_before_it(models):
    stage = Stage(models["drill"], BoardConfig(**SPELL, gap_m=-0.06, size=2.0), speed_mm=0.0)
    seen, whole, _ = stage.masks(20)
    assert 0.05 < seen.sum() / whole.sum() < 0.95
    rendering = stage.render(20)
    nearest = transform_points(stage.object.at(20), stage.model.mesh.vertices.astype(np.float64))[:, 2].min()
    assert np.array_equal(seen, whole & (rendering.depth < nearest + 0.06))


def test_a_wall_stands_behind_the_object(models):
    stage = Stage(models["demo_jug"], BoardConfig(**SPELL, side="back", gap_m=0.01, size=4.0))
    for time in CORE:
        seen, whole, wall = stage.masks(time)
        assert np.array_equal(seen, whole) and wall.sum() > whole.sum()
    assert max(stage.distances(time).max() for time in CORE) == pytest.approx(-0.01, abs=1e-6)


def test_tilt_is_the_angle_to_the_image_plane(models):
    for tilt in (0.0, 25.0):
        stage = Stage(models["bowl"], BoardConfig(**SPELL, tilt_deg=tilt), "orbit", speed_mm=0.0)
        # Of the camera in the middle of the spell.
        axis = stage.camera.at(20)[:3, 2]
        assert np.degrees(np.arccos(abs(stage.board.patch(20).normal @ axis))) == pytest.approx(tilt, abs=1e-6)


@pytest.mark.parametrize("share", [0.25, 0.6])
def test_a_board_of_a_share_hides_its_share(models, share):
    stage = Stage(models["drill"], BoardConfig(**SPELL, share=share))
    hidden = np.array([stage.hidden(time) for time in range(FRAMES)])
    assert hidden[16:24] == pytest.approx(share, abs=0.02)
    assert np.all(hidden[:10] == 0) and np.all(hidden[30:] == 0) and hidden.max() <= share + 0.02


def test_a_share_is_the_same_board_in_depth_that_is_shifted_against_colour(models):
    """Depth is that of the unshifted scene, moved by whole pixels."""
    options = {"target": {"path": "rest"}, "boards": (BoardConfig(first_frame=0, frames=9, share=0.5),)}
    shifted = SensorConfig(depth_noise_mm=0.0, color_noise=0.0, color_shift_x_px=4.0, color_shift_y_px=-3.0)
    depth = small_scene(models["drill"], sensor=PERFECT, **options).read(4).depth
    moved = small_scene(models["drill"], sensor=shifted, **options).read(4).depth
    error = np.abs(moved[3:, :-4] - depth[:-3, 4:])
    assert np.mean(error < 1e-5) > 0.998


def test_a_sweeping_bar_crosses_the_whole_object(models):
    stage = Stage(models["drill"], BoardConfig(first_frame=5, frames=30, motion="sweeps", width_m=0.05), speed_mm=0.0)
    whole = stage.render(0).mask
    ever = np.zeros_like(whole)
    shares = []
    for time in range(FRAMES):
        seen, _, _ = stage.masks(time)
        ever |= whole & ~seen
        shares.append(stage.hidden(time))
    assert np.array_equal(ever, whole)
    assert np.all(np.array(shares[:6] + shares[34:]) == 0) and 0.1 < max(shares) < 0.8


@pytest.mark.parametrize("motion", ["stands", "follows", "sweeps"])
def test_boards_come_again_after_their_period(models, motion):
    config = BoardConfig(first_frame=3, frames=10, slide_frames=2, period_frames=15, motion=motion)
    stage = Stage(models["bowl"], config, speed_mm=0.0)
    there = [stage.board.patch(time) is not None for time in range(FRAMES)]
    assert there == [time >= 3 and (time - 3) % 15 < 10 for time in range(FRAMES)]
    for time in (4, 8, 12):
        one, again = stage.board.patch(time), stage.board.patch(time + 15)
        assert np.allclose(one.corner, again.corner, atol=1e-9) and np.allclose(one.across, again.across, atol=1e-9)


@pytest.mark.parametrize("name", ["demo_jug", "carton", "drill", "bracket"])
def test_colours_are_another_one_the_mean_or_the_objects_own(models, name):
    mean = mean_color(models[name].mesh)
    textures = {}
    for color in ("other", "mean", "cutout"):
        stage = Stage(models[name], BoardConfig(**SPELL, color=color))
        textures[color] = stage.board.patch(15).pyramid[0].reshape(-1, 3).astype(np.float64)
    assert np.linalg.norm(textures["other"].mean(axis=0) - mean) > 100
    assert np.linalg.norm(textures["mean"] - mean, axis=1).max() < 30
    assert np.linalg.norm(textures["mean"].mean(axis=0) - mean) < 3
    rendering = stage.render(15)
    shown = rendering.color[rendering.mask]
    known = {tuple(color) for color in shown} | {tuple(shown.mean(axis=0).astype(np.uint8))}
    assert {tuple(color) for color in textures["cutout"].astype(np.uint8)} <= known


def test_what_follows_keeps_its_place_on_the_object_and_what_stands_keeps_it_in_the_scene(models):
    for motion in ("stands", "follows"):
        stage = Stage(models["bowl"], BoardConfig(**SPELL, motion=motion), "handheld")
        middles = [
            transform_points(stage.object.at(time), stage.model.center_m[None])[0] for time in CORE
        ]
        corners = np.array([stage.board.patch(time).corner for time in CORE])
        assert np.ptp(middles, axis=0).max() > 0.02
        assert np.ptp(corners - (middles if motion == "follows" else 0), axis=0).max() < 1e-12


def test_an_object_out_of_the_image_needs_no_board_of_a_share(models):
    stage = Stage(models["bowl"], BoardConfig(**SPELL, share=0.5))
    away = make_pose(random_rotation(np.random.default_rng(0)), np.array([3.0, 0.0, 0.5]))
    stage.object.poses = np.tile(away, (FRAMES, 1, 1))
    assert stage.board.patch(20) is None
