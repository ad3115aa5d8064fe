"""Compiling all kernels at a moment of one's choice."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules

from numba.core import event

from pose_tracker_ros import kernels


def compile_kernels(report: Callable[[str], None]) -> int:
    """Compile what is not in the cache, load what is; ``report`` is told the name of each kernel before it is compiled.

    To be called before anything is time-critical: compiling takes seconds and delays other threads. Returns how many
    kernels were compiled, 0 with a cache that has all.
    """
    listener = _CompilationListener(report)
    with event.install_listener("numba:compile", listener):
        for module in iter_modules(kernels.__path__, f"{kernels.__name__}."):
            import_module(module.name)
    return listener.compiled


class _CompilationListener(event.Listener):
    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self.compiled = 0

    def on_start(self, event: event.Event) -> None:
        dispatcher = event.data["dispatcher"]
        # What kernels call, of ours and of the compiler's, is compiled within them, and has no place in the cache.
        if dispatcher.py_func.__module__.startswith("pose_tracker_ros.") and dispatcher.stats.cache_path:
            self.compiled += 1
            self._report(dispatcher.py_func.__name__)

    def on_end(self, event: event.Event) -> None:
        """Nothing to tell."""
