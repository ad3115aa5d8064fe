"""``pose-tracker bench-relocalizer``: a camera turns away from an object and comes back from another side."""

from __future__ import annotations

import csv
import tempfile
from dataclasses import astuple, fields
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.overrides import parse_overrides
from pose_tracker_ros.commands.tables import print_table
from pose_tracker_ros.configuration import make_config
from pose_tracker_ros.evaluation.basin import wilson_interval
from pose_tracker_ros.evaluation.lost_and_found import MOVED, Return, return_to
from pose_tracker_ros.evaluation.return_scenes import AFTER, RATE_HZ, ReturnScene
from pose_tracker_ros.tracking import TrackerConfig

console = Console(soft_wrap=True, highlight=False)


def bench_relocalizer(
    object_names: Annotated[
        list[str] | None, typer.Option("--object", help="Object of models/; may be repeated. Default demo_jug.")
    ] = None,
    runs: Annotated[int, typer.Option(help="Number of rooms, one a seed; objects take turns.", min=1)] = 30,
    first_seed: Annotated[int, typer.Option(help="Seed of the first room.", min=0)] = 0,
    output: Annotated[Path | None, typer.Option(help="CSV file with a row for every run.")] = None,
    set_option: Annotated[
        list[str] | None, typer.Option("--set", help="Option of the tracker as name=value, such as network=never.")
    ] = None,
) -> None:
    """Lose objects that rest in simulated rooms, and count how often they are found again within two seconds.

    The camera turns away for 5 s and comes back from another side, a metre from where it was: with the relocalizer, without it,
    and with the object put elsewhere meanwhile. No clock counts: the same seeds give the same table on one machine.
    """
    with reported_errors():
        names = object_names or ["demo_jug"]
        options = make_config(TrackerConfig, {"frame_budget_ms": 0.0, **parse_overrides(set_option)})
        results: dict[str, list[Return]] = {}
        for seed in progress(range(first_seed, first_seed + runs), "losing and finding", console=console):
            with tempfile.TemporaryDirectory() as folder:
                outcomes = return_to(ReturnScene(seed, names[seed % len(names)]), Path(folder) / "map", options)
            for kind, one in outcomes.items():
                results.setdefault(kind, []).append(one)
            if output is not None:
                _write(output, results)
        print_table(_table(results, f"{runs} rooms from seed {first_seed}, {', '.join(names)}"))


def _table(results: dict[str, list[Return]], title: str) -> Table:
    table = Table(title=title)
    for heading in ("", f"found in {AFTER / RATE_HZ:.0f} s", "95 %", "median s", "a wrong pose tracked", "claimed at the old place"):
        table.add_column(heading, justify="right" if heading else "left")
    for kind, ones in results.items():
        found = sorted(one.found_s for one in ones if one.found_s is not None)
        low, high = wilson_interval(len(found), len(ones))
        wrong, claimed = (sum(value is not None for value in values) for values in zip(*((o.wrong_s, o.claimed_s) for o in ones)))
        table.add_row(
            kind,
            f"{len(found)} of {len(ones)}",
            f"{low:.0%} to {high:.0%}",
            f"{found[len(found) // 2]:.2f}" if found else "–",
            f"{wrong}",
            f"{claimed} of {len(ones)}" if kind == MOVED else "",
        )
    return table


def _write(path: Path, results: dict[str, list[Return]]) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["kind", *(item.name for item in fields(Return))])
        writer.writerows([kind, *astuple(one)] for kind, ones in results.items() for one in ones)
