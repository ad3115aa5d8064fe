"""Pairs are what they say, and training resumes where it stopped."""

import csv
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from pose_tracker_ros.geometry import apply_residual, so3_exp
from pose_tracker_ros.networks.weights import load_weights
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.training.pairs import PairStream, loader
from pose_tracker_ros.training.scene import PairGenerator, SceneConfig
from pose_tracker_ros.training.stored_pairs import write_pairs
from pose_tracker_ros.training.train import TrainConfig, train

pytestmark = pytest.mark.usefixtures("one_thread")
SCENE = SceneConfig(resolution=32)
QUICK = TrainConfig(
    steps=4,
    batch_size=4,
    workers=0,
    device="cpu",
    validate_every=4,
    checkpoint_minutes=0,
    validation_pairs=8,
    closed_loop_frames=0,
    curriculum_steps=0,
)


@pytest.fixture(scope="module")
def jug():
    return load_object("demo_jug")


def generator_of(model, seed=0):
    return PairGenerator([model], SceneConfig(), seed, images=5)


def test_the_residual_leads_to_the_observed_pose(jug):
    """A surface point moved by the residual lies where the clean observation has that depth."""
    pairs = generator_of(jug)
    pairs.difficulty = 0.0
    for _ in range(5):
        crop, translation, rotation, *_ = pairs.sample()
        rays = crop.camera.rays()
        points = (rays * crop.rendering.depth[..., None])[crop.rendering.mask][::7]
        moved = (points - crop.center) @ so3_exp(rotation).T + crop.center + translation
        pixels = np.rint(crop.camera.project(moved)).astype(int)
        inside = np.all((pixels >= 0) & (pixels < crop.camera.width), axis=1)
        seen = crop.depth[pixels[inside, 1], pixels[inside, 0]]
        difference = (seen - moved[inside, 2])[seen > 0]
        assert np.median(np.abs(difference)) < 0.002


def test_same_seed_same_pairs_other_seed_other_pairs(jug):
    first, again, other = (generator_of(jug, seed).sample() for seed in (3, 3, 4))
    assert np.array_equal(first.crop.color, again.crop.color)
    assert np.array_equal(first.crop.depth, again.crop.depth)
    assert np.array_equal(first.rotation, again.rotation)
    assert not np.array_equal(first.rotation, other.rotation)


def test_residuals_stay_within_the_normalisers(jug):
    pairs, config = generator_of(jug), SceneConfig()
    samples = [pairs.sample() for _ in range(30)]
    assert max(np.linalg.norm(pair.translation) for pair in samples) <= config.max_translation * jug.diameter_m
    assert max(np.linalg.norm(pair.rotation) for pair in samples) <= np.radians(config.max_rotation_deg)


def test_a_resumed_run_ends_where_it_would_have_ended(jug, tmp_path):
    train([jug], SCENE, replace(QUICK, steps=2), tmp_path)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 2
    path = train([jug], SCENE, QUICK, tmp_path)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 4
    _, info = load_weights(path)
    assert info.pairs in (8, 16)
    assert info.objects == {"demo_jug": pytest.approx(jug.diameter_m)}
    with (tmp_path / "log.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [2, 4]


def test_with_the_same_pairs_an_interruption_changes_nothing(jug, tmp_path):
    """Four steps end with the weights of two steps and two more after a restart."""
    stream = PairStream([jug], SCENE, QUICK.batch_size, seed=1, first_batch=0, curriculum=0)
    pairs = write_pairs(tmp_path / "pairs", islice(loader(stream, 0), 4), [jug], SCENE, {})
    config = replace(QUICK, learning_rate=0.05, schedule="constant")
    train([jug], SCENE, config, tmp_path / "whole", dataset=pairs)
    train([jug], SCENE, replace(config, steps=2), tmp_path / "parts", dataset=pairs)
    halfway = torch.load(tmp_path / "parts" / "checkpoint.pt", weights_only=True)
    train([jug], SCENE, config, tmp_path / "parts", dataset=pairs)
    whole, parts = (torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("whole", "parts"))
    for name in ("network", "average"):
        for key, value in whole[name].items():
            assert torch.allclose(value.double(), parts[name][key].double(), rtol=1e-4, atol=1e-6), key
        assert any(not torch.equal(value, halfway[name][key]) for key, value in whole[name].items())


def test_the_best_weights_are_kept(jug, tmp_path):
    path = train([jug], SCENE, replace(QUICK, steps=1), tmp_path)
    before = path.read_bytes()
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert 0 < state["facts"]["best"] < 10
    torch.save({**state, "facts": {"best": 0.0}}, tmp_path / "checkpoint.pt")
    train([jug], SCENE, replace(QUICK, steps=2), tmp_path)
    assert path.read_bytes() == before
    torch.save({**state, "facts": {"best": 1e9}}, tmp_path / "checkpoint.pt")
    train([jug], SCENE, replace(QUICK, steps=3), tmp_path)
    assert path.read_bytes() != before


def test_a_diverging_loss_ends_the_run_at_once(jug, tmp_path):
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        train([jug], SCENE, replace(QUICK, steps=50, learning_rate=1e30, warmup_steps=0), tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "points"},
        {"loss": "mse", "precision": "float32"},
        {"network": "published", "loss": "points", "precision": "float16"},
        {"network": "published", "optimizer": "adam", "schedule": "step", "average_decay": 0.0},
        {"network": "matching", "gradient_clip": 0.0},
    ],
)
def test_every_network_loss_and_precision_trains(jug, tmp_path, options):
    config = replace(QUICK, steps=2, validate_every=2, **options)
    network, info = load_weights(train([jug], SCENE, config, tmp_path))
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())
    assert {name: info.training[name] for name in options} == options


