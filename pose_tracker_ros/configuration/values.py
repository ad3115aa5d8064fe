"""Values of options: converted to the option's type, or refused in one sentence."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeVar

import yaml

from pose_tracker_ros.configuration.declaration import Option, Rule, options_of

Config = TypeVar("Config")
KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
# As YAML 1.1 and ROS have them.
TRUTH = {"true": True, "yes": True, "on": True, "y": True, "false": False, "no": False, "off": False, "n": False}
WHOLE_NUMBER = re.compile(r"[-+]?\d[\d_]*")
HEXADECIMAL = re.compile(r"[-+]?0x[0-9a-fA-F]+")


class Contradiction(ValueError):
    """Options that do not go together; ``names`` are theirs."""

    def __init__(self, message: str, names: tuple[str, ...]) -> None:
        super().__init__(message)
        self.names = names


def make_config(config_class: type[Config], values: Mapping[str, Any]) -> Config:
    """An instance of a configuration class from plain values; nested ones from mappings, tuples of them from lists.

    An option of a nested one may also be named as ``noise.depth_bias``, one of a merged one by its own name. Raises
    ValueError for a name that is no option, a value of another type or out of its range, and for options that contradict
    each other.
    """
    refuse_unknown(config_class, values)
    values = _grouped(values)
    own = {option.name: option for option in options_of(config_class)}
    made = {}
    for item in fields(config_class):
        if "merged" in item.metadata:
            known = _names(item.metadata["merged"])
            given = {name: value for name, value in values.items() if name in known}
            made[item.name] = values.get(item.name) or make_config(item.metadata["merged"], given)
        elif item.name not in values:
            continue
        elif "nested" in item.metadata:
            made[item.name] = _made(item.metadata["nested"], values[item.name], item.name)
        elif "items" in item.metadata:
            made[item.name] = _made_all(item.metadata["items"], values[item.name], item.name)
        else:
            made[item.name] = converted(own[item.name], values[item.name])
    config = config_class(**made)
    _refuse_contradictions(config)
    return config


def refuse_unknown(config_class: type, names: Iterable[str], within: bool = False) -> None:
    """Raises ValueError for names that are no options, with what replaces or resembles them.

    ``within``: also for those within nested configurations, which else answer for themselves.
    """
    known = {option.name for option in options_of(config_class)} if within else _names(config_class)
    replaced = _replaced(config_class)
    unknown = [name for name in names if name not in known and (within or not _is_within(name, config_class))]
    answers = [f"{name} is no more: {replaced[name]}" for name in unknown if name in replaced]
    if answers:
        raise ValueError("; ".join(answers))
    if unknown:
        raise ValueError(f"unknown option {', '.join(sorted(unknown))}; {nearest(sorted(unknown)[0], known)}")


def nearest(name: str, known: Collection[str]) -> str:
    """The known name that is most like an unknown one, as a question; all of them where none is."""
    likely = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {likely[0]}?" if likely else f"known are: {', '.join(sorted(known))}"


def converted(option: Option, value: Any) -> Any:
    """A value, or the text of one, as what the option is: a bool, int, float, str, or a tuple of them.

    Raises ValueError, which names the option and what was expected.
    """
    if not option.is_list:
        return _one(option, value, value)
    items = _list_in(value) if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)):
        raise ValueError(f"expected {option.name} to be a list, of which each is {KINDS[option.kind]}, got {value!r}")
    return tuple(_one(option, one, value) for one in items)


def _list_in(text: str) -> Any:
    """What is listed in a text, as launch files hand on lists; the text itself where it is no list."""
    try:
        return yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError:
        return text


def _one(option: Option, value: Any, whole: Any) -> Any:
    if option.choices and value not in option.choices:
        raise ValueError(f"expected {option.name} to be one of {', '.join(option.choices)}, got {_shown(whole)}")
    typed = _as_kind(option.kind, value)
    if typed is None:
        raise ValueError(f"expected {option.name} to be {KINDS[option.kind]}, got {_shown(whole)}")
    if isinstance(typed, str):
        return typed
    if math.isnan(typed):
        raise ValueError(f"expected {option.name} to be a number, got {_shown(whole)}")
    low, high = option.minimum, option.maximum
    if (low is not None and typed < low) or (high is not None and typed > high):
        where = f"{'within ' if None not in (low, high) else ''}{option.range()} {option.unit}".rstrip()
        raise ValueError(f"expected {option.name} {where}, got {_shown(whole)}")
    return typed


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and _number(value) is not None else repr(value)


def _as_kind(kind: type, value: Any) -> Any:
    """The value as one of a kind, None where it is none."""
    if kind is bool:
        return TRUTH.get(value.lower()) if isinstance(value, str) else value if isinstance(value, bool) else None
    if isinstance(value, bool):
        return None
    if kind is int:
        return _whole(value) if isinstance(value, str) else value if isinstance(value, int) else None
    if kind is float:
        return _number(value) if isinstance(value, str) else float(value) if isinstance(value, (int, float)) else None
    # Digits that YAML or ROS took for a number; other numbers cannot be written as they were.
    return str(value) if isinstance(value, (str, int)) else None


def _whole(text: str) -> int | None:
    if HEXADECIMAL.fullmatch(text):
        return int(text, 16)
    return int(text) if WHOLE_NUMBER.fullmatch(text) else None


def _number(text: str) -> float | None:
    try:
        # YAML writes infinity as .inf.
        return float(re.sub(r"^([-+]?)\.(inf|nan)$", r"\1\2", text.lower()))
    except ValueError:
        return None


def _refuse_contradictions(config: Any) -> None:
    rules: tuple[Rule, ...] = getattr(type(config), "RULES", ())
    for rule in rules:
        if not rule.holds(config):
            got = ", ".join(f"{name} {attrgetter(name)(config)!r}" for name in rule.names)
            raise Contradiction(f"expected {rule.expected}, got {got}", rule.names)


def _names(config_class: type) -> set[str]:
    """Every name that ``make_config`` takes, but those within nested configurations."""
    names = set()
    for item in fields(config_class):
        names |= _names(item.metadata["merged"]) if "merged" in item.metadata else set()
        names.add(item.name)
    return names | {option.name for option in options_of(config_class)}


def _is_within(name: str, config_class: type) -> bool:
    """Whether a dotted name begins with a nested configuration, which then says whether it knows the rest."""
    group, dot, _ = name.partition(".")
    return bool(dot) and group in {option.name.partition(".")[0] for option in options_of(config_class) if "." in option.name}


def _replaced(config_class: type) -> dict[str, str]:
    replaced = dict(getattr(config_class, "REPLACED", {}))
    for item in fields(config_class):
        if "merged" in item.metadata:
            replaced |= _replaced(item.metadata["merged"])
    return replaced


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


def _made_all(config_class: type[Config], values: Any, place: str) -> tuple[Config, ...]:
    if not isinstance(values, (list, tuple)):
        raise ValueError(f"expected option {place} to be a list, got {values!r}")
    return tuple(_made(config_class, value, f"{place} {i + 1}") for i, value in enumerate(values))


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
