"""Running a comparison of two revisions, with finished sequences in a folder, so that an interrupted run goes on."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pose_tracker_ros.evaluation.revision_comparison import COLUMN_KINDS, Pair, SideRow, make_pair
from pose_tracker_ros.evaluation.scene_folder import first_difference

# Answers a request, as :meth:`RevisionWorker.ask`.
Ask = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class ComparisonFolder:
    """``comparison.csv`` with a line a sequence and side, and ``comparison.json``, which says of what."""

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        """Open a folder, or make it.

        Parameters: ``settings`` that all sequences in it were run with, plain numbers, texts, lists and mappings.
        Raises ValueError where it was begun with other ones, or cannot be read.
        """
        self._csv, about = path / "comparison.csv", path / "comparison.json"
        settings = json.loads(json.dumps(settings))
        if about.is_file():
            difference = first_difference(json.loads(about.read_text()), settings)
            if difference:
                raise ValueError(
                    f"expected a comparison of the same revisions and options in {path}, but there {difference}; name "
                    "another --output, or remove that folder to begin again"
                )
        path.mkdir(parents=True, exist_ok=True)
        about.write_text(json.dumps(settings, indent=1))
        self._pairs = {pair.new.key: pair for pair in self._read()} if self._csv.is_file() else {}

    def find(self, key: tuple[str, str, int, int]) -> Pair | None:
        """The finished sequence with the :attr:`SideRow.key`, None where there is none."""
        return self._pairs.get(key)

    def add(self, pair: Pair) -> None:
        """Keep a sequence; it is there with both sides or not at all."""
        self._pairs[pair.new.key] = pair
        partial = self._csv.with_name(f"{self._csv.name}.partial")
        with partial.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(SideRow._fields)
            writer.writerows(row for pair in self._pairs.values() for row in pair)
        partial.replace(self._csv)

    def _read(self) -> list[Pair]:
        try:
            with self._csv.open(newline="") as file:
                rows = [
                    SideRow(**{name: kind(line[name]) for name, kind in COLUMN_KINDS.items()})
                    for line in csv.DictReader(file)
                ]
            return [Pair(old, new) for old, new in zip(rows[::2], rows[1::2], strict=True)]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"expected two lines a sequence in {self._csv}: {error}; remove it to begin again"
            ) from error


def run_in_turn(
    requests: Iterable[Mapping[str, Any]], ask_old: Ask, ask_new: Ask, folder: ComparisonFolder
) -> Iterator[tuple[Pair, bool]]:
    """Every sequence of the requests with whether it was run now, not found in the folder, where it is kept.

    A request is one of :mod:`scene_worker` without ``number``. Both sides run a sequence one after the other; the one that
    goes first changes from sequence to sequence, so that neither always gains by its place.
    """
    done = 0
    for request in requests:
        source, asked_object = request.get("scene") or request["sequence"], request["object"] or ""
        number, count = 0, 1
        while number < count:
            pair = folder.find((source, asked_object, request["seed"], number))
            is_new = pair is None
            if is_new:
                one = {**request, "number": number}
                old_first = done % 2 == 0
                if old_first:
                    old, new = ask_old(one), ask_new(one)
                else:
                    new, old = ask_new(one), ask_old(one)
                pair = make_pair(old, new, source, asked_object, old_first)
                folder.add(pair)
            yield pair, is_new
            done += 1
            number, count = number + 1, min(row.count for row in pair)
