"""``pose-tracker parameters``: the parameter file of a node, to be edited."""

from __future__ import annotations

from typing import Annotated

import typer

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.configuration.listing import parameter_file
from pose_tracker_ros.nodes.all_options import OPTIONS


def parameters(node: Annotated[str, typer.Argument(help=f"One of {', '.join(OPTIONS)}.")]) -> None:
    """Print a parameter file with every parameter of a node, its default, meaning and range."""
    with reported_errors():
        if node not in OPTIONS:
            raise ValueError(f"expected a node of {', '.join(OPTIONS)}, got {node!r}")
        print(parameter_file(node, OPTIONS[node]), end="")
