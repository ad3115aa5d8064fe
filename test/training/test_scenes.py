"""Residuals, backgrounds, lamps, distractors and occluders are what the options say, and never change the target."""

import pickle
from itertools import islice

import numpy as np
import pytest
import torch
from scipy import stats
from training_scenes import CENTER, scene_of, write_magenta_folder

from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.geometry import so3_exp
from pose_tracker_ros.networks.depth_filling import fill_depth_holes
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.rendering.raycast import RaycastRenderer
from pose_tracker_ros.training.backgrounds import (
    ImageSource,
)
from pose_tracker_ros.training.clutter import Clutter, occluder
from pose_tracker_ros.training.layers import Layer, compose_layers
from pose_tracker_ros.training.lighting import Lighting, random_lighting, shaded_layer
from pose_tracker_ros.training.object_pool import Distractors, ShapePool
from pose_tracker_ros.training.pairs import PairStream, loader
from pose_tracker_ros.training.residuals import random_residual
from pose_tracker_ros.training.scene import PairGenerator, SceneConfig


@pytest.fixture(scope="module")
def cube():
    return load_object("cube")


@pytest.fixture
def magenta_folder(tmp_path):
    return write_magenta_folder(tmp_path)


def lengths_of(distribution, count=3000):
    generator = np.random.default_rng(0)
    residuals = np.array([random_residual(distribution, 0.04, 0.3, generator) for _ in range(count)])
    return np.linalg.norm(residuals, axis=2) / (0.04, 0.3), residuals


def test_uniform_residuals_are_uniform_in_length_and_direction():
    lengths, residuals = lengths_of("uniform")
    for kind in range(2):
        assert stats.kstest(lengths[:, kind], "uniform").pvalue > 0.01
        # The coordinates of uniform directions are uniform, too (Archimedes).
        cosines = residuals[:, kind, 2] / np.linalg.norm(residuals[:, kind], axis=1)
        assert stats.kstest(cosines, "uniform", args=(-1, 2)).pvalue > 0.01


def test_normal_residuals_are_normal_and_cut_at_the_limit():
    lengths, _ = lengths_of("normal")
    for kind in range(2):
        assert stats.kstest(lengths[:, kind], stats.truncnorm(0, 1).cdf).pvalue > 0.01
    # The mean length of the published pairs, as a share of the limit.
    assert lengths.mean() == pytest.approx(0.46, abs=0.01)
    assert stats.kstest(lengths[:, 0], "uniform").pvalue < 1e-6


def test_mixed_residuals_have_more_small_ones():
    assert (lengths_of("mixed")[0] < 0.1).mean() > 1.8 * (lengths_of("normal")[0] < 0.1).mean()


def test_wide_residuals_are_far_in_one_and_less_in_the_other_or_near():
    lengths, _ = lengths_of("wide")
    assert lengths.min(axis=1).max() <= 0.5
    assert 0.9 < lengths.max() <= 1.0
    near = (lengths <= 0.4).all(axis=1)
    # Of the far half, uniform on two overlapping rectangles, 0.4 x 0.4 / 0.5 are as near.
    assert near.mean() == pytest.approx(0.5 + 0.5 * 0.32, abs=0.03)


def test_pairs_have_the_residuals_that_are_asked_for(cube):
    config = SceneConfig(resolution=32, residuals="uniform", augmentation="none")
    pairs = PairGenerator([cube], config, seed=0, images=2)
    pairs.difficulty = 0.0
    lengths = [np.linalg.norm(pairs.sample().rotation) / np.radians(config.max_rotation_deg) for _ in range(200)]
    assert stats.kstest(lengths, "uniform").pvalue > 0.01


