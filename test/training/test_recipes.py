"""Recipes say what they are said to, are complete, and travel with the weights."""

from dataclasses import fields

import pytest
import torch
import yaml
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.commands.overrides import split_by_config
from pose_tracker_ros.commands.train import load_recipe
from pose_tracker_ros.configuration import make_config
from pose_tracker_ros.networks.architectures import create_network
from pose_tracker_ros.networks.weights import load_weights
from pose_tracker_ros.objects import generic_weights_path
from pose_tracker_ros.training.optimisation import STEP_FACTOR, TrainingLoss, learning_rate, make_optimizer
from pose_tracker_ros.training.scene import SceneConfig
from pose_tracker_ros.training.train import TrainConfig

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = ["--set=steps=1", "--set=batch_size=4", "--set=resolution=32", "--set=validation_pairs=8", "--set=workers=0"]
SMALL += ["--set=closed_loop_frames=0"]


def configs_of(name):
    scene, training = split_by_config(load_recipe(name), SceneConfig, TrainConfig)
    return make_config(SceneConfig, scene), make_config(TrainConfig, training)


def test_the_modern_recipe_is_the_default():
    assert configs_of("modern") == (SceneConfig(), TrainConfig())


def test_all_that_the_published_recipe_changes_stands_in_the_modern_one():
    assert set(load_recipe("published")) <= {*load_recipe("modern"), "validate_every"}


def test_the_generic_recipe_only_changes_what_stands_in_the_modern_one():
    generic, modern = load_recipe("generic"), load_recipe("modern")
    assert generic.items() - modern.items() == generic.items()
    assert set(generic) <= set(modern)


def test_the_published_recipe_has_the_published_numbers():
    scene, training = configs_of("published")
    network = create_network(training.network, scene.max_translation, scene.max_rotation_deg)
    optimizer = make_optimizer(
        network, training.optimizer, training.learning_rate, training.beta2, training.weight_decay
    )
    assert type(optimizer) is torch.optim.Adam
    group = optimizer.param_groups[0]
    assert (group["lr"], group["betas"], group["weight_decay"]) == (1e-3, (0.9, 0.99), 1e-6)
    rates = [
        learning_rate(step, training.steps, training.learning_rate, training.warmup_steps, training.schedule)
        for step in (0, 99_999, 100_000, 199_999, 200_000, 299_999)
    ]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])
    assert STEP_FACTOR == 0.1
    assert (scene.resolution, scene.crop_margin, scene.max_rotation_deg) == (176, 1.1, 15.0)
    assert scene.max_translation * 0.2 == pytest.approx(0.02)
    assert TrainingLoss(network, training.loss).name == "mse"


def test_schedules_rise_and_fall():
    assert learning_rate(0, 100, 1.0, 10) == pytest.approx(0.1)
    assert learning_rate(10, 100, 1.0, 10) == pytest.approx(1.0)
    assert learning_rate(55, 100, 1.0, 10) == pytest.approx(0.5)
    assert learning_rate(99, 100, 1.0, 10) < 0.001
    assert learning_rate(99, 100, 1.0, 10, "constant") == 1.0


def test_options_go_recipe_then_file_then_command_and_stay_with_the_weights(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("weight_decay: 0.5\nbeta2: 0.9\n")
    command = [
        "train",
        "cube",
        "--no-install",
        "--recipe",
        "published",
        "--config",
        str(path),
        *SMALL,
        "--set=beta2=0.8",
    ]
    result = CliRunner().invoke(app, [*command, "--output", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    network, info = load_weights(tmp_path / "run" / "residual.safetensors")
    assert (info.training["optimizer"], info.training["weight_decay"], info.training["beta2"]) == ("adam", 0.5, 0.8)
    assert info.training["augmentation"] == "published"
    assert {item.name for cls in (SceneConfig, TrainConfig) for item in fields(cls)} == set(info.training)
    # The run's file of options makes the same run again.
    again = split_by_config(yaml.safe_load((tmp_path / "run" / "options.yaml").read_text()), SceneConfig, TrainConfig)
    assert make_config(TrainConfig, again[1]).beta2 == 0.8


def test_weights_from_before_there_were_recipes_load():
    _, info = load_weights(generic_weights_path())
    assert isinstance(info.training, dict)


def test_an_unknown_recipe_or_a_broken_file_is_refused(tmp_path):
    result = CliRunner().invoke(app, ["train", "cube", "--recipe", "grandmas"])
    assert result.exit_code == 1
    assert "generic, modern, published" in " ".join(result.output.split())
    broken = tmp_path / "broken.yaml"
    broken.write_text("steps: [1")
    result = CliRunner().invoke(app, ["train", "cube", "--config", str(broken)])
    assert result.exit_code == 1
    assert "valid YAML" in " ".join(result.output.split())
