"""Options of commands that read a sequence, and what they say of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pose_tracker_ros.datasets import FrameSequence
from pose_tracker_ros.datasets.reader_options import open_with_options
from pose_tracker_ros.datasets.sequence import IndexedSequence

ReaderOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--reader",
        help="Option of the sequence's reader as name=value, see docs/evaluation.md; a wrong name is answered with those that "
        "there are. May be repeated.",
    ),
]
DepthUnit = Annotated[
    str | None,
    typer.Option(help="Unit of the depth images where no file says it: m, mm (default of integers), 0.1mm, 0.25mm, ..."),
]


def open_frames(path: Path, reader: Sequence[str] | None, depth_unit: str | None, **defaults: object) -> FrameSequence:
    """The sequence at a path with the reader's options, those of :func:`open_with_options` and the unit of depth."""
    unit = () if depth_unit is None else (f"depth_unit={depth_unit}",)
    return open_with_options(path, [*(reader or ()), *unit], **defaults)


def open_in_any_order(path: Path, reader: Sequence[str] | None) -> IndexedSequence:
    """As :func:`open_with_options`; raises ValueError for a recording, which has to be read from its beginning."""
    sequence = open_with_options(path, reader)
    if not isinstance(sequence, IndexedSequence):
        raise ValueError(f"expected a sequence whose frames can be read in any order, got a recording: {sequence.name}")
    return sequence


def report_reading(sequence: FrameSequence) -> None:
    """Print in a line each what of a sequence could not be read, or was read otherwise than one may think."""
    for line in filter(None, (sequence.left_out(), *sequence.remarks())):
        print_warning(line)


def print_warning(sentence: str) -> None:
    """Print what a user should know though the command goes on."""
    Console(stderr=True, soft_wrap=True).print(f"warning: {sentence}", style="yellow", markup=False, highlight=False)