def test_lamps_light_what_faces_them_in_their_colour():
    jug = load_object("demo_jug")
    camera, pose, rendering = scene_of(jug)
    toward_camera = np.float32([[0, 0, -1]])
    lamp = Lighting(np.full(3, 0.3, np.float32), toward_camera, np.float32([[0.8, 0.4, 0.0]]), (0.0, 1.0))
    generator = np.random.default_rng(1)
    color = shaded_layer(jug, camera, rendering, pose, lamp, generator).color[rendering.mask]
    facing = np.maximum(-rendering.normal[rendering.mask][:, 2:], 0)
    expected = rendering.color[rendering.mask] * (0.3 + facing * np.array([0.8, 0.4, 0.0]))
    assert color == pytest.approx(expected, abs=0.1)


def test_scenes_have_no_to_three_lamps_that_never_outshine_the_paint():
    generator = np.random.default_rng(0)
    lights = [random_lighting(generator) for _ in range(400)]
    assert {len(light.colors) for light in lights} == {0, 1, 2, 3}
    for light in lights:
        assert np.linalg.norm(light.directions, axis=1) == pytest.approx(np.ones(len(light.directions)))
        assert (light.directions[:, 2] <= 0).all()
        assert 0.3 <= light.ambient.min() <= (light.ambient + light.colors.sum(axis=0)).max() <= 1.1001
    colored = [np.ptp(light.colors.sum(axis=0)) for light in lights if len(light.colors)]
    assert np.mean(colored) > 0.05


def test_distractors_appear_in_colour_and_depth_beside_and_behind_the_object(cube):
    camera, pose, rendering = scene_of(cube)
    generator = np.random.default_rng(0)
    distractors = Distractors([(cube, RaycastRenderer(cube.mesh, threads=1))], ShapePool(3))
    target = Layer(np.full((64, 64, 3), 7, np.float32) * rendering.mask[..., None], rendering.depth)
    seen = 0
    for _ in range(60):
        layer = distractors.layer(camera, cube, CENTER, random_lighting(generator), generator)
        there = layer.depth > 0
        assert np.array_equal(there, layer.color.any(axis=2) | there)
        assert not layer.color[~there].any()
        color, depth = compose_layers([target, layer])
        of_target = rendering.mask & (~there | (rendering.depth <= layer.depth))
        assert np.array_equal(depth[of_target], rendering.depth[of_target])
        assert (color[of_target] == 7).all()
        shown = there & ~of_target
        assert np.array_equal(depth[shown], layer.depth[shown])
        seen += shown.sum() > 50
    assert seen > 30
    assert distractors._others, "expected other objects of models/ among the distractors"
    assert cube.name not in {model.name for model, _ in distractors._others}


def test_clutter_is_earlier_objects_elsewhere(cube):
    _, _, rendering = scene_of(cube)
    clutter, generator = Clutter(), np.random.default_rng(0)
    assert clutter.layers(0.6, 0.2, generator) == []
    clutter.remember(Layer(np.full((64, 64, 3), 99, np.float32), rendering.depth), 0.6)
    layers = [layer for _ in range(40) for layer in clutter.layers(0.9, 0.2, generator)]
    assert 20 < len(layers) < 60
    for layer in layers:
        measured = layer.depth[layer.depth > 0]
        assert ((measured > 0.9 - 0.3 * 0.2 - 0.2) & (measured < 0.9 + 1.5 * 0.2 + 0.2)).all()


def test_occluders_hide_colour_and_depth_in_front():
    generator = np.random.default_rng(0)
    images = ImageSource("", generator, procedural=3)
    behind = Layer(np.full((64, 64, 3), -1, np.float32), np.full((64, 64), 0.6, np.float32))
    shares = []
    for _ in range(60):
        layer = occluder(64, 0.45, images, generator)
        color, depth = compose_layers([behind, layer])
        hidden = layer.depth > 0
        assert (depth[hidden] < 0.6).all() and (depth[~hidden] == np.float32(0.6)).all()
        assert np.array_equal((color >= 0).all(axis=2), hidden)
        shares.append(hidden.mean())
    assert 0.05 < np.mean(shares) < 0.5


