"""The model of an object of a sequence: ours, that of a mesh, or the data set's."""

from __future__ import annotations

from pathlib import Path

from pose_tracker_ros.datasets.bop import BopSequence, default_object_name
from pose_tracker_ros.datasets.files import DatasetError
from pose_tracker_ros.datasets.sequence import FrameSequence
from pose_tracker_ros.object_description import read_object_description
from pose_tracker_ros.objects import ObjectModel, find_object_folder, load_mesh, load_object


def load_tracked_object(
    name: str, sequence: FrameSequence, mesh: Path | None = None, mesh_unit: str | None = None
) -> ObjectModel:
    """The object of models/, or of that name with the ``mesh``, or the one that the sequence's data set has a model of.

    Where the mesh of an object of models/ is not distributed, it has that of the sequence's data set.
    Raises FileNotFoundError that says what to give when there is none, ValueError for a mesh that can't be used.
    """
    try:
        folder = find_object_folder(name)
    except FileNotFoundError as unknown:
        return _load_other_object(name, sequence, mesh, mesh_unit, unknown)
    description = read_object_description(folder)
    missing = mesh is None and not (folder / description["mesh"]).is_file()
    if missing and "bop_id" in description and isinstance(sequence, BopSequence):
        in_data_set = sequence.models.folder / f"{default_object_name(description['bop_id'])}.ply"
        if in_data_set.is_file():
            return load_object(name, in_data_set, "mm")
    return load_object(name, mesh, mesh_unit)


def _load_other_object(
    name: str, sequence: FrameSequence, mesh: Path | None, mesh_unit: str | None, unknown: FileNotFoundError
) -> ObjectModel:
    """An object that models/ does not have."""
    if mesh is not None:
        try:
            return ObjectModel.from_mesh(name, load_mesh(mesh, mesh_unit or "m"))
        except ValueError as error:
            raise ValueError(f"{mesh}: {error}, or give --mesh-unit") from error
    try:
        return sequence.load_model(name)
    except DatasetError as error:
        raise FileNotFoundError(
            f"{unknown}; nor is there a model with the sequence ({error}); give --mesh, or where the data set's models "
            "are with --reader models_folder=FOLDER"
        ) from error
