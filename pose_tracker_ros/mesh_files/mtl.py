"""Materials of Wavefront MTL files: the colour or the texture that a surface has, or what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pose_tracker_ros import limits
from pose_tracker_ros.mesh_files.colors import to_bytes
from pose_tracker_ros.mesh_files.companions import find_companion
from pose_tracker_ros.mesh_files.text_lines import as_text, lines_of
from pose_tracker_ros.mesh_files.textures import read_texture

# Options before the name of an image, with the most values of each; those of -o, -s and -t may be fewer.
OPTION_VALUES = {
    "-blendu": 1, "-blendv": 1, "-boost": 1, "-mm": 2, "-o": 3, "-s": 3, "-t": 3, "-texres": 1, "-clamp": 1, "-bm": 1,
    "-imfchan": 1, "-type": 1, "-cc": 1, "-colorspace": 1,
}  # fmt: skip
# Grey beside a texture is how bright exporters like their materials, not paint.
TINT = 0.02


@dataclass(frozen=True)
class Material:
    """Paint of faces: a ``texture`` with what is done to its coordinates, or one ``color``, or neither when it isn't known.

    color: (3,) uint8 sRGB; uv_scale, uv_offset: (2,); missing: a sentence about the file that was not found.
    """

    color: np.ndarray | None = None
    texture: np.ndarray | None = None
    uv_scale: tuple[float, float] = (1.0, 1.0)
    uv_offset: tuple[float, float] = (0.0, 0.0)
    missing: str = ""


def read_materials(path: Path, mesh: Path) -> dict[str, Material]:
    """Materials of an MTL file by name; images are looked for beside it and beside the mesh."""
    data = limits.read_bytes(path, limits.MESH_DOCUMENT_BYTES, "materials")
    entries: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in lines_of(data):
        keyword, _, rest = line.replace(b"\t", b" ").partition(b" ")
        if keyword.lower() == b"newmtl":
            current = entries.setdefault(as_text(rest.strip()), {})
        elif not keyword.startswith(b"#"):
            current.setdefault(keyword.lower().decode("ascii", errors="replace"), as_text(rest.strip()))
    textures: dict[Path, np.ndarray] = {}
    return {name: _material(entry, path, mesh, textures) for name, entry in entries.items()}


def _material(entry: dict[str, str], path: Path, mesh: Path, textures: dict[Path, np.ndarray]) -> Material:
    color = _diffuse(entry.get("kd", ""))
    if not entry.get("map_kd"):
        return Material(color=None if color is None else to_bytes(color))
    options, name = _image_name(entry["map_kd"])
    image = find_companion(path, name) or find_companion(mesh, name)
    if image is None:
        return Material(missing=f"the texture {Path(name.replace(chr(92), '/')).name!r} that {path.name} names is not there")
    try:
        texture = textures[image] if image in textures else textures.setdefault(image, read_texture(image))
    except ValueError as error:
        return Material(missing=str(error))
    if color is not None and np.ptp(color) > TINT and color.max() <= 1.0:
        texture = np.uint8(np.rint(texture * color))
    return Material(texture=texture, uv_scale=_pair(options, "-s", 1.0), uv_offset=_pair(options, "-o", 0.0))


def _diffuse(text: str) -> np.ndarray | None:
    """Numbers (3,) of a Kd line; None for none, or for a spectral curve."""
    try:
        numbers = np.array([float(word) for word in text.split()])
    except ValueError:
        return None
    if len(numbers) not in (1, 3) or not np.all(np.isfinite(numbers)):
        return None
    return np.broadcast_to(numbers, 3)


def _image_name(text: str) -> tuple[dict[str, list[float]], str]:
    """Options with their numbers and the name, which may have blanks."""
    options: dict[str, list[float]] = {}
    rest = text.strip()
    while rest.startswith("-"):
        word, _, after = rest.partition(" ")
        if word.lower() not in OPTION_VALUES:
            break
        values, rest = _values(after.lstrip(), OPTION_VALUES[word.lower()], word.lower() in ("-o", "-s", "-t", "-mm"))
        options[word.lower()] = values
    return options, rest


def _values(text: str, most: int, numbers: bool) -> tuple[list[float], str]:
    """Up to ``most`` values at the beginning of a text, as far as they are numbers where they have to be, and the rest."""
    found: list[float] = []
    for _ in range(most):
        word, _, after = text.partition(" ")
        try:
            found.append(float(word))
        except ValueError:
            if numbers:
                break
        # The last word is the image's name, though it may look like a number.
        if not after.strip():
            break
        text = after.lstrip()
    return found, text


def _pair(options: dict[str, list[float]], name: str, default: float) -> tuple[float, float]:
    values = options.get(name, [])
    # A scale of one number is that of u alone, as the format has it.
    return (values[0] if values else default, values[1] if len(values) > 1 else default)
