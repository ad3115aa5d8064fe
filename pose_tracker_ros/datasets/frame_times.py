"""When the frames of a numbered sequence were taken."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.datasets.files import DatasetError, read_text

DEFAULT_RATE_HZ = 30.0
SECONDS_PER_NANOSECOND = 1e-9
# Digits of Unix times of this century -> seconds per unit; shorter numbers count frames.
SECONDS_PER_UNIT = {19: 1e-9, 16: 1e-6, 13: 1e-3}


class FrameTimes(NamedTuple):
    """Of every frame of a sequence its index, as the data set counts, and its stamp in seconds.

    A stamp is None where the file with times does not have the frame. rate_hz: frames per second.
    """

    indices: tuple[int, ...]
    stamps: tuple[float | None, ...]
    rate_hz: float


def frame_times(numbers: Sequence[int], path: Path, rate_hz: float | None) -> FrameTimes:
    """Times of frames with these numbers, in ascending order.

    Where the numbers are Unix times they are the stamps, and frames count from 0. Elsewhere the number is the
    index, and the stamp is the one that the file at ``path`` has for it, or number over rate without such a file.

    Parameters: ``path`` of a text file with lines "number nanoseconds"; ``rate_hz`` default that of the median
    time between frames, else 30.
    Raises DatasetError when that file is at fault or its times do not grow with the numbers.
    """
    unit = SECONDS_PER_UNIT.get(len(str(numbers[0]))) if len({len(str(number)) for number in numbers}) == 1 else None
    if unit is not None:
        stamps = tuple(number * unit for number in numbers)
        return FrameTimes(tuple(range(len(numbers))), stamps, rate_hz or _rate(stamps))
    if path.is_file():
        nanoseconds = _read_nanoseconds(path)
        stamps = tuple(nanoseconds[n] * SECONDS_PER_NANOSECOND if n in nanoseconds else None for n in numbers)
        _check_growing(numbers, stamps, path)
        return FrameTimes(tuple(numbers), stamps, rate_hz or _rate(stamps))
    rate_hz = rate_hz or DEFAULT_RATE_HZ
    return FrameTimes(tuple(numbers), tuple(number / rate_hz for number in numbers), rate_hz)


def _rate(stamps: Sequence[float | None]) -> float:
    gaps = np.diff([stamp for stamp in stamps if stamp is not None])
    return float(1 / np.median(gaps)) if len(gaps) else DEFAULT_RATE_HZ


def _read_nanoseconds(path: Path) -> dict[int, int]:
    nanoseconds = {}
    for line in read_text(path).splitlines():
        words = line.partition("#")[0].replace(",", " ").split()
        if not words:
            continue
        if len(words) != 2 or not all(word.isdecimal() for word in words):
            raise DatasetError(f"expected lines 'frame number, nanoseconds' in {path}, got {line!r}")
        nanoseconds[int(words[0])] = int(words[1])
    return nanoseconds


def _check_growing(numbers: Sequence[int], stamps: Sequence[float | None], path: Path) -> None:
    known = [(number, stamp) for number, stamp in zip(numbers, stamps) if stamp is not None]
    for (before, first), (after, second) in zip(known, known[1:]):
        if second <= first:
            raise DatasetError(
                f"expected times in {path} that grow with the frame numbers, but frame {after} is not later than {before}"
            )
