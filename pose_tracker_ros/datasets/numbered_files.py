"""Files that carry the number of their frame in their names, however it is padded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pose_tracker_ros.datasets.files import DatasetError

COLOR_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2")
DEPTH_SUFFIXES = (".png", ".tif", ".tiff", ".pgm", ".npy")
# Unix times in seconds with a fraction, as of the TUM RGB-D benchmark.
_SECONDS = re.compile(r"([0-9]{10})\.([0-9]{1,9})")
# Names with two numbers, such as 12.png beside 12_1.png, leave open which one counts.
_ONE_NUMBER = re.compile(r"[^0-9]*([0-9]+)[^0-9]*")


def number_in_name(path: Path) -> int:
    """Number of the frame that a file such as ``7.png``, ``0007.png`` or ``frame-0007.color.png`` belongs to.

    Of Unix times with a fraction, such as ``1305031453.359684.png``, it is the time in nanoseconds.
    Raises DatasetError for a name with no number or with several.
    """
    time = _SECONDS.fullmatch(path.stem)
    if time is not None:
        return int(time.group(1) + time.group(2).ljust(9, "0"))
    match = _ONE_NUMBER.fullmatch(path.stem)
    if match is None:
        raise DatasetError(f"expected one number, that of the frame, in the name of {path}; rename it or move it away")
    return int(match.group(1))


def numbered_files(folder: Path, suffixes: Sequence[str]) -> dict[int, Path]:
    """Files of a folder by the number in their names, in the order of the numbers; empty when there is no folder.

    Parameters: ``suffixes`` in small letters; files of other kinds and hidden ones are passed over.
    Raises DatasetError when two names have one number, or one has none.
    """
    files: dict[int, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        number = number_in_name(path)
        if number in files:
            raise DatasetError(
                f"expected one file a frame in {folder}, but {files[number].name} and {path.name} both have the "
                f"number {number}; move one of them away"
            )
        files[number] = path
    return dict(sorted(files.items()))
