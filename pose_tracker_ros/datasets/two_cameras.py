"""Folders of a colour and a depth camera that look from different places: depth is not registered to colour.

``rgb/``, one folder ``depth*/`` of 16-bit images, ``depth_M_color.txt`` with the 4x4 matrix (metres) that takes points of
the colour camera to the depth camera, ``pose/`` with camera_T_object (4x4, metres) a frame, the object's mesh in metres.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pose_tracker_ros.datasets.files import DatasetError, read_matrix
from pose_tracker_ros.datasets.intrinsics_files import read_intrinsics
from pose_tracker_ros.datasets.numbered_sequence import EXTRINSICS, NumberedSequence, camera_of
from pose_tracker_ros.datasets.pose_files import rigid
from pose_tracker_ros.datasets.pose_texts import parse_intrinsics
from pose_tracker_ros.geometry import invert
from pose_tracker_ros.objects import ObjectModel, load_mesh

MESH_SUFFIXES = (".obj", ".ply", ".stl", ".glb")


class TwoCameraSequence(NumberedSequence):
    """One video of one object whose frames carry the depth camera's intrinsics and ``color_T_depth``."""

    layout = f"a folder of a colour and a depth camera (rgb/, depth*/, {EXTRINSICS})"

    @classmethod
    def fits(cls, path: Path) -> bool:
        """See :class:`FrameSequence`."""
        return (path / "rgb").is_dir() and (path / EXTRINSICS).is_file()

    def __init__(
        self,
        folder: str | Path,
        *,
        color_intrinsics: str | None = None,
        depth_intrinsics: str | None = None,
        depth_unit: str | None = None,
        depth_folder: str | None = None,
        object_name: str | None = None,
        label: str | None = None,
        models_folder: str | Path | None = None,
        rate_hz: float | None = None,
        on_error: str = "stop",
    ) -> None:
        """Open a folder.

        Parameters: ``color_intrinsics`` and ``depth_intrinsics`` "fx fy cx cy" in pixels, default the 3x3 matrices
        in ``cam_K.txt`` and ``depth_K.txt``; ``depth_unit`` such as mm or 0.1mm, which no file says; ``depth_folder`` default the only one whose name begins with depth; ``object_name`` default that of the
        only mesh; ``label`` of the object in masks that have several; ``models_folder`` with that mesh, default ``folder``; ``rate_hz`` default as the times say, else 30.
        Raises DatasetError when something of this is missing or files whose numbers are not clear.
        """
        folder = Path(folder)
        self._models_folder = Path(models_folder) if models_folder else folder
        self._color_matrix, self._color_source = _intrinsics("color_intrinsics", color_intrinsics, folder / "cam_K.txt")
        self._depth_matrix, self._depth_source = _intrinsics(
            "depth_intrinsics", depth_intrinsics, folder / "depth_K.txt"
        )
        extrinsics = folder / EXTRINSICS
        self._color_T_depth = invert(rigid(read_matrix(extrinsics, (4, 4)), str(extrinsics)))
        super().__init__(
            folder,
            object_name=object_name,
            suggested_name=self._name_of_only_mesh(),
            depth_folder=folder / depth_folder if depth_folder else _only_depth_folder(folder),
            depth_unit=_named_unit(depth_unit, folder),
            label=label,
            pose_folder=folder / "pose",
            rate_hz=rate_hz,
            on_error=on_error,
        )

    def load_model(self, name: str) -> ObjectModel:
        """See :class:`FrameSequence`: the only mesh in the folder, else the one with the object's name."""
        meshes = self._meshes()
        chosen = meshes if len(meshes) == 1 else [path for path in meshes if path.stem == name]
        if len(chosen) != 1 or (self.object_name is not None and name != self.object_name):
            raise DatasetError(
                f"expected a mesh of {name!r} in {self._models_folder}, which holds "
                f"{', '.join(path.name for path in meshes) or 'none'}"
            )
        try:
            return ObjectModel.from_mesh(name, load_mesh(chosen[0]))
        except (FileNotFoundError, ValueError) as error:
            raise DatasetError(str(error)) from error

    def _cameras(self, color_size: tuple[int, int], depth_size: tuple[int, int]) -> dict[str, object]:
        return {
            "camera": camera_of(self._color_matrix, color_size, self._color_source),
            "depth_camera": camera_of(self._depth_matrix, depth_size, self._depth_source),
            "color_T_depth": self._color_T_depth,
        }

    def _meshes(self) -> list[Path]:
        return sorted(path for suffix in MESH_SUFFIXES for path in self._models_folder.glob(f"*{suffix}"))

    def _name_of_only_mesh(self) -> str | None:
        meshes = self._meshes()
        return meshes[0].stem if len(meshes) == 1 else None


def _intrinsics(option: str, text: str | None, path: Path) -> tuple[np.ndarray, str]:
    """An intrinsic matrix (3, 3) of an option, else of a file, and where it is from."""
    if text is None and path.is_file():
        return read_intrinsics(path), str(path)
    try:
        matrix = parse_intrinsics(text or "")
    except ValueError as error:
        got = "neither" if text is None else repr(text)
        raise DatasetError(
            f'expected {option} "fx fy cx cy" in pixels or the 3x3 matrix in {path}, got {got}; '
            f'on the command line give --reader {option}="600 600 320 240" with your camera\'s numbers'
        ) from error
    return matrix, f"{option} {text}"


def _named_unit(unit: str | None, folder: Path) -> str:
    if unit is None:
        raise DatasetError(
            f"expected depth_unit, the unit of the depth images in {folder}, got none; on the command line give "
            "--reader depth_unit=mm, or 0.1mm, or what your camera writes"
        )
    return unit


def _only_depth_folder(folder: Path) -> Path:
    folders = sorted(path for path in folder.glob("depth*") if path.is_dir())
    if len(folders) != 1:
        found = ", ".join(path.name for path in folders) or "none"
        raise DatasetError(f"expected one folder of depth images in {folder}, found {found}; name it as depth_folder")
    return folders[0]
