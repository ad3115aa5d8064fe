"""Saving a new object: where it may be written, whole or not at all, and the same as what was checked."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import yaml

from pose_tracker_ros.object_description import read_object_description
from pose_tracker_ros.object_files import write_object
from pose_tracker_ros.objects import ObjectModel, load_object, models_folders
from pose_tracker_ros.onboarding import Symmetry, contact_sheet, differences

SHEET_NAME = "contact_sheet.png"


def folder_for_new_objects(wanted: Path | None) -> Path:
    """Folder of all objects that a new one is written to: the ``wanted`` one, else the first known one that can be written to,
    else models/ of the working directory.

    Raises ValueError, before anything is done, where nothing can be written.
    """
    candidates = [wanted] if wanted is not None else [*models_folders(), Path("models")]
    for folder in candidates:
        if _can_be_written(folder):
            return folder
    places = ", ".join(str(folder) for folder in dict.fromkeys(candidates))
    raise ValueError(f"expected a folder of objects that can be written to, but {places} can't; name another with --models FOLDER")


def _can_be_written(folder: Path) -> bool:
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def place_object(model: ObjectModel, folder: Path, found: list[Symmetry], declare: bool) -> None:
    """Save an object with its contact sheet as ``folder``, in one step; what else was there before, weights for one, stays.

    Parameters: ``found`` symmetries are declared in object.yaml, or only proposed in comments.
    Raises ValueError, and leaves everything as it was, where what is read back differs from ``model``.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
        new = write_object(replace(model, mesh=replace(model.mesh, notes=())), Path(temporary) / folder.name)
        _add_symmetries(new / "object.yaml", found, declare)
        saved = load_object(str(new))
        unlike = differences(model, saved)
        if unlike:
            raise ValueError(
                f"expected the saved object to be what was read, but they differ in {'; '.join(unlike)}; "
                "nothing was written: please report this with the mesh"
            )
        sheet = contact_sheet(saved)[..., ::-1]
        (new / SHEET_NAME).write_bytes(cv2.imencode(".png", sheet)[1].tobytes())
        new.chmod(0o777 & ~_umask())
        _put_in_place(new, folder, Path(temporary) / "replaced")


def _put_in_place(new: Path, folder: Path, aside: Path) -> None:
    if not folder.exists():
        new.rename(folder)
        return
    before = _files_of_the_mesh(folder)
    for path in folder.iterdir():
        if path.name not in before and not (new / path.name).exists():
            (shutil.copytree if path.is_dir() else shutil.copy2)(path, new / path.name)
    folder.rename(aside)
    try:
        new.rename(folder)
    except OSError:
        aside.rename(folder)
        raise


def _files_of_the_mesh(folder: Path) -> set[str]:
    """Names of what belongs to the object that is replaced."""
    try:
        mesh = {read_object_description(folder)["mesh"]}
    except (ValueError, OSError):
        mesh = set()
    return {"object.yaml", SHEET_NAME} | mesh


def _add_symmetries(path: Path, found: list[Symmetry], declare: bool) -> None:
    entries = {
        "discrete": [matrix.round(9).ravel().tolist() for symmetry in found for matrix in symmetry.transforms()],
        "continuous": [
            {"axis": symmetry.axis.round(9).tolist(), "offset": symmetry.offset.round(9).tolist()}
            for symmetry in found
            if symmetry.turns == 0
        ],
    }
    if not found:
        return
    block = yaml.safe_dump({"symmetries": {key: value for key, value in entries.items() if value}}, sort_keys=False)
    if not declare:
        block = "# Found by add-object; remove the marks if the object really looks the same after these turns.\n" + "".join(
            f"# {line}\n" for line in block.splitlines()
        )
    path.write_text(path.read_text() + block)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
