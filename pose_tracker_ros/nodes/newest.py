"""A worker that always takes the newest item and never builds a queue."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any


class NewestFirstWorker:
    """Calls ``work`` in its own thread with the newest item; items that are overtaken are dropped and counted."""

    def __init__(self, work: Callable[[Any], None], name: str, niceness: int = 0) -> None:
        """``niceness``: by how much its thread, and those that it starts, go after others; on Linux."""
        self.dropped = 0
        self._niceness = niceness
        self._work = work
        self._item: Any = None
        self._condition = threading.Condition()
        self._running = True
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_behind(self) -> bool:
        """Whether an item waits."""
        return self._item is not None

    def put(self, item: Any) -> Any:
        """Offer an item; returns at once, with the item that it overtakes, or None."""
        with self._condition:
            overtaken, self._item = self._item, item
            if overtaken is not None:
                self.dropped += 1
            self._condition.notify()
        return overtaken

    def clear(self) -> None:
        """Forget the item that waits."""
        with self._condition:
            self._item = None

    def stop(self) -> None:
        """End the thread after the item in work."""
        with self._condition:
            self._running = False
            self._condition.notify()
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        if self._niceness and sys.platform == "linux":
            own = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + self._niceness)
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._item is not None or not self._running)
                if not self._running:
                    return
                item, self._item = self._item, None
            self._work(item)
