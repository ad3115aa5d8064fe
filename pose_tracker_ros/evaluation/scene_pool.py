"""Sequence after sequence, or several at a time in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import islice
from typing import NamedTuple

from pose_tracker_ros.evaluation.frozen_sets import SceneCase
from pose_tracker_ros.evaluation.scene_benchmark import SceneRun, run_scene
from pose_tracker_ros.evaluation.tracking_benchmark import Variant


class Task(NamedTuple):
    """A sequence and the trackers that have yet to see it."""

    case: SceneCase
    variants: tuple[Variant, ...]


def run_tasks(
    tasks: Sequence[Task], workers: int, on_frames: Callable[[int], None]
) -> Iterator[tuple[Task, list[SceneRun]]]:
    """Every task with its runs, in the order in which they are finished.

    Parameters: ``workers`` processes that each take whole sequences, 1 for this one; ``on_frames`` is called with a
    number of frames that are done. Raises as :func:`run_scene` does, BrokenProcessPool when a process has died.
    """
    if workers == 1:
        for task in tasks:
            yield task, run_scene(*task, on_frame=lambda: on_frames(1))
        return
    # Torch and renderers do not survive a fork.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(workers, context, initializer=_ignore_interrupts)
    try:
        for task, runs in _finished(executor, tasks, workers):
            on_frames(len(runs[0].frames))
            yield task, runs
    except BaseException:
        # An interrupt may have been sent to this process alone.
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGINT)
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _finished(
    executor: ProcessPoolExecutor, tasks: Sequence[Task], workers: int
) -> Iterator[tuple[Task, list[SceneRun]]]:
    """Tasks as they are finished; no more are handed out than run, since those that wait cannot be taken back."""
    waiting = iter(tasks)
    running = {executor.submit(_run, task): task for task in islice(waiting, workers)}
    while running:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            task = running.pop(future)
            running |= {executor.submit(_run, following): following for following in islice(waiting, 1)}
            yield task, future.result()


def _run(task: Task) -> list[SceneRun]:
    """A task in a worker, which an interrupt ends only while it is at work: one that waits would print where."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return run_scene(*task, alone=False)
    finally:
        _ignore_interrupts()


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
