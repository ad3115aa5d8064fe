"""``pose-tracker add-object``: from a mesh file to a folder in models/."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import click
import numpy as np
import typer
from rich.console import Console

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.new_objects import folder_for_new_objects, place_object
from pose_tracker_ros.object_description import METRES_PER_UNIT
from pose_tracker_ros.object_intake import CheckedObject, checked_object, near_part, read_part
from pose_tracker_ros.onboarding import Symmetry, likely_units

console = Console()
IN_METRES = (".glb", ".gltf")


class Parts(StrEnum):
    """Which parts of a mesh are taken where some are far from the rest."""

    ALL = "all"
    NEAR = "near"


def add_object(
    mesh: Annotated[Path, typer.Argument(help="Mesh file: .obj, .ply, .stl, .off, .glb or .gltf.")],
    name: Annotated[str | None, typer.Option(help="Name of the object; default that of the file.")] = None,
    unit: Annotated[
        str | None, typer.Option(help="Unit of the file: m, cm, mm or inch; default guessed by size.")
    ] = None,
    models: Annotated[Path | None, typer.Option(help="Folder of all objects; default models/.")] = None,
    max_faces: Annotated[int, typer.Option(help="Meshes with more triangles are reduced.", min=100)] = 20_000,
    symmetries: Annotated[bool, typer.Option(help="Declare the symmetries that were found.")] = False,
    parts: Annotated[
        Parts | None, typer.Option(help="Where parts are far apart: take all, or those near the largest.")
    ] = None,
    reconstruct: Annotated[bool, typer.Option(help="Make a surface of a point cloud.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace an object of this name.")] = False,
) -> None:
    """Check a mesh, save it as models/NAME with its object.yaml, draw it from eight sides, and propose symmetries.

    The mesh is saved as mesh.glb, in metres and with its texture or colours, and compared with what was read.
    Nothing is written when something is wrong.
    """
    with reported_errors():
        name = name or mesh.stem
        if not name.replace("_", "").replace("-", "").isalnum():
            raise ValueError(f"expected a name of letters, digits, '_' and '-', got {name!r}; give --name")
        folder = folder_for_new_objects(models) / name
        if folder.exists() and not overwrite:
            raise ValueError(f"there is an object {name!r} at {folder} already; give another --name, or --overwrite")
        with console.status(f"reading {mesh}"):
            read = read_part(mesh, reconstruct)
            read = read if parts is Parts.ALL else near_part(read, leave_out=parts is Parts.NEAR)
        unit = unit or _guess_unit(read.part.vertices, mesh.suffix.lower() in IN_METRES)
        triangles = f"{len(read.part.faces):,} triangles"
        dense = len(read.part.faces) > max_faces
        with console.status(f"reducing {triangles}, some seconds a million" if dense else f"checking {triangles}"):
            checked = checked_object(name, read, unit, max_faces)
        _print(checked, unit, symmetries)
        with console.status("saving and comparing"):
            place_object(checked.model, folder, checked.symmetries, declare=symmetries)
        console.print(f"written to {folder}; look at {folder / 'contact_sheet.png'}", soft_wrap=True)


def _print(checked: CheckedObject, unit: str, declared: bool) -> None:
    model = checked.model
    console.print(
        f"{model.name}: {model.diameter_m * 1e3:.4g} mm large (unit {unit}), {checked.triangles} triangles, "
        f"{'coloured' if model.mesh.has_color else 'without colour'}",
        soft_wrap=True,
    )
    for finding in checked.findings:
        console.print(f"note: {finding}", soft_wrap=True, markup=False, highlight=False)
    for symmetry in checked.symmetries:
        console.print(f"symmetric: {_sentence(symmetry)}")
    if checked.symmetries and not declared:
        console.print("if that is so, run again with --symmetries --overwrite", soft_wrap=True)


def _guess_unit(vertices: np.ndarray, metres: bool) -> str:
    units = likely_units(vertices, metres)
    if len(units) == 1:
        return units[0]
    largest = float(np.ptp(vertices, axis=0).max())
    sizes = ", ".join(f"{unit}: {largest * metres:.3g} m" for unit, metres in METRES_PER_UNIT.items())
    question = f"In which unit is the mesh? Its longest side would be, in {sizes}"
    if sys.stdin.isatty():
        return typer.prompt(question, type=click.Choice(list(METRES_PER_UNIT)))
    raise ValueError(f"{question}; say it with --unit")


def _sentence(symmetry: Symmetry) -> str:
    axis = " ".join(f"{value:.2f}" for value in symmetry.axis)
    if symmetry.turns == 0:
        return f"any turn about the axis {axis}"
    return f"turns by 360/{symmetry.turns} degrees about the axis {axis}"
