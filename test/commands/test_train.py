"""The command that trains: fine-tuning takes over what the weights it starts from are made for."""

import math

import pytest
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.networks.architectures import create_network
from pose_tracker_ros.networks.weights import load_weights, save_weights
from pose_tracker_ros.networks.weights_info import WeightsInfo

QUICK = ["steps=1", "batch_size=2", "workers=0", "device=cpu", "validation_pairs=8", "closed_loop_frames=0"]


@pytest.fixture
def generic_weights(tmp_path):
    """Weights for any object with nothing at its default: architecture, crop, normalisers."""
    info = WeightsInfo({}, "matching", 48, 1.3, 0.15, math.radians(17.0))
    path = tmp_path / "start.safetensors"
    save_weights(path, create_network("matching", info.max_translation, info.max_rotation), info)
    return path


def run(*arguments):
    options = [word for option in QUICK for word in ("--set", option)]
    return CliRunner().invoke(app, ["train", "cube", "--no-install", *options, *map(str, arguments)])


def test_fine_tuning_keeps_network_and_crop_of_the_weights(generic_weights, tmp_path):
    result = run("--initial-weights", generic_weights, "--output", tmp_path / "run")
    assert result.exit_code == 0, result.output
    _, info = load_weights(tmp_path / "run" / "residual.safetensors")
    assert (info.architecture, info.resolution, info.crop_margin) == ("matching", 48, 1.3)
    assert info.max_rotation == pytest.approx(math.radians(17.0)) and info.max_translation == 0.15
    assert list(info.objects) == ["cube"]


def test_what_the_weights_cannot_do_is_refused(generic_weights, tmp_path):
    result = run("--initial-weights", generic_weights, "--set", "resolution=64", "--output", tmp_path / "run")
    assert result.exit_code == 1
    assert "resolution" in result.output


def test_a_network_that_has_more_starts_with_what_the_weights_have(generic_weights, tmp_path):
    arguments = ["--initial-weights", generic_weights, "--set", "learning_rate=0", "--output", tmp_path / "run"]
    result = run(*arguments, "--set", "network=refining")
    assert result.exit_code == 0, result.output
    before, after = load_weights(generic_weights)[0], load_weights(tmp_path / "run" / "residual.safetensors")[0]
    assert (before.head.weight == after.head.weight).all()


def test_weights_of_another_architecture_are_refused(generic_weights, tmp_path):
    result = run("--initial-weights", generic_weights, "--set", "network=compact", "--output", tmp_path / "run")
    assert result.exit_code == 1
    assert "architecture compact" in " ".join(result.output.split())
