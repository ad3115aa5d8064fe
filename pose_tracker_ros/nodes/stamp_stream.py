"""Which stamps a topic has brought, and which it may still bring."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median

KEPT_STAMPS = 12
# A period is known from so many gaps, most of which are about as long, or multiples of it.
FEWEST_GAPS = 4
REGULAR_SHARE = 0.7
# Stamps come so far from where they are expected, in periods or in the shortest gap.
JITTER = 0.2
# So many periods after the last stamp nobody knows any more where the next ones are.
FORESEEN_PERIODS = 8
BACKWARDS_NS = 200_000_000


class StampStream:
    """Stamps (nanoseconds) of a topic whose messages come in the order of their stamps, at a steady rate or not."""

    def __init__(self) -> None:
        self._stamps: deque[int] = deque(maxlen=KEPT_STAMPS)

    def jumps_back(self, stamp: int) -> bool:
        """Whether a stamp is of a time long before, as when a recording begins again."""
        return bool(self._stamps) and stamp < self._stamps[-1] - BACKWARDS_NS

    def add(self, stamp: int) -> None:
        """A message came."""
        if not self._stamps or stamp > self._stamps[-1]:
            self._stamps.append(stamp)

    @property
    def period(self) -> float | None:
        """Time between stamps, of which some may be lost; None where it is not known, or not steady."""
        gaps = self._gaps()
        if len(gaps) < FEWEST_GAPS:
            return None
        # Where messages are lost gaps are several periods.
        counts = [max(1, round(gap / min(gaps))) for gap in gaps]
        period = median(gap / count for gap, count in zip(gaps, counts))
        regular = sum(abs(gap - count * period) <= JITTER * period for gap, count in zip(gaps, counts))
        return period if regular >= REGULAR_SHARE * len(gaps) else None

    def expected(self, low: float, high: float, jitter: float = 0.0) -> Sequence[float] | None:
        """Stamps between two times that are still to come, None where that cannot be foreseen.

        ``jitter``: in periods, how far beyond these times they may be.
        """
        if not self._stamps:
            return None
        newest, period = self._stamps[-1], self.period
        if newest >= high:
            return ()
        if period is None or newest + FORESEEN_PERIODS * period < high:
            return None
        beyond = jitter * period
        following = (newest + count * period for count in range(1, FORESEEN_PERIODS + 1))
        return [stamp for stamp in following if low - beyond < stamp < high + beyond]

    def may_bring(self, low: float, high: float) -> bool:
        """Whether a stamp well between two times may still come, by the rate or else by the shortest gap."""
        stamps = self.expected(low, high, -JITTER)
        if stamps is not None:
            return bool(stamps)
        gaps = self._gaps()
        return not gaps or self._stamps[-1] + (1 - JITTER) * min(gaps) < high

    def _gaps(self) -> list[int]:
        stamps = list(self._stamps)
        return [after - before for before, after in zip(stamps, stamps[1:])]
