"""glTF 2.0 files (.glb, .gltf): scenes of nodes with triangles, and the colours that a viewer shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pose_tracker_ros import limits
from pose_tracker_ros.mesh_files.gltf_buffers import Buffers
from pose_tracker_ros.mesh_files.gltf_materials import Materials
from pose_tracker_ros.mesh_files.gltf_poses import DEEPEST, Skins, morphed, transform_of
from pose_tracker_ros.mesh_files.surface import Part, Surface
from pose_tracker_ros.mesh_files.text_lines import BYTE_ORDER_MARK

MAGIC, JSON_CHUNK, BINARY_CHUNK = b"glTF", b"JSON", b"BIN\0"
TRIANGLES, STRIP, FAN = 4, 5, 6
# What may be required of a reader and is followed here, or says nothing about shape and base colour.
KNOWN_EXTENSIONS = ("KHR_mesh_quantization", "KHR_texture_transform", "EXT_texture_webp", "MSFT_lod")
HARMLESS_PREFIXES = ("KHR_materials_", "KHR_lights_", "EXT_lights_", "KHR_xmp", "KHR_animation_", "KHR_node_visibility")
ADVICE = {
    "KHR_draco_mesh_compression": "its geometry is compressed by Draco; export it without, or run: gltf-transform copy IN.glb OUT.glb",
    "EXT_meshopt_compression": "its geometry is compressed by meshoptimizer; run gltfpack without -c and -cc",
    "EXT_mesh_gpu_instancing": "its copies are instances; run gltfpack without -mi, or export them as meshes",
    "KHR_texture_basisu": "its textures are in KTX 2 files; export them as PNG or JPEG",
}


def read_gltf(path: Path, data: bytes) -> Surface:
    """The surface of a glTF file's scene, in metres as the format has it. Raises ValueError that says what is wrong with it."""
    document, binary = _chunks(data)
    try:
        _check_required(document)
        return _Scene(document, binary, path).surface()
    except (KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"expected what glTF 2.0 has, but an entry is missing or of another type ({error!r})") from error


def _chunks(data: bytes) -> tuple[dict[str, Any], bytes | None]:
    """The document and, of a .glb, its binary chunk."""
    if not data.startswith(MAGIC):
        return _document(data), None
    if int.from_bytes(data[4:8], "little") != 2:
        raise ValueError(f"expected glTF 2.0, got version {int.from_bytes(data[4:8], 'little')}; export it as glTF 2.0")
    if int.from_bytes(data[8:12], "little") > len(data):
        raise ValueError(f"expected {int.from_bytes(data[8:12], 'little')} bytes as the file says, got {len(data)}; it is cut")
    chunks: dict[bytes, bytes] = {}
    start = 12
    while start + 8 <= len(data):
        length, kind = int.from_bytes(data[start : start + 4], "little"), data[start + 4 : start + 8]
        if start + 8 + length > len(data):
            raise ValueError("expected complete chunks in the .glb file, but the last one is cut")
        chunks.setdefault(kind, data[start + 8 : start + 8 + length])
        start += 8 + length
    if JSON_CHUNK not in chunks:
        raise ValueError("expected a JSON chunk in the .glb file, but there is none")
    return _document(chunks[JSON_CHUNK]), chunks.get(BINARY_CHUNK)


