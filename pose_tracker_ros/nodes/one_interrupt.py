"""Ctrl-C as one KeyboardInterrupt, however often and wherever SIGINT comes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

# Seconds after which a swallowed interruption comes again: by then what swallowed it has returned.
AGAIN_S = 0.02


class OneInterrupt:
    """Handles SIGINT for a node's process.

    Launch and terminal both send one, and what tidies up after the first must not be interrupted by the second. Python swallows
    exceptions in finalisers and in callbacks of C libraries, such as those of LLVM: one that came there is raised again.

    has_come: whether there was one.
    """

    def __init__(self) -> None:
        """Install it; of the main thread."""
        self.has_come = False
        self._is_due = True
        signal.signal(signal.SIGINT, self._on_signal)
        sys.unraisablehook = self._on_swallowed

    def end(self) -> None:
        """From here on SIGINT is ignored."""
        self._is_due = False

    def _on_signal(self, *_: object) -> None:
        if self._is_due:
            self._is_due, self.has_come = False, True
            raise KeyboardInterrupt

    def _on_swallowed(self, swallowed: sys.UnraisableHookArgs) -> None:
        if not issubclass(swallowed.exc_type, KeyboardInterrupt):
            sys.__unraisablehook__(swallowed)
            return
        self._is_due = True
        # Not here, where it would be swallowed again.
        threading.Thread(target=_send_again, daemon=True).start()


def _send_again() -> None:
    time.sleep(AGAIN_S)
    os.kill(os.getpid(), signal.SIGINT)
