"""Objects by the names that people give them, and as parts of topics."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from pose_tracker_ros.object_description import read_object_description
from pose_tracker_ros.objects import find_object_folder

INSTANCE = re.compile(r"(.+)#(\d+)")


class NamedObject(NamedTuple):
    """An object that somebody wants: its name or ``name#2`` of one more of its kind, the part of topics that stands for it,
    and its folder."""

    name: str
    topic: str
    folder: Path


def ros_name(name: str, taken: Collection[str] = ()) -> str:
    """A name of an object as a part of topics.

    Runs of other characters than letters and digits become one underscore (``obj_000001#2``: ``obj_000001_2``), and names
    that don't begin with a letter are preceded by ``object_`` (``006_mustard_bottle``: ``object_006_mustard_bottle``).
    One that is ``taken`` gets a number after it.
    """
    valid = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    if not valid[:1].isalpha():
        valid = f"object_{valid}".rstrip("_")
    number = 1
    unique = valid
    while unique in taken:
        number += 1
        unique = f"{valid}_{number}"
    return unique


def named_objects(wanted: Iterable[str]) -> list[NamedObject]:
    """Objects by the names or folders that a parameter has; one that stands there again is one more of its kind.

    Entries of nothing are passed over. Raises FileNotFoundError for an unknown object; ValueError for a broken description, for
    none at all, and for two objects that have one name or would have one topic.
    """
    folders: dict[str, Path] = {}
    for entry in filter(None, map(str.strip, wanted)):
        name, folder = _described(entry)
        if name in folders and folders[name].resolve() != folder.resolve():
            raise ValueError(f"expected objects of different names, got {name!r} in {folders[name]} and in {folder}; rename one")
        folders[_free_instance(name, folders)] = folder
    if not folders:
        raise ValueError("expected at least one object, got none; give the name of one in models/, or its folder")
    topics = topic_names(list(folders))
    return [NamedObject(name, topics[name], folder) for name, folder in folders.items()]


def topic_names(names: Sequence[str]) -> dict[str, str]:
    """The part of topics that stands for each name; raises ValueError where two would have the same."""
    topics: dict[str, str] = {}
    for name in names:
        topics[name] = ros_name(name)
        others = [other for other in topics if other != name and topics[other] == topics[name]]
        if others:
            raise ValueError(
                f"expected names that differ as topics, got {others[0]!r} and {name!r}, which would both be "
                f"{topics[name]!r}; rename one"
            )
    return topics


def _described(entry: str) -> tuple[str, Path]:
    """Name and folder of an object, or of an instance as ``name#2``."""
    numbered = INSTANCE.fullmatch(entry)
    plain, number = (numbered[1], f"#{numbered[2]}") if numbered and not Path(entry).is_dir() else (entry, "")
    folder = find_object_folder(plain)
    return str(read_object_description(folder).get("name", folder.name)) + number, folder


def _free_instance(name: str, taken: Collection[str]) -> str:
    kind, number = (numbered[1], int(numbered[2])) if (numbered := INSTANCE.fullmatch(name)) else (name, 1)
    while name in taken:
        number += 1
        name = f"{kind}#{number}"
    return name
