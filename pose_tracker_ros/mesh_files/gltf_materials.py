"""Base colours of glTF materials as 8-bit sRGB: factors, textures and vertex colours multiply in linear light."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pose_tracker_ros.mesh_files.baking import baked
from pose_tracker_ros.mesh_files.colors import bytes_of_linear, linear_of_srgb
from pose_tracker_ros.mesh_files.gltf_buffers import Buffers
from pose_tracker_ros.mesh_files.surface import Part
from pose_tracker_ros.mesh_files.textures import decode_texture
from pose_tracker_ros.mesh_files.wrapping import extended, mirrored

MIRRORED_REPEAT, CLAMP_TO_EDGE = 33648, 33071
# Of images that viewers may take instead: those that can be read here.
READABLE_SOURCES = ("EXT_texture_webp",)
UNREADABLE_SOURCES = ("KHR_texture_basisu", "MSFT_texture_dds")


class Materials:
    """The materials of a document. ``missing`` holds sentences about images that are not there or can't be read."""

    def __init__(self, document: dict[str, Any], buffers: Buffers, path: Path) -> None:
        self._document, self._buffers, self._path = document, buffers, path
        self._textures: dict[tuple, np.ndarray | None] = {}
        self.missing: list[str] = []

    def painted(self, part: Part, material: int | None, attributes: dict[str, int]) -> Part:
        """The part in the colours that its material and its vertices have; without any where they are not known."""
        base, image = self._base(self._document["materials"][material] if material is not None else {})
        colors = self._vertex_colors(attributes)
        if image is not None:
            uv = self._coordinates(image, attributes)
            pixels = None if uv is None else self._texture(image, base)
            if uv is None:
                self.missing.append("a texture is named, but there are no texture coordinates for it")
            if uv is None or pixels is None:
                return part
            return self._with_texture(part, colors, uv, pixels, self._wrapping(image))
        if colors is None and base is None:
            return part
        light = np.ones((len(part.vertices), 3)) if colors is None else colors
        return Part(part.vertices, part.faces, vertex_colors=bytes_of_linear(light if base is None else light * base))

    def _base(self, material: dict[str, Any]) -> tuple[np.ndarray | None, dict[str, Any] | None]:
        """Factor (3,) in linear light and texture, None where the material has none."""
        extensions = material.get("extensions", {})
        if "KHR_materials_pbrSpecularGlossiness" in extensions:
            entry = extensions["KHR_materials_pbrSpecularGlossiness"]
            factor, image = entry.get("diffuseFactor"), entry.get("diffuseTexture")
        else:
            entry = material.get("pbrMetallicRoughness", {})
            factor, image = entry.get("baseColorFactor"), entry.get("baseColorTexture")
        if factor is None:
            return None, image
        numbers = np.array(factor, dtype=np.float64)
        if numbers.shape not in ((3,), (4,)) or not np.all(np.isfinite(numbers)):
            raise ValueError(f"expected a base colour of three or four numbers, got {ascii(factor)[:60]}")
        return np.clip(numbers[:3], 0.0, 1.0), image

    def _vertex_colors(self, attributes: dict[str, int]) -> np.ndarray | None:
        if "COLOR_0" not in attributes:
            return None
        colors = self._buffers.accessor(attributes["COLOR_0"])
        if colors.shape[1] < 3:
            raise ValueError("expected three or four numbers of every vertex colour")
        return colors[:, :3]

    def _coordinates(self, image: dict[str, Any], attributes: dict[str, int]) -> np.ndarray | None:
        """Texture coordinates (V, 2), v upwards, of the set and with the transform that the material says."""
        transform = image.get("extensions", {}).get("KHR_texture_transform", {})
        name = f"TEXCOORD_{transform.get('texCoord', image.get('texCoord', 0))}"
        if name not in attributes:
            return None
        uv = self._buffers.accessor(attributes[name])[:, :2]
        if uv.shape[1] != 2:
            raise ValueError("expected two texture coordinates of every vertex")
        angle = float(transform.get("rotation", 0.0))
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        uv = uv * np.array(transform.get("scale", (1, 1)), np.float64) @ turn.T + np.array(transform.get("offset", (0, 0)), np.float64)
        return np.column_stack([uv[:, 0], 1.0 - uv[:, 1]])

    def _texture(self, image: dict[str, Any], factor: np.ndarray | None) -> np.ndarray | None:
        """Pixels of a texture times a factor; None, and a sentence in ``missing``, where it can't be had."""
        key = (image["index"], None if factor is None else tuple(factor))
        if key not in self._textures:
            pixels = self._pixels(self._document["textures"][image["index"]])
            if pixels is not None and factor is not None and np.any(factor < 1.0):
                levels = linear_of_srgb(np.arange(256) / 255.0)[:, None] * factor
                table = bytes_of_linear(levels)
                pixels = np.stack([table[:, channel][pixels[..., channel]] for channel in range(3)], axis=-1)
            self._textures[key] = pixels
        return self._textures[key]

    def _pixels(self, texture: dict[str, Any]) -> np.ndarray | None:
        extensions = texture.get("extensions", {})
        sources = [extensions[name]["source"] for name in READABLE_SOURCES if name in extensions]
        sources += [texture["source"]] if "source" in texture else []
        if not sources:
            unread = next((name for name in UNREADABLE_SOURCES if name in extensions), None)
            self.missing.append(f"a texture is in the format of {unread}, which is not read" if unread else "a texture has no image")
            return None
        entry = self._document["images"][sources[0]]
        if "bufferView" in entry:
            data, name = self._buffers.view(entry["bufferView"])[0], f"image {sources[0]} of {self._path.name}"
        else:
            name = entry["uri"][:80] if not entry["uri"].startswith("data:") else f"image {sources[0]} of {self._path.name}"
            data = self._buffers.uri(entry["uri"])
        if data is None:
            self.missing.append(f"the texture {name!r} that {self._path.name} names is not there")
            return None
        try:
            return decode_texture(data, name)
        except ValueError as error:
            self.missing.append(str(error))
            return None

    def _wrapping(self, image: dict[str, Any]) -> tuple[int, int]:
        texture = self._document["textures"][image["index"]]
        sampler = self._document["samplers"][texture["sampler"]] if "sampler" in texture else {}
        return sampler.get("wrapS", 0), sampler.get("wrapT", 0)

    def _with_texture(
        self, part: Part, colors: np.ndarray | None, uv: np.ndarray, pixels: np.ndarray, wrapping: tuple[int, int]
    ) -> Part:
        for axis, mode in enumerate(wrapping):
            if mode in (MIRRORED_REPEAT, CLAMP_TO_EDGE) and np.any((uv[:, axis] < 0) | (uv[:, axis] > 1)):
                wrapped = mirrored if mode == MIRRORED_REPEAT else extended
                pixels, along = wrapped(pixels, uv[:, axis], axis)
                uv = np.column_stack([along if k == axis else uv[:, k] for k in range(2)])
        textured = Part(part.vertices, part.faces, uv=uv, texture=pixels)
        if colors is None or np.all(colors >= 1.0):
            return textured
        return baked(textured, colors)
