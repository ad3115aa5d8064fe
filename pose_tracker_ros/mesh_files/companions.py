"""Finding the files that a mesh file names: as other systems write them, and beside links and what they point to."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path


def find_companion(mesh: Path, name: str) -> Path | None:
    """The file of a name in a mesh file, None where there is none.

    Names may have blanks, folders of either slash, quotes, another case or form of Unicode than the file, and folders of the machine that
    wrote them. The mesh may be a link: what lies beside the link counts first, then what lies beside its target.
    """
    wanted = name.strip().strip("\"'").replace("\\", "/")
    if not wanted or "\0" in wanted:
        return None
    for folder in dict.fromkeys([mesh.parent, mesh.resolve().parent]):
        for place in dict.fromkeys([wanted, wanted.rsplit("/", 1)[-1]]):
            found = _in_folder(folder, place)
            if found is not None:
                return found
    return None


def _in_folder(folder: Path, name: str) -> Path | None:
    path = folder / name
    try:
        if path.is_file():
            return path.resolve()
        return _of_any_case(folder, [part for part in name.split("/") if part not in ("", ".")])
    except (OSError, RuntimeError, ValueError):
        # Names too long for the file system, links in a circle.
        return None


def _of_any_case(folder: Path, parts: list[str]) -> Path | None:
    for part in parts:
        if part == "..":
            folder = folder.parent
            continue
        if not folder.is_dir():
            return None
        alike = sorted(entry for entry in os.listdir(folder) if _spelling(entry) == _spelling(part))
        if not alike:
            return None
        folder = folder / alike[0]
    return folder.resolve() if folder.is_file() else None


def _spelling(name: str) -> str:
    """A name in small letters and one form of Unicode; bytes that are none are those of Windows in Western Europe."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        name = name.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
    return unicodedata.normalize("NFC", name).lower()
