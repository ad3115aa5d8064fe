"""Frames of the demo that the tracker did not process: which, why, and what went on meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from rich.table import Table

if TYPE_CHECKING:
    from pose_tracker_ros.nodes.overtaken_frames import Overtaken

NOT_RECEIVED = "not received, or its depth was not"


class Meanwhile(NamedTuple):
    """Something that went on from one frame to another, both included."""

    what: str
    first: int
    last: int


class Missed(NamedTuple):
    """Frames ``first`` to ``last`` that were missed for one reason."""

    first: int
    last: int
    why: str
    meanwhile: str


def missed_frames(
    published: Sequence[int], processed: Collection[int], overtaken: Iterable[Overtaken], happenings: Sequence[Meanwhile]
) -> list[Missed]:
    """Runs of frames that were published and not processed, all by their stamps in nanoseconds."""
    reasons = {one.stamp: str(one) for one in overtaken}
    missed = [
        (number, reasons.get(stamp, NOT_RECEIVED), _went_on(number, happenings))
        for number, stamp in enumerate(published)
        if stamp not in processed
    ]
    runs = []
    # Numbers in a row differ from their places by the same.
    for (_, why, meanwhile), run in groupby(enumerate(missed), lambda item: (item[1][0] - item[0], *item[1][1:])):
        numbers = [number for _, (number, *_) in run]
        runs.append(Missed(numbers[0], numbers[-1], why, meanwhile))
    return runs


def missed_table(missed: Sequence[Missed]) -> Table:
    """One row of each run of frames."""
    table = Table("frames", "why", "meanwhile", title="frames that were not processed")
    for one in missed:
        numbers = str(one.first) if one.first == one.last else f"{one.first} to {one.last}"
        table.add_row(numbers, one.why, one.meanwhile)
    return table


def _went_on(number: int, happenings: Sequence[Meanwhile]) -> str:
    return "; ".join(one.what for one in happenings if one.first <= number <= one.last)
