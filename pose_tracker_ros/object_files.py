"""Writing objects as folders with an object.yaml, the counterpart of ``load_object``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pose_tracker_ros.mesh_files import write_glb
from pose_tracker_ros.objects import Mesh, ObjectModel

# The one form in which meshes are saved: a single file that viewers show, with its texture or colours, in metres.
MESH_NAME = "mesh.glb"


def write_object(model: ObjectModel, folder: Path) -> Path:
    """Write object.yaml and the mesh, with its texture or its colours, into a folder; returns the folder.

    What is read from it again is the same: vertices in single precision and metres, colours of 8 bits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_mesh(model.mesh, folder / MESH_NAME)
    symmetries = {
        "discrete": [transform.ravel().tolist() for transform in model.discrete_symmetries],
        "continuous": [
            {"axis": symmetry.axis.tolist(), "offset": symmetry.offset.tolist()}
            for symmetry in model.continuous_symmetries
        ],
    }
    description: dict[str, Any] = {"name": model.name, "mesh": MESH_NAME, "mesh_unit": "m"}
    declared = {kind: entries for kind, entries in symmetries.items() if entries}
    if declared:
        description["symmetries"] = declared
    (folder / "object.yaml").write_text(yaml.safe_dump(description, sort_keys=False))
    return folder


def write_mesh(mesh: Mesh, path: Path) -> None:
    """Write a mesh in metres as binary glTF."""
    write_glb(path, mesh.vertices, mesh.faces, mesh.normals, mesh.vertex_colors, mesh.uv, mesh.texture)
