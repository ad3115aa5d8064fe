"""Lines of text files and the numbers in them, quickly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

CHUNK = 100_000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def lines_of(data: bytes) -> list[bytes]:
    """Lines of any system's text file without blanks around them; those that end in a backslash go on in the next."""
    text = data.removeprefix(BYTE_ORDER_MARK).replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\\\n", b" ")
    return [line.strip() for line in text.split(b"\n")]


def as_text(data: bytes) -> str:
    """Bytes as text that gives the same bytes when it names a file."""
    return data.decode("utf-8", errors="surrogateescape")


def number_rows(lines: Sequence[bytes], least: int, what: str) -> np.ndarray:
    """Numbers (N, k) float64 after the first word of lines; k is the number that all of them have, at least ``least``.

    Raises ValueError that quotes the first line that is none of ``what``.
    """
    chunks = [_rows(lines[first : first + CHUNK], least, what) for first in range(0, len(lines), CHUNK)]
    if not chunks:
        return np.zeros((0, least))
    width = min(chunk.shape[1] for chunk in chunks)
    return np.concatenate([chunk[:, :width] for chunk in chunks])


def _rows(lines: Sequence[bytes], least: int, what: str) -> np.ndarray:
    words = [line.split()[1:] for line in lines]
    width = min(map(len, words))
    try:
        if width < least:
            raise ValueError("too few numbers")
        return np.array([float(word) for row in words for word in row[:width]]).reshape(-1, width)
    except ValueError:
        bad = next(line for line in lines if not _has_numbers(line, least))
        raise ValueError(f"expected {what} with at least {least} numbers, got {short(bad)}") from None


def _has_numbers(line: bytes, least: int) -> bool:
    try:
        return len([float(word) for word in line.split()[1:]]) >= least
    except ValueError:
        return False


def short(line: bytes) -> str:
    """The beginning of a line, quoted for an error."""
    text = ascii(line[:60].decode("ascii", errors="replace"))
    return text if len(line) <= 60 else f"{text}..."
