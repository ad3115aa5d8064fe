"""Values that somebody gives for options, with the place where they stand, so that what is wrong is found there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pose_tracker_ros.configuration.declaration import options_of
from pose_tracker_ros.configuration.files import parse_options
from pose_tracker_ros.configuration.values import Contradiction, converted, make_config, refuse_unknown

Config = TypeVar("Config")
PARAMETERS = "ros__parameters"


class Given(NamedTuple):
    """A value, or its text, for a name; ``place``: the file that says so, or what stands for it in an error.

    ``for_all``: said to all nodes, so that an unknown name may be meant for another one.
    """

    name: str
    value: Any
    place: str
    for_all: bool = False


def config_from_given(config_class: type[Config], given: Iterable[Given]) -> tuple[Config, list[str]]:
    """The configuration that given values make, later ones before earlier ones, and warnings of what was passed over.

    Raises ValueError, in one sentence that names place, option and what was expected.
    """
    options = {option.name: option for option in options_of(config_class)}
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    unknown: dict[str, list[str]] = {}
    warnings = []
    for one in given:
        option = options.get(one.name)
        if option is not None:
            with _located(one.place):
                values[one.name] = converted(option, one.value)
            places[one.name] = one.place
        elif one.for_all and not difflib.get_close_matches(one.name, options, n=1, cutoff=0.8):
            warnings.append(f"{one.place}: {one.name} is no parameter of this node, which passes it over")
        else:
            unknown.setdefault(one.place, []).append(one.name)
    for place, names in unknown.items():
        with _located(place):
            refuse_unknown(config_class, names, within=True)
    try:
        return make_config(config_class, values), warnings
    except Contradiction as error:
        where = dict.fromkeys(places[name] for name in error.names if name in places)
        raise ValueError(f"{' and '.join(where)}: {error}") from error


def given_in_file(path: str | Path, node: str) -> list[Given]:
    """What a ROS parameter file gives to a node, by its full name; later sections after earlier ones.

    Raises OSError when there is no such file, ValueError for what is no parameter file.
    """
    given = []
    for section, values in _sections(parse_options(Path(path).read_text(), str(path)), "", str(path)):
        if _matches(section.split("/")[1:], node.split("/")[1:]):
            for_all = section.rsplit("/", 1)[1] in ("*", "**")
            given += [Given(name, value, str(path), for_all) for name, value in flattened(values)]
    return given


def overlooked_in_file(path: str | Path, node: str) -> str:
    """What a ROS parameter file says to nodes of this name in other namespaces alone, as a warning; empty where there is none."""
    sections = [section for section, _ in _sections(parse_options(Path(path).read_text(), str(path)), "", str(path))]
    of_name = [section for section in sections if section.rsplit("/", 1)[1] == node.rsplit("/", 1)[1]]
    if not of_name or any(_matches(section.split("/")[1:], node.split("/")[1:]) for section in of_name):
        return ""
    name = node.rsplit("/", 1)[1]
    return f"{path}: expected parameters of {node}, got those of {', '.join(of_name)}, which are passed over; name the section /**/{name}"


def flattened(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Nested mappings as dotted names."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{name}.")
        else:
            yield prefix + str(name), value


def _sections(values: Mapping[str, Any], above: str, place: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Node names, maybe with wildcards, and their parameters."""
    for name, value in values.items():
        node = f"{above}/{name.strip('/')}"
        if not isinstance(value, Mapping):
            raise ValueError(f"expected {PARAMETERS} below {node[1:]} in {place}, got {value!r}")
        if PARAMETERS in value:
            parameters = value[PARAMETERS] or {}
            if not isinstance(parameters, Mapping):
                raise ValueError(f"expected {PARAMETERS} of {node[1:]} in {place} to map names to values, got {parameters!r}")
            yield node, parameters
        yield from _sections({key: below for key, below in value.items() if key != PARAMETERS}, node, place)


def _matches(pattern: list[str], name: list[str]) -> bool:
    """Whether the parts of a node's name fit: ``*`` stands for one of them, ``**`` for any number."""
    if not pattern or not name:
        return pattern in ([], ["**"]) and not name
    if pattern[0] == "**":
        return _matches(pattern[1:], name) or _matches(pattern, name[1:])
    return pattern[0] in ("*", name[0]) and _matches(pattern[1:], name[1:])


@contextmanager
def _located(place: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
