"""Opening a sequence of frames by its path alone."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pathlib import Path

import pose_tracker_ros.datasets as datasets
from pose_tracker_ros.datasets.errors import DatasetError
from pose_tracker_ros.datasets.sequence import FrameSequence

_NAMED_ENTRIES = 6
# What options of readers were called in earlier versions, and what replaces them.
_RENAMED_OPTIONS = {"depth_unit_mm": "depth_unit, e.g. 0.1mm"}


@cache
def readers() -> tuple[type[FrameSequence], ...]:
    """All readers: the classes with a ``layout`` in the modules of this package, so that a file is all that a new one needs."""
    found = []
    for module in sorted(module.name for module in pkgutil.iter_modules(datasets.__path__)):
        content = vars(import_module(f"{datasets.__name__}.{module}")).values()
        found += [
            item
            for item in content
            if isinstance(item, type)
            and issubclass(item, FrameSequence)
            and item.layout
            and item.__module__ == f"{datasets.__name__}.{module}"
        ]
    return tuple(found)


def open_sequence(path: str | Path, **options: object) -> FrameSequence:
    """The sequence at a path, whatever its layout; see ``layout`` of each of :func:`readers`.

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
    fitting = [reader for reader in readers() if reader.fits(path)]
    if len(fitting) > 1:
        layouts = " and ".join(reader.layout for reader in fitting)
        raise DatasetError(f"expected one layout in {path}, got those of {layouts}; move what belongs to the other one away")
    if fitting:
        return fitting[0]
    if (path / "scene.yaml").is_file() and (path / "test").is_dir():
        raise DatasetError(f"expected the whole scene in {path}, got a part; run pose-tracker simulate again to go on with it")
    *others, last = (reader.layout for reader in readers())
    known = ", ".join(others) + f" or {last}"
    raise DatasetError(f"expected {path} to be {known}, but it is none; it {_contents(path)}")


def option_names(reader: type[FrameSequence]) -> tuple[str, ...]:
    """Names of a reader's options."""
    parameters = inspect.signature(reader).parameters.values()
    return tuple(item.name for item in parameters if item.kind is item.KEYWORD_ONLY)


def check_option_names(reader: type[FrameSequence], names: Iterable[str], path: str | Path) -> None:
    """Raises DatasetError that lists the reader's options when one of the names is not among them."""
    unknown = [name for name in names if name not in option_names(reader)]
    renamed = [name for name in unknown if name in _RENAMED_OPTIONS]
    if renamed:
        raise DatasetError(f"option {renamed[0]} of readers is called {_RENAMED_OPTIONS[renamed[0]]} now; give that")
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
