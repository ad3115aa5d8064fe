"""``pose-tracker bench --basin``: from how far off objects are found."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from pose_tracker_ros.commands.tables import print_table
from pose_tracker_ros.commands.variants import knows
from pose_tracker_ros.datasets import FrameSequence
from pose_tracker_ros.evaluation.basin import (
    FRAMES,
    OFFSETS_D,
    TURNS_DEG,
    BasinStart,
    basin_starts,
    spread_over,
    wilson_interval,
)
from pose_tracker_ros.evaluation.tracking_benchmark import Variant, benchmark_sequence
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.tracking import Tracker

console = Console()


def bench_basin(
    models: Sequence[ObjectModel], variants: Sequence[Variant], speed: float, seeds: Sequence[int], output: Path
) -> None:
    """Tables of simulated objects, of which each seed is a scene with one start a cell."""
    for variant in variants:
        trackers = _trackers(variant, models)
        cases = [(model, seed) for model in models if model.name in trackers for seed in seeds]
        starts = [
            start
            for model, seed in progress(cases, variant.name, console=console, transient=True)
            for start in basin_starts(
                trackers[model.name], model, list(benchmark_sequence(model, seed, FRAMES, speed=speed)), model.name, seed
            )
        ]
        _report(variant.name, starts, output)


def bench_basin_of(
    sequence: FrameSequence, model: ObjectModel, object_name: str, variants: Sequence[Variant], count: int, output: Path
) -> None:
    """Tables of an object of a real sequence, with ``count`` starts a cell spread over it."""
    for variant in variants:
        trackers = _trackers(variant, [model])
        firsts = list(enumerate(spread_over(len(sequence), count))) if trackers else []
        starts = [
            start
            for seed, first in progress(firsts, variant.name, console=console, transient=True)
            for start in basin_starts(trackers[model.name], model, _frames(sequence, first), object_name, seed)
        ]
        _report(f"{variant.name}, {sequence.name}, {object_name}", starts, output)


def _frames(sequence: FrameSequence, first: int) -> list[Frame]:
    return [sequence.read(position) for position in range(first, first + FRAMES)]


def _trackers(variant: Variant, models: Sequence[ObjectModel]) -> dict[str, Tracker]:
    """By the names of those that the variant knows."""
    able = [model for model in models if knows(variant, model)]
    weights = {model.name: variant.weights for model in able if variant.weights is not None}
    return {model.name: Tracker.load([model], variant.config, weights) for model in able}


def _report(name: str, starts: Sequence[BasinStart], output: Path) -> None:
    if not starts:
        return
    table = Table("offset", *(f"{turn:g} deg" for turn in TURNS_DEG), title=f"found in frame {FRAMES}: {name}")
    for offset in OFFSETS_D:
        table.add_row(f"{offset:g} d", *_cells(starts, offset))
    table.caption = "found % (95 % interval); wrong but tracked %"
    print_table(table)
    output.mkdir(parents=True, exist_ok=True)
    with (output / f"basin {name}.csv".replace(" ", "_")).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(BasinStart._fields)
        writer.writerows(starts)


def _cells(starts: Sequence[BasinStart], offset: float) -> Iterator[str]:
    for turn in TURNS_DEG:
        cell = [start for start in starts if (start.offset_d, start.turn_deg) == (offset, turn)]
        found, wrong = sum(start.found for start in cell), sum(start.is_false for start in cell)
        low, high = wilson_interval(found, len(cell))
        shares = f"{100 * found / len(cell):.1f} ({100 * low:.0f} to {100 * high:.0f})"
        yield f"{shares}; {100 * wrong / len(cell):.1f}"
