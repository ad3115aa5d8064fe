"""How options are declared: one line each, with rules for those that depend on each other beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

# What the end of an option's name says of its unit.
UNIT_OF_SUFFIX = {"m": "m", "mm": "mm", "px": "px", "s": "s", "ms": "ms", "hz": "Hz", "deg": "deg"}


class Rule(NamedTuple):
    """What options of one class must fulfil together; those of nested configurations by their dotted names."""

    names: tuple[str, ...]
    holds: Callable[[Any], bool]
    expected: str


@dataclass(frozen=True)
class Option:
    """One option that has a value of its own.

    ``kind``: bool, int, float or str, of the elements where ``is_list``; ``name``: dotted for those of nested
    configurations; ``path``: attributes that lead to it. Limits are inclusive, and of every element.
    """

    name: str
    path: tuple[str, ...]
    kind: type
    is_list: bool
    default: Any
    description: str
    unit: str
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...] | None
    read_only: bool

    def meaning(self) -> str:
        """Description, and what values are taken."""
        taken = f"one of {', '.join(self.choices)}" if self.choices else f"{self.range()} {self.unit}".strip()
        return f"{self.description} ({taken})" if taken else self.description

    def range(self) -> str:
        """The limits in words, empty without any."""
        if self.minimum is not None and self.maximum is not None:
            return f"{_plain(self.minimum)} to {_plain(self.maximum)}"
        if self.minimum is not None:
            return f"at least {_plain(self.minimum)}"
        return "" if self.maximum is None else f"at most {_plain(self.maximum)}"

    def value_in(self, config: Any) -> Any:
        """The option's value in a configuration of the class that it was declared in."""
        return attrgetter(".".join(self.path))(config)


def option(
    default: Any,
    description: str,
    *,
    unit: str | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] | None = None,
    read_only: bool = False,
) -> Any:
    """A dataclass field with its description, unit, limits, and whether it is fixed once running.

    ``unit``: by default the one that the end of the name says (``_m``, ``_px``, ``_s`` ...), else none.
    """
    metadata = {
        "description": description,
        "unit": unit,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "read_only": read_only,
    }
    return field(default=default, metadata=metadata)


def nested(config_class: type, description: str, *, read_only: bool = False) -> Any:
    """A dataclass field that is a configuration itself, with its defaults; its options have dotted names.

    ``read_only``: all of them are fixed once running.
    """
    metadata = {"description": description, "nested": config_class, "read_only": read_only}
    return field(default_factory=config_class, metadata=metadata)


def merged(config_class: type) -> Any:
    """A dataclass field that is a configuration itself, whose options have the names that they have in it."""
    return field(default_factory=config_class, metadata={"merged": config_class})


def items(config_class: type, default: tuple, description: str) -> Any:
    """A dataclass field that is a tuple of configurations of one class."""
    return field(default=default, metadata={"description": description, "items": config_class})


def below(lower: str, upper: str) -> Rule:
    """The rule that an option is less than another of its class; rules stand in a class's tuple ``RULES``."""
    return Rule((lower, upper), lambda config: attrgetter(lower)(config) < attrgetter(upper)(config), f"{lower} below {upper}")


@cache
def options_of(config_class: type) -> tuple[Option, ...]:
    """Every option that has a value of its own, in the order of their declaration."""
    return tuple(_options_of(config_class, "", ()))


def _options_of(config_class: type, prefix: str, path: tuple[str, ...]) -> Iterator[Option]:
    hints = get_type_hints(config_class)
    for item in fields(config_class):
        below_it = (*path, item.name)
        if "nested" in item.metadata:
            fixed = item.metadata["read_only"]
            for one in _options_of(item.metadata["nested"], f"{prefix}{item.name}.", below_it):
                yield replace(one, read_only=one.read_only or fixed)
        elif "merged" in item.metadata:
            yield from _options_of(item.metadata["merged"], prefix, below_it)
        elif "items" not in item.metadata:
            yield _option(prefix + item.name, below_it, hints[item.name], item.default, dict(item.metadata))


def _option(name: str, path: tuple[str, ...], hint: Any, default: Any, metadata: dict[str, Any]) -> Option:
    is_list = get_origin(hint) is tuple
    kind = get_args(hint)[0] if is_list else hint
    unit = metadata.pop("unit")
    if unit is None:
        unit = UNIT_OF_SUFFIX.get(name.rpartition("_")[2], "") if "_" in name and kind in (int, float) else ""
    return Option(name, path, kind, is_list, default, unit=unit, **metadata)


def _plain(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"
