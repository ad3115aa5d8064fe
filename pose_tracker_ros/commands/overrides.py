"""``--set name=value`` on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import yaml


def parse_overrides(assignments: Sequence[str] | None) -> dict[str, Any]:
    """Values of ``name=value`` texts, read as YAML, so that numbers are numbers.

    Raises ValueError for a text without ``=``.
    """
    values = {}
    for assignment in assignments or ():
        name, separator, text = assignment.partition("=")
        if not separator:
            raise ValueError(f"expected an option as name=value, got {assignment!r}")
        values[name.strip()] = yaml.safe_load(text)
    return values


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
