"""Typed configuration: frozen dataclasses whose fields carry a description and a range.

The command line, YAML files and ROS parameters are all made from or checked against these fields, so
that names, defaults and limits exist once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, field, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

Config = TypeVar("Config")
# YAML 1.1 takes 7e-4 for a text, and 7.0e-4 for a number.
EXPONENT_WITHOUT_POINT = re.compile(r"[-+]?\d+[eE][-+]?\d+")


def option(
    default: Any,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] | None = None,
    read_only: bool = False,
) -> Any:
    """A dataclass field with its description, limits, and whether it is fixed once running."""
    metadata = {
        "description": description,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "read_only": read_only,
    }
    return field(default=default, metadata=metadata)


def nested(config_class: type, description: str) -> Any:
    """A dataclass field that is a configuration itself, with its defaults."""
    return field(default_factory=config_class, metadata={"description": description, "nested": config_class})


def items(config_class: type, default: tuple, description: str) -> Any:
    """A dataclass field that is a tuple of configurations of one class."""
    return field(default=default, metadata={"description": description, "items": config_class})


def make_config(config_class: type[Config], values: Mapping[str, Any]) -> Config:
    """An instance of a configuration class from plain values; nested ones from mappings, tuples of them from lists.

    An option of a nested one may also be named as ``noise.depth_bias``. Raises ValueError for a name that is no option, a
    value of another type, or one out of its range.
    """
    refuse_replaced(config_class, values)
    values = _grouped(values)
    options = {item.name: item for item in fields(config_class)}
    unknown = sorted(set(values) - set(options))
    if unknown:
        raise ValueError(f"unknown option {', '.join(unknown)}; known are: {', '.join(sorted(options))}")
    return config_class(**{name: _checked(options[name], value) for name, value in values.items()})


def refuse_replaced(config_class: type, names: Iterable[str]) -> None:
    """Raises ValueError, with what replaces them, for options that the class had before, as its ``REPLACED`` says."""
    replaced: Mapping[str, str] = getattr(config_class, "REPLACED", {})
    answers = [f"{name} is no more: {replaced[name]}" for name in names if name in replaced]
    if answers:
        raise ValueError("; ".join(answers))


def leaves(config_class: type, prefix: str = "") -> Iterator[tuple[str, Field]]:
    """Every option that has a value of its own, those of nested configurations by their dotted names."""
    for item in fields(config_class):
        if "nested" in item.metadata:
            yield from leaves(item.metadata["nested"], f"{prefix}{item.name}.")
        else:
            yield prefix + item.name, item


def load_config(
    config_class: type[Config],
    path: str | Path | None,
    overrides: Mapping[str, Any],
    defaults: Mapping[str, Any] | None = None,
) -> Config:
    """Configuration from a YAML file (or none), with overrides on top; errors as in ``make_config``.

    ``defaults``: of options that neither says, where they differ from the class's.
    """
    return make_config(config_class, {**(defaults or {}), **read_options(path), **overrides})


def read_options(path: str | Path | None) -> dict[str, Any]:
    """The options of a YAML file, none without a file; errors as in ``parse_options``."""
    return {} if path is None else parse_options(Path(path).read_text(), str(path))


def parse_options(text: str, place: str) -> dict[str, Any]:
    """The options that a YAML text maps to values; raises ValueError, which names the ``place``, for any other text."""
    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"expected valid YAML in {place}: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ValueError(f"expected {place} to map option names to values, got {type(values).__name__}")
    return values


def _grouped(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of dotted names in a mapping for what is before the dot, on top of one that is there."""
    grouped = {name: value for name, value in values.items() if "." not in name}
    for name in (name for name in values if "." in name):
        group, _, rest = name.partition(".")
        before = grouped.get(group, {})
        if not isinstance(before, Mapping):
            raise ValueError(f"expected {group} to map option names to values beside {name}, got {before!r}")
        grouped[group] = {**before, rest: values[name]}
    return grouped


def _checked(item: Field, value: Any) -> Any:
    if "nested" in item.metadata:
        return _made(item.metadata["nested"], value, item.name)
    if "items" in item.metadata:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"expected option {item.name} to be a list, got {value!r}")
        return tuple(_made(item.metadata["items"], one, f"{item.name} {i + 1}") for i, one in enumerate(value))
    default = item.default if item.default is not MISSING else value
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(default, float) and isinstance(value, str) and EXPONENT_WITHOUT_POINT.fullmatch(value):
        value = float(value)
    choices = item.metadata.get("choices")
    if choices and value not in choices:
        raise ValueError(f"expected option {item.name} to be one of {', '.join(choices)}, got {value!r}")
    if type(value) is not type(default):
        raise ValueError(
            f"expected option {item.name} to be of type {type(default).__name__}, got {value!r} ({type(value).__name__})"
        )
    minimum, maximum = item.metadata.get("minimum"), item.metadata.get("maximum")
    if (minimum is not None and not value >= minimum) or (maximum is not None and not value <= maximum):
        raise ValueError(f"expected option {item.name} within {minimum} to {maximum}, got {value}")
    return value


def _made(config_class: type[Config], value: Any, place: str) -> Config:
    """A nested configuration, which may be one already."""
    if isinstance(value, config_class):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"expected {place} to map option names to values, got {value!r}")
    try:
        return make_config(config_class, value)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
