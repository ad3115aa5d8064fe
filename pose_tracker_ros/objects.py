"""The object that is tracked: mesh, texture and size, and where its files are."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import yaml
from scipy.spatial.distance import cdist

from pose_tracker_ros.geometry import is_pose, transform_points
from pose_tracker_ros.symmetries import ContinuousSymmetry, parse_symmetries

if TYPE_CHECKING:
    import trimesh

METRES_PER_UNIT = {"m": 1.0, "cm": 0.01, "mm": 0.001}
SHARP_EDGE_RAD = np.radians(40.0)
PLAUSIBLE_DIAMETER_M = (0.01, 2.0)


def kind_of(name: str) -> str:
    """The object that an instance is one of: ``cube`` of ``cube#2``."""
    return name.partition("#")[0]


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh in metres with at most one kind of colour.

    vertices (V, 3) float32 and normals (V, 3) float32 unit vectors; faces (F, 3) int32;
    either vertex_colors (V, 3) uint8, or uv (V, 2) float32 (v upwards, as OpenGL) with texture
    (height, width, 3) uint8 RGB, or neither.
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    vertex_colors: np.ndarray | None = None
    uv: np.ndarray | None = None
    texture: np.ndarray | None = None

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
        """Object of a mesh, with its diameter measured and checked to be between 1 cm and 2 m."""
        diameter = mesh_diameter(mesh.vertices)
        low, high = PLAUSIBLE_DIAMETER_M
        if not low <= diameter <= high:
            raise ValueError(
                f"expected object {name!r} to be {low} to {high} m large, but its mesh measures {diameter:.4g} m; "
                "set mesh_unit (m, cm or mm) in object.yaml to the unit of the mesh file"
            )
        return cls(name=name, mesh=mesh, diameter_m=diameter, **options)

    @cached_property
    def center_m(self) -> np.ndarray:
        """Middle (3,) of the mesh's bounding box in the object frame; crops and residuals are about it."""
        return (self.mesh.vertices.min(axis=0) + self.mesh.vertices.max(axis=0)).astype(np.float64) / 2

    @cached_property
    def silhouette_share(self) -> float:
        """Mean area of the silhouette from all sides, as a share of a ball's of the same diameter; of hollow objects at most.

        Of a convex body a quarter of its surface (Cauchy).
        """
        corners = self.mesh.vertices[self.mesh.faces].astype(np.float64)
        doubled = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        return float(doubled.sum()) / 2 / (np.pi * self.diameter_m**2)

    @property
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
    """Largest distance between two of the vertices (V, 3)."""
    # Takes most of a second to load.
    import trimesh

    try:
        hull = trimesh.convex.convex_hull(vertices).vertices
    except Exception as error:
        raise ValueError("expected a mesh with volume, but its vertices lie in one plane or point") from error
    # In parts, since all pairs of a round scan's hull would not fit into memory.
    parts = (hull[first : first + 1000] for first in range(0, len(hull), 1000))
    return max(float(cdist(part, hull).max()) for part in parts)


def load_mesh(path: str | Path, unit: str = "m") -> Mesh:
    """Read a mesh file (.obj, .ply, .stl, .glb, ...) with its texture or vertex colours.

    Parameters: ``unit`` of the file's coordinates: m, cm or mm.
    Raises FileNotFoundError when there is no such file, ValueError when it holds no usable triangles.
    """
    path = Path(path)
    if unit not in METRES_PER_UNIT:
        raise ValueError(f"expected mesh_unit to be one of {', '.join(METRES_PER_UNIT)}, got {unit!r}")
    if not path.is_file():
        raise FileNotFoundError(f"expected a mesh file at {path}, but there is none; check the path")
    import trimesh

    try:
        loaded = trimesh.load(path, force="mesh", process=False)
    except Exception as error:
        raise ValueError(f"expected a mesh that can be read at {path}: {error}; is the file complete?") from error
    if not isinstance(loaded, trimesh.Trimesh) or len(loaded.faces) == 0 or len(loaded.vertices) == 0:
        raise ValueError(f"expected a mesh with triangles at {path}, got none; export it as a triangle mesh")
    if not np.all(np.isfinite(loaded.vertices)):
        raise ValueError(f"expected finite vertex coordinates in {path}, got NaN or infinity; export it again")
    return _convert(loaded, METRES_PER_UNIT[unit])


