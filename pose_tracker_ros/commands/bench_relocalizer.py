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
from pose_tracker_ros.commands.tables import print_table
from pose_tracker_ros.evaluation.lost_and_found import AFTER, RATE_HZ, Return, map_scene, run, scene_config, scenes
from pose_tracker_ros.tracking import TrackerConfig

console = Console(soft_wrap=True, highlight=False)
WITH, WITHOUT, MOVED = "with the relocalizer", "without it", "with it, object moved"


def bench_relocalizer(
    object_names: Annotated[list[str] | None, typer.Option("--object", help="Object of models/; may be repeated.")] = None,
    runs: Annotated[int, typer.Option(help="Number of rooms, one a seed; objects take turns.", min=1)] = 30,
    first_seed: Annotated[int, typer.Option(help="Seed of the first room.", min=0)] = 0,
    output: Annotated[Path | None, typer.Option(help="CSV file with a row for every run.")] = None,
) -> None:
    """Lose objects that rest in simulated rooms, and count how often they are found again within two seconds."""
    with reported_errors():
        names = object_names or ["demo_jug"]
        results: dict[str, list[Return]] = {WITH: [], WITHOUT: [], MOVED: []}
        for seed in progress(range(first_seed, first_seed + runs), "losing and finding", console=console):
            for kind, one in _runs(seed, names[seed % len(names)]).items():
                results[kind].append(one)
        table = Table(title=f"{runs} rooms, {', '.join(names)}")
        for heading in ("", f"found in {AFTER / RATE_HZ:.0f} s", "claimed at the old place", "median s"):
            table.add_column(heading, justify="right" if heading else "left")
        for kind, ones in results.items():
            found = sorted(one.found_s for one in ones if one.found_s is not None)
            claimed = sum(one.claimed_s is not None for one in ones)
            median = f"{found[len(found) // 2]:.2f}" if found else "–"
            table.add_row(kind, f"{len(found)} of {runs}", f"{claimed}" if kind == MOVED else "", median)
        print_table(table)
        if output is not None:
            _write(output, results)


def _runs(seed: int, object_name: str) -> dict[str, Return]:
    config = scene_config(seed, object_name)
    options = TrackerConfig()
    with tempfile.TemporaryDirectory() as folder:
        relocalizer = map_scene(config, Path(folder) / "map")
        frames = scenes(config, side=1.0 if seed % 4 > 1 else -1.0)
        return {
            WITH: run(seed, frames[False], relocalizer, options),
            WITHOUT: run(seed, frames[False], None, options),
            MOVED: run(seed, frames[True], relocalizer, options),
        }


def _write(path: Path, results: dict[str, list[Return]]) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["kind", *(item.name for item in fields(Return))])
        writer.writerows([kind, *astuple(one)] for kind, ones in results.items() for one in ones)
