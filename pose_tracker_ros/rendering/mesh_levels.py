"""Levels of detail of a large mesh, each with how far it is off, judged by drawing it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import make_pose, random_rotation
from pose_tracker_ros.objects import Mesh, mesh_with_normals
from pose_tracker_ros.rendering.protocol import Rendering, empty_rendering
from pose_tracker_ros.rendering.rasterizer import Rasterizer

if TYPE_CHECKING:
    from pose_tracker_ros.rendering.baked_colors import BakedColors

# Smaller meshes are drawn as they are.
LEAST_FACES = 8_000
# Below 2,000 triangles open and thin parts break.
LEVEL_FACES = (32_000, 16_000, 8_000, 4_000, 2_000)
# A tenth of a pixel is a quarter of a millimetre for an object of 25 cm in a crop of 100 pixels.
LEVEL_ERROR_PX = 0.1
# The library's thresholds are lengths: meshes in metres are reduced carelessly (errors up to ten times as large).
WORKING_EXTENT = 30.0
# A tenth of a millimetre of 20 cm: depth is compared in metres, however small the image. What is coarser is even worse.
WORST_ERROR = 0.0005
# Points on a diameter that have colours of their own.
COLOR_POINTS = (50, 100, 200)
VIEWS = 12
VIEW_PX = 256
# So far away that perspective does not matter.
VIEW_DISTANCE = 10.0


class MeshExtent(NamedTuple):
    """Middle (3,) of a mesh's bounding box and the diameter of the sphere about it that holds the mesh, in metres."""

    center: np.ndarray
    diameter_m: float

    @classmethod
    def of(cls, vertices: np.ndarray) -> MeshExtent:
        """Of vertices (V, 3)."""
        center = (vertices.min(axis=0).astype(np.float64) + vertices.max(axis=0)) / 2
        return cls(center, 2 * float(np.linalg.norm(vertices - center, axis=1).max()))


class MeshLevel(NamedTuple):
    """A reduced mesh.

    error: how far it is off, as a share of the diameter.
    colors: of several spacings, the widest first; empty for a mesh of unknown colour, and where coarser levels do.
    """

    rasterizer: Rasterizer
    error: float
    colors: tuple[BakedColors, ...]

    @property
    def largest_px(self) -> float:
        """Up to this size of its diameter in an image the level is as good as the full mesh."""
        return LEVEL_ERROR_PX / max(self.error, 1e-9)

    def colors_at(self, pixels_per_metre: float) -> BakedColors | None:
        """Those whose points are about, but not more than, a pixel apart; None when all are wider."""
        fine = (colors for colors in self.colors if colors.spacing_m * pixels_per_metre <= 1)
        return next(fine, None)


def mesh_levels(mesh: Mesh) -> list[MeshLevel]:
    """Levels of a mesh of more than 8,000 faces, the coarsest first, made by quadric error metrics (Garland and Heckbert 1997).

    Each has about half the faces of the next. The error is the larger one of two, seen from several sides: the mean distance
    of the outlines, and the median difference in depth.
    """
    if len(mesh.faces) <= LEAST_FACES:
        return []
    extent = MeshExtent.of(mesh.vertices)
    expected = _views(Rasterizer(mesh), extent)
    vertices, faces = _merged(mesh)
    levels = []
    for count in LEVEL_FACES:
        if count > 0.7 * len(faces):
            continue
        vertices, faces = _simplified(vertices, faces, count, extent)
        if not 0 < len(faces) <= 1.1 * count:
            break
        rasterizer = Rasterizer(mesh_with_normals(vertices, faces))
        error = level_error(expected, _views(rasterizer, extent), extent)
        if error > WORST_ERROR:
            break
        levels.append(MeshLevel(rasterizer, error, ()))
    return _colored(levels[::-1], mesh, extent)


def level_error(expected: Sequence[Rendering], seen: Sequence[Rendering], extent: MeshExtent) -> float:
    """The error of a level, as a share of the diameter, from views of the full mesh and of the level."""
    between = sum(np.count_nonzero(one.mask != other.mask) for one, other in zip(expected, seen))
    outline = between / max(sum(_outline_length(view.mask) for view in expected), 1.0)
    differences = [np.abs(one.depth - other.depth)[one.mask & other.mask] for one, other in zip(expected, seen)]
    differences = np.concatenate(differences)
    if len(differences) == 0:
        return np.inf
    return max(outline / VIEW_PX, float(np.median(differences)) / extent.diameter_m)


def _colored(levels: list[MeshLevel], mesh: Mesh, extent: MeshExtent) -> list[MeshLevel]:
    """The levels, the coarsest first, with the mesh's colours, up to the one that serves as large images as these do."""
    if not mesh.has_color or not levels:
        return levels
    # Open3D takes a second to load.
    from pose_tracker_ros.rendering.baked_colors import ColorSource

    source = ColorSource(mesh)
    colored = []
    largest_px = 0.0
    for level in levels:
        if largest_px < max(COLOR_POINTS):
            arrays = level.rasterizer.vertices, level.rasterizer.faces
            level = level._replace(
                colors=tuple(source.bake(*arrays, extent.diameter_m / points) for points in COLOR_POINTS)
            )
        largest_px = level.largest_px
        colored.append(level)
    return colored


def _views(rasterizer: Rasterizer, extent: MeshExtent) -> list[Rendering]:
    middle = (VIEW_PX - 1) / 2
    focal = VIEW_PX * VIEW_DISTANCE
    camera = PinholeCamera(VIEW_PX, VIEW_PX, focal, focal, middle, middle)
    center = np.array([0, 0, VIEW_DISTANCE * extent.diameter_m])
    generator = np.random.default_rng(0)
    views = []
    for _ in range(VIEWS):
        rotation = random_rotation(generator)
        view = empty_rendering(camera)
        rasterizer.draw(camera, make_pose(rotation, center - rotation @ extent.center), view)
        views.append(view)
    return views


def _outline_length(mask: np.ndarray) -> float:
    """Length in pixels: steps between pixels, times what they are too many on average over all directions."""
    steps = np.count_nonzero(mask[1:] != mask[:-1]) + np.count_nonzero(mask[:, 1:] != mask[:, :-1])
    return steps * np.pi / 4


def _merged(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) float64 and faces (F, 3) without seams, where a reduced mesh would tear."""
    places = np.rint(mesh.vertices / np.ptp(mesh.vertices, axis=0).max() * 1e6).astype(np.int64)
    _, first, index = np.unique(places, axis=0, return_index=True, return_inverse=True)
    faces = index.ravel()[mesh.faces]
    proper = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return mesh.vertices[first].astype(np.float64), faces[proper]


def _simplified(
    vertices: np.ndarray, faces: np.ndarray, count: int, extent: MeshExtent
) -> tuple[np.ndarray, np.ndarray]:
    # Only large meshes need the library.
    import fast_simplification

    scale = WORKING_EXTENT / extent.diameter_m
    vertices, faces = fast_simplification.simplify(vertices * scale, faces.astype(np.int32), target_count=count)
    return np.asarray(vertices, np.float64) / scale, np.asarray(faces)
