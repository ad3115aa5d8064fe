"""Launch arguments made from options; without ROS, so that launch files and tests have them at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pose_tracker_ros.configuration import options_of, parse_value
from pose_tracker_ros.configuration.given import Given, config_from_given, given_in_file
from pose_tracker_ros.configuration.listing import as_yaml
from pose_tracker_ros.nodes.ros_arguments import OF_RCLPY

# As people type them, and as Python writes them in launch files that include these.
YES, NO = ("true", "True"), ("false", "False")
AS_THE_FILE_SAYS = ""


class LaunchArgument(NamedTuple):
    """What ``launch.actions.DeclareLaunchArgument`` takes."""

    name: str
    default_value: str
    description: str
    choices: list[str] | None = None


def switch(name: str, default: bool, description: str) -> LaunchArgument:
    """An argument that is yes or no."""
    return LaunchArgument(name, str(default).lower(), description, [*YES, *NO])


def arguments_of(config_class: type, names: Iterable[str]) -> list[LaunchArgument]:
    """Arguments for options of a node, which are left to its parameter file where nothing is given."""
    options = {option.name: option for option in options_of(config_class)}
    return [_argument(options[name]) for name in names]


def given_settings(values: Mapping[str, str]) -> dict[str, str]:
    """The arguments that say something."""
    return {name: value for name, value in values.items() if value != AS_THE_FILE_SAYS}


def check_settings(config_class: type, node: str, files: Iterable[str], values: Mapping[str, str]) -> None:
    """Whether a node, by its full name, would start with parameter files and arguments.

    Raises OSError or ValueError, in one sentence that names the file or the argument.
    """
    given = [one for file in files for one in given_in_file(file, node)]
    given += [Given(name, parse_value(value, f"{name}:="), f"{name}:={value}") for name, value in values.items()]
    config_from_given(config_class, [one for one in given if not one.name.startswith(OF_RCLPY)])


def misspelt(given: Iterable[str], known: Iterable[str]) -> list[str]:
    """A warning for each name among the launch arguments ``given``, which may be another launch file's, that is nearly a known one."""
    known = set(known)
    alike = {name: difflib.get_close_matches(name, known, n=1, cutoff=0.8) for name in given if name not in known}
    return [f"unknown argument {name}:=, which is passed over; did you mean {near[0]}?" for name, near in alike.items() if near]


def _argument(option: Any) -> LaunchArgument:
    default = f", or {as_yaml(option.default)}" if option.default not in ("", ("",)) else ""
    description = f"{option.description}; default: what the parameter file says{default}"
    choices = list(option.choices) if option.choices else [*YES, *NO] if option.kind is bool else None
    return LaunchArgument(option.name, AS_THE_FILE_SAYS, description, choices and [AS_THE_FILE_SAYS, *choices])
