"""Opening a mesh file of any kind that is read, or saying what to do with one that isn't."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pose_tracker_ros import limits
from pose_tracker_ros.mesh_files.gltf import read_gltf
from pose_tracker_ros.mesh_files.obj import read_obj
from pose_tracker_ros.mesh_files.off import read_off
from pose_tracker_ros.mesh_files.ply import read_ply
from pose_tracker_ros.mesh_files.stl import read_stl
from pose_tracker_ros.mesh_files.surface import Part, Surface

READERS = {".obj": read_obj, ".ply": read_ply, ".stl": read_stl, ".off": read_off, ".glb": read_gltf, ".gltf": read_gltf}
CAD = "a CAD file has no triangles yet; open it in a CAD program (FreeCAD, for one) and export it as .stl, .obj or .glb"
CONVERT = "open it in Blender or MeshLab and export it as .glb, or as .obj with its textures"
ADVICE = {
    **dict.fromkeys((".step", ".stp", ".iges", ".igs", ".brep", ".sldprt", ".f3d", ".x_t", ".ipt", ".catpart"), CAD),
    **dict.fromkeys((".usd", ".usda", ".usdc", ".usdz"), f"USD is not read; {CONVERT}"),
    **dict.fromkeys((".dae", ".fbx", ".3mf", ".3ds", ".blend", ".wrl", ".x3d", ".vtk", ".amf"), CONVERT),
    **dict.fromkeys((".pcd", ".xyz", ".las", ".laz", ".e57"), "a point cloud of this kind is not read; save it as .ply"),
    ".drc": "Draco's own files are not read; decode it to .ply or .obj with draco_decoder",
    ".mtl": "this has the materials of a mesh; give the .obj file",
}
# Beginnings of files that are not what their name says.
IMPOSTORS = {
    b"version https://git-lfs": "it is a pointer of Git LFS, not the mesh; run: git lfs pull",
    b"<!doctype html": "it is a web page, not the mesh; download it again",
    b"<html": "it is a web page, not the mesh; download it again",
    b"PK\x03\x04": "it is a zip archive; unpack it",
    b"ISO-10303-21": CAD,
}


def read_surface(path: Path) -> Surface:
    """Parts of triangles, or points, of a mesh file, in its own unit.

    Raises FileNotFoundError when there is no such file, ValueError, which names the file, when it can't be used.
    """
    if not path.is_file():
        raise FileNotFoundError(f"expected a mesh file at {path}, but there is none; check the path")
    suffix = path.suffix.lower()
    reader = READERS.get(suffix)
    if reader is None:
        advice = ADVICE.get(suffix, CONVERT)
        raise ValueError(f"expected a mesh ({', '.join(READERS)}) that can be read, got {path}: {advice}")
    try:
        data = limits.read_bytes(path, limits.MESH_BYTES, "a mesh")
        if not data:
            raise ValueError("the file is empty")
        start = data[:64].lstrip().lower()
        for beginning, advice in IMPOSTORS.items():
            if start.startswith(beginning.lower()):
                raise ValueError(advice)
        surface = reader(path, data)
        for part in surface.parts:
            _check(part)
        return surface
    except ValueError as error:
        raise ValueError(f"expected a mesh that can be read at {path}: {error}") from error
    except (MemoryError, RecursionError) as error:
        raise ValueError(f"expected a mesh that fits into memory at {path}: it is too large or too deeply nested") from error


def _check(part: Part) -> None:
    used = part.vertices[part.faces.ravel()] if len(part.faces) else part.vertices[:0]
    if not np.all(np.isfinite(used)):
        raise ValueError("expected finite vertex coordinates, got NaN or infinity; export it again")
    if len(used) and np.abs(used).max() > 1e15:
        raise ValueError(f"expected coordinates of an object, got {np.abs(used).max():g}; export it again")
    if part.uv is not None and not np.all(np.isfinite(part.uv)):
        raise ValueError("expected finite texture coordinates, got NaN or infinity; export it again")
