"""The losses of PoseNet on one place, in one table.

Run as ``.venv/bin/python -m pose_tracker_ros.commands.compare_pose_losses``: a rendered room by default, or a sequence.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.interruption import exit_when_interrupted
from pose_tracker_ros.commands.overrides import parse_overrides
from pose_tracker_ros.commands.sequences import open_in_any_order
from pose_tracker_ros.configuration import make_config
from pose_tracker_ros.datasets.sequence import IndexedSequence
from pose_tracker_ros.networks.posenet_losses import LOSSES
from pose_tracker_ros.simulation.room_views import RoomViews
from pose_tracker_ros.training.pose_comparison import compare_losses
from pose_tracker_ros.training.posenet import PoseNetTrainConfig

console = Console(soft_wrap=True, highlight=False)
# Of the rendered room: frames to train with and held out, and the seeds of the places that they are taken from.
FRAMES, HELD_OUT_FRAMES, PLACES, HELD_OUT_PLACES = 40, 60, 1, 2


def compare_pose_losses(
    sequence: Annotated[
        Path | None, typer.Argument(help="Sequence with camera poses; default a rendered room of 40 frames.")
    ] = None,
    room: Annotated[int, typer.Option(help="Seed of the rendered room.")] = 0,
    output: Annotated[Path, typer.Option(help="Folder of the runs and of the table.")] = Path("training/pose_losses"),
    set_option: Annotated[list[str] | None, typer.Option("--set", help="Option of the training as name=value.")] = None,
) -> None:
    """Train PoseNet with each of its losses and compare them, and the nearest training image, on held-out views."""
    with reported_errors(), exit_when_interrupted(output):
        config = make_config(PoseNetTrainConfig, parse_overrides(set_option))
        training: IndexedSequence
        held_out: IndexedSequence | None
        if sequence is None:
            training, held_out = RoomViews(FRAMES, room, PLACES), RoomViews(HELD_OUT_FRAMES, room, HELD_OUT_PLACES)
        else:
            training, held_out = open_in_any_order(sequence, None), None
        table = compare_losses(training, held_out, config, LOSSES, output)
        (output / "losses.md").write_text(table)
        console.print(table)
        console.print(f"written to {output / 'losses.md'}")


if __name__ == "__main__":
    typer.run(compare_pose_losses)
