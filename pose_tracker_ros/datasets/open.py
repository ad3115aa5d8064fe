"""Opening a sequence of frames by its path alone."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path

from pose_tracker_ros.datasets.bop import BopSequence
from pose_tracker_ros.datasets.cambridge import CambridgeSequence
from pose_tracker_ros.datasets.files import DatasetError
from pose_tracker_ros.datasets.recording import Recording
from pose_tracker_ros.datasets.sequence import FrameSequence
from pose_tracker_ros.datasets.seven_scenes import SevenScenesSequence
from pose_tracker_ros.datasets.two_cameras import TwoCameraSequence
from pose_tracker_ros.datasets.ycb_video import YcbVideoSequence
from pose_tracker_ros.datasets.ycbineoat import YcbInEoatSequence

# Of those that fit the first opens the path.
READERS: tuple[type[FrameSequence], ...] = (
    Recording,
    BopSequence,
    YcbVideoSequence,
    TwoCameraSequence,
    YcbInEoatSequence,
    SevenScenesSequence,
    CambridgeSequence,
)
_NAMED_ENTRIES = 6


def open_sequence(path: str | Path, **options: object) -> FrameSequence:
    """The sequence at a path, whatever its layout; see ``layout`` of each of READERS.

    Parameters: ``options`` of the reader that fits; ``on_error`` "stop" or "skip" is one of all; None stands for a
    reader's default.
    Raises DatasetError when nothing fits, when the path holds several sequences, or when an option is
    not one of the reader that fits.
    """
    reader = find_reader(path)
    options = {name: value for name, value in options.items() if value is not None}
    check_option_names(reader, options, path)
    return reader(Path(path), **options)


def find_reader(path: str | Path) -> type[FrameSequence]:
    """The reader whose layout is that of a path; raises DatasetError that says what is known when none fits."""
    path = Path(path)
    if not path.exists():
        raise DatasetError(f"expected a sequence or a recording at {path}, but there is no such file or folder")
    for reader in READERS:
        if reader.fits(path):
            return reader
    if (path / "scene.yaml").is_file() and (path / "test").is_dir():
        raise DatasetError(f"expected the whole scene in {path}, got a part; run pose-tracker simulate again to go on with it")
    known = ", ".join(reader.layout for reader in READERS[:-1]) + f" or {READERS[-1].layout}"
    raise DatasetError(f"expected {path} to be {known}, but it is none; it {_contents(path)}")


def option_names(reader: type[FrameSequence]) -> tuple[str, ...]:
    """Names of a reader's options."""
    parameters = inspect.signature(reader).parameters.values()
    return tuple(item.name for item in parameters if item.kind is item.KEYWORD_ONLY)


def check_option_names(reader: type[FrameSequence], names: Iterable[str], path: str | Path) -> None:
    """Raises DatasetError that lists the reader's options when one of the names is not among them."""
    unknown = [name for name in names if name not in option_names(reader)]
    if unknown:
        raise DatasetError(
            f"expected options of {reader.__name__}, which reads {path} ({', '.join(option_names(reader))}), "
            f"got {', '.join(unknown)}"
        )


def _contents(path: Path) -> str:
    if not path.is_dir():
        return "is a single file"
    names = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in path.iterdir())
    if not names:
        return "is an empty folder"
    return f"holds {', '.join(names[:_NAMED_ENTRIES])}{', ...' if len(names) > _NAMED_ENTRIES else ''}"
