"""What a run tells of itself: a progress bar, log.csv, and event files for TensorBoard."""

from __future__ import annotations

import csv
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

CSV_NAME = "log.csv"
EVENTS_FOLDER = "events"
logger = logging.getLogger(__name__)


class TrainingLog:
    """Numbers over steps, in ``folder``/log.csv and as TensorBoard events in ``folder``/events.

    A run that goes on from a checkpoint forgets the rows of the steps that it does again. A log of other columns is
    kept as log_older.csv.
    """

    def __init__(self, folder: Path, columns: Sequence[str], first_step: int, disable: bool = False) -> None:
        """``columns`` are the names of the numbers, besides step and time; ``disable`` writes nothing."""
        self._columns = ("step", "time", *columns)
        self._file = self._events = None
        if disable:
            return
        path = folder / CSV_NAME
        rows = _rows_before(path, self._columns, first_step)
        self._file = path.open("w", newline="")
        self._csv = csv.DictWriter(self._file, self._columns)
        self._csv.writeheader()
        self._csv.writerows(rows)
        self._file.flush()
        self._events = _event_writer(folder / EVENTS_FOLDER, first_step)

    def write(self, step: int, **values: float) -> None:
        """One row after ``step`` steps; columns without a value stay empty."""
        if self._file is None:
            return
        numbers = {name: f"{value:.6g}" for name, value in values.items()}
        self._csv.writerow({"step": step, "time": f"{time.time():.1f}", **numbers})
        self._file.flush()
        if self._events:
            for name, value in values.items():
                self._events.add_scalar(name, value, step)
            self._events.flush()

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._file, self._events):
            if file is not None:
                file.close()


class Pace:
    """Loss, pairs a second, and the share of the time that went by waiting for pairs."""

    def __init__(self) -> None:
        self._running_loss: float | None = None
        self.restart()

    def restart(self) -> None:
        """Count from now on."""
        self._start, self._pairs, self._steps, self._loss, self._waited = time.perf_counter(), 0, 0, 0.0, 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time within is spent waiting."""
        start = time.perf_counter()
        yield
        self._waited += time.perf_counter() - start

    def add(self, pairs: int, loss: float) -> None:
        """A step is done."""
        self._pairs += pairs
        self._steps += 1
        self._loss += loss
        self._running_loss = loss if self._running_loss is None else 0.98 * self._running_loss + 0.02 * loss

    def row(self) -> dict[str, float]:
        """Numbers for the log, the loss as its mean; counts afresh."""
        seconds, steps = max(time.perf_counter() - self._start, 1e-9), max(self._steps, 1)
        row = {"loss": self._loss / steps, "pairs_per_s": self._pairs / seconds, "waiting": self._waited / seconds}
        self.restart()
        return row

    def __str__(self) -> str:
        pairs_per_s = self._pairs / max(time.perf_counter() - self._start, 1e-9)
        return f"loss {self._running_loss:.4f}, {pairs_per_s:.0f} pairs/s"


def _rows_before(path: Path, columns: Sequence[str], first_step: int) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) == tuple(columns):
            # A last row may be cut off where the machine went down.
            return [row for row in reader if None not in row.values() and int(row["step"]) <= first_step]
    path.replace(path.with_name("log_older.csv"))
    return []


def _event_writer(folder: Path, first_step: int):  # noqa: ANN202 -- the type may not be installed
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        logger.warning("TensorBoard is not installed, so the log is %s alone (pip install tensorboard)", CSV_NAME)
        return None
    return SummaryWriter(folder, purge_step=first_step + 1)


def progress_bar(disable: bool = False) -> Progress:
    """A bar with the step, a ``status`` and the time left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        disable=disable,
    )
