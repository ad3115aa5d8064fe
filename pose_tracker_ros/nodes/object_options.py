"""Parameters of nodes that are about objects."""

from __future__ import annotations

from dataclasses import dataclass

from pose_tracker_ros.configuration import option


@dataclass(frozen=True)
class ObjectOptions:
    """Which objects, and what the first one is like where that is not what its own folder says."""

    object: str = option("demo_jug", "The object: a name in models/ or a folder with object.yaml", read_only=True)
    objects: tuple[str, ...] = option(
        ("",), "Several objects, instead of object: names or folders; one named twice is two of a kind"
    )
    mesh_path: str = option("", "Mesh file instead of the first object's own", read_only=True)
    mesh_unit: str = option("", "Unit of mesh_path: m, cm, mm or inch; empty = the object's", read_only=True)

    @property
    def wanted(self) -> list[str]:
        """What ``objects`` names, or, where it names nothing, ``object``."""
        return [name for name in self.objects if name.strip()] or [self.object]
