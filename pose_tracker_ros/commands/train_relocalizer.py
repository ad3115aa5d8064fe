"""``pose-tracker train-relocalizer``: from images with camera poses to PoseNet weights."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.output_folders import check_writable
from pose_tracker_ros.commands.overrides import parse_overrides
from pose_tracker_ros.commands.sequences import ReaderOptions, open_in_any_order
from pose_tracker_ros.commands.train import load_recipe
from pose_tracker_ros.configuration import make_config, read_options

console = Console()
# Nothing that keeps a network from learning single images by heart, and steps that end in the minimum.
OVERFIT = {
    "synthetic_views": 0,
    "random_crops": False,
    "color_defects": False,
    "turn_deg": 0.0,
    "dropout": 0.0,
    "weight_decay": 0.0,
    "average_decay": 0.0,
    "learning_rate": 3e-4,
    "schedule": "cosine",
    "warmup_steps": 20,
    "steps": 400,
    # With the published hundreds the quaternion alone is learnt at first.
    "beta": 5.0,
    "validate_every": 50,
}


def train_relocalizer(
    sequence: Annotated[Path, typer.Argument(help="Images with the camera's pose: a sequence of any known layout.")],
    held_out: Annotated[
        Path | None, typer.Option(help="Sequence in the same map for validation; default every so many-th frame.")
    ] = None,
    reader: ReaderOptions = None,
    overfit: Annotated[
        int,
        typer.Option(min=0, help="Learn so many frames by heart, without augmentation: can the network learn at all?"),
    ] = 0,
    googlenet_weights: Annotated[
        Path | None, typer.Option(help="torchvision's GoogLeNet state dict, to start googlenet_torchvision from.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder of checkpoints and log; default training/SEQUENCE_posenet.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Options that come with the package, in config/training/posenet: published.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with options, which go before the recipe's.")] = None,
    set_option: Annotated[
        list[str] | None, typer.Option("--set", help="Option as name=value, e.g. network=googlenet or loss=learned.")
    ] = None,
    install: Annotated[Path | None, typer.Option(help="Map folder into which the finished weights are copied.")] = None,
) -> None:
    """Train PoseNet, which says from one image where the camera is in a mapped place; goes on where a run stopped.

    Several GPUs: torchrun --nproc-per-node 2 -m pose_tracker_ros train-relocalizer SEQUENCE...
    """
    # Loaded late: the other commands need no training.
    from pose_tracker_ros.commands.interruption import exit_when_interrupted
    from pose_tracker_ros.relocalization.folder import REGRESSOR
    from pose_tracker_ros.training.distributed import is_first_process
    from pose_tracker_ros.training.posenet import PoseNetTrainConfig, train_posenet

    with reported_errors():
        if install is not None and not install.is_dir():
            raise ValueError(f"expected the folder of a map for --install, got {install}; make one: pose-tracker map")
        opened = [open_in_any_order(path, reader) for path in (sequence, held_out) if path is not None]
        values: dict[str, Any] = {
            **load_recipe(recipe, "posenet"),
            **({**OVERFIT, "batch_size": -(-overfit // 2)} if overfit else {}),
            **read_options(config),
            **parse_overrides(set_option),
        }
        options = make_config(PoseNetTrainConfig, values)
        folder = output or Path("training") / f"{sequence.resolve().name}_posenet"
        check_writable(folder)
        with exit_when_interrupted(folder):
            weights = train_posenet(
                opened[0], options, folder, opened[1] if held_out else None, overfit, googlenet_weights
            )
        if not is_first_process():
            return
        console.print(f"weights written to {weights}")
        if install is not None:
            shutil.copyfile(weights, install / REGRESSOR)
            console.print(f"installed as {install / REGRESSOR}")
