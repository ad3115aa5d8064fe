"""``pose-tracker fuzz``: damaged files of every kind that is read, each of which has to end in a sentence."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.tables import print_table

console = Console()
SHOWN_FAULTS = 20


def fuzz(
    kinds: Annotated[list[str] | None, typer.Argument(metavar="[KIND]...", help="Kinds of files; default all.")] = None,
    count: Annotated[int, typer.Option(help="Damaged files, of all kinds together.", min=1)] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the damage.", min=0)] = 0,
) -> None:
    """Read damaged files: each is to be read or refused in a sentence within 10 s and 1.5 GB, else the command fails."""
    from pose_tracker_ros.evaluation.fuzzing import all_kinds, runner

    with reported_errors():
        known = all_kinds()
        names = kinds or list(known)
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise ValueError(f"expected kinds of {', '.join(known)}, got {', '.join(unknown)}")
        each = -(-count // len(names))
        outcomes = list(
            progress(runner.fuzz(names, each, seed), "reading", total=each * len(names), console=console, transient=True)
        )
        table = Table(title=f"{len(outcomes)} damaged files, seed {seed}")
        for heading in ("kind", "files", "read", "refused", "faults", "longest s", "most MB"):
            table.add_column(heading, justify="left" if heading == "kind" else "right")
        for name in names:
            mine = [outcome for outcome in outcomes if outcome.kind == name]
            told = Counter("fault" if one.fault else "read" if one.answer == "read" else "refused" for one in mine)
            numbers = [str(told[answer]) for answer in ("read", "refused", "fault")]
            worst = f"{max(one.seconds for one in mine):.2f}", f"{max(one.resident_mb for one in mine):.0f}"
            table.add_row(name, str(len(mine)), *numbers, *worst)
        print_table(table)
        faults = [outcome for outcome in outcomes if outcome.fault]
        for one in faults[:SHOWN_FAULTS]:
            console.print(f"{one.kind} {one.number}: {one.fault}", style="red", markup=False, soft_wrap=True)
        if faults:
            raise typer.Exit(1)
