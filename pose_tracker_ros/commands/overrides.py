"""``--set name=value`` on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import yaml

from pose_tracker_ros.configuration import parse_value
from pose_tracker_ros.configuration.values import nearest
from pose_tracker_ros.datasets.reader_options import split_assignments


def parse_overrides(assignments: Sequence[str] | None) -> dict[str, Any]:
    """Values of ``name=value`` texts; lists and mappings are read as YAML, scalars stay texts until their option is known.

    Raises ValueError for a text without ``=``, or one that is no YAML.
    """
    return {name: parse_value(text, f"--set {name}") for name, text in split_assignments(assignments).items()}


def plain_overrides(assignments: Sequence[str] | None) -> dict[str, Any]:
    """The same as YAML alone reads them, for earlier revisions, which don't convert texts."""
    return {name: yaml.safe_load(text) for name, text in split_assignments(assignments).items()}


def split_by_config(values: dict[str, Any], *config_classes: type) -> list[dict[str, Any]]:
    """One mapping for each configuration class with the values whose names are its options.

    Raises ValueError for a name that none of them has.
    """
    known = [{item.name for item in fields(config_class)} for config_class in config_classes]
    unknown = sorted(set(values) - set().union(*known))
    if unknown:
        raise ValueError(f"unknown option {', '.join(unknown)}; {nearest(unknown[0], set().union(*known))}")
    return [{name: value for name, value in values.items() if name in names} for names in known]
