"""What must be known about a new object's mesh before it is tracked: unit, soundness, symmetries."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import open3d as o3d
import trimesh
from scipy.spatial import cKDTree

from pose_tracker_ros.camera import crop_camera
from pose_tracker_ros.geometry import make_pose, so3_exp
from pose_tracker_ros.objects import METRES_PER_UNIT, Mesh, ObjectModel, mesh_diameter
from pose_tracker_ros.rendering.raycast import RaycastRenderer

# Sizes of things that robots take in their hands.
LIKELY_DIAMETER_M = (0.03, 0.6)
# A turned surface coincides with itself when its points are this near on average, in diameters.
SYMMETRY_DISTANCE = 0.006
SYMMETRY_COLOR = 12.0
TURNS = (2, 3, 4, 5, 6, 8)
# A surface that coincides with itself after such odd turns is one of revolution.
ODD_TURNS_DEG = (17.0, 41.0, 73.0, 101.0, 163.0)
SAMPLES = 3000
VIEW_PX = 200


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


def likely_units(vertices: np.ndarray) -> list[str]:
    """Units (m, cm, mm) in which vertices (V, 3) would be as large as things that robots handle."""
    diameter = mesh_diameter(vertices)
    low, high = LIKELY_DIAMETER_M
    return [unit for unit, metres in METRES_PER_UNIT.items() if low <= diameter * metres <= high]


def mesh_findings(mesh: Mesh, max_faces: int) -> list[str]:
    """Sentences about what may harm tracking; none for a sound mesh."""
    findings = []
    shape = trimesh.Trimesh(mesh.vertices, mesh.faces)
    if not shape.is_watertight:
        findings.append("the surface has holes: seen through them the inside is missing; rendering works nevertheless")
    if not mesh.has_color:
        findings.append(
            "it has neither texture nor vertex colours: any paint is assumed, and turns about an axis of symmetry cannot be seen"
        )
    if len(mesh.faces) > max_faces:
        findings.append(f"it has {len(mesh.faces)} triangles: reduced to {max_faces}")
    tiny = float((shape.area_faces < 1e-12).mean())
    if tiny > 0.01:
        findings.append(f"{tiny:.0%} of the triangles have no area; clean the mesh if edges look wrong on the sheet")
    return findings


def reduced(mesh: Mesh, max_faces: int) -> Mesh:
    """The mesh with at most ``max_faces`` triangles (quadric error metrics, Garland and Heckbert 1997).

    A texture becomes colours of the dense mesh's vertices first, since its seams would tear.
    """
    if len(mesh.faces) <= max_faces:
        return mesh
    dense = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(mesh.vertices.astype(np.float64)), o3d.utility.Vector3iVector(mesh.faces)
    )
    colors = vertex_colors(mesh)
    if colors is not None:
        dense.vertex_colors = o3d.utility.Vector3dVector(colors / 255.0)
    dense.remove_duplicated_vertices()
    fewer = dense.simplify_quadric_decimation(max_faces)
    fewer.compute_vertex_normals()
    return Mesh(
        vertices=np.asarray(fewer.vertices, dtype=np.float32),
        faces=np.asarray(fewer.triangles, dtype=np.int32),
        normals=np.asarray(fewer.vertex_normals, dtype=np.float32),
        vertex_colors=None if colors is None else np.rint(np.asarray(fewer.vertex_colors) * 255).astype(np.uint8),
    )


def vertex_colors(mesh: Mesh) -> np.ndarray | None:
    """Colours (V, 3) float 0..255 at the vertices, from vertex colours or texture; None when unknown."""
    if mesh.vertex_colors is not None:
        return mesh.vertex_colors.astype(np.float64)
    if mesh.texture is None:
        return None
    height, width = mesh.texture.shape[:2]
    columns = np.clip(np.rint(mesh.uv[:, 0] % 1.0 * width - 0.5), 0, width - 1).astype(int)
    rows = np.clip(np.rint((1 - mesh.uv[:, 1]) % 1.0 * height - 0.5), 0, height - 1).astype(int)
    return mesh.texture[rows, columns].astype(np.float64)


def propose_symmetries(model: ObjectModel) -> list[Symmetry]:
    """Rotational symmetries of shape and paint, about the coordinate and the principal axes through the centre.

    What is painted differently is not symmetric; where the paint is unknown the shape alone decides.
    """
    points, colors = _samples(model.mesh)
    tree = cKDTree(points)
    found: list[Symmetry] = []
    for axis in _axes(points - model.center_m):
        if any(abs(axis @ symmetry.axis) > 0.999 for symmetry in found):
            continue

        def matches(angle: float, axis: np.ndarray = axis) -> bool:
            return _coincides(points, colors, tree, _turn(axis, model.center_m, angle), model.diameter_m)

        if all(matches(np.radians(angle)) for angle in ODD_TURNS_DEG):
            found.append(Symmetry(axis, model.center_m, 0))
            continue
        turns = [count for count in TURNS if matches(2 * np.pi / count)]
        if turns:
            found.append(Symmetry(axis, model.center_m, max(turns)))
    return found


def _samples(mesh: Mesh) -> tuple[np.ndarray, np.ndarray | None]:
    shape = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    points, faces = trimesh.sample.sample_surface(shape, SAMPLES, seed=0)
    colors = vertex_colors(mesh)
    if colors is None:
        return np.asarray(points), None
    weights = trimesh.triangles.points_to_barycentric(shape.triangles[faces], points)
    return np.asarray(points), np.einsum("nk,nkc->nc", weights, colors[mesh.faces[faces]])


def _axes(points: np.ndarray) -> list[np.ndarray]:
    _, principal = np.linalg.eigh(np.cov(points.T))
    return [*np.eye(3), *principal.T]


def _turn(axis: np.ndarray, offset: np.ndarray, angle: float) -> np.ndarray:
    rotation = so3_exp(axis / np.linalg.norm(axis) * angle)
    return make_pose(rotation, offset - rotation @ offset)


def _coincides(
    points: np.ndarray, colors: np.ndarray | None, tree: cKDTree, transform: np.ndarray, diameter_m: float
) -> bool:
    """True when the turned points lie on the points, up to the distance between samples, in the same colours."""
    spacing = np.median(tree.query(points, k=2)[0][:, 1])
    distance, nearest = tree.query(points @ transform[:3, :3].T + transform[:3, 3])
    # Samples of the same surface are about 0.7 spacings apart; the rest is what the turn moved.
    if (
        distance.mean() > 0.9 * spacing + SYMMETRY_DISTANCE * diameter_m
        or distance.max() > 4 * spacing + 0.03 * diameter_m
    ):
        return False
    return colors is None or float(np.abs(colors[nearest] - colors).mean()) < SYMMETRY_COLOR


def contact_sheet(model: ObjectModel) -> np.ndarray:
    """Eight shaded views (2 * VIEW_PX, 4 * VIEW_PX, 3) uint8 RGB with their directions written in."""
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
    tiles = []
    for text, rotation in views:
        rendering = renderer.render(camera, make_pose(rotation, center - rotation @ model.center_m))
        light = 0.4 + 0.6 * np.clip(-rendering.normal[..., 2:], 0, 1)
        tile = np.where(rendering.mask[..., None], rendering.color * light, 235).astype(np.uint8)
        cv2.putText(tile, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
        tiles.append(tile)
    return np.vstack([np.hstack(tiles[:4]), np.hstack(tiles[4:])])
