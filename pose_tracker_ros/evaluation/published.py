"""Published results to show beside ours; the numbers and their sources are in published.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

DATA_FILE = Path(__file__).with_name("published.yaml")


@dataclass(frozen=True)
class PublishedMethod:
    """One method's column: object name (or ALL) -> (ADD, ADD-S) AUC in percent."""

    name: str
    initial_pose: str
    source: str
    auc: Mapping[str, tuple[float, float]]
    frames_per_second: float | None = None
    note: str = ""


@dataclass(frozen=True)
class PublishedTable:
    """The published results of one benchmark."""

    name: str
    title: str
    methods: tuple[PublishedMethod, ...]


def load_published(path: str | Path = DATA_FILE) -> dict[str, PublishedTable]:
    """Benchmark name -> table.

    Raises ValueError when an entry lacks its source or its numbers.
    """
    content = yaml.safe_load(Path(path).read_text())
    return {name: PublishedTable(name, str(entry["title"]), _methods(entry, path)) for name, entry in content.items()}


def _methods(entry: Mapping, path: str | Path) -> tuple[PublishedMethod, ...]:
    methods = []
    for item in entry["methods"]:
        missing = [key for key in ("name", "initial_pose", "source", "auc") if not item.get(key)]
        if missing:
            raise ValueError(f"expected {', '.join(missing)} for method {item.get('name')!r} in {path}")
        auc = {str(name): (float(add), float(adds)) for name, (add, adds) in item["auc"].items()}
        rate = item.get("frames_per_second")
        methods.append(
            PublishedMethod(item["name"], item["initial_pose"], item["source"], auc, rate, item.get("note", ""))
        )
    return tuple(methods)
