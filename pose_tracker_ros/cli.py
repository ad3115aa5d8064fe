"""The ``pose-tracker`` command."""

from __future__ import annotations

import typer

from pose_tracker_ros.commands.add_object import add_object
from pose_tracker_ros.commands.align_masks import align_masks_command
from pose_tracker_ros.commands.bench import bench
from pose_tracker_ros.commands.demo import demo
from pose_tracker_ros.commands.evaluate import evaluate
from pose_tracker_ros.commands.initialize import initialize_command
from pose_tracker_ros.commands.render import render
from pose_tracker_ros.commands.run import run
from pose_tracker_ros.commands.simulate import simulate
from pose_tracker_ros.commands.track import track
from pose_tracker_ros.commands.train import train
from pose_tracker_ros.commands.train_initializer import train_initializer
from pose_tracker_ros.commands.warm_up import warm_up

app = typer.Typer(
    help="RGB-D 6D object pose tracking: follow a known object, train its network, score the result.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
for command in (track, train, render, evaluate, bench, simulate, run, demo):
    app.command(command.__name__)(command)
app.command("add-object")(add_object)
app.command("align-masks")(align_masks_command)
app.command("initialize")(initialize_command)
app.command("train-initializer")(train_initializer)
app.command("warm-up")(warm_up)


def main() -> None:
    """Entry point of the console script."""
    app()
