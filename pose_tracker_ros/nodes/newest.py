"""A worker that always takes the newest item and never builds a queue."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class NewestFirstWorker:
    """Calls ``work`` in its own thread with the newest item; items that are overtaken are dropped and counted."""

    def __init__(self, work: Callable[[Any], None], name: str) -> None:
        self.dropped = 0
        self._work = work
        self._item: Any = None
        self._condition = threading.Condition()
        self._running = True
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: Any) -> None:
        """Offer an item; returns at once."""
        with self._condition:
            if self._item is not None:
                self.dropped += 1
            self._item = item
            self._condition.notify()

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
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._item is not None or not self._running)
                if not self._running:
                    return
                item, self._item = self._item, None
            self._work(item)
