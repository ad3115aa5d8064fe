"""The time of a frame, of which nothing takes more than is left."""

from __future__ import annotations

import math
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

# Share of what a step cost last time that counts after it was refused once more: a first call, slow as these are, must not
# forbid all others. From six budgets down to one it takes 90 frames.
FORGOTTEN = 0.98
# Share of a frame's time that steps leave: to what comes after them, and to steps that cost more than the last of their kind.
RESERVED = 0.15


class Budget:
    """Steps are small and of some kinds; none that can wait is begun unless it would fit if it cost what it did last time."""

    def __init__(self) -> None:
        self._end_s = math.inf
        self._costs_s: dict[Hashable, float] = {}

    def begin(self, limit_ms: float) -> None:
        """A frame that has so much time, 0 = without a limit."""
        seconds = (1 - RESERVED) * limit_ms * 1e-3
        self._end_s = time.perf_counter() + seconds if limit_ms > 0 else math.inf

    @property
    def left_s(self) -> float:
        """Infinite without a limit, negative when it is exceeded."""
        return self._end_s - time.perf_counter()

    def cost_s(self, kind: Hashable) -> float:
        """What a step of a kind cost last time, 0 if it was never done."""
        return self._costs_s.get(kind, 0.0)

    def fits(self, kind: Hashable, count: int = 1, reserve_s: float = 0.0) -> bool:
        """Whether so many steps of a kind fit, and leave so much for others; what was never done does while there is time."""
        cost_s = self.cost_s(kind)
        if count * cost_s + max(reserve_s, 0.0) <= self.left_s:
            return True
        self._costs_s[kind] = FORGOTTEN * cost_s
        return False

    @contextmanager
    def spent_on(self, kind: Hashable) -> Iterator[None]:
        """What is done within is a step of a kind, whose cost is remembered."""
        begin_s = time.perf_counter()
        yield
        self._costs_s[kind] = time.perf_counter() - begin_s
