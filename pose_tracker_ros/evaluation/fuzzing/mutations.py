"""Damage to files: cut, flipped, repeated and missing bytes, and numbers that are too large."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

_NUMBER = re.compile(rb"-?\d+(\.\d+)?")
# What stands for a number in a text, or for a field in a binary file.
STRANGE_TEXTS = (b"1e400", b"nan", b"-1", b"99999999999999999999", b"0", b"", b"true", b"[", b'"', b"\xff\xfe", b"0x7fffffff")
STRANGE_FIELDS = (b"\x00" * 4, b"\xff" * 4, b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\xff" * 8, b"\x00\x00\x00\x00\xff\xff\xff\x7f")

Mutation = Callable[[bytes, np.random.Generator], bytes]


def mutated(data: bytes, generator: np.random.Generator) -> bytes:
    """The bytes with one to three kinds of damage."""
    for _ in range(int(generator.integers(1, 4))):
        data = MUTATIONS[int(generator.integers(len(MUTATIONS)))](data, generator)
    return data


def _place(data: bytes, generator: np.random.Generator) -> int:
    """A byte; every other time one of the first 512, where headers are."""
    return int(generator.integers(max(1, min(len(data), 512) if generator.integers(2) else len(data))))


def _flip(data: bytes, generator: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(int(generator.integers(1, 9)) if changed else 0):
        changed[_place(data, generator)] ^= 1 << int(generator.integers(8))
    return bytes(changed)


def _cut(data: bytes, generator: np.random.Generator) -> bytes:
    return data[: _place(data, generator)]


def _remove(data: bytes, generator: np.random.Generator) -> bytes:
    place = _place(data, generator)
    return data[:place] + data[place + int(generator.integers(1, 65)) :]


def _repeat(data: bytes, generator: np.random.Generator) -> bytes:
    place, length = _place(data, generator), int(generator.integers(1, 257))
    return data[: place + length] + data[place : place + length] * int(generator.integers(1, 4)) + data[place + length :]


def _overwrite(data: bytes, generator: np.random.Generator) -> bytes:
    place, field = _place(data, generator), STRANGE_FIELDS[int(generator.integers(len(STRANGE_FIELDS)))]
    return data[:place] + field + data[place + len(field) :]


def _replace_number(data: bytes, generator: np.random.Generator) -> bytes:
    numbers = list(_NUMBER.finditer(data, 0, 1 << 20))
    if not numbers:
        return _overwrite(data, generator)
    found = numbers[int(generator.integers(len(numbers)))]
    return data[: found.start()] + STRANGE_TEXTS[int(generator.integers(len(STRANGE_TEXTS)))] + data[found.end() :]


def _shuffle_lines(data: bytes, generator: np.random.Generator) -> bytes:
    lines = data.split(b"\n")
    first, second = (int(number) for number in generator.integers(len(lines), size=2))
    lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


MUTATIONS: tuple[Mutation, ...] = (_flip, _cut, _remove, _repeat, _overwrite, _replace_number, _shuffle_lines)
