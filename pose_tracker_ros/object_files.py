"""Writing objects as folders with an object.yaml, the counterpart of ``load_object``."""

from __future__ import annotations

from pathlib import Path

import trimesh
import yaml
from PIL import Image

from pose_tracker_ros.objects import Mesh, ObjectModel


def write_object(model: ObjectModel, folder: Path) -> Path:
    """Write object.yaml and mesh, with its texture or its colours, into a folder; returns the folder.

    Vertices keep float32 precision and metres.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mesh_name = "textured.obj" if model.mesh.texture is not None else "mesh.ply"
    as_trimesh(model.mesh).export(folder / mesh_name)
    symmetries = {
        "discrete": [transform.ravel().tolist() for transform in model.discrete_symmetries],
        "continuous": [
            {"axis": symmetry.axis.tolist(), "offset": symmetry.offset.tolist()}
            for symmetry in model.continuous_symmetries
        ],
    }
    description = {"name": model.name, "mesh": mesh_name, "mesh_unit": "m"}
    declared = {kind: entries for kind, entries in symmetries.items() if entries}
    if declared:
        description["symmetries"] = declared
    (folder / "object.yaml").write_text(yaml.safe_dump(description, sort_keys=False))
    return folder


def as_trimesh(mesh: Mesh) -> trimesh.Trimesh:
    """The mesh with its colours as trimesh has it."""
    result = trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_normals=mesh.normals, process=False)
    if mesh.texture is not None:
        material = trimesh.visual.material.SimpleMaterial(image=Image.fromarray(mesh.texture))
        result.visual = trimesh.visual.TextureVisuals(uv=mesh.uv, material=material)
    elif mesh.vertex_colors is not None:
        result.visual = trimesh.visual.ColorVisuals(result, vertex_colors=mesh.vertex_colors)
    return result
