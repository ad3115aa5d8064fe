"""``pose-tracker add-object``: from a mesh file to a folder in models/."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import click
import cv2
import numpy as np
import trimesh
import typer
import yaml
from rich.console import Console

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.objects import METRES_PER_UNIT, Mesh, ObjectModel, load_mesh, load_object, models_folders
from pose_tracker_ros.onboarding import (
    Symmetry,
    contact_sheet,
    likely_units,
    mesh_findings,
    propose_symmetries,
    reduced,
)

console = Console()


def add_object(
    mesh: Annotated[Path, typer.Argument(help="Mesh file: .obj, .ply, .stl, .glb, ...")],
    name: Annotated[str | None, typer.Option(help="Name of the object; default that of the file.")] = None,
    unit: Annotated[str | None, typer.Option(help="Unit of the file: m, cm or mm; default guessed by size.")] = None,
    models: Annotated[Path | None, typer.Option(help="Folder of all objects; default models/.")] = None,
    max_faces: Annotated[int, typer.Option(help="Meshes with more triangles are reduced.", min=100)] = 20_000,
    symmetries: Annotated[bool, typer.Option(help="Declare the symmetries that were found.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace an object of this name.")] = False,
) -> None:
    """Check a mesh, copy it to models/NAME with its object.yaml, draw it from eight sides, and propose symmetries."""
    with reported_errors():
        name = name or mesh.stem
        if not name.replace("_", "").replace("-", "").isalnum():
            raise ValueError(f"expected a name of letters, digits, '_' and '-', got {name!r}; give --name")
        folder = (models or next(iter(models_folders()), Path("models"))) / name
        if folder.exists() and not overwrite:
            raise ValueError(f"there is an object {name!r} at {folder} already; give another --name, or --overwrite")
        as_written = load_mesh(mesh, "m")
        unit = unit or _guess_unit(as_written.vertices)
        loaded = load_mesh(mesh, unit)
        model = ObjectModel.from_mesh(name, reduced(loaded, max_faces))
        console.print(
            f"{name}: {model.diameter_m * 1e3:.0f} mm large (unit {unit}), {len(loaded.faces)} triangles, "
            f"{'coloured' if loaded.has_color else 'without colour'}"
        )
        for finding in mesh_findings(loaded, max_faces):
            console.print(f"note: {finding}", soft_wrap=True)
        found = propose_symmetries(model)
        folder.mkdir(parents=True, exist_ok=True)
        mesh_name, mesh_unit = _place_mesh(mesh, unit, loaded, model.mesh, folder)
        _write_description(folder / "object.yaml", name, mesh_name, mesh_unit, found, declare=symmetries)
        sheet = folder / "contact_sheet.png"
        cv2.imwrite(str(sheet), contact_sheet(model)[..., ::-1])
        load_object(str(folder))
        for symmetry in found:
            console.print(f"symmetric: {_sentence(symmetry)}")
        if found and not symmetries:
            console.print("if that is so, run again with --symmetries --overwrite", soft_wrap=True)
        console.print(f"written to {folder}; look at {sheet}", soft_wrap=True)


def _guess_unit(vertices: np.ndarray) -> str:
    units = likely_units(vertices)
    if len(units) == 1:
        return units[0]
    largest = float(np.ptp(vertices, axis=0).max())
    sizes = ", ".join(f"{unit}: {largest * metres:.3g} m" for unit, metres in METRES_PER_UNIT.items())
    question = f"In which unit is the mesh? Its longest side would be, in {sizes}"
    if sys.stdin.isatty():
        return typer.prompt(question, type=click.Choice(list(METRES_PER_UNIT)))
    raise ValueError(f"{question}; say it with --unit")


def _place_mesh(path: Path, unit: str, loaded: Mesh, used: Mesh, folder: Path) -> tuple[str, str]:
    """Copy the file with its material and texture, or write the reduced mesh; returns its name and unit."""
    if used is not loaded:
        shape = trimesh.Trimesh(used.vertices, used.faces, vertex_colors=used.vertex_colors, process=False)
        shape.export(folder / "mesh.ply")
        return "mesh.ply", "m"
    shutil.copy(path, folder / path.name)
    for companion in _companions(path):
        shutil.copy(companion, folder / companion.name)
    return path.name, unit


def _companions(path: Path) -> list[Path]:
    """Material files that an .obj names, and the images that those name, where they are beside it."""
    if path.suffix.lower() != ".obj":
        return []
    found = []
    for material in _named(path, ("mtllib",)):
        found += [material, *_named(material, ("map_Kd", "map_Ka", "map_Ks", "map_Bump", "bump", "norm"))]
    return found


def _named(path: Path, keywords: tuple[str, ...]) -> list[Path]:
    lines = (line.split() for line in path.read_text(errors="replace").splitlines())
    names = {words[-1] for words in lines if len(words) > 1 and words[0] in keywords}
    # Only files beside the mesh: a name with a path would not be found in the new folder.
    return [path.parent / name for name in sorted(names) if Path(name).name == name and (path.parent / name).is_file()]


def _write_description(
    path: Path, name: str, mesh_name: str, mesh_unit: str, found: list[Symmetry], declare: bool
) -> None:
    description: dict = {"name": name, "mesh": mesh_name, "mesh_unit": mesh_unit}
    declared = {
        "discrete": [matrix.round(9).ravel().tolist() for symmetry in found for matrix in symmetry.transforms()],
        "continuous": [
            {"axis": symmetry.axis.round(9).tolist(), "offset": symmetry.offset.round(9).tolist()}
            for symmetry in found
            if symmetry.turns == 0
        ],
    }
    text = yaml.safe_dump(description, sort_keys=False)
    block = yaml.safe_dump({"symmetries": {key: value for key, value in declared.items() if value}}, sort_keys=False)
    if found and declare:
        text += block
    elif found:
        text += "# Found by add-object; remove the marks if the object really looks the same after these turns.\n"
        text += "".join(f"# {line}\n" for line in block.splitlines())
    path.write_text(text)


def _sentence(symmetry: Symmetry) -> str:
    axis = " ".join(f"{value:.2f}" for value in symmetry.axis)
    if symmetry.turns == 0:
        return f"any turn about the axis {axis}"
    return f"turns by 360/{symmetry.turns} degrees about the axis {axis}"
