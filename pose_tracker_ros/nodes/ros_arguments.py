"""What the command line says to a node: its name, its parameters, and the rest, which is left to rclpy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pose_tracker_ros.configuration import parse_value
from pose_tracker_ros.configuration.given import Given, flattened, given_in_file

BEGIN, END = "--ros-args", "--"
# Parameters that rclpy declares itself begin with these.
OF_RCLPY = ("use_sim_time", "start_type_description_service", "qos_overrides.")
VALUES, FILES, REMAPPINGS = ("-p", "--param"), ("--params-file",), ("-r", "--remap")


class RosArguments(NamedTuple):
    """A command line in parts: (flag, value) of parameters and remappings in their order, and all but the parameters."""

    parameters: list[tuple[str, str]]
    remappings: list[str]
    rest: list[str]


def split_arguments(arguments: Sequence[str]) -> RosArguments:
    """Parts of a command line; what is not between ``--ros-args`` and ``--`` is none of ROS's."""
    parts = RosArguments([], [], [])
    of_ros, words = False, iter(arguments)
    for word in words:
        of_ros = (of_ros or word == BEGIN) and word != END
        value = next(words, None) if of_ros and word in (*VALUES, *FILES, *REMAPPINGS) else None
        if value is None:
            parts.rest.append(word)
        elif word in REMAPPINGS:
            parts.remappings.append(value)
            parts.rest.extend((word, value))
        else:
            parts.parameters.append((word, value))
    return parts


def full_name(name: str, namespace: str | None, remappings: Iterable[str]) -> str:
    """A node's name with its namespace, after the first remapping that is for it."""
    found = {"__node": name, "__ns": namespace or ""}
    for remapping in reversed(list(remappings)):
        key, _, value = remapping.partition(":=")
        node, _, key = key.rpartition(":")
        key = "__node" if key == "__name" else key
        if key in found and node.rsplit("/", 1)[-1] in ("", name):
            found[key] = value
    return f"/{found['__ns'].strip('/')}/{found['__node']}".replace("//", "/")


def given_to(node: str, parameters: Iterable[tuple[str, str]]) -> list[Given]:
    """The values that parameters on a command line give to a node, by its full name.

    Raises OSError or ValueError for a file or a text that is no parameter.
    """
    given: list[Given] = []
    for flag, text in parameters:
        given += given_in_file(text, node) if flag in FILES else _given_in_text(flag, text, node)
    return given


def _given_in_text(flag: str, text: str, node: str) -> list[Given]:
    left, assignment, value = text.partition(":=")
    whose, _, name = left.rpartition(":")
    if not assignment or not name:
        raise ValueError(f"expected {flag} NAME:=VALUE, got {text!r}")
    if whose not in ("", node, node.rsplit("/", 1)[1]):
        return []
    place = f"{flag} {text}"
    read = parse_value(value, place)
    values = flattened(read, f"{name}.") if isinstance(read, dict) else [(name, read if read is not None else "")]
    return [Given(name, value, place, for_all=not whose) for name, value in values]
