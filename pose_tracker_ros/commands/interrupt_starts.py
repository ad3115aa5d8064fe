"""``python -m pose_tracker_ros.commands.interrupt_starts``: Ctrl-C in every phase of a start leaves nothing and says nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple
from uuid import uuid4

import numpy as np
import typer
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.tables import print_table

PYTHON = [sys.executable, "-m"]
WAYS = {
    "tracker": [*PYTHON, "pose_tracker_ros.nodes.start", "tracker"],
    "initializer": [*PYTHON, "pose_tracker_ros.nodes.start", "initializer"],
    "camera": [*PYTHON, "pose_tracker_ros.nodes.start", "camera"],
    "run": [*PYTHON, "pose_tracker_ros", "run", "--play", "simulation", "--initializer"],
    "launch": ["ros2", "launch", "pose_tracker_ros", "demo.launch.py", "rviz:=false", "initializer:=true"],
}
# What is said last of a start.
READY = {
    "tracker": "waiting for first poses",
    "initializer": "waiting for masks",
    "camera": "rendering",
    "run": "running; Ctrl-C stops",
    "launch": "rendering",
}
# Tracebacks of nodes have their name before them where ros2 launch shows them; those without are of its own modules.
OF_A_NODE = re.compile(r"\[\w+-\d+\] ")
PHASES = 5
LONGEST_START_S, LONGEST_END_S = 120.0, 20.0
# What holds the pipe of a killed program open is an orphan.
KILLED_S = 2.0
SHOWN_LINES = 40
MARK = "POSE_TRACKER_START"


class Ended(NamedTuple):
    """What became of an interrupted start; ``seconds`` from Ctrl-C to the end, None where it had to be killed; ``output``: what
    it said up to then; ``launched``: by ros2 launch."""

    phase: int
    seconds: float | None
    orphans: int
    output: str
    launched: bool = False

    @property
    def has_traceback(self) -> bool:
        """Whether a program of ours told how it was interrupted."""
        return any(not self.launched or OF_A_NODE.match(line) for line in self._tracebacks())

    @property
    def has_traceback_of_launch(self) -> bool:
        """Whether ros2 launch did."""
        return self.launched and any(not OF_A_NODE.match(line) for line in self._tracebacks())

    def _tracebacks(self) -> list[str]:
        return [line for line in self.output.splitlines() if "Traceback" in line or "Exception ignored" in line]


def interrupt_starts(
    way: Annotated[str, typer.Option(help=f"What is started: {', '.join(WAYS)} (which needs ros2 launch).")] = "tracker",
    count: Annotated[int, typer.Option(help="Number of starts.", min=1)] = 100,
    seed: Annotated[int, typer.Option(help="Seed of the times of Ctrl-C.", min=0)] = 0,
) -> None:
    """Start a program again and again, press Ctrl-C at a time of its start that the seed says, and look at what is left."""
    with reported_errors():
        if way not in WAYS:
            raise ValueError(f"expected --way to be one of {', '.join(WAYS)}, got {way!r}")
        start_s = _start_seconds(way)
        # A fifth of them after the start.
        delays = np.random.default_rng(seed).uniform(0.0, start_s * PHASES / (PHASES - 1), count)
        ended = [_interrupted(way, delay, start_s) for delay in progress(delays, f"{way}, {start_s:.1f} s")]
        print_table(_table(ended, f"{way}: {count} starts of {start_s:.1f} s, seed {seed}"))
        for one in ended:
            if one.has_traceback or one.orphans or one.seconds is None:
                what = "killed" if one.seconds is None else "ended"
                said = "\n".join(one.output.splitlines()[-SHOWN_LINES:])
                Console(markup=False, highlight=False).print(f"--- phase {one.phase}, {what}, said last:\n{said}")
        if any(one.has_traceback or one.orphans or one.seconds is None for one in ended):
            raise typer.Exit(1)


def _start_seconds(way: str) -> float:
    """How long a start takes, the second of two, since the first one fills caches; raises ValueError where it does not end."""
    for _ in range(2):
        mark, begin = str(uuid4()), time.monotonic()
        with _started(way, mark) as process:
            lines = []
            for line in process.stdout:
                lines.append(line)
                if READY[way] in line:
                    break
                if time.monotonic() - begin > LONGEST_START_S:
                    break
            seconds = time.monotonic() - begin
            os.killpg(process.pid, signal.SIGINT)
            _ended(process)
        if not lines or READY[way] not in lines[-1]:
            raise ValueError(f"expected {way} to say {READY[way]!r}, got {''.join(lines[-5:])!r}")
    return seconds


def _interrupted(way: str, delay: float, start_s: float) -> Ended:
    mark = str(uuid4())
    with _started(way, mark) as process:
        time.sleep(delay)
        begin = time.monotonic()
        # To the group, as a terminal does.
        os.killpg(process.pid, signal.SIGINT)
        output, heard = _ended(process)
        seconds = time.monotonic() - begin if heard else None
    orphans = _marked(mark)
    for orphan in orphans:
        os.kill(orphan, signal.SIGKILL)
    return Ended(int(delay / start_s * (PHASES - 1)), seconds, len(orphans), output, way == "launch")


def _started(way: str, mark: str) -> subprocess.Popen[str]:
    # A shell's background jobs are started with SIGINT ignored, and so would be what they start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return subprocess.Popen(
        WAYS[way],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, MARK: mark, "PYTHONUNBUFFERED": "1"},
    )


def _ended(process: subprocess.Popen[str]) -> tuple[str, bool]:
    """What it said, and whether it ended by itself; else it is killed."""
    try:
        return process.communicate(timeout=LONGEST_END_S)[0], True
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    try:
        return process.communicate(timeout=KILLED_S)[0], False
    except subprocess.TimeoutExpired as error:
        return (error.stdout or b"").decode(errors="replace"), False


def _marked(mark: str) -> list[int]:
    """Processes of a start that are there still."""
    return [int(path.parent.name) for path in _environments() if f"{MARK}={mark}" in _text(path)]


def _environments() -> Iterable[Path]:
    return (path for path in Path("/proc").glob("*/environ") if re.fullmatch(r"\d+", path.parent.name))


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        # It has ended meanwhile, or is somebody else's.
        return ""


def _table(ended: Sequence[Ended], title: str) -> Table:
    columns = ["Ctrl-C after", "starts", "ended, s (median, longest)", "killed", "tracebacks", "orphans"]
    launched = any(one.launched for one in ended)
    table = Table(*columns, *(["tracebacks of ros2 launch itself"] if launched else []), title=title)
    for phase in range(PHASES):
        some = [one for one in ended if one.phase == phase]
        seconds = [one.seconds for one in some if one.seconds is not None]
        share = 100 // (PHASES - 1)
        table.add_row(
            f"{phase * share} to {(phase + 1) * share} %" if phase < PHASES - 1 else "the start",
            str(len(some)),
            f"{np.median(seconds):.2f}, {max(seconds):.2f}" if seconds else "–",
            str(sum(one.seconds is None for one in some)),
            str(sum(one.has_traceback for one in some)),
            str(sum(one.orphans for one in some)),
            *([str(sum(one.has_traceback_of_launch for one in some))] if launched else []),
        )
    return table


if __name__ == "__main__":
    typer.run(interrupt_starts)
