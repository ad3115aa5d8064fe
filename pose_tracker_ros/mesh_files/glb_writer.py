"""Writing meshes as binary glTF 2.0: the one form in which objects are saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pose_tracker_ros.mesh_files.colors import linear_of_srgb

FLOAT, UNSIGNED = 5126, 5125
ARRAY, ELEMENTS = 34962, 34963
REPEAT = {"wrapS": 10497, "wrapT": 10497}


class _Buffer:
    """The binary chunk while it grows, with its views and accessors."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def view(self, data: bytes, target: int | None = None) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)}
        self.views.append(view if target is None else {**view, "target": target})
        self.data += data
        return len(self.views) - 1

    def accessor(self, values: np.ndarray, kind: str, component: int, target: int) -> int:
        view = self.view(np.ascontiguousarray(values).tobytes(), target)
        accessor: dict[str, Any] = {"bufferView": view, "componentType": component, "count": len(values), "type": kind}
        if kind == "VEC3" and target == ARRAY:
            accessor |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def write_glb(
    path: Path,
    vertices: np.ndarray,
    faces: np.ndarray,
    normals: np.ndarray,
    vertex_colors: np.ndarray | None = None,
    uv: np.ndarray | None = None,
    texture: np.ndarray | None = None,
) -> None:
    """Write a mesh: vertices (V, 3) metres, faces (F, 3), unit normals (V, 3), and one kind of paint at most.

    Parameters: ``vertex_colors`` (V, 3) uint8 sRGB; ``uv`` (V, 2), v upwards, with ``texture`` (height, width, 3) uint8 sRGB,
    which is stored without loss.
    """
    buffer = _Buffer()
    attributes = {
        "POSITION": buffer.accessor(np.float32(vertices), "VEC3", FLOAT, ARRAY),
        "NORMAL": buffer.accessor(np.float32(normals), "VEC3", FLOAT, ARRAY),
    }
    # All that an object is, it is by its paint.
    material: dict[str, Any] = {"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0}, "doubleSided": True}
    document: dict[str, Any] = {"asset": {"version": "2.0", "generator": "pose_tracker_ros"}, "scene": 0}
    if vertex_colors is not None:
        # The format has linear light; eight bits of it would lose dark colours.
        light = linear_of_srgb(vertex_colors / 255.0)
        attributes["COLOR_0"] = buffer.accessor(np.float32(light), "VEC3", FLOAT, ARRAY)
    elif uv is not None and texture is not None:
        downwards = np.column_stack([uv[:, 0], np.float32(1) - uv[:, 1]])
        attributes["TEXCOORD_0"] = buffer.accessor(np.float32(downwards), "VEC2", FLOAT, ARRAY)
        encoded = cv2.imencode(".png", np.ascontiguousarray(texture[..., ::-1]))[1].tobytes()
        document["images"] = [{"bufferView": buffer.view(encoded), "mimeType": "image/png"}]
        document["samplers"] = [REPEAT]
        document["textures"] = [{"source": 0, "sampler": 0}]
        material["pbrMetallicRoughness"]["baseColorTexture"] = {"index": 0}
    indices = buffer.accessor(np.uint32(faces).reshape(-1), "SCALAR", UNSIGNED, ELEMENTS)
    primitive = {"attributes": attributes, "indices": indices, "mode": 4, "material": 0}
    document |= {
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "materials": [material],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    path.write_bytes(_container(document, bytes(buffer.data)))


def _container(document: dict[str, Any], binary: bytes) -> bytes:
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    chunks = len(text).to_bytes(4, "little") + b"JSON" + text + len(binary).to_bytes(4, "little") + b"BIN\0" + binary
    return b"glTF" + (2).to_bytes(4, "little") + (12 + len(chunks)).to_bytes(4, "little") + chunks
