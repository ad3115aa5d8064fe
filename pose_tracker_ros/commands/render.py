"""``pose-tracker render``: training pairs on disk, how fast they are made, and what is done to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image
from rich.console import Console
from rich.progress import track as progress

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.output_folders import check_writable
from pose_tracker_ros.commands.overrides import parse_overrides
from pose_tracker_ros.configuration import load_config
from pose_tracker_ros.objects import ObjectModel, load_object
from pose_tracker_ros.training.scene import SceneConfig

console = Console()
# Crops of the picture, smaller than those of a training so that many fit.
PICTURE_RESOLUTION = 96
PICTURE_COLORS = 256


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
    benchmark: Annotated[
        int, typer.Option(help="Only measure how fast so many pairs are made on one core.", min=0)
    ] = 0,
    picture: Annotated[
        Path | None, typer.Option(help="Only draw one scene through every augmentation into this PNG file.")
    ] = None,
) -> None:
    """Write training pairs to disk; train --dataset reads them as if they were made at that moment."""
    with reported_errors():
        models = [load_object(name) for name in object_names or ()]
        scene = load_config(SceneConfig, None, parse_overrides(set_option))
        if picture is not None:
            draw_augmentations(models, scene, picture, seed)
        if benchmark:
            measure_speed(models, scene, benchmark, seed)
        if picture is None and not benchmark:
            check_writable(output)
            write_data_set(models, scene, output, pairs, batch_size, curriculum_steps, seed, workers)


def write_data_set(
    models: Sequence[ObjectModel],
    scene: SceneConfig,
    output: Path,
    pairs: int,
    batch_size: int,
    curriculum_steps: int,
    seed: int,
    workers: int,
) -> None:
    """Write at least ``pairs`` pairs in whole batches to a folder."""
    # Loaded late: workers import this module's parents again.
    from pose_tracker_ros.training.pairs import PairStream, loaded, loader
    from pose_tracker_ros.training.stored_pairs import write_pairs

    stream = PairStream(models, scene, batch_size, seed, 0, curriculum_steps)
    count = -(-pairs // batch_size)
    facts = {"seed": seed, "workers": workers, "batch_size": batch_size, "curriculum_steps": curriculum_steps}
    with loaded(loader(stream, workers)) as batches:
        shown = progress(islice(batches, count), "rendering", total=count, console=console)
        write_pairs(output, shown, models, scene, facts)
    console.print(f"{count * batch_size} pairs written to {output}", soft_wrap=True)


def measure_speed(models: Sequence[ObjectModel], scene: SceneConfig, pairs: int, seed: int) -> None:
    """Print pairs per second of one core for procedural shapes, and for the objects when some are named."""
    from pose_tracker_ros.training.generation_speed import pairs_per_second

    cases: list[tuple[str, Sequence[ObjectModel], SceneConfig]] = [
        ("procedural shapes", [], replace(scene, random_shapes=1.0))
    ]
    if models:
        cases.append((", ".join(model.name for model in models), models, replace(scene, random_shapes=0.0)))
    for name, objects, options in cases:
        speed = pairs_per_second(objects, options, pairs, seed)
        console.print(f"{name}: {speed:.0f} pairs/s on one core, crops of {options.resolution} px", soft_wrap=True)


def draw_augmentations(models: Sequence[ObjectModel], scene: SceneConfig, path: Path, seed: int) -> None:
    """Draw the first object through every augmentation into a PNG file."""
    from pose_tracker_ros.training.augmentation_picture import augmentation_sheet

    if not models:
        raise ValueError("expected the name of an object to be drawn; give one, such as demo_jug")
    sheet = augmentation_sheet(models[0], replace(scene, resolution=PICTURE_RESOLUTION, random_shapes=0.0), seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    few_colors = Image.fromarray(np.ascontiguousarray(sheet)).quantize(PICTURE_COLORS, dither=Image.Dither.NONE)
    few_colors.save(path, format="PNG", optimize=True)
    console.print(f"augmentations drawn into {path}", soft_wrap=True)
