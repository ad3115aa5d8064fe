"""``pose-tracker bench --real``: the tracker on all real sequences that are at hand."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from pose_tracker_ros.commands.sequences import print_warning, report_reading
from pose_tracker_ros.commands.tables import print_table
from pose_tracker_ros.evaluation.frozen_sets import ANGLE_DEG, OFFSET_M
from pose_tracker_ros.evaluation.real_benchmark import RealResult, annotated, run_real
from pose_tracker_ros.evaluation.real_sequences import LeftOut, real_sequences
from pose_tracker_ros.evaluation.report import NOT_KNOWN
from pose_tracker_ros.tracking import TrackerConfig

console = Console()
DATA_VARIABLE = "POSE_TRACKER_SHARED_DATA"
DATA_FOLDERS = ("shared/data", "../shared/data")
STARTS = (("truth", 0.0, 0.0), (f"{1e3 * OFFSET_M:.0f} mm, {ANGLE_DEG:.0f}° off", OFFSET_M, ANGLE_DEG))
TABLE_FILE = "real.csv"


class _Column(NamedTuple):
    heading: str
    text: Callable[[RealResult], str]


def _of_summary(name: str, factor: float = 1.0, decimals: int = 1) -> Callable[[RealResult], str]:
    return lambda row: NOT_KNOWN if row.summary is None else _number(factor * getattr(row.summary, name), decimals)


def _of_images(name: str, factor: float = 1.0, decimals: int = 1) -> Callable[[RealResult], str]:
    return lambda row: _number(factor * getattr(row.agreement, name), decimals)


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if np.isfinite(value) else NOT_KNOWN


COLUMNS = (
    _Column("sequence, object", lambda row: row.name),
    _Column("start", lambda row: row.start),
    _Column("frames", _of_summary("frames", decimals=0)),
    _Column("losses", _of_summary("losses", decimals=0)),
    _Column("ADD AUC", _of_summary("add_auc_exact", 100)),
    _Column("ADD-S AUC", _of_summary("adds_auc_exact", 100)),
    _Column("published ADD / ADD-S", lambda row: row.published or NOT_KNOWN),
    _Column("ADD median mm", _of_summary("add_median", 1e3)),
    _Column("overlap", _of_images("overlap", decimals=3)),
    _Column("shift px", _of_images("shift_px")),
    _Column("depth mm", _of_images("depth_m", 1e3)),
    _Column("absolute mm", _of_images("absolute_depth_m", 1e3)),
)


def bench_real(folder: Path | None, objects: Sequence[str] | None, config: TrackerConfig, output: Path, seed: int) -> None:
    """Run every object with a true pose of every real sequence below a folder, print the table and write it as CSV.

    Raises ValueError when there is no folder or nothing in it can be run.
    """
    root = data_folder(folder)
    results: list[RealResult] = []
    for case in real_sequences(root):
        if isinstance(case, LeftOut):
            print_warning(f"left out: {case.name}: {case.reason}")
            continue
        if objects and case.object_name not in objects:
            continue
        for start in STARTS:
            frames = progress(case.sequence, f"{case.name}, {start[0]}", total=len(case.sequence), console=console, transient=True)
            results.append(run_real(case, config, start, frames, seed))
        results.append(annotated(case))
        report_reading(case.sequence)
    if not results:
        raise ValueError(f"expected real sequences with true poses and meshes below {root}, found none")
    print_table(_table(results, root))
    with (output / TABLE_FILE).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([column.heading for column in COLUMNS])
        writer.writerows([column.text(row) for column in COLUMNS] for row in results)
    console.print(f"written to {output / TABLE_FILE}", soft_wrap=True)


def data_folder(given: Path | None) -> Path:
    """The folder with real data: the given one, that of POSE_TRACKER_SHARED_DATA, or shared/data here or beside here."""
    named = given or (Path(os.environ[DATA_VARIABLE]) if os.environ.get(DATA_VARIABLE) else None)
    places = [named] if named is not None else [Path(name) for name in DATA_FOLDERS]
    for place in places:
        if place.is_dir():
            return place
    raise ValueError(f"expected a folder with real sequences at {places[0]}, but there is none; name it with --data FOLDER")


def _table(results: Sequence[RealResult], root: Path) -> Table:
    table = Table(title=f"Real sequences in {root}; AUC to 10 cm in percent (exact, for some have few frames); medians of the agreement with the images")
    for number, column in enumerate(COLUMNS):
        table.add_column(column.heading, justify="left" if number < 2 else "right")
    for row in results:
        table.add_row(*(column.text(row) for column in COLUMNS), style="dim" if row.summary is None else None)
    return table
