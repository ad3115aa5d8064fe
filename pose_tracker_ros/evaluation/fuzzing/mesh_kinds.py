"""Meshes, their textures and their descriptions."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
import trimesh

from pose_tracker_ros.datasets.files import read_depth
from pose_tracker_ros.evaluation.fuzzing.kinds import FuzzKind
from pose_tracker_ros.mesh_files import write_glb
from pose_tracker_ros.new_objects import place_object
from pose_tracker_ros.object_intake import checked_object, near_part, read_part
from pose_tracker_ros.objects import load_mesh, load_object
from pose_tracker_ros.simulation.scene_files import example_scenes, load_scene

MAX_FACES = 20_000


def _body() -> trimesh.Trimesh:
    return trimesh.util.concatenate(
        [trimesh.creation.box((0.1, 0.06, 0.04)), trimesh.creation.icosphere(1, 0.02).apply_translation([0, 0, 0.03])]
    )


def _colors(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (count, 3)).astype(np.uint8)


def _picture() -> np.ndarray:
    return _colors(16 * 24).reshape(16, 24, 3)


def _write_obj(folder: Path) -> Path:
    """Two materials, and faces in three of the ways in which they are written."""
    cv2.imwrite(str(folder / "tex.png"), _picture())
    (folder / "part.mtl").write_text("newmtl paint\nKd 0.8 0.8 0.8\nmap_Kd -s 1 1 tex.png\nnewmtl red\nKd 1 0 0\n")
    body = _body()
    corners = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in body.vertices]
    coordinates = [f"vt {u:.4f} {v:.4f}" for u, v in np.abs(body.vertices[:, :2]) * 9]
    count, half = len(corners), len(body.faces) // 2
    painted = ["f " + " ".join(f"{k + 1}/{k + 1}" for k in face) for face in body.faces[:half]]
    red = ["f " + " ".join(f"{k - count}//1" for k in face) for face in body.faces[half:]]
    text = ["mtllib part.mtl", *corners, *coordinates, "usemtl paint", *painted, "usemtl red", *red, "f 1 2 4 3"]
    (folder / "part.obj").write_text("\n".join(text) + "\n")
    return folder / "part.obj"


def _write_mtl(folder: Path) -> Path:
    return _write_obj(folder).with_suffix(".mtl")


def _write_texture(folder: Path) -> Path:
    return _write_obj(folder).with_name("tex.png")


def _write_ply(folder: Path, encoding: str) -> Path:
    body = _body()
    body.visual.vertex_colors = _colors(len(body.vertices))
    body.export(folder / "part.ply", encoding=encoding)
    return folder / "part.ply"


def _write_stl(folder: Path, kind: str) -> Path:
    _body().export(folder / "part.stl", file_type=kind)
    return folder / "part.stl"


def _write_glb(folder: Path, textured: bool) -> Path:
    body = _body()
    paint = (
        {"uv": np.float32(np.abs(body.vertices[:, :2]) * 9), "texture": _picture()}
        if textured
        else {"vertex_colors": _colors(len(body.vertices))}
    )
    write_glb(folder / "part.glb", body.vertices, body.faces, body.vertex_normals, **paint)
    return folder / "part.glb"


def _write_gltf(folder: Path) -> Path:
    for name, data in trimesh.exchange.gltf.export_gltf(trimesh.Scene(_body())).items():
        (folder / name).write_bytes(data)
    return folder / "model.gltf"


def _write_posed(folder: Path) -> Path:
    """A glTF file with a skin of two joints, a morph target, vertices that other rows replace, and a texture whose border goes on."""
    body = _body()
    count = len(body.vertices)
    arrays = {
        "POSITION": np.float32(body.vertices),
        "TEXCOORD_0": np.float32(np.abs(body.vertices[:, :2]) * 30),
        "JOINTS_0": np.tile(np.uint8([0, 1, 0, 0]), (count, 1)),
        "WEIGHTS_0": np.tile(np.float32([0.7, 0.3, 0, 0]), (count, 1)),
        "target": np.float32(np.full((count, 3), 0.001)),
        "binds": np.tile(np.eye(4, dtype=np.float32).ravel(), (2, 1)),
        "indices": np.uint32(body.faces.ravel()),
        "rows": np.uint32([3, 5]),
        "others": np.float32(np.zeros((2, 3))),
    }
    types = {"f": 5126, "u1": 5121, "u4": 5125}
    data, views, accessors, place = bytearray(), [], [], {}
    for name, array in arrays.items():
        views.append({"buffer": 0, "byteOffset": len(data), "byteLength": array.nbytes})
        data += array.tobytes() + bytes(-array.nbytes % 4)
        kind = types.get(array.dtype.kind, types.get(array.dtype.str[1:]))
        width = {1: "SCALAR", 16: "MAT4"}.get(array[0].size, f"VEC{array[0].size}")
        place[name] = len(accessors)
        accessors.append({"bufferView": len(views) - 1, "componentType": kind, "count": len(array), "type": width})
    sparse = {"bufferView": place["rows"], "componentType": 5125}, {"bufferView": place["others"]}
    accessors[place["POSITION"]]["sparse"] = {"count": 2, "indices": sparse[0], "values": sparse[1]}
    attributes = {name: place[name] for name in ("POSITION", "TEXCOORD_0", "JOINTS_0", "WEIGHTS_0")}
    primitive = {"attributes": attributes, "indices": place["indices"], "targets": [{"POSITION": place["target"]}], "material": 0}
    cv2.imwrite(str(folder / "tex.png"), _picture())
    (folder / "part.bin").write_bytes(data)
    document = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0, 1]}],
        "nodes": [{"mesh": 0, "skin": 0}, {"children": [2], "scale": [1, 1, 1]}, {"translation": [0.01, 0, 0], "rotation": [0, 0, 0, 1]}],
        "skins": [{"joints": [1, 2], "inverseBindMatrices": place["binds"]}],
        "meshes": [{"weights": [0.5], "primitives": [primitive]}],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}],
        "textures": [{"source": 0, "sampler": 0}],
        "samplers": [{"wrapS": 33071, "wrapT": 33648}],
        "images": [{"uri": "tex.png"}],
        "buffers": [{"uri": "part.bin", "byteLength": len(data)}],
        "bufferViews": views,
        "accessors": accessors,
    }
    (folder / "part.gltf").write_text(json.dumps(document))
    return folder / "part.gltf"


def _write_yaml(folder: Path) -> Path:
    _body().export(folder / "part.ply")
    (folder / "object.yaml").write_text(
        "name: 021\nmesh: part.ply\nmesh_unit: m\nbop_id: 5\n"
        "object_T_mesh: [[1, 0, 0, 0.01], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]\n"
        "symmetries:\n  discrete: [[-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]]\n"
        "  continuous: [{axis: [0, 0, 1], offset: [0, 0, 0]}]\n"
    )
    return folder / "object.yaml"


def _write_scene(folder: Path) -> Path:
    return Path(shutil.copy(example_scenes()[0], folder / "scene.yaml"))


def _write_depth(folder: Path) -> Path:
    cv2.imwrite(str(folder / "depth.png"), np.full((16, 24), 700, np.uint16))
    return folder / "depth.png"


def _write_array(folder: Path) -> Path:
    np.save(folder / "depth.npy", np.full((16, 24), 0.7, np.float32))
    return folder / "depth.npy"


def _add(path: Path) -> None:
    """All that add-object does."""
    checked = checked_object("part", near_part(read_part(path)), "m", MAX_FACES)
    with tempfile.TemporaryDirectory(dir=path.parent) as models:
        place_object(checked.model, Path(models) / "part", checked.symmetries, declare=True)


OBJ = FuzzKind("obj", _write_obj, _add)
MTL = FuzzKind("mtl", _write_mtl, lambda path: load_mesh(path.with_suffix(".obj")))
PLY = FuzzKind("ply", lambda folder: _write_ply(folder, "binary"), _add)
PLY_TEXT = FuzzKind("ply_text", lambda folder: _write_ply(folder, "ascii"), load_mesh)
STL = FuzzKind("stl", lambda folder: _write_stl(folder, "stl"), _add)
STL_TEXT = FuzzKind("stl_text", lambda folder: _write_stl(folder, "stl_ascii"), load_mesh)
GLB = FuzzKind("glb", lambda folder: _write_glb(folder, True), _add)
GLB_COLORS = FuzzKind("glb_colors", lambda folder: _write_glb(folder, False), load_mesh)
GLTF_JSON = FuzzKind("json", _write_gltf, _add)
GLTF_POSED = FuzzKind("json_skin", _write_posed, load_mesh)
TEXTURE_PNG = FuzzKind("texture_png", _write_texture, lambda path: load_mesh(path.with_name("part.obj")))
DEPTH_PNG = FuzzKind("depth_png", _write_depth, lambda path: read_depth(path, 0.001))
DEPTH_NPY = FuzzKind("depth_npy", _write_array, read_depth)
OBJECT_YAML = FuzzKind("yaml", _write_yaml, lambda path: load_object(str(path.parent)))
SCENE_YAML = FuzzKind("scene_yaml", _write_scene, load_scene)
