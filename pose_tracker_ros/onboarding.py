"""What must be known about a new object's mesh before it is tracked: unit, soundness, symmetries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import trimesh
from scipy.spatial import cKDTree

from pose_tracker_ros.camera import crop_camera
from pose_tracker_ros.geometry import make_pose, so3_exp, transform_points
from pose_tracker_ros.mesh_reduction import vertex_colors
from pose_tracker_ros.object_description import METRES_PER_UNIT
from pose_tracker_ros.objects import PLAUSIBLE_DIAMETER_M, SIZE_TOLERANCE, Mesh, ObjectModel, mesh_diameter
from pose_tracker_ros.rendering.protocol import Rendering
from pose_tracker_ros.rendering.raycast import RaycastRenderer

# Nine tenths of the objects that robots are given are between 3 and 80 cm.
TYPICAL_SIZE_M, SIZE_DECADES = 0.15, 0.45
# How often files are in each unit; those of a format that has metres seldom are in another.
UNIT_ODDS = {"m": 0.45, "cm": 0.08, "mm": 0.45, "inch": 0.02}
METRE_FORMAT_ODDS = {"m": 0.97, "cm": 0.01, "mm": 0.01, "inch": 0.01}
SURE = 0.95
# A turned surface coincides with itself when its points are this near on average, in diameters.
SYMMETRY_DISTANCE = 0.006
SYMMETRY_COLOR = 12.0
# Of turns that coincide, those count whose points lie about as near as those of the best.
SAME_DISTANCE = 1.1
TURNS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12)
# Flat sides whose directions may be axes, the largest first.
FLAT_SIDES = 8
# A surface that coincides with itself after such odd turns is one of revolution.
ODD_TURNS_DEG = (17.0, 41.0, 73.0, 101.0, 163.0)
SAMPLES = 3000
VIEW_PX = 200
# Up to what objects count as the same: diameters, levels of colour, pixels of the outline, share of pixels of other colour.
SAME_PLACE, SAME_COLOR, SAME_OUTLINE_PX, SAME_SHARE = 1e-5, 2, 3, 0.001


@dataclass(frozen=True)
class Symmetry:
    """Rotations about a line that map the object onto itself.

    axis, offset: (3,) direction and a point in metres; turns: 2 for half turns and so on, 0 for any angle.
    """

    axis: np.ndarray
    offset: np.ndarray
    turns: int

    def transforms(self) -> np.ndarray:
        """The rotations (turns - 1, 4, 4) without the identity; none for a continuous symmetry."""
        poses = [_turn(self.axis, self.offset, 2 * np.pi * k / self.turns) for k in range(1, self.turns)]
        return np.array(poses).reshape(-1, 4, 4)


def likely_units(vertices: np.ndarray, metres: bool = False) -> list[str]:
    """Units (m, cm, mm, inch) in which vertices (V, 3) may be: together they are right in 19 of 20 cases.

    Sizes of tracked objects are spread about 15 cm on a logarithmic scale; ``metres``: of a format that has metres.
    No unit where the object would be smaller than 5 mm or larger than 5 m in any.
    """
    diameter = mesh_diameter(vertices)
    low, high = PLAUSIBLE_DIAMETER_M
    odds = {}
    for unit, factor in METRES_PER_UNIT.items():
        size = diameter * factor
        if low * (1 - SIZE_TOLERANCE) <= size <= high * (1 + SIZE_TOLERANCE):
            prior = METRE_FORMAT_ODDS[unit] if metres else UNIT_ODDS[unit]
            odds[unit] = prior * np.exp(-0.5 * (np.log10(size / TYPICAL_SIZE_M) / SIZE_DECADES) ** 2)
    ordered = sorted(odds, key=lambda unit: -odds[unit])
    total = sum(odds.values())
    covered = np.cumsum([odds[unit] for unit in ordered]) / total if ordered else np.zeros(0)
    likely = ordered[: int(np.searchsorted(covered, SURE)) + 1]
    return [unit for unit in METRES_PER_UNIT if unit in likely]


def propose_symmetries(model: ObjectModel) -> list[Symmetry]:
    """Rotational symmetries of shape and paint, about axes through the middle of the surface, where all of them must be.

    Tried are the coordinate axes, the principal axes and the directions of large flat sides.
    What is painted differently is not symmetric; where the paint is unknown the shape alone decides.
    """
    surface = _SurfacePoints(*_samples(model.mesh))
    center, axes = _middle_and_axes(model.mesh)

    def distance(axis: np.ndarray, angle: float) -> float:
        return surface.distance(_turn(axis, center, angle), model.diameter_m)

    found: list[Symmetry] = []
    for axis in axes:
        if not _told_by(found, axis) and all(distance(axis, np.radians(angle)) < np.inf for angle in ODD_TURNS_DEG):
            found.append(Symmetry(axis, center, 0))
    for axis in axes:
        if _told_by(found, axis):
            continue
        distances = {count: distance(axis, 2 * np.pi / count) for count in TURNS}
        # A heptagon nearly coincides after a ninth of a turn, too, but not as nearly.
        limit = SAME_DISTANCE * min(distances.values())
        turns = [count for count, value in distances.items() if value <= limit < np.inf]
        if turns:
            found.append(Symmetry(axis, center, max(turns)))
    return found


def _told_by(found: list[Symmetry], axis: np.ndarray) -> bool:
    """True where symmetries say all about an axis: it is one of theirs, or turning about theirs makes it one of theirs."""
    if any(abs(axis @ symmetry.axis) > 0.999 for symmetry in found):
        return True
    across = [round_axis.axis for round_axis in found if round_axis.turns == 0 and abs(axis @ round_axis.axis) < 0.001]
    return any(abs(symmetry.axis @ round_axis) < 0.001 for symmetry in found for round_axis in across)


def _samples(mesh: Mesh) -> tuple[np.ndarray, np.ndarray | None]:
    shape = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    points, faces = trimesh.sample.sample_surface(shape, SAMPLES, seed=0)
    colors = vertex_colors(mesh)
    if colors is None:
        return np.asarray(points), None
    weights = trimesh.triangles.points_to_barycentric(shape.triangles[faces], points)
    return np.asarray(points), np.einsum("nk,nkc->nc", weights, colors[mesh.faces[faces]])


def _middle_and_axes(mesh: Mesh) -> tuple[np.ndarray, list[np.ndarray]]:
    """Middle (3,) of the surface, by area, and directions (3,) of length one that may be axes of symmetry."""
    triangles = mesh.vertices[mesh.faces].astype(np.float64)
    cross = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    area = np.linalg.norm(cross, axis=1)
    center = area @ triangles.mean(axis=1) / area.sum()
    about = triangles - center
    # Of a triangle: a twelfth of the corners' moments and nine twelfths of the middle's.
    moments = np.concatenate([about, 3 * about.mean(axis=1, keepdims=True)], axis=1)
    _, principal = np.linalg.eigh(np.einsum("f,fni,fnj->ij", area, moments, moments))
    normals = cross / np.maximum(area, 1e-30)[:, None]
    normals *= np.where(normals[np.arange(len(normals)), np.abs(normals).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]
    sides, index = np.unique(np.rint(normals * 200), axis=0, return_inverse=True)
    order = np.argsort(-np.bincount(index.ravel(), area, len(sides)))[:FLAT_SIDES]
    lengths = np.linalg.norm(sides[order], axis=1)
    return center, [*np.eye(3), *principal.T, *(sides[order][lengths > 0] / lengths[lengths > 0, None])]


def _turn(axis: np.ndarray, offset: np.ndarray, angle: float) -> np.ndarray:
    rotation = so3_exp(axis / np.linalg.norm(axis) * angle)
    return make_pose(rotation, offset - rotation @ offset)


class _SurfacePoints:
    """Points (N, 3) on a surface and their colours (N, 3), None where they are not known."""

    def __init__(self, points: np.ndarray, colors: np.ndarray | None) -> None:
        self._points, self._colors, self._tree = points, colors, cKDTree(points)
        self._spacing = float(np.median(self._tree.query(points, k=2)[0][:, 1]))

    def distance(self, transform: np.ndarray, diameter_m: float) -> float:
        """Mean distance of the turned points from the points; infinite unless they lie on them in the same colours."""
        distance, nearest = self._tree.query(transform_points(transform, self._points))
        # Samples of the same surface are about 0.7 spacings apart; the rest is what the turn moved.
        if (
            distance.mean() > 0.9 * self._spacing + SYMMETRY_DISTANCE * diameter_m
            or distance.max() > 4 * self._spacing + 0.03 * diameter_m
            or (self._colors is not None and float(np.abs(self._colors[nearest] - self._colors).mean()) >= SYMMETRY_COLOR)
        ):
            return np.inf
        return float(distance.mean())


def contact_sheet(model: ObjectModel) -> np.ndarray:
    """Eight shaded views (2 * VIEW_PX, 4 * VIEW_PX, 3) uint8 RGB with their directions written in."""
    tiles = []
    for text, rendering in _views(model):
        light = 0.4 + 0.6 * np.clip(-rendering.normal[..., 2:], 0, 1)
        tile = np.where(rendering.mask[..., None], rendering.color * light, 235).astype(np.uint8)
        cv2.putText(tile, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
        tiles.append(tile)
    return np.vstack([np.hstack(tiles[:4]), np.hstack(tiles[4:])])


def _views(model: ObjectModel) -> Iterator[tuple[str, Rendering]]:
    """Renderings of an object from six sides, from above and from below, with what they are called."""
    renderer = RaycastRenderer(model.mesh)
    center = np.array([0.0, 0.0, 4 * model.diameter_m])
    camera = crop_camera(center, 1.1 * model.diameter_m, VIEW_PX)
    upright = so3_exp(np.array([np.pi / 2, 0, 0]))
    views = [
        (
            f"turned {angle}",
            so3_exp(np.array([np.radians(20), 0, 0])) @ upright @ so3_exp(np.array([0, 0, np.radians(angle)])),
        )
        for angle in range(0, 360, 60)
    ]
    views += [
        ("from above", so3_exp(np.array([np.pi / 2, 0, 0])) @ upright),
        ("from below", so3_exp(np.array([-np.pi / 2, 0, 0])) @ upright),
    ]
    for text, rotation in views:
        yield text, renderer.render(camera, make_pose(rotation, center - rotation @ model.center_m))


def differences(model: ObjectModel, other: ObjectModel) -> list[str]:
    """What two objects that should be the same differ in: size, triangles, paint, looks from eight sides."""
    one, two = model.mesh, other.mesh
    found = []
    bounds = [(mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)) for mesh in (one, two)]
    if np.abs(np.subtract(*bounds)).max() > SAME_PLACE * model.diameter_m:
        found.append(f"bounds {_in_mm(bounds[0])} and {_in_mm(bounds[1])}")
    if len(one.faces) != len(two.faces):
        found.append(f"{len(one.faces)} and {len(two.faces)} triangles")
    if _paint(one) != _paint(two):
        found.append(f"{_paint(one)} and {_paint(two)}")
    for (text, before), (_, after) in zip(_views(model), _views(other)) if not found else ():
        both = before.mask & after.mask
        unlike = np.abs(before.color.astype(int) - after.color).max(axis=-1)[both] > SAME_COLOR
        if (before.mask != after.mask).sum() > SAME_OUTLINE_PX or unlike.mean() > SAME_SHARE:
            found.append(f"its view {text!r}")
    return found


def _paint(mesh: Mesh) -> str:
    if mesh.texture is not None:
        return f"a texture of {mesh.texture.shape[1]} x {mesh.texture.shape[0]}"
    return "vertex colours" if mesh.vertex_colors is not None else "no colours"


def _in_mm(bounds: tuple[np.ndarray, np.ndarray]) -> str:
    return " to ".join(" ".join(f"{value * 1e3:.3f}" for value in corner) for corner in bounds) + " mm"
