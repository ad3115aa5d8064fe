"""What a mesh file says: parts of triangles, each with its paint, in the file's own unit and at its own place."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Part:
    """Triangles with one kind of paint, or with paint that is not known.

    vertices (V, 3) float64; faces (F, 3) int64; the paint is ``texture`` (height, width, 3) uint8 sRGB with ``uv`` (V, 2)
    float64, v upwards, or ``vertex_colors`` (V, 3) uint8 sRGB, or neither.
    """

    vertices: np.ndarray
    faces: np.ndarray
    vertex_colors: np.ndarray | None = None
    uv: np.ndarray | None = None
    texture: np.ndarray | None = None

    @property
    def is_painted(self) -> bool:
        """True when its colours are known."""
        return self.vertex_colors is not None or self.texture is not None

    def compacted(self) -> Part:
        """The part without vertices that no triangle uses."""
        used = np.zeros(len(self.vertices), bool)
        used[self.faces] = True
        if np.all(used):
            return self
        number = np.cumsum(used) - 1
        colors = None if self.vertex_colors is None else self.vertex_colors[used]
        uv = None if self.uv is None else self.uv[used]
        return Part(self.vertices[used], number[self.faces], colors, uv, self.texture)

    def with_color(self, color: np.ndarray) -> Part:
        """The part in one colour (3,) uint8 sRGB."""
        return Part(self.vertices, self.faces, vertex_colors=np.tile(np.uint8(color), (len(self.vertices), 1)))


@dataclass(frozen=True)
class Surface:
    """Contents of a mesh file.

    notes: sentences about what the file names and lacks; points (N, 3) float64 and their colours (N, 3) uint8 sRGB: of a
    file that has points and no triangles.
    """

    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    point_colors: np.ndarray | None = None
