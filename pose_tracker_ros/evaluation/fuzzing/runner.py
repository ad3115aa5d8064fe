"""Reads damaged files in processes of their own, so that one that hangs or dies is noticed and costs nothing else."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.evaluation.fuzzing import FuzzKind, all_kinds
from pose_tracker_ros.evaluation.fuzzing.mutations import mutated

LONGEST_S = 10.0
MOST_RESIDENT_MB = 1536
# What one process reads before a fresh one takes over.
FILES_A_PROCESS = 500
REFUSALS = (ValueError, OSError, RuntimeError)
SHORTEST_SENTENCE = 20
MODULE = "pose_tracker_ros.evaluation.fuzzing.runner"


class Outcome(NamedTuple):
    """What became of one damaged file: its kind and number, how it was answered, seconds and resident MB at the most.

    fault: what is wrong with that, '' where nothing is.
    """

    kind: str
    number: int
    answer: str
    seconds: float
    resident_mb: float
    fault: str


def damage(kind: FuzzKind, seed: int, number: int, folder: Path) -> Path:
    """Write the file of a kind with the damage of a number, the same for the same seed; gives its path."""
    path = kind.write(folder)
    generator = np.random.default_rng((seed, number, *kind.name.encode()))
    path.write_bytes(mutated(path.read_bytes(), generator))
    return path


def fuzz(names: Sequence[str], count: int, seed: int) -> Iterator[Outcome]:
    """Outcomes of ``count`` damaged files of every named kind."""
    done, total = 0, count * len(names)
    while done < total:
        for outcome in _read_some(names, count, seed, done, min(total, done + FILES_A_PROCESS)):
            done += 1
            yield outcome


def _read_some(names: Sequence[str], count: int, seed: int, begin: int, end: int) -> Iterator[Outcome]:
    """Outcomes of files ``begin`` to ``end`` of all; of fewer where the process that reads them dies, that one among them."""
    command = [sys.executable, "-m", MODULE, ",".join(names), *map(str, (count, seed, begin, end))]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        next_one = begin
        try:
            for line in process.stdout or ():
                next_one += 1
                yield Outcome(**json.loads(line))
        finally:
            process.kill()
            code = process.wait()
        if next_one < end:
            errors.seek(0)
            last = errors.read().decode(errors="replace").strip().splitlines()[-1:]
            how = "hung" if code == -signal.SIGALRM else f"ended with {code}"
            name, number = names[next_one // count], next_one % count
            yield Outcome(name, number, "", LONGEST_S, 0.0, f"the process {how}: {' '.join(last)}")


def _read_one(kind: FuzzKind, seed: int, number: int) -> Outcome:
    before = resource.getrusage(resource.RUSAGE_SELF)
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of the files before
    signal.setitimer(signal.ITIMER_REAL, 2 * LONGEST_S)  # which ends the process
    with tempfile.TemporaryDirectory(prefix="pose_tracker_fuzz_") as folder:
        path = damage(kind, seed, number, Path(folder))
        fault = ""
        try:
            kind.read(path)
            answer = "read"
        except REFUSALS as error:
            answer = str(error)
            if len(answer) < SHORTEST_SENTENCE or isinstance(error, RecursionError):
                fault = f"no sentence: {type(error).__name__}: {answer!r}"
        except Exception as error:
            answer, fault = str(error), f"{type(error).__name__}: {error}"
    signal.setitimer(signal.ITIMER_REAL, 0)
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    resident = _peak_mb()
    if seconds > LONGEST_S:
        fault = fault or f"took {seconds:.1f} s"
    if resident > MOST_RESIDENT_MB:
        fault = fault or f"took {resident:.0f} MB"
    return Outcome(kind.name, number, answer[:300], round(seconds, 3), round(resident, 1), fault)


def _peak_mb() -> float:
    """Most memory that this process has had resident; what getrusage says counts that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _main(names: str, count: str, seed: str, begin: str, end: str) -> None:
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries print
    kinds = [all_kinds()[name] for name in names.split(",")]
    work = [(kinds[place // int(count)], place % int(count)) for place in range(int(begin), int(end))]
    for kind in {kind.name: kind for kind, _ in work}.values():
        with tempfile.TemporaryDirectory() as folder:
            kind.read(kind.write(Path(folder)))  # a whole file, so that loading libraries counts nowhere
    for kind, number in work:
        out.write(json.dumps(_read_one(kind, int(seed), number)._asdict()) + "\n")
        out.flush()


if __name__ == "__main__":
    _main(*sys.argv[1:])
