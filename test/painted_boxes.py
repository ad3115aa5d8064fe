"""A box with a colour on each side, written as other programs write it, and the colours that a camera sees of it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import make_pose
from pose_tracker_ros.objects import Mesh
from pose_tracker_ros.rendering.raycast import RaycastRenderer

SIZE = np.array([0.08, 0.06, 0.04])
CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]) * SIZE
# Sides from -x, +x to +z, seen from outside.
SIDES = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
COLORS = np.uint8([(220, 30, 30), (30, 200, 40), (40, 60, 220), (230, 220, 40), (200, 40, 200), (40, 210, 210)])
# All corners of all sides, one after the other.
POSITIONS = CORNERS[np.array(SIDES)].reshape(-1, 3)
TRIANGLES = np.array([t for i in range(6) for t in ((4 * i, 4 * i + 1, 4 * i + 2), (4 * i, 4 * i + 2, 4 * i + 3))])
FLOAT, U8, U16, I16, U32 = 5126, 5121, 5123, 5122, 5125
CAMERA = PinholeCamera(64, 64, 300.0, 300.0, 31.5, 31.5)


def atlas(colors: np.ndarray = COLORS) -> np.ndarray:
    """Texture (64, 96, 3): the sides' colours in three columns and two rows, the first at the top left."""
    return np.uint8(np.kron(np.reshape(colors, (2, 3, 3)), np.ones((32, 32, 1))))


def coordinates() -> np.ndarray:
    """Texture coordinates (24, 2) of the positions in the atlas, v downwards."""
    corners = np.array([(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)])
    return np.concatenate([(corners + (i % 3, i // 3)) / (3, 2) for i in range(6)])


def write_obj(path: Path, material: str, texture: bool = True, uv: np.ndarray | None = None) -> Path:
    """The box in OBJ with a material; ``material`` is the text of its file, '' for none."""
    uv = coordinates() if uv is None else uv
    lines = ["mtllib box.mtl"] + [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in CORNERS]
    if texture:
        lines += [f"vt {u:.9g} {1 - v:.9g}" for u, v in uv]
    lines.append("usemtl paint")
    for i, side in enumerate(SIDES):
        lines.append("f " + " ".join(f"{c + 1}/{4 * i + k + 1}" if texture else str(c + 1) for k, c in enumerate(side)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    if material:
        (path.parent / "box.mtl").write_text(material)
    return path


def png(pixels: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def write_gltf(
    path: Path,
    attributes: dict[str, tuple[np.ndarray, int, bool]] | None = None,
    material: dict | None = None,
    images: tuple[bytes, ...] = (),
    **document: object,
) -> Path:
    """The box as .glb, or as .gltf with .bin and images beside it; ``attributes``: values, component type, normalised."""
    attributes = {"POSITION": (np.float32(POSITIONS), FLOAT, False)} | (attributes or {})
    binary, views, accessors = bytearray(), [], []

    def view(data: bytes) -> int:
        binary.extend(b"\0" * (-len(binary) % 4))
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(data)})
        binary.extend(data)
        return len(views) - 1

    def accessor(values: np.ndarray, component: int, normalized: bool) -> int:
        padded = values if (values.itemsize * values.shape[-1]) % 4 == 0 or values.ndim == 1 else np.pad(values, ((0, 0), (0, 1)))
        index = view(np.ascontiguousarray(padded).tobytes())
        if padded is not values:
            views[index]["byteStride"] = padded.itemsize * padded.shape[1]
        kind = "SCALAR" if values.ndim == 1 else f"VEC{values.shape[1]}"
        accessors.append({"bufferView": index, "componentType": component, "count": len(values), "type": kind})
        if normalized:
            accessors[-1]["normalized"] = True
        return len(accessors) - 1

    names = {name: accessor(*entry) for name, entry in attributes.items()}
    primitive = {"attributes": names, "indices": accessor(np.uint32(TRIANGLES.ravel()), U32, False)}
    content = {"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}]}
    if material is not None:
        primitive["material"] = 0
        content["materials"] = [material]
    content["meshes"] = [{"primitives": [primitive]}]
    separate = path.suffix == ".gltf"
    if images:
        content["textures"] = [{"source": k} for k in range(len(images))]
        names_of_files = [f"image {k}.png" for k in range(len(images))]
        if separate:
            content["images"] = [{"uri": name.replace(" ", "%20")} for name in names_of_files]
            for name, data in zip(names_of_files, images):
                (path.parent / name).write_bytes(data)
        else:
            content["images"] = [{"bufferView": view(data), "mimeType": "image/png"} for data in images]
    content |= {"accessors": accessors, "bufferViews": views, "buffers": [{"byteLength": len(binary)}]} | document
    if separate:
        content["buffers"][0]["uri"] = "box%20data.bin"
        (path.parent / "box data.bin").write_bytes(binary)
        path.write_text(json.dumps(content))
        return path
    text = json.dumps(content).encode()
    text += b" " * (-len(text) % 4)
    binary.extend(b"\0" * (-len(binary) % 4))
    chunks = len(text).to_bytes(4, "little") + b"JSON" + text + len(binary).to_bytes(4, "little") + b"BIN\0" + bytes(binary)
    path.write_bytes(b"glTF" + (2).to_bytes(4, "little") + (12 + len(chunks)).to_bytes(4, "little") + chunks)
    return path


def textured(index: int = 0, **entries: object) -> dict:
    """A glTF material with a texture."""
    return {"pbrMetallicRoughness": {"baseColorTexture": {"index": index, **entries}}}


def uv_attribute(uv: np.ndarray | None = None) -> tuple[np.ndarray, int, bool]:
    return (np.float32(coordinates() if uv is None else uv), FLOAT, False)


def seen_colors(mesh: Mesh) -> np.ndarray:
    """Colours (6, 3) in the middle of the box's sides as a camera in front of each sees them, -1 where it sees nothing."""
    renderer = RaycastRenderer(mesh)
    seen = []
    middle = (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
    for axis in range(3):
        for sign in (-1.0, 1.0):
            away = np.eye(3)[axis] * sign
            side = np.eye(3)[(axis + 1) % 3]
            rotation = np.stack([side, np.cross(-away, side), -away])
            pose = make_pose(rotation, np.array([0, 0, 5 * float(np.ptp(mesh.vertices, axis=0).max())]) - rotation @ middle)
            rendering = renderer.render(CAMERA, pose)
            seen.append(np.median(rendering.color[30:34, 30:34].reshape(-1, 3), axis=0) if rendering.mask[32, 32] else [-1] * 3)
    return np.array(seen)
