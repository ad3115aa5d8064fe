"""Writing object models as the models folder of a BOP data set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pose_tracker_ros.datasets.bop import METRES_PER_MM, default_object_name
from pose_tracker_ros.objects import Mesh, ObjectModel

# Of a PLY file's properties: numpy's types and PLY's names of them.
PLY_TYPES = {"<f4": "float", "u1": "uchar"}


def write_models(folder: Path, models: Mapping[str, ObjectModel]) -> None:
    """Write ``models_info.json`` and a mesh for every object; ids count from 1 in the order of the models.

    Meshes are in millimetres with vertex colours, or with a texture in a PNG file beside them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    info = {}
    for obj_id, (name, model) in enumerate(models.items(), 1):
        _write_ply(folder / f"{default_object_name(obj_id)}.ply", model.mesh)
        info[str(obj_id)] = {"name": name, **_description(model)}
    (folder / "models_info.json").write_text(json.dumps(info, indent=1))


def _description(model: ObjectModel) -> dict[str, Any]:
    low = model.mesh.vertices.min(axis=0) / METRES_PER_MM
    size = np.ptp(model.mesh.vertices, axis=0) / METRES_PER_MM
    entry: dict[str, Any] = {"diameter": model.diameter_m / METRES_PER_MM}
    entry |= {f"min_{axis}": float(value) for axis, value in zip("xyz", low)}
    entry |= {f"size_{axis}": float(value) for axis, value in zip("xyz", size)}
    if len(model.discrete_symmetries):
        in_mm = model.discrete_symmetries.copy()
        in_mm[:, :3, 3] /= METRES_PER_MM
        entry["symmetries_discrete"] = in_mm.reshape(-1, 16).tolist()
    if model.continuous_symmetries:
        entry["symmetries_continuous"] = [
            {"axis": one.axis.tolist(), "offset": (one.offset / METRES_PER_MM).tolist()}
            for one in model.continuous_symmetries
        ]
    return entry


def _write_ply(path: Path, mesh: Mesh) -> None:
    columns = {axis: ("<f4", mesh.vertices[:, i] / np.float64(METRES_PER_MM)) for i, axis in enumerate("xyz")}
    columns |= {f"n{axis}": ("<f4", mesh.normals[:, i]) for i, axis in enumerate("xyz")}
    comments = []
    if mesh.texture is not None:
        columns |= {name: ("<f4", mesh.uv[:, i]) for i, name in enumerate(("texture_u", "texture_v"))}
        image = path.with_suffix(".png")
        image.write_bytes(cv2.imencode(".png", np.ascontiguousarray(mesh.texture[..., ::-1]))[1].tobytes())
        comments.append(f"comment TextureFile {image.name}")
    elif mesh.vertex_colors is not None:
        columns |= {name: ("u1", mesh.vertex_colors[:, i]) for i, name in enumerate(("red", "green", "blue"))}
    vertices = np.zeros(len(mesh.vertices), [(name, kind) for name, (kind, _) in columns.items()])
    for name, (_, values) in columns.items():
        vertices[name] = values
    faces = np.zeros(len(mesh.faces), [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, mesh.faces
    header = ["ply", "format binary_little_endian 1.0", *comments, f"element vertex {len(vertices)}"]
    header += [f"property {PLY_TYPES[kind]} {name}" for name, (kind, _) in columns.items()]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header", ""]
    path.write_bytes("\n".join(header).encode() + vertices.tobytes() + faces.tobytes())
