"""Cambridge Landmarks: streets and buildings photographed by telephone (Kendall et al., PoseNet, ICCV 2015).

A folder a scene: ``dataset_train.txt`` and ``dataset_test.txt`` with "image X Y Z W P Q R" a line, the camera's centre in
the world and the quaternion (w, x, y, z) that turns the world's axes to the camera's. There is no depth;
``reconstruction.nvm``, where it is there, has focal lengths and triangulated points.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets.files import DatasetError, read_color, read_text
from pose_tracker_ros.datasets.frame_times import DEFAULT_RATE_HZ
from pose_tracker_ros.datasets.sequence import Annotation, IndexedSequence, make_frame
from pose_tracker_ros.datasets.visual_sfm import Reconstruction, read_reconstruction
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import make_pose, matrix_from_quaternion

SPLITS = ("all", "train", "test")
_SPLIT_FILES = {"train": ("dataset_train.txt",), "test": ("dataset_test.txt",)}
_SPLIT_FILES["all"] = _SPLIT_FILES["train"] + _SPLIT_FILES["test"]
RECONSTRUCTION = "reconstruction.nvm"
# The telephone's, for images of this width.
FOCAL_PX, WIDTH_PX = 1670.0, 1920
_WORDS = 8


class _Image(NamedTuple):
    name: str
    world_T_camera: np.ndarray


class CambridgeSequence(IndexedSequence):
    """The images of a scene or of its split in the order of the list; their depth is nowhere measured."""

    layout = "a scene of Cambridge Landmarks (dataset_train.txt, dataset_test.txt)"

    @classmethod
    def fits(cls, path: Path) -> bool:
        """See :class:`FrameSequence`."""
        return any((path / name).is_file() for name in _SPLIT_FILES["all"])

    def __init__(
        self,
        folder: str | Path,
        *,
        split: str = "all",
        focal_px: float | None = None,
        rate_hz: float | None = None,
        on_error: str = "stop",
    ) -> None:
        """Open a folder such as ``ShopFacade``.

        Parameters: ``split`` one of SPLITS; ``focal_px`` default that of ``reconstruction.nvm``, else 1670 for images
        1920 wide; ``rate_hz`` by which images without times are stamped, default 30.
        Raises DatasetError when a list is missing or is not one.
        """
        if split not in SPLITS:
            raise ValueError(f"expected split to be one of {', '.join(SPLITS)}, got {split!r}")
        super().__init__(Path(folder).name, rate_hz or DEFAULT_RATE_HZ, on_error)
        self.folder, self._focal_px = Path(folder), focal_px
        lists = [self.folder / name for name in _SPLIT_FILES[split]]
        if split == "all":
            lists = [path for path in lists if path.is_file()]
        self._images = [image for path in lists for image in _read_list(path)]

    def __len__(self) -> int:
        """Number of images."""
        return len(self._images)

    def annotation(self, position: int) -> Annotation:
        """See :class:`IndexedSequence`; no objects are known."""
        return Annotation(position, position / self.rate_hz, {})

    def world_T_camera(self, position: int) -> np.ndarray:
        """Pose (4, 4) of the camera at ``position``, without reading images."""
        return self._images[position].world_T_camera

    @property
    def has_points(self) -> bool:
        """Whether there is a reconstruction."""
        return self._reconstruction is not None

    def world_points(self, position: int) -> np.ndarray:
        """Triangulated points (N, 3) of the world that the image at ``position`` sees; raises DatasetError without any."""
        if self._reconstruction is None:
            raise DatasetError(
                f"expected triangulated points in {self.folder / RECONSTRUCTION}, but there is no such file"
            )
        name = self._images[position].name
        return self._reconstruction.points[self._reconstruction.seen.get(_stem(name), np.empty(0, dtype=int))]

    def read(self, position: int) -> Frame:
        """See :class:`IndexedSequence`."""
        image = self._images[position]
        index, stamp, _ = self.annotation(position)
        path = self.folder / image.name
        color = read_color(path)
        return make_frame(
            path,
            color=color,
            depth=np.zeros(color.shape[:2], np.float32),
            camera=self._camera(image.name, color.shape[:2]),
            stamp=stamp,
            index=index,
            world_T_camera=image.world_T_camera,
        )

    @cached_property
    def _reconstruction(self) -> Reconstruction | None:
        path = self.folder / RECONSTRUCTION
        return read_reconstruction(path) if path.is_file() else None

    def _camera(self, name: str, size: tuple[int, int]) -> PinholeCamera:
        """Camera of an image of a size (height, width), with the optical axis in its middle."""
        height, width = size
        focal = self._focal_px
        if focal is None and self._reconstruction is not None:
            focal = self._reconstruction.focal_px.get(_stem(name))
        if focal is None:
            focal = FOCAL_PX * width / WIDTH_PX
        return PinholeCamera(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)


def _stem(name: str) -> str:
    """An image's name without suffix: the reconstruction was made of the same images in another format."""
    return name.rpartition(".")[0]


def _read_list(path: Path) -> list[_Image]:
    if not path.is_file():
        raise DatasetError(f"expected the list of images {path}, but there is no such file")
    images = []
    for line in read_text(path).splitlines():
        words = line.split()
        # Three lines of title come first.
        if len(words) != _WORDS or "." not in words[0]:
            if images and words:
                raise DatasetError(f"expected lines 'image X Y Z W P Q R' in {path}, got {line!r}")
            continue
        try:
            x, y, z, qw, qx, qy, qz = (float(word) for word in words[1:])
            camera_R_world = matrix_from_quaternion(np.array([qx, qy, qz, qw]))
        except ValueError as error:
            raise DatasetError(f"expected a position and a quaternion in {path}, got {line!r}: {error}") from error
        images.append(_Image(words[0], make_pose(camera_R_world.T, np.array([x, y, z]))))
    if not images:
        raise DatasetError(f"expected lines 'image X Y Z W P Q R' in {path}, found none")
    return images
