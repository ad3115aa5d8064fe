"""YCBInEOAT: YCB objects moved by robot hands (Wen et al., se(3)-TrackNet, IROS 2020, arXiv 2007.13866).

One folder a video: ``rgb/``, ``depth/`` and mostly ``depth_filled/`` (millimetres), ``annotated_poses/`` with one
4x4 matrix a frame, ``cam_K.txt``. Recordings for FoundationPose have the same layout, with ``masks/`` and without poses.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pose_tracker_ros.datasets.bop import is_scene
from pose_tracker_ros.datasets.files import DatasetError
from pose_tracker_ros.datasets.intrinsics_files import NAMES, find_intrinsics, read_intrinsics
from pose_tracker_ros.datasets.numbered_sequence import EXTRINSICS, NumberedSequence, camera_of
from pose_tracker_ros.objects import ObjectModel, load_mesh

# The data set names its videos after the object that they show.
OBJECT_OF_VIDEO: Mapping[str, str] = {
    "cracker": "003_cracker_box",
    "bleach": "021_bleach_cleanser",
    "sugar": "004_sugar_box",
    "tomato": "005_tomato_soup_can",
    "mustard": "006_mustard_bottle",
}
DEPTH_FOLDERS = ("depth", "depth_filled")


class YcbInEoatSequence(NumberedSequence):
    """One video of one object, in a folder of any name; depth is registered to colour."""

    layout = "a YCBInEOAT video or a folder like it (rgb/, depth/, cam_K.txt)"

    @classmethod
    def fits(cls, path: Path) -> bool:
        """See :class:`FrameSequence`."""
        if (path / EXTRINSICS).is_file() or is_scene(path):
            return False  # two cameras, or a BOP scene
        has_images = (path / "rgb").is_dir() and any((path / name).is_dir() for name in DEPTH_FOLDERS)
        return (path / "annotated_poses").is_dir() or (has_images and find_intrinsics(path) is not None)

    def __init__(
        self,
        folder: str | Path,
        *,
        object_name: str | None = None,
        depth_folder: str = "depth",
        depth_unit: str | None = None,
        label: str | None = None,
        models_folder: str | Path | None = None,
        rate_hz: float | None = None,
        on_error: str = "stop",
    ) -> None:
        """Open a folder such as ``mustard0``.

        Parameters: ``object_name`` default from the folder's name, if that is one of the data set;
        ``depth_folder`` is ``depth`` as measured or ``depth_filled``, and ``depth_filled`` is taken when it is the
        only one; ``depth_unit`` such as m, mm or 0.25mm, default mm for integers and m for floats; ``label`` of the object in
        masks that have several; ``models_folder`` with ``<object>/textured.obj``, default ``models`` beside the video; ``rate_hz``
        default as the times say, else 30.
        Raises DatasetError when there are no images, no intrinsics, or files whose numbers are not clear.
        """
        folder = Path(folder)
        filled_alone = not (folder / depth_folder).is_dir() and (folder / "depth_filled").is_dir()
        super().__init__(
            folder,
            object_name=object_name,
            suggested_name=object_of_video(folder.name),
            depth_folder=folder / ("depth_filled" if filled_alone else depth_folder),
            depth_unit=depth_unit,
            label=label,
            pose_folder=folder / "annotated_poses",
            rate_hz=rate_hz,
            on_error=on_error,
        )
        self._intrinsics = find_intrinsics(folder) or folder / NAMES[0]
        self._matrix = read_intrinsics(self._intrinsics)
        self._models_folder = Path(models_folder) if models_folder else folder.resolve().parent / "models"

    def load_model(self, name: str) -> ObjectModel:
        """See :class:`FrameSequence`: reads ``<models folder>/<name>/textured.obj``."""
        try:
            return ObjectModel.from_mesh(name, load_mesh(self._models_folder / name / "textured.obj"))
        except (FileNotFoundError, ValueError) as error:
            raise DatasetError(str(error)) from error

    def _cameras(self, color_size: tuple[int, int], depth_size: tuple[int, int]) -> dict[str, object]:
        return {"camera": camera_of(self._matrix, color_size, self._intrinsics)}


def object_of_video(name: str) -> str | None:
    """The YCB object that a video such as ``tomato_soup_can_yalehand0`` shows, None for names of other data."""
    return next((object_name for word, object_name in OBJECT_OF_VIDEO.items() if word in name), None)
