"""From a mesh file to an object that is worth tracking, with everything that is worth knowing about it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pose_tracker_ros.mesh_files import Part, joined, read_surface
from pose_tracker_ros.mesh_reduction import reduced, reduced_part
from pose_tracker_ros.mesh_soundness import facing_outwards, far_parts, mesh_findings
from pose_tracker_ros.object_description import metres_per_unit
from pose_tracker_ros.objects import LARGEST_ROUNDING, ObjectModel, mesh_of_part, rounding_share
from pose_tracker_ros.onboarding import Symmetry, propose_symmetries
from pose_tracker_ros.point_clouds import reconstructed

# Denser meshes are reduced before anything else is done with them.
DENSE_FACES = 500_000


class ReadPart(NamedTuple):
    """Triangles of a file in its own unit, and sentences about what it lacks."""

    part: Part
    notes: tuple[str, ...]


class CheckedObject(NamedTuple):
    """The object as it is to be saved, its symmetries, the triangles of its file, and sentences about its mesh."""

    model: ObjectModel
    symmetries: list[Symmetry]
    triangles: int
    findings: list[str]


def read_part(path: Path, reconstruct: bool = False) -> ReadPart:
    """Triangles of a mesh file, or, if they shall be made, those of a surface about its points.

    Raises FileNotFoundError or ValueError where there are none.
    """
    surface = read_surface(path)
    if surface.parts:
        return ReadPart(joined(surface.parts), surface.notes)
    if not len(surface.points):
        raise ValueError(f"expected a mesh with triangles at {path}, got neither triangles nor points")
    if not reconstruct:
        raise ValueError(
            f"expected a mesh with triangles at {path}, got {len(surface.points)} points without triangles; mesh them, "
            "or have a surface made with --reconstruct"
        )
    return ReadPart(reconstructed(surface), (*surface.notes, f"its surface was made from {len(surface.points)} points"))


def near_part(read: ReadPart, leave_out: bool = False) -> ReadPart:
    """What is read, unless parts are so far from the rest that they can't be of one object: those may be left out.

    Raises ValueError, which says how far they are, where they shall not.
    """
    while (far := far_parts(read.part.vertices, read.part.faces)) is not None:
        part = read.part
        said = f"parts are {far.diameters:.3g} diameters apart: {far.count} of {len(part.faces)} triangles are away from the rest"
        if not leave_out:
            raise ValueError(
                f"{said}; remove what does not belong to the object, or leave it out with --parts near (--parts all takes everything)"
            )
        near = Part(part.vertices, part.faces[far.near], part.vertex_colors, part.uv, part.texture).compacted()
        read = ReadPart(near, (*read.notes, f"{said}: left out"))
    return read


def checked_object(name: str, read: ReadPart, unit: str, max_faces: int) -> CheckedObject:
    """The object of a part in a unit, with at most ``max_faces`` triangles. Raises ValueError where it can't be tracked."""
    part, notes, scale = read.part, read.notes, metres_per_unit(unit)
    origin = None
    if rounding_share(part.vertices) > LARGEST_ROUNDING:
        origin = (part.vertices.min(axis=0) + part.vertices.max(axis=0)) / 2
        place = " ".join(f"{value:.12g}" for value in origin)
        notes += (f"it is far from its file's origin: {place} {unit} there is the origin of its poses",)
    if len(part.faces) > max(DENSE_FACES, max_faces):
        part = reduced_part(part, max(DENSE_FACES // 2, max_faces))
    mesh, turned = facing_outwards(mesh_of_part(part, scale, origin, notes))
    findings = [*([turned] if turned else []), *mesh_findings(mesh, max_faces, len(read.part.faces))]
    model = ObjectModel.from_mesh(name, reduced(mesh, max_faces))
    return CheckedObject(model, propose_symmetries(model), len(read.part.faces), findings)
