"""Damaged files of every kind that is read: each has to be read, or to be refused in a sentence, soon and in little memory.

A kind of file is a FuzzKind in a module of this package whose name ends with ``_kinds``; it is found by being there,
and its name is its own.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from pose_tracker_ros.evaluation.fuzzing.kinds import FuzzKind

__all__ = ["FuzzKind", "all_kinds"]


def all_kinds() -> dict[str, FuzzKind]:
    """Every kind of file by its name. Raises ValueError where two kinds have one name: only one of them would be read."""
    modules = sorted(module.name for module in iter_modules(__path__) if module.name.endswith("_kinds"))
    found = (value for name in modules for value in vars(import_module(f"{__name__}.{name}")).values())
    kinds: dict[str, FuzzKind] = {}
    for kind in found:
        if isinstance(kind, FuzzKind) and kinds.setdefault(kind.name, kind) is not kind:
            raise ValueError(f"expected a name of its own for every kind of file, got {kind.name!r} twice")
    return kinds
