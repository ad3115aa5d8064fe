"""Options from YAML files and texts, whose scalars stay texts until their option says what they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from pose_tracker_ros.configuration.values import make_config

Config = TypeVar("Config")


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
    values = parse_value(text, place) or {}
    if not isinstance(values, dict):
        raise ValueError(f"expected {place} to map option names to values, got {type(values).__name__}")
    return values


def parse_value(text: str, place: str) -> Any:
    """A YAML text as mappings and lists of texts; raises ValueError, which names the ``place``, for what is no YAML."""
    try:
        # YAML would take 021 for 17, 7e-4 for a text, and no for False.
        return yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"expected valid YAML in {place}: {' '.join(str(error).split())}") from error
