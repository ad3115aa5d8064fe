"""How commands that train end when they are asked to stop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console

from pose_tracker_ros.training.checkpoints import Interrupted
from pose_tracker_ros.training.distributed import is_first_process


@contextmanager
def exit_when_interrupted(folder: Path) -> Iterator[None]:
    """Say from where the run goes on, and exit as a shell does after a signal."""
    console = Console(soft_wrap=True, highlight=False, quiet=not is_first_process())
    try:
        yield
    except Interrupted as stopped:
        console.print(f"{stopped}, which is saved; the same command goes on from {folder}")
        raise typer.Exit(128 + stopped.signal if stopped.signal else 1) from None
    except KeyboardInterrupt:
        console.print(f"interrupted; the same command goes on from {folder}")
        raise typer.Exit(130) from None
