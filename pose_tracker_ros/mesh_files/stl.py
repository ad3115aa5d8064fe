"""STL files, text or binary. They have no colours that programs agree on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pose_tracker_ros import limits
from pose_tracker_ros.mesh_files.surface import Part, Surface
from pose_tracker_ros.mesh_files.text_lines import lines_of, number_rows

HEADER = 84
TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def read_stl(path: Path, data: bytes) -> Surface:
    """The surface of an STL file. Raises ValueError that says what is wrong with it."""
    count = int.from_bytes(data[80:HEADER], "little") if len(data) >= HEADER else 0
    whole = HEADER + count * TRIANGLE.itemsize
    is_binary = len(data) >= whole and count > 0
    # Binary files may begin like text.
    is_text = not is_binary or (len(data) > whole and b"vertex" in data[:4096].lower())
    if data.lstrip()[:5].lower() == b"solid" and is_text:
        corners = _of_text(data)
    elif is_binary:
        limits.check(count, limits.MESH_TRIANGLES, "triangles")
        corners = np.frombuffer(data, TRIANGLE, count, HEADER)["corners"].reshape(-1, 3).astype(np.float64)
    elif len(data) >= HEADER and count:
        there = (len(data) - HEADER) // TRIANGLE.itemsize
        raise ValueError(f"expected {count} triangles as the STL file says, but it ends after {there}; it is cut")
    else:
        raise ValueError("expected an STL file, text or binary, with at least one triangle")
    return Surface((Part(corners, np.arange(len(corners)).reshape(-1, 3)),))


def _of_text(data: bytes) -> np.ndarray:
    lines = [line for line in lines_of(data) if line[:6].lower() == b"vertex"]
    if not lines or len(lines) % 3:
        raise ValueError(f"expected three lines 'vertex x y z' for every triangle, got {len(lines)} in all; the file is cut")
    limits.check(len(lines) // 3, limits.MESH_TRIANGLES, "triangles")
    return number_rows(lines, 3, "a vertex")[:, :3]
