"""Results on scenes as tables in the terminal, as CSV and as a picture."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from pose_tracker_ros.evaluation.plots import grouped_bars
from pose_tracker_ros.evaluation.report import NOT_KNOWN
from pose_tracker_ros.evaluation.scene_benchmark import SceneRun, pooled
from pose_tracker_ros.evaluation.scene_summary import SceneSummary

ALL = "ALL"
SUMMARY_FIELDS = tuple(field.name for field in fields(SceneSummary))
ROW_COLUMNS = ("scene", "group", "object", "seed", "variant", "checksum", "alone", "load")


class RowKey(NamedTuple):
    """What a row is about: all seeds of an object (or of all) in a group of a set, with one tracker."""

    scene: str
    group: str
    object_name: str
    variant: str


class SceneColumn(NamedTuple):
    """A column of a table: its heading, and its text for a row."""

    heading: str
    text: Callable[[SceneSummary], str]


ACCURACY_COLUMNS = (
    SceneColumn("lost", lambda row: _measured(row.lost, decimals=0)),
    SceneColumn("false tracking %", lambda row: _measured(row.false_tracking, row.false_tracking_pm, 100, 1)),
    SceneColumn("false lost %", lambda row: _measured(row.false_lost, np.nan, 100, 1)),
    SceneColumn("ADD(-S) AUC %", lambda row: _measured(row.add_auc, row.add_auc_pm, 100, 1)),
    SceneColumn("median mm", lambda row: _measured(row.add_median, row.add_median_pm, 1e3, 2)),
    SceneColumn(
        "unoccluded mm", lambda row: _measured(row.add_median_unoccluded, row.add_median_unoccluded_pm, 1e3, 2)
    ),
)
RECOVERY_COLUMNS = (
    SceneColumn("frames", lambda row: str(row.frames)),
    SceneColumn("recovered in 15, 30", lambda row: _recovered(row.recovered_15, row.recovered_30, row.events)),
    SceneColumn(
        "at expected place",
        lambda row: _recovered(row.expected_recovered_15, row.expected_recovered_30, row.expected_events),
    ),
    SceneColumn("NEES (its freedom)", lambda row: _consistency(row.error_squared, row.freedom)),
    SceneColumn("in 95 % ellipsoid", lambda row: _measured(row.inside_95, np.nan, 100, 1)),
    SceneColumn("ms median, 95 %", lambda row: f"{_measured(row.latency_median_ms)}, {_measured(row.latency_p95_ms)}"),
    SceneColumn("longest", lambda row: _measured(row.latency_max_ms)),
)


def pooled_rows(runs: Iterable[SceneRun]) -> dict[RowKey, SceneSummary]:
    """A row for every object of every group of every set, and the row ALL of every group."""
    members = {}
    for run in runs:
        for name in (run.object_name, ALL):
            members.setdefault(RowKey(run.scene, run.group, name, run.variant), []).append(run)
    rows = {key: pooled(some) for key, some in members.items()}
    return {key: rows[key] for key in _in_order(rows)}


def scene_tables(rows: Mapping[RowKey, SceneSummary]) -> list[Table]:
    """Two tables a set, a line for every row and tracker: how right, and how reliable, sure and fast."""
    parts = (("", ACCURACY_COLUMNS), (": recoveries, consistency, time", RECOVERY_COLUMNS))
    scenes = dict.fromkeys(key.scene for key in rows)
    return [_table(rows, scene, scene + title, columns) for scene in scenes for title, columns in parts]


def _table(rows: Mapping[RowKey, SceneSummary], scene: str, title: str, columns: Sequence[SceneColumn]) -> Table:
    mine = {key: row for key, row in rows.items() if key.scene == scene}
    named = {"group": [key.group for key in mine], "object": [key.object_name for key in mine]}
    named["tracker"] = [key.variant for key in mine]
    # A column that says the same everywhere says nothing.
    shown = [name for name, texts in named.items() if name == "object" or len(set(texts)) > 1]
    table = Table(title=title)
    for name in shown:
        table.add_column(name)
    for column in columns:
        table.add_column(column.heading, justify="right")
    for number, (key, row) in enumerate(mine.items()):
        names = [named[name][number] for name in shown]
        style = "bold" if key.object_name == ALL else None
        table.add_row(*names, *(column.text(row) for column in columns), style=style)
    return table


def write_scenes_csv(path: str | Path, runs: Sequence[SceneRun], rows: Mapping[RowKey, SceneSummary]) -> None:
    """Write a line a sequence and tracker, then the pooled rows, whose seed is ALL; metres, fractions, milliseconds.

    In pooled rows ``alone`` is whether all sequences were, ``load`` the largest.
    """
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*ROW_COLUMNS, *SUMMARY_FIELDS])
        for run in runs:
            names = (run.scene, run.group, run.object_name, run.seed, run.variant)
            writer.writerow([*names, run.checksum, run.alone, run.load, *astuple(run.summary)])
        for key, row in rows.items():
            some = [run for run in runs if _belongs(run, key)]
            alone, load = all(run.alone for run in some), max(run.load for run in some)
            writer.writerow([*key[:3], ALL, key.variant, "", alone, load, *astuple(row)])


def scene_figures(rows: Mapping[RowKey, SceneSummary]) -> dict[str, Figure]:
    """Pictures by file name: AUC and false tracking of every group of every set, tracker by tracker."""
    totals = {key: row for key, row in rows.items() if key.object_name == ALL}
    groups = list(dict.fromkeys((key.scene, key.group) for key in totals))
    labels = [", ".join(part for part in group if part) for group in groups]
    pictures = {
        "scenes_auc": ("ADD(-S) AUC [%]", "add_auc", "What is seen"),
        "scenes_false_tracking": ("false tracking [%]", "false_tracking", "Frames reported as tracking that are wrong"),
    }
    figures = {}
    for name, (label, field, title) in pictures.items():
        bars = {
            variant: [_height(totals.get(RowKey(*group, ALL, variant)), field) for group in groups]
            for variant in dict.fromkeys(key.variant for key in totals)
        }
        figures[name] = grouped_bars(bars, labels, label, title)
    return figures


def _in_order(keys: Iterable[RowKey]) -> list[RowKey]:
    """Sets, groups, objects and trackers as they came, ALL as the last object of its group, trackers side by side."""
    keys = list(keys)
    places = [{value: n for n, value in reversed(list(enumerate(column)))} for column in zip(*keys)]
    return sorted(
        keys,
        key=lambda key: (
            places[0][key.scene],
            places[1][key.group],
            key.object_name == ALL,
            places[2][key.object_name],
            places[3][key.variant],
        ),
    )


def _belongs(run: SceneRun, key: RowKey) -> bool:
    mine = RowKey(run.scene, run.group, run.object_name, run.variant)
    return key in (mine, mine._replace(object_name=ALL))


def _height(row: SceneSummary | None, field: str) -> float:
    return 0.0 if row is None else float(np.nan_to_num(100 * getattr(row, field)))


def _measured(value: float, plus_minus: float = np.nan, factor: float = 1.0, decimals: int = 1) -> str:
    """A number with half of its interval, a dash for what is not known."""
    if np.isnan(value):
        return NOT_KNOWN
    text = "∞" if np.isinf(value) else f"{value * factor:.{decimals}f}"
    return text if np.isnan(plus_minus) else f"{text} ± {plus_minus * factor:.{decimals}f}"


def _consistency(error_squared: float, freedom: float) -> str:
    return NOT_KNOWN if np.isnan(error_squared) else f"{_measured(error_squared)} ({_measured(freedom)})"


def _recovered(in_15: int, in_30: int, events: int) -> str:
    return f"{in_15}, {in_30} of {events}" if events > 0 else NOT_KNOWN
