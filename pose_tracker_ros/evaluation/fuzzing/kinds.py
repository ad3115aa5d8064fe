"""What a kind of file is to the fuzzer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class FuzzKind(NamedTuple):
    """A kind of file.

    write: makes a whole file, and what belongs to it, in an empty folder, and gives the path of the file to damage;
    read: does with that path what the product does; it may raise ValueError, OSError or RuntimeError with a sentence.
    """

    name: str
    write: Callable[[Path], Path]
    read: Callable[[Path], object]
