"""Compiled kernels are ready before a node listens to anything."""

from __future__ import annotations

import time

from rclpy.impl.rcutils_logger import RcutilsLogger

from pose_tracker_ros.kernels.cache import use_cache_folder


def load_kernels(folder: str, logger: RcutilsLogger) -> None:
    """Compile all kernels, or load them from the cache: from ``folder``, or where it is empty from the usual one.

    To be called before what uses kernels is imported, which would compile them in silence. Raises RuntimeError when that
    has happened and a folder is named.
    """
    if folder:
        use_cache_folder(folder)
    compile_and_say_so(logger)


def compile_and_say_so(logger: RcutilsLogger) -> None:
    """Compile what is not in the cache; a logger is told before the first kernel, and after the last."""
    from pose_tracker_ros.kernels.warm_up import compile_kernels

    names: list[str] = []

    def report(name: str) -> None:
        if not names:
            logger.info("compiling kernels, which takes some seconds, once; then the node listens")
        names.append(name)

    begin = time.perf_counter()
    if compile_kernels(report):
        logger.info(f"{len(names)} kernels compiled in {time.perf_counter() - begin:.1f} s")
