"""Pairs of what two sensors measured at most nearly the same time, made while their measurements come in."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from typing import Any, NamedTuple

# Measurements that wait for their partner; more means that one of the sensors has stopped.
LARGEST_BACKLOG = 30


class Stamped(NamedTuple):
    """A measurement and when it was taken, in seconds."""

    stamp: float
    item: Any


class NearestPairs:
    """Gives every measurement of the first sensor with the nearest one of the second within a gap.

    One of the second sensor goes with one of the first: with that which is nearest to it. What has no partner is given
    alone. Measurements of a sensor may come a little out of order.
    """

    def __init__(self, largest_gap_s: float) -> None:
        self._gap = largest_gap_s
        self._firsts: list[Stamped] = []
        self._seconds: list[Stamped] = []
        self._newest_second = float("-inf")

    def push_first(self, stamp: float, item: Any) -> Iterator[tuple[Stamped, Stamped | None]]:
        """Add a measurement of the first sensor; gives the pairs that are now certain."""
        insort(self._firsts, Stamped(stamp, item), key=lambda entry: entry.stamp)
        return self._certain()

    def push_second(self, stamp: float, item: Any) -> Iterator[tuple[Stamped, Stamped | None]]:
        """Add a measurement of the second sensor; gives the pairs that are now certain."""
        insort(self._seconds, Stamped(stamp, item), key=lambda entry: entry.stamp)
        self._newest_second = max(self._newest_second, stamp)
        return self._certain()

    def finish(self) -> Iterator[tuple[Stamped, Stamped | None]]:
        """The pairs of what still waits."""
        while self._firsts:
            yield self._pair_oldest()

    def _certain(self) -> Iterator[tuple[Stamped, Stamped | None]]:
        while self._firsts and self._is_certain():
            yield self._pair_oldest()
        # What waits while the first sensor is silent cannot be a partner of what comes later.
        if not self._firsts:
            del self._seconds[:-LARGEST_BACKLOG]

    def _is_certain(self) -> bool:
        """Whether nothing that is still to come can be a better partner of the oldest, or be a better one for its partner."""
        if len(self._firsts) > LARGEST_BACKLOG:
            return True
        oldest = self._firsts[0].stamp
        others_known = self._firsts[-1].stamp >= oldest + 2 * self._gap
        return others_known and self._newest_second >= oldest + self._gap

    def _pair_oldest(self) -> tuple[Stamped, Stamped | None]:
        first = self._firsts.pop(0)
        self._seconds = [second for second in self._seconds if second.stamp >= first.stamp - self._gap]
        near = [second for second in self._seconds if second.stamp <= first.stamp + self._gap]
        following = self._firsts[0].stamp if self._firsts else float("inf")
        for partner in sorted(near, key=lambda second: abs(second.stamp - first.stamp)):
            if abs(partner.stamp - first.stamp) <= abs(partner.stamp - following):
                self._seconds = [second for second in self._seconds if second is not partner]
                return first, partner
        return first, None