def _convert(loaded: trimesh.Trimesh, scale: float) -> Mesh:
    visual = loaded.visual
    uv = texture = vertex_colors = None
    if visual.kind == "texture" and getattr(visual, "uv", None) is not None:
        image = getattr(visual.material, "image", None) or getattr(visual.material, "baseColorTexture", None)
        if image is not None:
            uv = np.asarray(visual.uv, dtype=np.float32)
            texture = np.asarray(image.convert("RGB"), dtype=np.uint8)
    elif visual.kind == "vertex":
        vertex_colors = np.asarray(visual.vertex_colors[:, :3], dtype=np.uint8)
    elif visual.kind == "face":
        loaded.unmerge_vertices()
        vertex_colors = np.repeat(np.asarray(visual.face_colors[:, :3], dtype=np.uint8), 3, axis=0)
    vertices = np.asarray(loaded.vertices, dtype=np.float64) * scale
    return mesh_with_normals(vertices, np.asarray(loaded.faces), vertex_colors=vertex_colors, uv=uv, texture=texture)


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


def corner_normals(vertices: np.ndarray, faces: np.ndarray, sharp_edge_rad: float = SHARP_EDGE_RAD) -> np.ndarray:
    """Unit normals (3 F, 3) of the triangles' corners: smooth over gentle bends, apart at edges sharper than an angle.

    Each is the mean of the normals, weighted by area, of all triangles (F, 3) at that place that look within the angle of
    its own triangle. Vertices (V, 3) that are repeated for every triangle, as in STL files, count as one.
    """
    triangles = vertices[faces]
    area = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    length = np.linalg.norm(area, axis=1, keepdims=True)
    face_normals = area / np.maximum(length, 1e-30)
    extent = max(float(np.ptp(vertices, axis=0).max()), 1e-30)
    _, place = np.unique(np.rint(vertices / extent * 1e6).astype(np.int64), axis=0, return_inverse=True)
    place = place.ravel()[faces.ravel()]
    # All pairs of corners at one place: those sorted by place, each against its whole group.
    order = np.argsort(place, kind="stable")
    sizes = np.bincount(place)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    count = sizes[place[order]]
    one = np.repeat(order, count)
    within = np.arange(count.sum()) - np.repeat(np.concatenate([[0], np.cumsum(count)[:-1]]), count)
    other = order[np.repeat(starts[place[order]], count) + within]
    alike = np.einsum("ij,ij->i", face_normals[one // 3], face_normals[other // 3]) >= np.cos(sharp_edge_rad)
    total = np.zeros((len(faces) * 3, 3))
    np.add.at(total, one[alike], area[other[alike] // 3])
    norm = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(norm > 1e-30, total / np.maximum(norm, 1e-30), np.array([0.0, 0.0, 1.0]))


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


OBJECT_KEYS = {"name", "mesh", "mesh_unit", "object_T_mesh", "bop_id", "symmetries", "license", "description"}


def read_object_description(folder: Path) -> dict:
    """Contents of a folder's object.yaml.

    Raises ValueError when it is no mapping or has keys that are not known.
    """
    path = folder / "object.yaml"
    try:
        description = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"expected valid YAML in {path}: {error}") from error
    if not isinstance(description, dict) or "mesh" not in description:
        raise ValueError(f"expected {path} to be a mapping with at least the key 'mesh'")
    unknown = sorted(set(description) - OBJECT_KEYS)
    if unknown:
        raise ValueError(f"expected only the keys {', '.join(sorted(OBJECT_KEYS))} in {path}, got {', '.join(unknown)}")
    return description


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
        mesh = moved(mesh, _pose_of_description(description["object_T_mesh"], folder))
    discrete, continuous = parse_symmetries(description.get("symmetries") or {})
    return ObjectModel.from_mesh(
        description.get("name", folder.name),
        mesh,
        discrete_symmetries=discrete,
        continuous_symmetries=continuous,
        folder=folder,
    )


def _pose_of_description(rows: object, folder: Path) -> np.ndarray:
    try:
        pose = np.array(rows, dtype=np.float64).reshape(4, 4)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected object_T_mesh in {folder / 'object.yaml'} as 4 rows of 4 numbers") from error
    if not is_pose(pose):
        raise ValueError(f"expected object_T_mesh in {folder / 'object.yaml'} to be a rigid transform, got {rows}")
    return pose


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