def _document(data: bytes) -> dict[str, Any]:
    limits.check(len(data), limits.MESH_DOCUMENT_BYTES, "bytes of JSON")
    try:
        document = json.loads(data.removeprefix(BYTE_ORDER_MARK).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected the JSON of a glTF file: {error}") from None
    if not isinstance(document, dict) or not str(document.get("asset", {}).get("version", "")).startswith("2"):
        raise ValueError("expected the JSON of glTF 2.0 with its asset's version; export it as glTF 2.0")
    return document


def _check_required(document: dict[str, Any]) -> None:
    for name in document.get("extensionsRequired", []):
        if name not in KNOWN_EXTENSIONS and not str(name).startswith(HARMLESS_PREFIXES):
            raise ValueError(f"the file needs the glTF extension {name}: {ADVICE.get(name, 'export it without')}")


def _check_shape(entry: dict[str, Any]) -> None:
    """Raise ValueError for a node or a primitive whose shape depends on an extension, required or not."""
    for name in entry.get("extensions", {}):
        if name in ADVICE:
            raise ValueError(f"the file needs the glTF extension {name}: {ADVICE[name]}")


class _Scene:
    """Walks the nodes of a scene and gathers their triangles."""

    def __init__(self, document: dict[str, Any], binary: bytes | None, path: Path) -> None:
        self._document = document
        self._buffers = Buffers(document, binary, path)
        self._materials = Materials(document, self._buffers, path)
        self._skins = Skins(document, self._buffers)
        self._parts: list[Part] = []
        self._triangles = self._visits = 0

    def surface(self) -> Surface:
        nodes = self._document.get("nodes", [])
        scenes = self._document.get("scenes", [])
        if scenes:
            roots = scenes[self._document.get("scene", 0)].get("nodes", [])
        else:
            children = {child for node in nodes for child in node.get("children", [])}
            roots = [index for index in range(len(nodes)) if index not in children]
        for root in roots:
            self._visit(root, np.eye(4), ())
        parts = tuple(self._parts)
        # A primitive without a material is white, which nobody chose: it counts where others are painted.
        if any(part.is_painted for part in parts):
            parts = tuple(part if part.is_painted or self._materials.missing else part.with_color(np.full(3, 255)) for part in parts)
        return Surface(parts, tuple(dict.fromkeys(self._materials.missing)))

    def _visit(self, index: int, parent: np.ndarray, above: tuple[int, ...]) -> None:
        if index in above or len(above) > DEEPEST:
            raise ValueError("expected a tree of nodes, but they are nested in a circle or too deep")
        # Nodes that have the same children twice double with every level.
        self._visits += 1
        limits.check(self._visits, limits.MESH_NODES, "nodes of a scene")
        node = self._document["nodes"][index]
        _check_shape(node)
        transform = parent @ transform_of(node)
        if "mesh" in node:
            mesh = self._document["meshes"][node["mesh"]]
            for primitive in mesh["primitives"]:
                self._add(primitive, transform, node.get("weights", mesh.get("weights", [])), node.get("skin"))
        for child in node.get("children", []):
            self._visit(child, transform, (*above, index))

    def _add(self, primitive: dict[str, Any], transform: np.ndarray, weights: list[float], skin: int | None) -> None:
        mode = primitive.get("mode", TRIANGLES)
        if mode not in (TRIANGLES, STRIP, FAN):
            return
        _check_shape(primitive)
        attributes = primitive["attributes"]
        positions = self._buffers.accessor(attributes["POSITION"])
        if positions.shape[1] != 3:
            raise ValueError("expected three coordinates of every vertex")
        indices = (
            self._buffers.accessor(primitive["indices"])[:, 0].astype(np.int64)
            if "indices" in primitive
            else np.arange(len(positions))
        )
        if len(indices) and indices.max() >= len(positions):
            raise ValueError(f"a triangle names vertex {indices.max()} of {len(positions)}; the file is cut or was edited")
        faces = _faces(indices, mode)
        self._triangles += len(faces)
        limits.check(self._triangles, limits.MESH_TRIANGLES, "triangles")
        if not len(faces):
            return
        positions = morphed(positions, primitive.get("targets", []), weights, self._buffers)
        # A skin's joints stand for the node.
        each = transform[None] if skin is None else self._skins.blended(skin, attributes, len(positions))
        # A mirrored node turns the triangles inside out.
        if np.linalg.det(each[0, :3, :3]) < 0:
            faces = faces[:, ::-1]
        vertices = np.einsum("nij,nj->ni", np.broadcast_to(each[:, :3, :3], (len(positions), 3, 3)), positions) + each[:, :3, 3]
        self._parts.append(self._materials.painted(Part(vertices, faces), primitive.get("material"), attributes))


def _faces(indices: np.ndarray, mode: int) -> np.ndarray:
    if mode == TRIANGLES:
        return indices[: len(indices) // 3 * 3].reshape(-1, 3)
    if len(indices) < 3:
        return np.zeros((0, 3), np.int64)
    if mode == FAN:
        return np.column_stack([np.full(len(indices) - 2, indices[0]), indices[1:-1], indices[2:]])
    strip = np.column_stack([indices[:-2], indices[1:-1], indices[2:]])
    strip[1::2] = strip[1::2][:, [1, 0, 2]]
    return strip
