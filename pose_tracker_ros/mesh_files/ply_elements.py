"""The elements of PLY files as arrays, whatever their properties."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from pose_tracker_ros import limits

TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
BYTE_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}
END = b"end_header"


class Property(NamedTuple):
    """One property: numpy's type of its values and, of a list, of its length."""

    name: str
    kind: str
    length: str | None


class Element(NamedTuple):
    """scalars: (N,) by name; lists: all values one after the other (C,) and how many each row has (N,), by name."""

    scalars: dict[str, np.ndarray]
    lists: dict[str, tuple[np.ndarray, np.ndarray]]


class _Header(NamedTuple):
    layout: str
    comments: list[str]
    elements: list[tuple[str, int, list[Property]]]


def read_elements(data: bytes) -> tuple[list[str], dict[str, Element]]:
    """Comments and elements of a file's contents. Raises ValueError for a header or a body that is not what PLY has."""
    header, body = _split(data)
    if header.layout == "ascii":
        return header.comments, _of_text(header, body)
    return header.comments, _of_bytes(header, memoryview(body), BYTE_ORDERS[header.layout])


def _split(data: bytes) -> tuple[_Header, bytes]:
    end = data.find(END, 0, limits.MEBIBYTE)
    # Files of old systems end their lines otherwise.
    newline = b"\r" if b"\n" not in data[:max(end, 0)] else b"\n"
    line_end = data.find(newline, end) if end >= 0 else -1
    if not data.startswith(b"ply") or line_end < 0:
        raise ValueError("expected a PLY header from 'ply' to 'end_header', but there is none; the file is cut or something else")
    lines = data[:end].decode("utf-8", errors="surrogateescape").replace("\r", "\n").split("\n")
    return _header([line.strip() for line in lines if line.strip()]), data[line_end + 1 :]


def _header(lines: list[str]) -> _Header:
    layout, comments = "", []
    elements: list[tuple[str, int, list[Property]]] = []
    for line in lines[1:]:
        words = line.split()
        try:
            if words[0] == "format":
                layout = words[1]
            elif words[0] == "comment":
                comments.append(line[len("comment") :].strip())
            elif words[0] == "element":
                elements.append((words[1], int(words[2]), []))
            elif words[:2] == ["property", "list"]:
                elements[-1][2].append(Property(words[4].lower(), TYPES[words[3]], TYPES[words[2]]))
            elif words[0] == "property":
                elements[-1][2].append(Property(words[2].lower(), TYPES[words[1]], None))
        except (IndexError, KeyError, ValueError):
            raise ValueError(f"expected a line of a PLY header, got {ascii(line[:60])}") from None
    if layout != "ascii" and layout not in BYTE_ORDERS:
        raise ValueError(f"expected the format ascii, {' or '.join(BYTE_ORDERS)} in the PLY header, got {ascii(layout[:60])}")
    for name, count, properties in elements:
        limits.check(count, 3 * limits.MESH_TRIANGLES, f"rows of the element {name!r}")
        if count < 0 or len({one.name for one in properties}) != len(properties) or (count and not properties):
            raise ValueError(f"expected rows with properties of different names in the element {ascii(name)}")
    return _Header(layout, comments, elements)


def _cut(name: str, count: int) -> ValueError:
    return ValueError(f"expected {count} rows of the element {name!r} as the header says, but the numbers end before; the file is cut or was edited")


def _of_bytes(header: _Header, body: memoryview, order: str) -> dict[str, Element]:
    elements, start = {}, 0
    for name, count, properties in header.elements:
        elements[name], start = _rows(name, count, properties, body, start, order)
    return elements


def _rows(
    name: str, count: int, properties: list[Property], body: memoryview, start: int, order: str
) -> tuple[Element, int]:
    """An element, and where the next one begins."""
    if not count:
        return Element({one.name: np.zeros(0, one.kind) for one in properties if not one.length}, {}), start
    lengths = _first_lengths(properties, body, start, order)
    if lengths is not None:
        kinds: list[tuple] = []
        for one, length in zip(properties, lengths):
            kinds += [(f"length of {one.name}", order + one.length)] if one.length else []
            kinds.append((one.name, order + one.kind, length) if one.length else (one.name, order + one.kind))
        row = np.dtype(kinds)
        if start + count * row.itemsize <= len(body):
            table = np.frombuffer(body, row, count, start)
            if all(np.all(table[f"length of {one.name}"] == length) for one, length in zip(properties, lengths) if one.length):
                scalars = {one.name: _native(table[one.name]) for one in properties if not one.length}
                lists = {
                    one.name: (_native(table[one.name]).reshape(-1), np.full(count, length, np.int64))
                    for one, length in zip(properties, lengths)
                    if one.length
                }
                return Element(scalars, lists), start + count * row.itemsize
        elif not any(one.length for one in properties):
            raise _cut(name, count)
    return _walked(name, count, properties, body, start, order)


