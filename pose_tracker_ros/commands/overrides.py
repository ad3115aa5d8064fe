"""``--set name=value`` and ``--reader name=value`` on the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from pose_tracker_ros.datasets import FrameSequence, open_sequence
from pose_tracker_ros.datasets.open import check_option_names, find_reader

_KIND_NAMES = {float: "a number", int: "a whole number", bool: "true or false", Mapping: "a mapping {key: value}"}


def parse_overrides(assignments: Sequence[str] | None) -> dict[str, Any]:
    """Values of ``name=value`` texts, read as YAML, so that numbers are numbers.

    Raises ValueError for a text without ``=``.
    """
    return {name: yaml.safe_load(text) for name, text in _split(assignments).items()}


def open_with_options(path: Path, assignments: Sequence[str] | None, **defaults: Any) -> FrameSequence:
    """The sequence at a path with its reader's options as ``name=value`` texts.

    Values are read as YAML unless the option is a text. Parameters: ``defaults`` are options, too, which the
    assignments replace; None stands for the reader's own.
    Raises ValueError for a text without ``=``, a name that is no option of the reader, or a value of another type.
    """
    reader = find_reader(path)
    texts = _split(assignments)
    check_option_names(reader, texts, path)
    types = get_type_hints(reader.__init__)
    options = {name: _reader_option(name, text, types[name]) for name, text in texts.items()}
    return open_sequence(path, **{**defaults, **options})


def _split(assignments: Sequence[str] | None) -> dict[str, str]:
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


def split_by_config(values: dict[str, Any], *config_classes: type) -> list[dict[str, Any]]:
    """One mapping for each configuration class with the values whose names are its options.

    Raises ValueError for a name that none of them has.
    """
    known = [{item.name for item in fields(config_class)} for config_class in config_classes]
    unknown = sorted(set(values) - set().union(*known))
    if unknown:
        names = ", ".join(sorted(set().union(*known)))
        raise ValueError(f"unknown option {', '.join(unknown)}; known are: {names}")
    return [{name: value for name, value in values.items() if name in names} for names in known]
