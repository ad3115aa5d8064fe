"""Results as a table in the terminal and as CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.table import Table

from pose_tracker_ros.evaluation.bop_challenge import BopScores
from pose_tracker_ros.evaluation.protocol import Summary, TrackErrors, summary_fields
from pose_tracker_ros.evaluation.published import PublishedTable

NOT_KNOWN = "–"


class Column(NamedTuple):
    """A column of the table of results: its heading, and its text for a row."""

    heading: str
    text: Callable[[Summary], str]


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if np.isfinite(value) else ("∞" if np.isinf(value) else NOT_KNOWN)


SUMMARY_COLUMNS = (
    Column("object", lambda row: row.name),
    Column("frames", lambda row: str(row.frames)),
    Column("missing", lambda row: str(row.missing)),
    Column("losses", lambda row: str(row.losses)),
    Column("ADD AUC", lambda row: _number(row.add_auc * 100, 2)),
    Column("ADD-S AUC", lambda row: _number(row.adds_auc * 100, 2)),
    Column("ADD-0.1d", lambda row: _number(row.add_01d * 100, 1)),
    Column("5°/5cm", lambda row: _number(row.within_5deg_5cm * 100, 1)),
    Column("ADD median / max mm", lambda row: f"{_number(row.add_median * 1e3, 2)} / {_number(row.add_max * 1e3, 1)}"),
    Column("transl. median mm", lambda row: _number(row.translation_median * 1e3, 2)),
    Column("rot. median deg", lambda row: _number(np.degrees(row.rotation_median), 2)),
    Column(
        "latency median / 95% ms",
        lambda row: f"{_number(row.latency_median_ms, 1)} / {_number(row.latency_p95_ms, 1)}",
    ),
)


def summary_cells(row: Summary) -> list[str]:
    """Texts of a row, one for each of SUMMARY_COLUMNS."""
    return [column.text(row) for column in SUMMARY_COLUMNS]


def summary_table(rows: Sequence[Summary], title: str) -> Table:
    """The results as a rich table, one row stood on end; AUC (VOC-style, to 0.1 m) and accuracies in percent."""
    table = Table(title=title)
    if len(rows) == 1:
        heading, name = SUMMARY_COLUMNS[0].heading, rows[0].name
        table.add_column(heading)
        table.add_column(name, justify="right")
        for column in SUMMARY_COLUMNS[1:]:
            table.add_row(column.heading, column.text(rows[0]))
        return table
    for number, column in enumerate(SUMMARY_COLUMNS):
        table.add_column(column.heading, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*summary_cells(row), style="bold" if row.name == "ALL" else None)
    return table


def bop_table(scores: BopScores, title: str) -> Table:
    """Average recalls of the BOP challenge as a rich table."""
    table = Table(title=title)
    table.add_column("object")
    for name in scores.overall:
        table.add_column(f"AR {name.upper()}", justify="right")
    for object_name, row in scores.by_object.items():
        table.add_row(object_name, *(f"{row[name]:.4f}" for name in scores.overall))
    table.add_row("ALL", *(f"{value:.4f}" for value in scores.overall.values()), style="bold")
    return table


def comparison_rows(
    ours: Mapping[str, Sequence[Summary]], published: PublishedTable
) -> tuple[list[str], list[list[str]]]:
    """Our results beside published ones: headings and rows of ``ADD / ADD-S`` AUC in percent.

    Parameters: ``ours`` column name -> rows of :func:`summarize_by_object`.
    """
    columns: dict[str, Mapping[str, tuple[float, float]]] = {
        name: {row.name: (row.add_auc * 100, row.adds_auc * 100) for row in rows} for name, rows in ours.items()
    }
    columns.update({method.name: method.auc for method in published.methods})
    names = sorted({name for column in columns.values() for name in column if name != "ALL"})
    rows = [[name, *(_pair(column.get(name)) for column in columns.values())] for name in [*names, "ALL"]]
    return ["object", *columns], rows


def comparison_table(ours: Mapping[str, Sequence[Summary]], published: PublishedTable) -> Table:
    """Our pooled results and the published ones, a line a method; the page shows them object by object."""
    table = Table(title=f"{published.title}: AUC of ADD / ADD-S, all instances")
    for heading in ("method", "ADD", "ADD-S", "initial pose", "source"):
        table.add_column(heading, justify="right" if heading.startswith("ADD") else "left")
    for name, rows in ours.items():
        total = rows[-1]
        table.add_row(name, f"{total.add_auc * 100:.2f}", f"{total.adds_auc * 100:.2f}", "", "this run", style="bold")
    for method in published.methods:
        add, adds = method.auc["ALL"]
        table.add_row(method.name, f"{add:.2f}", f"{adds:.2f}", method.initial_pose, method.source)
    return table


def write_summary_csv(path: str | Path, rows: Sequence[Summary]) -> None:
    """Write the rows with full precision in metres, radians and fractions, as :class:`Summary` has them."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(summary_fields())
        writer.writerows(astuple(row) for row in rows)


def write_errors_csv(path: str | Path, tracks: Sequence[TrackErrors]) -> None:
    """Write the errors of every frame, in metres and radians."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["sequence", "object", "index", "stamp", "add", "adds", "translation", "rotation", "latency_ms"]
        )
        for track in tracks:
            columns = (
                track.index,
                track.stamp,
                track.add,
                track.adds,
                track.translation,
                track.rotation,
                track.latency_ms,
            )
            for values in zip(*columns):
                errors = (f"{value:.6g}" for value in values[2:])
                writer.writerow([track.sequence_name, track.object_name, values[0], repr(float(values[1])), *errors])


def write_bop_csv(path: str | Path, scores: BopScores) -> None:
    """Write the average recalls by object and over all."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["object", *(f"ar_{name}" for name in scores.overall)])
        for object_name, row in [*scores.by_object.items(), ("ALL", scores.overall)]:
            writer.writerow([object_name, *(repr(row[name]) for name in scores.overall)])


def _pair(auc: tuple[float, float] | None) -> str:
    return NOT_KNOWN if auc is None else f"{auc[0]:.2f} / {auc[1]:.2f}"
