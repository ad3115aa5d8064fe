"""YCBInEOAT: YCB objects moved by robot hands (Wen et al., se(3)-TrackNet, IROS 2020, arXiv 2007.13866).

One folder a video: ``rgb/``, ``depth/`` and mostly ``depth_filled/`` with png files of equal names (depth in
millimetres), ``annotated_poses/`` with one 4x4 matrix a frame, ``cam_K.txt``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets.files import DatasetError, read_color, read_depth, read_image, read_matrix
from pose_tracker_ros.datasets.sequence import Annotation, IndexedSequence, make_frame
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import is_pose
from pose_tracker_ros.objects import ObjectModel, load_mesh

# The data set names its videos after the object that they show.
OBJECT_OF_VIDEO: Mapping[str, str] = {
    "cracker": "003_cracker_box",
    "bleach": "021_bleach_cleanser",
    "sugar": "004_sugar_box",
    "tomato": "005_tomato_soup_can",
    "mustard": "006_mustard_bottle",
}
METRES_PER_UNIT = 0.001
_DIGITS_OF_NANOSECONDS = 16


class YcbInEoatSequence(IndexedSequence):
    """One video of one object. Frames count from 0.

    Stamps are the file names where these are times in nanoseconds, else frame number over rate.
    """

    layout = "a YCBInEOAT video (rgb/, annotated_poses/, cam_K.txt)"

    @classmethod
    def fits(cls, path: Path) -> bool:
        """See :class:`FrameSequence`."""
        return (path / "annotated_poses").is_dir() or (path / "cam_K.txt").is_file()

    def __init__(
        self,
        folder: str | Path,
        *,
        object_name: str | None = None,
        depth_folder: str = "depth",
        models_folder: str | Path | None = None,
        rate_hz: float = 30.0,
        on_error: str = "stop",
    ) -> None:
        """Open a folder such as ``mustard0``.

        Parameters: ``object_name`` default from the folder's name; ``depth_folder`` is ``depth`` as measured
        or ``depth_filled``, and ``depth_filled`` is taken when it is the only one; ``models_folder`` with
        ``<object>/textured.obj``, default ``models`` beside the video.
        Raises DatasetError when there are no images, no intrinsics or no way to tell which pose is whose.
        """
        self.folder = Path(folder)
        super().__init__(self.folder.name, rate_hz, on_error)
        self.object_name = object_name or object_of_video(self.folder.name)
        self._colors = sorted((self.folder / "rgb").glob("*.png"))
        if not self._colors:
            raise DatasetError(f"expected the video's images in {self.folder / 'rgb'}, found none")
        filled_alone = not (self.folder / depth_folder).is_dir() and (self.folder / "depth_filled").is_dir()
        self._depth_folder = self.folder / ("depth_filled" if filled_alone else depth_folder)
        self._matrix = read_matrix(self.folder / "cam_K.txt", (3, 3))
        self._pose_paths = self._match_poses()
        self._models_folder = Path(models_folder) if models_folder else self.folder.resolve().parent / "models"

    def __len__(self) -> int:
        """Number of colour images."""
        return len(self._colors)

    def load_model(self, name: str) -> ObjectModel:
        """See :class:`FrameSequence`: reads ``<models folder>/<name>/textured.obj``."""
        try:
            return ObjectModel.from_mesh(name, load_mesh(self._models_folder / name / "textured.obj"))
        except (FileNotFoundError, ValueError) as error:
            raise DatasetError(str(error)) from error

    def annotation(self, position: int) -> Annotation:
        """See :class:`IndexedSequence`."""
        path = self._pose_paths[position]
        truth = {} if path is None else {self.object_name: self._read_pose(path)}
        return Annotation(position, self._stamp(position), truth)

    def read(self, position: int) -> Frame:
        """See :class:`IndexedSequence`."""
        index, stamp, truth = self.annotation(position)
        path = self._colors[position]
        color = read_color(path)
        depth = read_depth(self._depth_folder / path.name, METRES_PER_UNIT)
        mask_path = self.folder / "masks" / path.name
        masks = {self.object_name: _as_mask(read_image(mask_path))} if mask_path.is_file() else {}
        return make_frame(
            path,
            color=color,
            depth=depth,
            camera=self._camera(color.shape[1], color.shape[0]),
            stamp=stamp,
            index=index,
            truth=truth,
            masks=masks,
        )

    def _camera(self, width: int, height: int) -> PinholeCamera:
        try:
            return PinholeCamera.from_matrix(self._matrix, width, height)
        except ValueError as error:
            raise DatasetError(f"{self.folder / 'cam_K.txt'}: {error}") from error

    def _match_poses(self) -> list[Path | None]:
        """Pose file of every image: by name where names agree, else by order where the counts agree."""
        poses = sorted((self.folder / "annotated_poses").glob("*.txt"))
        by_name = {path.stem: path for path in poses}
        if not poses or any(path.stem in by_name for path in self._colors):
            return [by_name.get(path.stem) for path in self._colors]
        if len(poses) == len(self._colors):
            return list(poses)
        raise DatasetError(
            f"expected one pose for each of the {len(self._colors)} images in {self.folder / 'annotated_poses'}, "
            f"got {len(poses)} whose names are not those of the images; is the data set complete?"
        )

    def _read_pose(self, path: Path) -> np.ndarray:
        pose = read_matrix(path, (4, 4))
        if not is_pose(pose):
            raise DatasetError(f"expected a rigid 4x4 transform in {path}, got {pose.tolist()}")
        return pose

    def _stamp(self, position: int) -> float:
        stem = self._colors[position].stem
        if stem.isdigit() and len(stem) >= _DIGITS_OF_NANOSECONDS:
            return int(stem) * 1e-9
        return position / self.rate_hz


def object_of_video(name: str) -> str:
    """The YCB object that a video such as ``tomato_soup_can_yalehand0`` shows.

    Raises DatasetError for names of other data.
    """
    for word, object_name in OBJECT_OF_VIDEO.items():
        if word in name:
            return object_name
    raise DatasetError(
        f"expected a video named after one of {', '.join(OBJECT_OF_VIDEO)}, got {name!r}; name its object"
    )


def _as_mask(image: np.ndarray) -> np.ndarray:
    return (image if image.ndim == 2 else image.max(axis=2)) > 0
