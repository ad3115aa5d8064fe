"""``pose-tracker simulate``: a simulated scene as a data set in a folder, or as a picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image
from rich.console import Console
from rich.progress import track as progress

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.interruption import exit_when_interrupted
from pose_tracker_ros.commands.output_folders import check_writable
from pose_tracker_ros.evaluation.frozen_sets import FROZEN_SETS
from pose_tracker_ros.evaluation.named_scenes import DEMO, DEMO_OBJECT, frozen_case, open_scene, open_scene_config
from pose_tracker_ros.evaluation.scene_pictures import arranged, contact_sheet, telling_frame, tile
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.simulation.demo import simulate as simulate_demo
from pose_tracker_ros.simulation.demo_config import SimulationConfig
from pose_tracker_ros.simulation.folder import prerender
from pose_tracker_ros.simulation.scene import SceneSequence
from pose_tracker_ros.simulation.scene_files import load_scene

console = Console(soft_wrap=True, highlight=False)
ALL_SETS = "all"
READERS_RATE_HZ = 30.0
PICTURE_COLORS = 256


def simulate(
    scene: Annotated[
        str,
        typer.Argument(
            metavar="SCENE", help=f"Scene file; a frozen set ({', '.join(FROZEN_SETS)}); or {DEMO}; see docs/simulation.md."
        ),
    ],
    output: Annotated[Path | None, typer.Option(help="Folder of the data set.")] = None,
    object_name: Annotated[str | None, typer.Option("--object", help="Object of a frozen set or the demo.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; default 0, or that of the scene file.", min=0)] = None,
    group: Annotated[str | None, typer.Option(help="Group of a frozen set; default its first.")] = None,
    preview: Annotated[
        Path | None,
        typer.Option(help=f"PNG file to draw eight frames into; with the SCENE '{ALL_SETS}', a frame of every set."),
    ] = None,
) -> None:
    """Write a simulated scene as a BOP data set, which any command reads; the same command goes on if interrupted."""
    with reported_errors():
        if output is None and preview is None:
            raise ValueError("expected a folder to write to, got none; give --output FOLDER, or --preview FILE.png")
        if scene == ALL_SETS:
            draw_sets(output, preview, object_name, seed or 0)
            return
        sequence = choose_scene(scene, object_name, seed, group)
        if preview is not None:
            save_picture(contact_sheet(sequence), preview)
        if output is not None:
            check_writable(output)
            write(sequence, output)


def choose_scene(scene: str, object_name: str | None, seed: int | None, group: str | None) -> SceneSequence:
    """The scene of the command's options; raises ValueError for options that are not for it."""
    if scene in FROZEN_SETS:
        case, groups = frozen_case(scene, object_name, seed or 0, group)
        if group is None and len(groups) > 1:
            console.print(f"group {case.group!r}; others for --group are {', '.join(map(repr, groups[1:]))}")
        return case.open()
    if group is not None:
        raise ValueError(f"expected --group only with a frozen set ({', '.join(FROZEN_SETS)}), got it with {scene!r}")
    if scene == DEMO:
        return simulate_demo(load_object(object_name or DEMO_OBJECT), SimulationConfig(seed=seed or 0))
    if object_name is not None:
        raise ValueError(f"expected --object only with a frozen set or {DEMO}, got it with {scene!r}; name objects there")
    if seed is None:
        return open_scene(scene)
    return open_scene_config(replace(load_scene(scene), seed=seed), Path(scene).stem)


def write(sequence: SceneSequence, folder: Path) -> None:
    """Write the data set, with a progress bar over its frames."""
    with exit_when_interrupted(folder):
        for _ in progress(prerender(sequence, folder), "rendering", total=len(sequence), console=console):
            pass
    objects = ", ".join(sequence.objects)
    console.print(f"{len(sequence)} frames of {objects} are in {folder}")
    if sequence.rate_hz != READERS_RATE_HZ:
        console.print(f"the format has no times: read it with --reader rate_hz={sequence.rate_hz:g}")


def draw_sets(output: Path | None, preview: Path | None, object_name: str | None, seed: int) -> None:
    """Draw one frame of every frozen set into a PNG file."""
    if output is not None or preview is None:
        raise ValueError(f"expected only --preview FILE.png with {ALL_SETS!r}; data sets are written of one scene each")
    cases = [frozen_case(name, object_name, seed)[0] for name in FROZEN_SETS]
    shown = progress(cases, "rendering", console=console, transient=True)
    save_picture(arranged([tile(case.scene, telling_frame(case.open(), case.model.name)) for case in shown], 5), preview)


def save_picture(image: np.ndarray, path: Path) -> None:
    """Write an image (H, W, 3) uint8 RGB as a PNG file of few colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(image)).quantize(PICTURE_COLORS).save(path, format="PNG", optimize=True)
    console.print(f"drawn into {path}")
