"""``pose-tracker train``: from meshes to network weights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.output_folders import check_writable, install_targets
from pose_tracker_ros.commands.overrides import parse_overrides, split_by_config
from pose_tracker_ros.configuration import make_config, read_options
from pose_tracker_ros.networks.weights_info import read_info
from pose_tracker_ros.objects import generic_weights_path, load_object, models_folders
from pose_tracker_ros.resources import share_folder

console = Console()
# Folder of models/ with the weights for any object, and what names them.
GENERIC = "generic"


def train(
    object_names: Annotated[
        list[str] | None, typer.Argument(metavar="OBJECT...", help="Objects of models/; several share one network.")
    ] = None,
    any_object: Annotated[
        bool, typer.Option(help="Train for any object, on procedural shapes and on the named objects.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="Folder of checkpoints and log; default training/OBJECT or training/generic.")
    ] = None,
    mesh: Annotated[
        list[str] | None, typer.Option(help="Mesh for an object without its own, as OBJECT=FILE; may be repeated.")
    ] = None,
    initial_weights: Annotated[
        Path | None,
        typer.Option(help="Weights to fine-tune, and their network and crop; generic = those for any object."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Options that come with the package, in config/training: modern (the default), published, or generic for --any-object."
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file with options of scenes and training, which go before the recipe's.")
    ] = None,
    set_option: Annotated[
        list[str] | None, typer.Option("--set", help="Option as name=value, e.g. steps=20000 or crop_margin=1.4.")
    ] = None,
    dataset: Annotated[
        Path | None, typer.Option(help="Pairs written by pose-tracker render, instead of rendering while training.")
    ] = None,
    install: Annotated[
        bool | None,
        typer.Option(
            "--install/--no-install",
            help="Copy the finished weights into the objects' folders; default where these can be written.",
        ),
    ] = None,
) -> None:
    """Train the residual network on pairs rendered on the fly; goes on where an interrupted run stopped.

    Several GPUs: torchrun --nproc-per-node 2 -m pose_tracker_ros train OBJECT...
    """
    # Loaded late: workers import this module's parents again, and the other commands need no training.
    from pose_tracker_ros.commands.interruption import exit_when_interrupted
    from pose_tracker_ros.training.distributed import is_first_process
    from pose_tracker_ros.training.scene import SceneConfig
    from pose_tracker_ros.training.train import TrainConfig
    from pose_tracker_ros.training.train import train as run_training

    with reported_errors():
        meshes = dict(_split_mesh(text) for text in mesh or ())
        models = [load_object(name, meshes.get(name)) for name in object_names or ()]
        if not models and not any_object:
            raise ValueError("expected the name of at least one object, or --any-object for a network that fits all")
        if initial_weights == Path(GENERIC) and not initial_weights.exists():
            initial_weights = generic_weights_path() or initial_weights
        values = {
            **load_recipe(recipe),
            **network_values(initial_weights),
            **read_options(config),
            **parse_overrides(set_option),
        }
        scene_values, train_values = split_by_config(values, SceneConfig, TrainConfig)
        if any_object:
            scene_values.setdefault("random_shapes", 0.7 if models else 1.0)
        scene, training = make_config(SceneConfig, scene_values), make_config(TrainConfig, train_values)
        name = GENERIC if any_object else "_".join(model.name for model in models)
        folder = output or Path("training") / name
        check_writable(folder)
        targets = install_targets(
            [models_folders()[0] / GENERIC] if any_object else [model.folder for model in models], install, folder
        )
        with exit_when_interrupted(folder):
            weights = run_training(models, scene, training, folder, initial_weights, dataset)
        if not is_first_process():
            return
        console.print(f"weights written to {weights}")
        for target in targets:
            (target / weights.name).write_bytes(weights.read_bytes())
            console.print(f"installed in {target}")


def load_recipe(name: str | None, subfolder: str = "") -> dict[str, Any]:
    """Options of a recipe in config/training or a folder in it; none without a name. Raises ValueError for an unknown one."""
    if name is None:
        return {}
    folder = share_folder("config") / "training" / subfolder
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in known:
        raise ValueError(
            f"expected a recipe of {folder} ({', '.join(known)}), got {name!r}; name your own file with --config"
        )
    return read_options(folder / f"{name}.yaml")


def network_values(weights: Path | None) -> dict[str, Any]:
    """Options that say what network some weights are of and what it sees; none without weights."""
    if weights is None:
        return {}
    info = read_info(weights)
    return {
        "network": info.architecture,
        "resolution": info.resolution,
        "crop_margin": info.crop_margin,
        "max_translation": info.max_translation,
        "max_rotation_deg": round(math.degrees(info.max_rotation), 6),
        "fill_depth_holes": info.fill_depth_holes,
    }


def _split_mesh(text: str) -> tuple[str, str]:
    name, separator, path = text.partition("=")
    if not separator:
        raise ValueError(f"expected --mesh as OBJECT=FILE, got {text!r}")
    return name, path
