"""Tables of text as programs write them: with or without a byte order mark, spaces, comments, other separators."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pose_tracker_ros.datasets.files import read_text


class TableRow(NamedTuple):
    """Cells of a line, without spaces around them, and its number in the file from 1."""

    line: int
    cells: tuple[str, ...]


def read_table(path: Path) -> Iterator[TableRow]:
    """Lines with cells of a CSV file, or of one separated by semicolons or tabs; empty lines and comments are passed over.

    Raises FileNotFoundError when there is no such file, DatasetError when it is no text.
    """
    if not path.is_file():
        raise FileNotFoundError(f"expected a CSV file at {path}, but there is no such file")
    lines = read_text(path).splitlines()
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    separator = max(",;\t", key=first.count) if any(mark in first for mark in ",;\t") else ","
    for number, cells in enumerate(csv.reader(lines, delimiter=separator, skipinitialspace=True), 1):
        if cells and any(cell.strip() for cell in cells) and not cells[0].lstrip().startswith("#"):
            yield TableRow(number, tuple(cell.strip() for cell in cells))


def numbers_of(cell: str) -> list[float]:
    """The numbers in a cell, separated by spaces, maybe in brackets; raises ValueError for other words."""
    return [float(word) for word in cell.replace("[", " ").replace("]", " ").replace(";", " ").split()]


def whole_number(cell: str) -> int:
    """The whole number in a cell, which may be written as 1.0; raises ValueError for anything else."""
    number = float(cell)
    if not number.is_integer():
        raise ValueError(f"expected a whole number, got {cell!r}")
    return int(number)
