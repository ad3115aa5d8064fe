"""How commands report what the user can mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console


@contextmanager
def reported_errors() -> Iterator[None]:
    """Print a bad input as one sentence and exit with 1; other exceptions are faults of ours and pass."""
    try:
        yield
    except (ValueError, OSError, FloatingPointError) as error:
        Console(stderr=True, soft_wrap=True).print(f"error: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(1) from error
