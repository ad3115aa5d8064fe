"""``pose-tracker render``: training pairs on disk."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track as progress

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.overrides import parse_overrides
from pose_tracker_ros.configuration import load_config
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.training.scene import SceneConfig

console = Console()


def render(
    object_names: Annotated[
        list[str] | None, typer.Argument(metavar="OBJECT...", help="Objects of models/; none with random_shapes=1.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder of the data set.")] = Path("pairs_output"),
    pairs: Annotated[int, typer.Option(help="How many pairs; 10000 take 4 GB.", min=1)] = 3200,
    batch_size: Annotated[int, typer.Option(help="Pairs of a training step.", min=1)] = 32,
    curriculum_steps: Annotated[
        int, typer.Option(help="Batches from clean to hard scenes, as in training.", min=0)
    ] = 600,
    seed: Annotated[int, typer.Option(help="Seed of the scenes.", min=0)] = 0,
    workers: Annotated[int, typer.Option(help="Processes that render; part of the seed.", min=0)] = 1,
    set_option: Annotated[list[str] | None, typer.Option("--set", help="Option of the scenes as name=value.")] = None,
) -> None:
    """Write training pairs to disk; train --dataset reads them as if they were made at that moment."""
    # Loaded late: workers import this module's parents again.
    from pose_tracker_ros.training.pairs import PairStream, loader
    from pose_tracker_ros.training.stored_pairs import write_pairs

    with reported_errors():
        models = [load_object(name) for name in object_names or ()]
        scene = load_config(SceneConfig, None, parse_overrides(set_option))
        stream = PairStream(models, scene, batch_size, seed, 0, curriculum_steps)
        count = -(-pairs // batch_size)
        batches = progress(islice(loader(stream, workers), count), "rendering", total=count, console=console)
        facts = {"seed": seed, "workers": workers, "batch_size": batch_size, "curriculum_steps": curriculum_steps}
        write_pairs(output, batches, models, scene, facts)
        console.print(f"{count * batch_size} pairs written to {output}", soft_wrap=True)
