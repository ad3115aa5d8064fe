"""The ``pose-tracker`` command."""

from __future__ import annotations

from importlib import import_module

import click
import typer
from typer.core import TyperGroup

# Sub-commands, in the order of the help: the function of each in a module of commands/.
COMMANDS = {
    "track": "track.track",
    "train": "train.train",
    "render": "render.render",
    "evaluate": "evaluate.evaluate",
    "bench": "bench.bench",
    "simulate": "simulate.simulate",
    "run": "run.run",
    "parameters": "parameters.parameters",
    "demo": "demo.demo",
    "add-object": "add_object.add_object",
    "align-masks": "align_masks.align_masks_command",
    "initialize": "initialize.initialize_command",
    "train-initializer": "train_initializer.train_initializer",
    "train-relocalizer": "train_relocalizer.train_relocalizer",
    "map": "map.map_command",
    "locate": "locate.locate",
    "bench-relocalizer": "bench_relocalizer.bench_relocalizer",
    "bench-refusals": "bench_refusals.bench_refusals",
    "warm-up": "warm_up.warm_up",
    "fuzz": "fuzz.fuzz",
    "doctor": "doctor.doctor",
}


class LateCommands(TyperGroup):
    """Imports a sub-command when it is called: all of them take seconds, and compile kernels without a word."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all sub-commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The sub-command of a name, None where there is none."""
        if name not in COMMANDS:
            return None
        module, _, function = COMMANDS[name].partition(".")
        single = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
        single.command(name)(getattr(import_module(f"pose_tracker_ros.commands.{module}"), function))
        return typer.main.get_command(single)


app = typer.Typer(cls=LateCommands, no_args_is_help=True, pretty_exceptions_show_locals=False)


@app.callback()
def pose_tracker() -> None:
    """RGB-D 6D object pose tracking: follow a known object, train its network, score the result."""


def main() -> None:
    """Entry point of the console script."""
    app()