def _native(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))


def _first_lengths(properties: list[Property], body: memoryview, start: int, order: str) -> list[int] | None:
    """Lengths of the first row's lists, 0 for scalars; None where the file ends before."""
    lengths = []
    for one in properties:
        length = 0
        if one.length:
            kind = np.dtype(order + one.length)
            if start + kind.itemsize > len(body):
                return None
            length = int(np.frombuffer(body, kind, 1, start)[0])
            start += kind.itemsize
        if length < 0 or length > len(body):
            return None
        lengths.append(length)
        start += np.dtype(one.kind).itemsize * (length if one.length else 1)
    return lengths


def _walked(
    name: str, count: int, properties: list[Property], body: memoryview, start: int, order: str
) -> tuple[Element, int]:
    """Row by row, for lists of several lengths."""
    values: dict[str, list[np.ndarray]] = {one.name: [] for one in properties}
    sizes: dict[str, list[int]] = {one.name: [] for one in properties}
    kinds = [(one.name, np.dtype(order + one.kind), np.dtype(order + one.length) if one.length else None) for one in properties]
    try:
        for _ in range(count):
            for key, kind, length_kind in kinds:
                length = 1
                if length_kind is not None:
                    length = int(np.frombuffer(body, length_kind, 1, start)[0])
                    start += length_kind.itemsize
                if length < 0 or start + length * kind.itemsize > len(body):
                    raise _cut(name, count)
                values[key].append(np.frombuffer(body, kind, length, start) if length else np.zeros(0, kind))
                sizes[key].append(length)
                start += length * kind.itemsize
    except ValueError:
        raise _cut(name, count) from None
    joined = {key: _native(np.concatenate(rows)) for key, rows in values.items()}
    return Element(
        {one.name: joined[one.name] for one in properties if not one.length},
        {one.name: (joined[one.name], np.array(sizes[one.name], np.int64)) for one in properties if one.length},
    ), start


def _of_text(header: _Header, body: bytes) -> dict[str, Element]:
    with warnings.catch_warnings():
        # What is no number ends the row of numbers, and is found by their count.
        warnings.simplefilter("ignore", DeprecationWarning)
        numbers = np.fromstring(body.decode("ascii", errors="replace"), dtype=np.float64, sep=" ")
    elements, start = {}, 0
    for name, count, properties in header.elements:
        elements[name], start = _text_rows(name, count, properties, numbers, start)
    return elements


def _text_rows(
    name: str, count: int, properties: list[Property], numbers: np.ndarray, start: int
) -> tuple[Element, int]:
    """The same of numbers in a row."""
    has_lists = any(one.length for one in properties)
    if not has_lists:
        end = start + count * len(properties)
        if end > len(numbers):
            raise _cut(name, count)
        table = numbers[start:end].reshape(count, len(properties))
        return Element({one.name: _typed(table[:, k], one.kind) for k, one in enumerate(properties)}, {}), end
    places: dict[str, list[tuple[int, int]]] = {one.name: [] for one in properties}
    for _ in range(count):
        for one in properties:
            length = 1
            if one.length:
                if start >= len(numbers) or not 0 <= numbers[start] <= len(numbers):
                    raise _cut(name, count)
                length = int(numbers[start])
                start += 1
            places[one.name].append((start, length))
            start += length
    if start > len(numbers):
        raise _cut(name, count)
    scalars, lists = {}, {}
    for one in properties:
        table = np.array(places[one.name], np.int64).reshape(-1, 2)
        index = np.repeat(table[:, 0] - np.cumsum(table[:, 1]) + table[:, 1], table[:, 1]) + np.arange(table[:, 1].sum())
        values = _typed(numbers[index], one.kind)
        if one.length:
            lists[one.name] = (values, table[:, 1])
        else:
            scalars[one.name] = values
    return Element(scalars, lists), start


def _typed(values: np.ndarray, kind: str) -> np.ndarray:
    """Numbers of a text in the type that the header gives them, as far as they fit in."""
    if kind[0] == "f":
        return values.astype(kind)
    limit = np.iinfo(kind)
    return np.clip(np.nan_to_num(values), limit.min, limit.max).astype(kind)