def test_a_loss_of_pixels_needs_a_network_of_pixels(jug, tmp_path):
    with pytest.raises(ValueError, match="per-pixel motion"):
        train([jug], SCENE, replace(QUICK, network="published", loss="pixels"), tmp_path)


def test_a_finished_run_says_so_when_its_weights_are_gone(jug, tmp_path):
    path = train([jug], SCENE, replace(QUICK, steps=1), tmp_path)
    assert train([jug], SCENE, replace(QUICK, steps=1), tmp_path) == path
    path.unlink()
    with pytest.raises(ValueError, match="is finished"):
        train([jug], SCENE, replace(QUICK, steps=1), tmp_path)


def test_a_checkpoint_of_another_network_is_refused(jug, tmp_path):
    train([jug], SCENE, replace(QUICK, steps=1), tmp_path)
    with pytest.raises(ValueError, match="remove it"):
        train([jug], SCENE, replace(QUICK, network="published"), tmp_path)


def test_initial_weights_must_fit(jug, tmp_path):
    path = train([jug], SCENE, replace(QUICK, steps=1), tmp_path / "first")
    other = replace(SCENE, crop_margin=1.3)
    with pytest.raises(ValueError, match="crop_margin"):
        train([jug], other, QUICK, tmp_path / "second", path)


def test_networks_of_pixels_can_learn_to_look_farther_than_their_initial_weights(jug, tmp_path):
    farther = replace(SCENE, residuals="wide", max_translation=0.5, max_rotation_deg=60.0)
    for network in ("compact", "published"):
        config = replace(QUICK, steps=1, network=network, warmup_steps=0, learning_rate=0.0)
        initial = train([jug], SCENE, config, tmp_path / network)
        if network == "published":
            with pytest.raises(ValueError, match="max_translation"):
                train([jug], farther, config, tmp_path / "farther", initial)
            continue
        trained, info = load_weights(train([jug], farther, config, tmp_path / "farther", initial))
        assert (info.max_translation, trained.max_translation) == (0.5, 0.5)
        kept = load_weights(initial)[0].head.weight
        assert torch.equal(trained.head.weight, kept)


@pytest.mark.parametrize("device", ["abacus", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(jug, tmp_path, device):
    with pytest.raises(ValueError, match="device"):
        train([jug], SCENE, replace(QUICK, device=device), tmp_path)


def test_initial_weights_that_are_not_there_are_named(jug, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        train([jug], SCENE, QUICK, tmp_path, tmp_path / "none.safetensors")


def test_a_data_set_of_other_batches_is_refused(jug, tmp_path):
    stream = PairStream([jug], SCENE, 2, seed=1, first_batch=0, curriculum=0)
    pairs = write_pairs(tmp_path / "pairs", islice(loader(stream, 0), 1), [jug], SCENE, {})
    with pytest.raises(ValueError, match="batch_size=2"):
        train([jug], SCENE, QUICK, tmp_path / "run", dataset=pairs)


def test_apply_residual_is_what_pairs_mean(jug):
    pose = np.eye(4)
    pose[2, 3] = 0.6
    moved = apply_residual(pose, np.array([0.01, 0, 0]), np.zeros(3), jug.center_m)
    assert np.allclose(moved[:3, 3] - pose[:3, 3], [0.01, 0, 0])
