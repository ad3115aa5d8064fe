"""How commands report what the user can mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

# What bad inputs and full disks raise; other exceptions are faults of ours.
USER_ERRORS = (ValueError, OSError, FloatingPointError)


@contextmanager
def reported_errors() -> Iterator[None]:
    """Print a bad input as one sentence and exit with 1; exceptions that are faults of ours pass."""
    try:
        yield
    except USER_ERRORS as error:
        _report(f"error: {error}")
        raise typer.Exit(1) from error
    except MemoryError as error:
        _report("error: the memory of this machine is not enough for this input; give a smaller one")
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        _report("interrupted")
        raise typer.Exit(130) from error


def _report(text: str) -> None:
    Console(stderr=True, soft_wrap=True).print(text, style="red", markup=False, highlight=False)
