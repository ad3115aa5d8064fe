"""``pose-tracker train-initializer``: from a mesh to DenseFusion weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.output_folders import check_writable, install_targets
from pose_tracker_ros.commands.overrides import parse_overrides
from pose_tracker_ros.configuration import load_config
from pose_tracker_ros.objects import load_object

console = Console()


def train_initializer(
    object_name: Annotated[str, typer.Argument(metavar="OBJECT", help="Object of models/, by name or folder.")],
    output: Annotated[
        Path | None, typer.Option(help="Folder of checkpoints and log; default training/OBJECT_dense_fusion.")
    ] = None,
    mesh: Annotated[Path | None, typer.Option(help="Mesh, for an object without its own.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with options of the training.")] = None,
    set_option: Annotated[
        list[str] | None, typer.Option("--set", help="Option as name=value, e.g. steps=8000 or symmetry=always.")
    ] = None,
    install: Annotated[
        bool | None,
        typer.Option(
            "--install/--no-install",
            help="Copy the finished weights into the object's folder; default where it can be written.",
        ),
    ] = None,
) -> None:
    """Train DenseFusion, which finds an object's first pose, on scenes made on the fly; goes on where a run stopped."""
    # Loaded late: the other commands need no training.
    from pose_tracker_ros.commands.interruption import exit_when_interrupted
    from pose_tracker_ros.training.dense_fusion import FusionTrainConfig, train_dense_fusion

    with reported_errors():
        model = load_object(object_name, mesh)
        options = load_config(FusionTrainConfig, config, parse_overrides(set_option))
        folder = output or Path("training") / f"{model.name}_dense_fusion"
        check_writable(folder)
        targets = install_targets([] if model.folder is None else [model.folder], install, folder)
        with exit_when_interrupted(folder):
            weights = train_dense_fusion(model, options, folder)
        console.print(f"weights written to {weights}")
        for target in targets:
            (target / weights.name).write_bytes(weights.read_bytes())
            console.print(f"installed in {target}")
