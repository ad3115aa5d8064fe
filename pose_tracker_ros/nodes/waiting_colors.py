"""Colour images that wait for their depth, and how long."""

from __future__ import annotations

import math
from collections import deque
from statistics import median
from typing import NamedTuple

from sensor_msgs.msg import Image

from pose_tracker_ros.nodes.messages import seconds

# A second of a usual camera: its depth comes as late as it did then.
KEPT_PAIRS = 30


class Waiting(NamedTuple):
    """A colour image and the number of looks at which it came."""

    image: Image
    since: int


class WaitingColors:
    """Colour images that wait for their depth: as long as depth usually comes after its colour, and ``slop_s`` more.

    Somebody looks every ``period_s`` while any wait. The wait is counted in looks, not by a clock, so that a thread that was
    held up takes in the depth that came meanwhile before it gives up on it.
    """

    def __init__(self, slop_s: float, period_s: float, most: int) -> None:
        """``most``: how many are remembered."""
        self._slop_s, self._period_s, self._most = slop_s, period_s, most
        self._waiting: dict[float, Waiting] = {}
        self._single: set[float] = set()
        self._arrivals: dict[float, float] = {}
        self._lateness_s: deque[float] = deque(maxlen=KEPT_PAIRS)
        self._looks = 0

    def __len__(self) -> int:
        """Number of images that wait."""
        return len(self._waiting)

    @property
    def patience_s(self) -> float:
        """How long an image waits."""
        return self._slop_s + median(self._lateness_s or [0.0])

    def add(self, color: Image, now: float) -> None:
        """A colour image came; ``now`` in seconds of any clock."""
        stamp = seconds(color.header.stamp)
        self._waiting[stamp], self._arrivals[stamp] = Waiting(color, self._looks), now
        for kept in (self._waiting, self._arrivals):
            while len(kept) > self._most:
                del kept[next(iter(kept))]

    def paired(self, color: Image, now: float) -> list[Image] | None:
        """Depth came: images that are older and go before the pair; None where the image was given up before, or a later one."""
        stamp = seconds(color.header.stamp)
        if stamp in self._arrivals:
            self._lateness_s.append(now - self._arrivals.pop(stamp))
        if stamp not in self._waiting:
            return None
        return self._taken_until(stamp)[:-1]

    def single(self, color: Image) -> list[Image]:
        """No depth will come for an image: itself where nothing older waits, else it goes on at the look after that."""
        self._single.add(seconds(color.header.stamp))
        return self._taken_single()

    def look(self) -> list[Image]:
        """Images that have waited long enough, and those that are older, in the order of their stamps."""
        self._looks += 1
        patience = math.ceil(self.patience_s / self._period_s)
        given_up = [stamp for stamp, one in self._waiting.items() if self._looks - one.since >= patience]
        return (self._taken_until(max(given_up)) if given_up else []) + self._taken_single()

    def _taken_single(self) -> list[Image]:
        """Images without depth before which none waits for its depth."""
        self._single &= self._waiting.keys()
        until = None
        for stamp in sorted(self._waiting):
            if stamp not in self._single:
                break
            until = stamp
        return [] if until is None else self._taken_until(until)

    def _taken_until(self, stamp: float) -> list[Image]:
        return [self._waiting.pop(one).image for one in sorted(self._waiting) if one <= stamp]
