"""Numbers of glTF files: buffers inside and beside the file, and the accessors that read them."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from pose_tracker_ros import limits
from pose_tracker_ros.mesh_files.companions import find_companion

COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Buffers:
    """The buffers of a document; every look into them is checked against their ends."""

    def __init__(self, document: dict[str, Any], binary: bytes | None, path: Path) -> None:
        self._document, self._binary, self._path = document, binary, path
        self._read: dict[int, bytes] = {}

    def view(self, index: int) -> tuple[bytes, int]:
        """Bytes of a buffer view and the distance of its rows, 0 where they lie close."""
        view = self._document["bufferViews"][index]
        if "EXT_meshopt_compression" in view.get("extensions", {}) and "uri" not in self._document["buffers"][view["buffer"]]:
            raise ValueError("the file needs the glTF extension EXT_meshopt_compression: run gltfpack without -c and -cc")
        whole = self._buffer(view["buffer"])
        start, length = view.get("byteOffset", 0), view["byteLength"]
        if start < 0 or length < 0 or start + length > len(whole):
            raise ValueError(f"expected {start + length} bytes in buffer {view['buffer']}, got {len(whole)}; the file is cut")
        return whole[start : start + length], view.get("byteStride", 0)

    def accessor(self, index: int, shape: tuple[int, int] | None = None) -> np.ndarray:
        """Numbers (N, width) of an accessor as float64; normalised integers as -1..1 or 0..1.

        Raises ValueError where they are not of a ``shape`` that is given.
        """
        accessor = self._document["accessors"][index]
        count, width = accessor["count"], WIDTHS[accessor["type"]]
        limits.check(count, 3 * limits.MESH_TRIANGLES, "vertices")
        kind = np.dtype(COMPONENTS[accessor["componentType"]])
        if "bufferView" in accessor:
            values = self._values(accessor["bufferView"], accessor.get("byteOffset", 0), kind, count, width)
        else:
            values = np.zeros((count, width), kind)
        if "sparse" in accessor:
            values = self._with_exceptions(values, accessor["sparse"], kind)
        numbers = values.astype(np.float64)
        if accessor.get("normalized", False) and kind.kind != "f":
            numbers = np.maximum(numbers / np.iinfo(kind).max, -1.0)
        if shape is not None and numbers.shape != shape:
            raise ValueError(f"expected {shape[0]} rows of {shape[1]} numbers in accessor {index}, got {numbers.shape[0]} of {numbers.shape[1]}")
        return numbers

    def uri(self, uri: str) -> bytes | None:
        """What a URI stands for, inside the file or beside it; None where there is no such file."""
        if uri.startswith("data:"):
            try:
                return base64.b64decode(uri.partition(",")[2], validate=False)
            except binascii.Error as error:
                raise ValueError(f"expected data in base64 in the file's JSON: {error}") from None
        found = find_companion(self._path, unquote(uri)) or find_companion(self._path, uri)
        return None if found is None else limits.read_bytes(found, limits.MESH_BYTES, "a buffer")

    def _buffer(self, index: int) -> bytes:
        if index not in self._read:
            entry = self._document["buffers"][index]
            data = self.uri(entry["uri"]) if "uri" in entry else self._binary
            if data is None:
                name = ascii(entry.get("uri", "the binary chunk"))
                raise ValueError(f"expected {name}, which holds its geometry, beside it, but there is no such file")
            self._read[index] = data
        return self._read[index]

    def _values(self, view: int, offset: int, kind: np.dtype, count: int, width: int) -> np.ndarray:
        data, stride = self.view(view)
        row = kind.itemsize * width
        stride = stride or row
        if count < 0 or offset < 0 or stride < row or (count and offset + (count - 1) * stride + row > len(data)):
            raise ValueError(f"expected {count} rows of {row} bytes in buffer view {view}, which has {len(data)}; the file is cut")
        if not count:
            return np.zeros((0, width), kind)
        return np.ndarray((count, width), kind, data, offset, (stride, kind.itemsize))

    def _with_exceptions(self, values: np.ndarray, sparse: dict[str, Any], kind: np.dtype) -> np.ndarray:
        count = sparse["count"]
        at = sparse["indices"]
        rows = self._values(at["bufferView"], at.get("byteOffset", 0), np.dtype(COMPONENTS[at["componentType"]]), count, 1)[:, 0]
        other = sparse["values"]
        changed = np.array(values)
        changed[rows] = self._values(other["bufferView"], other.get("byteOffset", 0), kind, count, values.shape[1])
        return changed