def test_surroundings_never_change_the_target(cube):
    """With all kinds of clutter the residual still leads to where the visible object has its depth."""
    config = SceneConfig(resolution=64, augmentation="none", distractors=1.0, occlusion=1.0, no_depth=0.0)
    pairs = PairGenerator([cube], config, seed=0, images=5)
    agreeing = []
    for _ in range(30):
        crop, translation, rotation, *_ = pairs.sample()
        points = (crop.camera.rays() * crop.rendering.depth[..., None])[crop.rendering.mask]
        moved = (points - crop.center) @ so3_exp(rotation).T + crop.center + translation
        pixels = np.rint(crop.camera.project(moved)).astype(int)
        inside = np.all((pixels >= 0) & (pixels < crop.camera.width), axis=1)
        seen = crop.depth[pixels[inside, 1], pixels[inside, 0]]
        agreeing.append(np.mean(np.abs(seen - moved[inside, 2]) < 0.01 * cube.diameter_m))
    # Points of the rendered side that the turned object hides, and what is occluded, do not agree.
    assert np.median(agreeing) > 0.6
    assert min(agreeing) > 0.03


def test_depth_is_filled_in_training_as_in_the_tracker(cube):
    def pair(fill):
        config = SceneConfig(resolution=64, fill_depth_holes=fill)
        return PairGenerator([cube], config, seed=4, images=3).sample().crop

    raw, filled = pair(False), pair(True)
    assert (raw.depth == 0).sum() > (filled.depth == 0).sum()
    assert np.array_equal(filled.depth, fill_depth_holes(raw.depth))
    assert np.array_equal(filled.color, raw.color)


def test_no_augmentation_leaves_colours_of_the_clean_scene(cube):
    config = SceneConfig(resolution=64, augmentation="none", distractors=0.0, occlusion=0.0, no_depth=0.0)
    pairs = PairGenerator([cube], config, seed=0, images=3)
    for _ in range(5):
        crop = pairs.sample().crop
        # Without noise, depth of a wall or plane is smooth to the last digit.
        assert np.median(np.abs(np.diff(crop.depth, n=2, axis=1))) < 1e-3


@pytest.mark.parametrize("augmentation", ["robust", "published", "none"])
def test_pairs_are_sound_and_come_again_with_the_seed(cube, augmentation, magenta_folder):
    config = SceneConfig(resolution=32, augmentation=augmentation, backgrounds=str(magenta_folder), distractors=0.5)
    first, again = (PairGenerator([cube], config, seed=3, images=3) for _ in range(2))
    for _ in range(12):
        one, other = first.sample(), again.sample()
        for field in ("color", "depth"):
            assert np.array_equal(getattr(one.crop, field), getattr(other.crop, field))
        assert np.array_equal(one.translation, other.translation)
        assert one.crop.color.dtype == np.uint8
        assert one.crop.depth.dtype == np.float32
        assert np.isfinite(one.crop.depth).all() and (one.crop.depth >= 0).all()


def test_worker_processes_give_the_stream_of_this_process(cube, magenta_folder):
    config = SceneConfig(resolution=32, backgrounds=str(magenta_folder), random_shapes=0.5)
    stream = PairStream([cube], config, 4, 0, 0, 0)
    assert len(pickle.dumps(stream)) > 0
    for spawned, here in zip(islice(iter(loader(stream, 1)), 2), stream):
        for one, other in zip([*spawned.crops, spawned.rotation], [*here.crops, here.rotation]):
            assert torch.equal(one, other)


def test_thin_objects_are_seen_from_their_ends_too():
    """Views in which hardly a pixel is covered: who never learnt them loses a spanner when it points at the camera."""
    spanner = benchmark_objects()[-1]
    pairs = PairGenerator([spanner], SceneConfig(resolution=96, occlusion=0.0), seed=0, images=2)
    shares = np.array([pairs.sample().crop.rendering.mask.mean() for _ in range(120)])
    assert shares.min() < 0.012
