"""The object that is tracked: mesh, texture and size, and where its files are."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import cdist

from pose_tracker_ros.corner_normals import corner_normals, distinct, places
from pose_tracker_ros.geometry import transform_points
from pose_tracker_ros.mesh_files import Part, joined, read_surface
from pose_tracker_ros.object_description import metres_per_unit, read_object_description
from pose_tracker_ros.symmetries import ContinuousSymmetry, check_symmetries, parse_symmetries

if TYPE_CHECKING:
    import trimesh

PLAUSIBLE_DIAMETER_M = (0.005, 5.0)
# What is called 5 mm may be a little less.
SIZE_TOLERANCE = 0.01
# Of the extent: what is thinner is a plane whose coordinates were rounded.
FLAT = 1e-6
PAIRS_AT_A_TIME = 1_000_000
# Single precision moves the vertices of meshes that are farther from the origin by more than this share of their extent.
LARGEST_ROUNDING = 1e-4
# Of the triangles.
WORTH_NAMING = 0.01


def kind_of(name: str) -> str:
    """The object that an instance is one of: ``cube`` of ``cube#2``."""
    return name.partition("#")[0]


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh in metres with at most one kind of colour.

    vertices (V, 3) float32 and normals (V, 3) float32 unit vectors; faces (F, 3) int32;
    either vertex_colors (V, 3) uint8, or uv (V, 2) float32 (v upwards, as OpenGL) with texture
    (height, width, 3) uint8 RGB, or neither. notes: sentences about what its file names and lacks.
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    vertex_colors: np.ndarray | None = None
    uv: np.ndarray | None = None
    texture: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @property
    def has_color(self) -> bool:
        """True when the surface colour is known."""
        return self.vertex_colors is not None or self.texture is not None


@dataclass(frozen=True)
class ObjectModel:
    """A rigid object; poses of it are poses of its mesh frame.

    discrete_symmetries: transforms (K, 4, 4), metres, that map the object onto itself (without the identity).
    folder: where its object.yaml is, None for an object made from a mesh alone.
    """

    name: str
    mesh: Mesh
    diameter_m: float
    discrete_symmetries: np.ndarray = field(default_factory=lambda: np.zeros((0, 4, 4)))
    continuous_symmetries: tuple[ContinuousSymmetry, ...] = ()
    folder: Path | None = None

    @classmethod
    def from_mesh(cls, name: str, mesh: Mesh, **options: object) -> ObjectModel:
        """Object of a mesh, with its diameter measured and checked to be between 5 mm and 5 m."""
        diameter = mesh_diameter(mesh.vertices)
        low, high = PLAUSIBLE_DIAMETER_M
        if not low * (1 - SIZE_TOLERANCE) <= diameter <= high * (1 + SIZE_TOLERANCE):
            raise ValueError(
                f"expected object {name!r} to be {low} to {high} m large, but its mesh measures {diameter:.4g} m; "
                "set mesh_unit (m, cm, mm or inch) in object.yaml to the unit of the mesh file"
            )
        return cls(name=name, mesh=mesh, diameter_m=diameter, **options)

    @cached_property
    def center_m(self) -> np.ndarray:
        """Middle (3,) of the mesh's bounding box in the object frame; crops and residuals are about it."""
        return (self.mesh.vertices.min(axis=0) + self.mesh.vertices.max(axis=0)).astype(np.float64) / 2

    @cached_property
    def has_marks(self) -> bool:
        """False where no place of the surface can be told from others: all around an axis it looks the same, or its paint is known and the
        same all over."""
        colors = self.mesh.vertex_colors if self.mesh.texture is None else self.mesh.texture.reshape(-1, 3)
        return not self.continuous_symmetries and (colors is None or bool((colors.min(axis=0) < colors.max(axis=0)).any()))

    @cached_property
    def extents_m(self) -> np.ndarray:
        """Sides (3,) of that box."""
        return np.ptp(self.mesh.vertices, axis=0).astype(np.float64)

    @cached_property
    def silhouette_share(self) -> float:
        """Mean area of the silhouette from all sides, as a share of a ball's of the same diameter; of hollow objects at most.

        Of a convex body a quarter of its surface (Cauchy).
        """
        corners = self.mesh.vertices[self.mesh.faces].astype(np.float64)
        doubled = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        return float(doubled.sum()) / 2 / (np.pi * self.diameter_m**2)

    @cached_property
    def is_thin(self) -> bool:
        """Whether a ball's silhouette is more than four times as large, as beside sticks and tools."""
        return self.silhouette_share < 1 / 4

    @cached_property
    def surface_moments(self) -> np.ndarray:
        """Second moments (3, 3) about ``center_m`` of the surface's points, spread evenly, metres squared, object axes."""
        triangles = self.mesh.vertices[self.mesh.faces].astype(np.float64) - self.center_m
        edges = triangles[:, 1:] - triangles[:, :1]
        area = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
        # Of a triangle: a twelfth of the corners' and nine twelfths of the middle's.
        points = np.concatenate([triangles, 3 * triangles.mean(axis=1, keepdims=True)], axis=1)
        return np.einsum("f,fni,fnj->ij", area, points, points) / (12 * area.sum())

    @property
    def weights_path(self) -> Path | None:
        """Where the weights of this object's residual network are expected."""
        return None if self.folder is None else self.folder / "residual.safetensors"

    def sample_points(self, count: int = 2000, seed: int = 0) -> np.ndarray:
        """Points (count, 3) spread uniformly over the surface, in metres; the same for the same seed."""
        import trimesh

        surface = trimesh.Trimesh(self.mesh.vertices, self.mesh.faces, process=False)
        points, _ = trimesh.sample.sample_surface(surface, count, seed=seed)
        return np.asarray(points, dtype=np.float64)


