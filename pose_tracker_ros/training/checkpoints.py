"""What lets a run be interrupted at any time: checkpoints, signals, and clear words when the disk is at fault."""

from __future__ import annotations

import errno
import io
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from torch import nn

# The network, its average, two moments of the optimizer; the checkpoint exists twice while it is replaced.
BYTES_PER_PARAMETER = 4 * 4 * 2
OTHER_FILES_BYTES = 20_000_000
# torchrun passes on the Ctrl-C that its processes get from the terminal, too: one within this time is the same one.
SAME_SIGNAL_S = 2.0


class Stateful(Protocol):
    """Networks, optimizers, gradient scalers."""

    def state_dict(self) -> dict[str, Any]:
        """What must be kept."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Take on what was kept."""


class Checkpoint:
    """The file from which a run goes on. ``facts`` are plain numbers that go with it."""

    def __init__(self, path: Path, parts: Mapping[str, Stateful], minutes: float) -> None:
        """``parts`` by name; ``minutes`` between checkpoints of :meth:`save_when_due`."""
        self.facts: dict[str, float] = {}
        self._path, self._parts, self._seconds = path, dict(parts), 60 * minutes
        self._saved_at = time.monotonic()

    def read(self) -> bytes:
        """The file's content, empty when there is none."""
        return self._path.read_bytes() if self._path.is_file() else b""

    def restore(self, content: bytes, device: torch.device) -> int:
        """Bring all parts to the state of a file's content; returns the steps done, 0 without content.

        Raises ValueError for a checkpoint of another network or options, or one cut off.
        """
        if not content:
            return 0
        try:
            state = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
            for name, part in self._parts.items():
                part.load_state_dict(state[name])
            self.facts = dict(state["facts"])
            return int(state["step"])
        except (RuntimeError, KeyError, ValueError, EOFError) as error:
            raise ValueError(
                f"the checkpoint {self._path} does not fit this training: {error}; remove it to start over"
            ) from error

    def save(self, step: int) -> None:
        """Write the file, whole or not at all."""
        buffer = io.BytesIO()
        states = {name: part.state_dict() for name, part in self._parts.items()}
        torch.save({"step": step, "facts": self.facts, **states}, buffer)
        temporary = self._path.with_suffix(".partial")
        with temporary.open("wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        self._saved_at = time.monotonic()

    def save_when_due(self, step: int) -> None:
        """Write the file when the last one is old enough."""
        if time.monotonic() - self._saved_at >= self._seconds:
            self.save(step)


class Interrupted(Exception):
    """A run was asked to stop and has saved its state. ``step``: steps done; ``signal``: its number, 0 if unknown."""

    def __init__(self, step: int, signal_number: int) -> None:
        super().__init__(f"interrupted after step {step}")
        self.step, self.signal = step, signal_number


class Interruption:
    """Whether the process has been asked to stop: the number of the ``signal``, 0 while not, and when (monotonic)."""

    signal: int = 0
    at: float = 0.0


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Ctrl-C and SIGTERM are only noted, so that a step can end and be saved; one that follows later acts at once."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: FrameType | None) -> None:
        if not interruption.signal:
            interruption.signal, interruption.at = number, time.monotonic()
        elif time.monotonic() - interruption.at > SAME_SIGNAL_S:
            signal.signal(number, previous[number])
            signal.raise_signal(number)

    for number in previous:
        signal.signal(number, note)
    try:
        yield interruption
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def prepare_folder(folder: Path, network: nn.Module) -> None:
    """Make the folder of a run; raises OSError when it cannot be written or has no room for the run's checkpoints."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise OSError(
            f"expected to be able to write to {folder}: {error.strerror}; name another folder (--output)"
        ) from error
    needed = BYTES_PER_PARAMETER * sum(parameter.numel() for parameter in network.parameters()) + OTHER_FILES_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            f"expected {needed / 1e6:.0f} MB of free space at {folder} for checkpoints, found {free / 1e6:.0f}; "
            "make room, or name another folder (--output)"
        )


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Says clearly, as OSError, that a disk is full; the last checkpoint stays as it was."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        full = (
            "No space left" in str(error)
            if isinstance(error, SafetensorError)
            else error.errno in (errno.ENOSPC, errno.EDQUOT)
        )
        if not full:
            raise
        raise OSError(
            f"no space is left at {folder}; make room and start again: the same command goes on from the last checkpoint"
        ) from error
