"""A ROS parameter file with every option of a class, its default and its meaning."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import yaml

from pose_tracker_ros.configuration.declaration import Option, options_of
from pose_tracker_ros.configuration.given import PARAMETERS

HEADING = """\
# Parameters of the {node} node, all with their defaults. Those not marked [at start only] can be changed
# while it runs: ros2 param set /{node} NAME VALUE
"""


def parameter_file(node: str, config_class: type) -> str:
    """The text of a parameter file for all nodes of a name, in whatever namespace."""
    options = {option.path: option for option in options_of(config_class)}
    lines = [f"/**/{node}:", f"  {PARAMETERS}:", *_lines(config_class, (), options, "    ")]
    return HEADING.format(node=node) + "\n".join(lines) + "\n"


def _lines(config_class: type, path: tuple[str, ...], options: dict[tuple[str, ...], Option], indent: str) -> Iterator[str]:
    for item in fields(config_class):
        here = (*path, item.name)
        if "nested" in item.metadata:
            yield f"{indent}# {item.metadata['description']}"
            yield f"{indent}{item.name}:"
            yield from _lines(item.metadata["nested"], here, options, indent + "  ")
        elif "merged" in item.metadata:
            yield from _lines(item.metadata["merged"], here, options, indent)
        elif here in options:
            option = options[here]
            yield f"{indent}# {option.meaning()}{' [at start only]' if option.read_only else ''}"
            yield f"{indent}{item.name}: {as_yaml(option.default)}"


def as_yaml(value: Any) -> str:
    """A value as every YAML reader takes it for what it is."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(as_yaml, value))}]"
    text = value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, float) and "e" in text and "." not in text:
        return text.replace("e", ".0e")
    if isinstance(value, str) and (not text.isprintable() or yaml.safe_load(f"[{text}]" if text else "") != [text]):
        return json.dumps(text)
    return text
