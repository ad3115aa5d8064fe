"""Options of readers as people write them, ``name=value``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from pose_tracker_ros.datasets.open import check_option_names, find_reader, open_sequence
from pose_tracker_ros.datasets.sequence import FrameSequence

_KIND_NAMES = {float: "a number", int: "a whole number", bool: "true or false", Mapping: "a mapping {key: value}"}


def open_with_options(path: Path, assignments: Sequence[str] | None, **defaults: Any) -> FrameSequence:
    """The sequence at a path with its reader's options as ``name=value`` texts.

    Values are read as YAML unless the option is a text. Parameters: ``defaults`` are options, too, which the
    assignments replace; None stands for the reader's own.
    Raises ValueError for a text without ``=``, a name that is no option of the reader, or a value of another type.
    """
    reader = find_reader(path)
    texts = split_assignments(assignments)
    check_option_names(reader, texts, path)
    types = get_type_hints(reader.__init__)
    options = {name: _reader_option(name, text, types[name]) for name, text in texts.items()}
    return open_sequence(path, **{**defaults, **options})


def with_absolute_paths(path: Path, assignments: Sequence[str] | None) -> list[str]:
    """The same ``name=value`` texts for a program that runs in another folder; raises as :func:`open_with_options`."""
    reader = find_reader(path)
    texts = split_assignments(assignments)
    check_option_names(reader, texts, path)
    paths = {name for name, hint in get_type_hints(reader.__init__).items() if Path in get_args(hint)}
    return [f"{name}={Path(text.strip()).resolve() if name in paths else text}" for name, text in texts.items()]


def split_assignments(assignments: Sequence[str] | None) -> dict[str, str]:
    """Name and text of every ``name=text``; raises ValueError for a text without ``=``."""
    values = {}
    for assignment in assignments or ():
        name, separator, text = assignment.partition("=")
        if not separator:
            raise ValueError(f"expected an option as name=value, got {assignment!r}")
        values[name.strip()] = text
    return values


def _reader_option(name: str, text: str, hint: Any) -> Any:
    kinds = tuple(get_origin(kind) or kind for kind in get_args(hint) or (hint,))
    if str in kinds:
        return text.strip()
    value = yaml.safe_load(text)
    fitting = kinds + ((int,) if float in kinds else ())
    if not isinstance(value, fitting) or (isinstance(value, bool) and bool not in kinds):
        expected = " or ".join(_KIND_NAMES.get(kind, kind.__name__) for kind in kinds if kind is not type(None))
        raise ValueError(f"expected option {name} to be {expected}, got {text!r}")
    return value
