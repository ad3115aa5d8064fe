"""``object.yaml``: what people write about an object, by the type of each entry and not by what its text looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pose_tracker_ros import limits
from pose_tracker_ros.geometry import is_pose
from pose_tracker_ros.symmetries import parse_symmetries

METRES_PER_UNIT = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254}
TEXTS = ("name", "mesh", "mesh_unit", "license", "description")
OBJECT_KEYS = {*TEXTS, "object_T_mesh", "bop_id", "symmetries"}
LONGEST_NAME = 100


def metres_per_unit(unit: str) -> float:
    """Metres of a unit of length. Raises ValueError for one that is not known."""
    if unit not in METRES_PER_UNIT:
        raise ValueError(f"expected mesh_unit to be one of {', '.join(METRES_PER_UNIT)}, got {unit!r}")
    return METRES_PER_UNIT[unit]


def read_object_description(folder: Path) -> dict[str, Any]:
    """Entries of a folder's object.yaml: texts as they are written (a name may be 021), numbers as numbers.

    ``object_T_mesh``: 4 rows of 4 numbers; ``symmetries``: a mapping for :func:`parse_symmetries`.
    Raises ValueError when it is no mapping, has keys that are not known, or values of another kind than theirs.
    """
    path = folder / "object.yaml"
    entries = _mapping(path)
    if not isinstance(entries, dict) or "mesh" not in entries:
        raise ValueError(f"expected {path} to be a mapping with at least the key 'mesh'")
    unknown = sorted(set(map(str, entries)) - OBJECT_KEYS)
    if unknown:
        raise ValueError(f"expected only the keys {', '.join(sorted(OBJECT_KEYS))} in {path}, got {', '.join(unknown)}")
    # An entry without a value is one that is left out.
    description = {key: value for key, value in entries.items() if value != "" or key == "mesh"}
    try:
        for key in TEXTS:
            if key in description:
                description[key] = _text(description[key], key)
        if "mesh_unit" in description:
            metres_per_unit(description["mesh_unit"])
        if "bop_id" in description:
            description["bop_id"] = _whole_number(description["bop_id"], "bop_id")
        if "object_T_mesh" in description:
            description["object_T_mesh"] = _rigid(description["object_T_mesh"])
        if "symmetries" in description:
            description["symmetries"] = _symmetries(description["symmetries"])
    except ValueError as error:
        raise ValueError(f"{error}, in {path}") from error
    return description


def _mapping(path: Path) -> Any:
    """The file with every scalar as text."""
    data = limits.read_bytes(path, limits.DESCRIPTION_BYTES, "a description")
    try:
        text = data.decode("utf-8-sig")
        depth = longest = 0
        for event in yaml.parse(text, Loader=yaml.BaseLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            longest = max(longest, depth)
            if longest > limits.DESCRIPTION_NESTING:
                raise ValueError(f"expected at most {limits.DESCRIPTION_NESTING} levels of nesting in {path}")
            if isinstance(event, yaml.AliasEvent):
                raise ValueError(f"expected no references (*{event.anchor}) in {path}; write the value itself")
        return yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"expected valid YAML in {path}: {' '.join(str(error).split())}") from error


def _text(value: object, key: str) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable() and key != "description":
        raise ValueError(f"expected {key} to be a text in one line, got {str(value)[:200]!r}")
    if key == "name" and len(value) > LONGEST_NAME:
        raise ValueError(f"expected a name of at most {LONGEST_NAME} letters, got {len(value)}")
    return value.strip()


def _whole_number(value: object, key: str) -> int:
    number = _numbers(value)
    if number is None or number.shape != () or number != np.rint(number) or not 0 <= number < 2**31:
        raise ValueError(f"expected {key} to be a whole number from 0, got {str(value)[:200]!r}")
    return int(number)


def _numbers(value: object) -> np.ndarray | None:
    """Finite numbers of texts in nested lists, None where some are none."""
    try:
        numbers = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return numbers if np.all(np.isfinite(numbers)) else None


def _rigid(rows: object) -> list[list[float]]:
    numbers = _numbers(rows)
    if numbers is None or numbers.size != 16:
        raise ValueError("expected object_T_mesh as 4 rows of 4 numbers")
    if not is_pose(numbers.reshape(4, 4)):
        raise ValueError(f"expected object_T_mesh to be a rigid transform, got {rows}")
    return numbers.reshape(4, 4).tolist()


def _symmetries(value: object) -> dict[str, list]:
    kinds = ("discrete", "continuous")
    if not isinstance(value, dict) or not set(value) <= set(kinds):
        raise ValueError(f"expected symmetries to be a mapping with the keys {' and '.join(kinds)}, got {str(value)[:200]}")
    lists = {kind: value[kind] or [] for kind in kinds if kind in value}
    if not all(isinstance(entries, list) for entries in lists.values()):
        raise ValueError("expected lists of discrete and of continuous symmetries")
    for item in lists.get("continuous", []):
        if not isinstance(item, dict) or not {"axis"} <= set(item) <= {"axis", "offset"}:
            raise ValueError(f"expected continuous symmetries with axis and, if need be, offset, got {str(item)[:200]}")
    parse_symmetries(lists)
    return lists