def mesh_diameter(vertices: np.ndarray) -> float:
    """Largest distance between two of the vertices (V, 3). Raises ValueError where they lie in one plane."""
    points = distinct(np.asarray(vertices, dtype=np.float64))[0]
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    if len(spread) < 3 or not spread[2] > FLAT * spread[0]:
        raise ValueError("expected a mesh with volume, but its vertices lie in one plane or point")
    # Joggled, since facets of thousands of corners in one plane would take seconds to merge.
    hull = points[ConvexHull(points, qhull_options="QJ").vertices]
    # In parts, since all pairs of a round scan's hull would not fit into memory.
    rows = max(1, PAIRS_AT_A_TIME // len(hull))
    parts = (hull[first : first + rows] for first in range(0, len(hull), rows))
    return max(float(cdist(part, hull).max()) for part in parts)


def load_mesh(path: str | Path, unit: str = "m") -> Mesh:
    """Read a mesh file (.obj, .ply, .stl, .off, .glb, .gltf) with its texture or vertex colours.

    Parameters: ``unit`` of the file's coordinates: m, cm, mm or inch.
    Raises FileNotFoundError when there is no such file, ValueError when it holds no usable triangles.
    """
    scale = metres_per_unit(unit)
    path = Path(path)
    surface = read_surface(path)
    if not surface.parts:
        found = f"{len(surface.points)} points without triangles" if len(surface.points) else "neither triangles nor points"
        advice = "; pose-tracker add-object --reconstruct makes a surface of a point cloud" if len(surface.points) else ""
        raise ValueError(f"expected a mesh with triangles at {path}, got {found}{advice}")
    part = joined(surface.parts)
    if rounding_share(part.vertices) > LARGEST_ROUNDING:
        raise ValueError(
            f"expected the mesh at {path} near the origin of its coordinates, but it is {_distance_share(part.vertices):.0f} "
            "times as far away as it is large (are they a map's?); pose-tracker add-object moves it"
        )
    return mesh_of_part(part, scale, notes=surface.notes)


def mesh_of_part(
    part: Part, scale: float, origin: np.ndarray | None = None, notes: tuple[str, ...] = ()
) -> Mesh:
    """The mesh in metres of a part in the file's unit, without triangles that have no area or are there twice.

    Parameters: ``scale``: metres of the file's unit; ``origin`` (3,) in that unit becomes the origin; ``notes`` go with the mesh.
    """
    vertices = part.vertices if origin is None else part.vertices - origin
    # What is saved has this precision, too: normals come out the same when it is read again.
    vertices = (vertices * scale).astype(np.float32)
    faces = part.faces[useful_faces(vertices, part.faces)]
    if not len(faces):
        raise ValueError("expected triangles with an area, but all of them are points or lines")
    left_out = len(part.faces) - len(faces)
    if left_out > WORTH_NAMING * len(part.faces):
        notes += (f"{left_out} of {len(part.faces)} triangles have no area or are there twice: left out",)
    uv = None
    if part.uv is not None:
        uv = part.uv.astype(np.float32)
        # Files count from the top as well as from the bottom; this is what both can hold.
        uv[:, 1] = np.float32(1) - (np.float32(1) - uv[:, 1])
    mesh = mesh_with_normals(vertices, faces, vertex_colors=part.vertex_colors, uv=uv, texture=part.texture)
    return replace(mesh, notes=notes)


def useful_faces(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Which faces (F,) bool have an area and are the first of those with the same corners in the same sense."""
    triangles = vertices[faces].astype(np.float64)
    doubled = np.linalg.norm(np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1)
    longest = np.abs(triangles - np.roll(triangles, 1, axis=1)).max(axis=(1, 2))
    corners = places(vertices)[faces]
    first = np.argmin(corners, axis=1)
    turned = corners[np.arange(len(corners))[:, None], (first[:, None] + np.arange(3)) % 3]
    useful = np.zeros(len(faces), bool)
    useful[np.unique(turned, axis=0, return_index=True)[1]] = True
    return useful & (doubled > 1e-9 * longest**2)


def rounding_share(vertices: np.ndarray) -> float:
    """How far single precision moves vertices (V, 3), as a share of the mesh's extent."""
    return float(np.finfo(np.float32).eps) / 2 * _distance_share(vertices)


def _distance_share(vertices: np.ndarray) -> float:
    return float(np.abs(vertices).max() / max(float(np.ptp(vertices, axis=0).max()), 1e-300))


def mesh_with_normals(
    vertices: np.ndarray,
    faces: np.ndarray,
    vertex_colors: np.ndarray | None = None,
    uv: np.ndarray | None = None,
    texture: np.ndarray | None = None,
) -> Mesh:
    """The mesh of vertices (V, 3) metres and faces (F, 3) with normals, its vertices split along sharp edges.

    ``vertex_colors`` (V, 3) or ``uv`` (V, 2) go with the vertices.
    """
    normals = corner_normals(vertices, faces)
    corners = np.asarray(faces).ravel().astype(np.int64)
    # Corners of one vertex stay one where they agree in their normal.
    key = corners
    for column in np.rint(normals.T * 1000).astype(np.int64) + 1000:
        key = key * 2001 + column
    _, first, index = np.unique(key, return_index=True, return_inverse=True)
    source = corners[first]
    return Mesh(
        vertices=vertices[source].astype(np.float32),
        faces=index.reshape(-1, 3).astype(np.int32),
        normals=normals[first].astype(np.float32),
        vertex_colors=None if vertex_colors is None else vertex_colors[source],
        uv=None if uv is None else uv[source],
        texture=texture,
    )


def painted_mesh(parts: list[tuple[trimesh.Trimesh, tuple[int, int, int]]]) -> Mesh:
    """One mesh of parts in metres, each of one RGB colour."""
    vertices = np.vstack([part.vertices for part, _ in parts])
    offsets = np.cumsum([0] + [len(part.vertices) for part, _ in parts[:-1]])
    faces = np.vstack([part.faces + offset for (part, _), offset in zip(parts, offsets)])
    colors = np.vstack([np.tile(np.uint8(color), (len(part.vertices), 1)) for part, color in parts])
    return mesh_with_normals(vertices, faces, vertex_colors=colors)


def models_folders() -> list[Path]:
    """Folders that hold one folder per object: the working directory's, the source tree's, the installed ones."""
    parents = Path(__file__).resolve().parents
    candidates = [Path("models"), parents[1] / "models"]
    candidates += [parent / "share" / "pose_tracker_ros" / "models" for parent in parents]
    return [folder for folder in candidates if folder.is_dir()]


def find_object_folder(name: str) -> Path:
    """Folder of an object given by its name or by its path.

    Raises FileNotFoundError that lists the known objects.
    """
    for folder in [Path(name), *(parent / name for parent in models_folders())]:
        if (folder / "object.yaml").is_file():
            return folder
    known = sorted({path.parent.name for parent in models_folders() for path in parent.glob("*/object.yaml")})
    raise FileNotFoundError(
        f"expected a known object or a folder with an object.yaml, got {name!r}; known are: {', '.join(known) or 'none'}"
    )


def generic_weights_path() -> Path | None:
    """Weights of the residual network that fits any object, None when they are not installed."""
    candidates = (folder / "generic" / "residual.safetensors" for folder in models_folders())
    return next((path for path in candidates if path.is_file()), None)


def default_weights_path(model: ObjectModel) -> Path | None:
    """The object's own weights where there are any, else those that fit any object; None where there are neither."""
    own = model.weights_path
    return own if own is not None and own.is_file() else generic_weights_path()


def load_object(name: str, mesh_path: str | Path | None = None, mesh_unit: str | None = None) -> ObjectModel:
    """The object of a name or folder, from its object.yaml.

    Parameters: ``mesh_path`` and ``mesh_unit`` replace those of object.yaml, for objects whose mesh
    may not be distributed with this package.
    Raises FileNotFoundError (no such object, no mesh) or ValueError (bad description or mesh).
    """
    folder = find_object_folder(str(name))
    description = read_object_description(folder)
    path = Path(mesh_path) if mesh_path else folder / description["mesh"]
    if not path.is_file():
        raise FileNotFoundError(
            f"expected the mesh of object {folder.name!r} at {path}, but there is no such file; "
            "put it there or name another one (--mesh on the command line, mesh_path as a node's parameter)"
        )
    mesh = load_mesh(path, mesh_unit or description.get("mesh_unit", "m"))
    if "object_T_mesh" in description:
        mesh = moved(mesh, np.array(description["object_T_mesh"]))
    try:
        discrete, continuous = parse_symmetries(description.get("symmetries", {}))
        check_symmetries(mesh.vertices, discrete, continuous)
    except ValueError as error:
        raise ValueError(f"{error}, in {folder / 'object.yaml'}") from error
    return ObjectModel.from_mesh(
        description.get("name", folder.name),
        mesh,
        discrete_symmetries=discrete,
        continuous_symmetries=continuous,
        folder=folder,
    )


def moved(mesh: Mesh, object_T_mesh: np.ndarray) -> Mesh:
    """The mesh in another frame, for files whose frame is not the one in which poses are wanted."""
    return replace(
        mesh,
        vertices=transform_points(object_T_mesh, mesh.vertices).astype(np.float32),
        normals=(mesh.normals @ object_T_mesh[:3, :3].T).astype(np.float32),
    )


def texture_pyramid(texture: np.ndarray) -> list[np.ndarray]:
    """The texture and its successive halvings by area averaging, down to one pixel."""
    levels = [texture]
    while max(levels[-1].shape[:2]) > 1:
        height, width = (max(1, math.ceil(size / 2)) for size in levels[-1].shape[:2])
        levels.append(cv2.resize(levels[-1], (width, height), interpolation=cv2.INTER_AREA))
    return levels


def recolored(mesh: Mesh, *, vertex_colors: np.ndarray | None = None, texture: np.ndarray | None = None) -> Mesh:
    """The same mesh with other vertex colours or another texture image."""
    if texture is not None:
        return replace(mesh, texture=texture, vertex_colors=None)
    return replace(mesh, vertex_colors=vertex_colors, uv=None, texture=None)
