"""Frames that newer ones overtook before it was their turn, and what the worker was busy with meanwhile."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

KEPT_FRAMES = 1000


class Overtaken(NamedTuple):
    """Stamp of a frame (nanoseconds), and the longest stage of the frame that was in work, with its seconds."""

    stamp: int
    stage: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.stage} of the frame before took {self.seconds * 1e3:.0f} ms"


class OvertakenFrames:
    """Remembers the last of them; one thread tells which were overtaken, another one what it did with the frame in work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unexplained: list[int] = []
        self._explained: deque[Overtaken] = deque(maxlen=KEPT_FRAMES)

    def add(self, stamp: int) -> None:
        """A frame was overtaken."""
        with self._lock:
            self._unexplained.append(stamp)

    def explain(self, seconds: Mapping[str, float]) -> None:
        """What those since the last call had to wait for: a frame's seconds by stage."""
        stage = max(seconds, key=seconds.get)
        with self._lock:
            self._explained.extend(Overtaken(stamp, stage, seconds[stage]) for stamp in self._unexplained)
            self._unexplained.clear()

    def all(self) -> list[Overtaken]:
        """Those whose reason is known, the oldest first."""
        with self._lock:
            return list(self._explained)
