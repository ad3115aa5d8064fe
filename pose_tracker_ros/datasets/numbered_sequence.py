"""Folders with one object whose images and poses are paired by the number of their frame."""

from __future__ import annotations

import logging
from abc import abstractmethod
from pathlib import Path

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets.depth_units import metres_per_unit
from pose_tracker_ros.datasets.files import DatasetError, read_color, read_depth
from pose_tracker_ros.datasets.frame_times import FrameTimes, frame_times
from pose_tracker_ros.datasets.masks import mask_of, masks_by_label, parse_label, read_labels
from pose_tracker_ros.datasets.numbered_files import COLOR_SUFFIXES, DEPTH_SUFFIXES, numbered_files
from pose_tracker_ros.datasets.pose_files import PoseFiles
from pose_tracker_ros.datasets.sequence import Annotation, IndexedSequence, make_frame
from pose_tracker_ros.frame import Frame

# A folder with this file has a depth camera of its own.
EXTRINSICS = "depth_M_color.txt"
# What masks of an object are called that nothing names.
UNNAMED_OBJECT = "object"
logger = logging.getLogger(__name__)


class NumberedSequence(IndexedSequence):
    """A folder with ``rgb/``, a folder of depth images and maybe ``masks/`` and poses of one object.

    A frame is a colour image; its index is the number in the file's name, its depth image, mask and pose are those
    of the same number. Where the names are Unix times, frames count from 0 instead. Stamps are the times in the
    names, else those of ``timestamps.txt`` (frame number, nanoseconds), else number over rate.

    object_name: whose poses and masks these are; None when nothing says so, and then no true pose is known. It may
    be set before the first frame is read. named: whether an option said it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        object_name: str | None,
        suggested_name: str | None,
        depth_folder: Path,
        depth_unit: str | None,
        label: object,
        pose_folder: Path,
        rate_hz: float | None,
        on_error: str,
    ) -> None:
        """Find the files.

        Parameters: ``suggested_name`` the object's name where ``object_name`` is None; ``depth_unit`` as of
        :func:`~pose_tracker_ros.datasets.depth_units.metres_per_unit`, default mm for integers and m for floats; ``label`` of
        the object in masks that have several.
        Raises DatasetError when there are no images or two files have one number.
        """
        self.folder = folder
        self.object_name = object_name or suggested_name
        self.named = object_name is not None
        colors = numbered_files(folder / "rgb", COLOR_SUFFIXES)
        if not colors:
            raise DatasetError(f"expected the sequence's images ({', '.join(COLOR_SUFFIXES)}) in {folder / 'rgb'}, found none")
        self._numbers, self._colors = tuple(colors), tuple(colors.values())
        self._times = self._read_times(rate_hz)
        super().__init__(folder.name, self._times.rate_hz, on_error)
        self._depth_folder = depth_folder
        self._metres_per_unit = None if depth_unit is None else metres_per_unit(depth_unit)
        self._label = parse_label(label)
        self._depths = numbered_files(depth_folder, DEPTH_SUFFIXES)
        if not self._depths:
            raise DatasetError(f"expected the sequence's depth images ({', '.join(DEPTH_SUFFIXES)}) in {depth_folder}, found none")
        self._masks = numbered_files(folder / "masks", COLOR_SUFFIXES)
        self._noted_unnamed_poses = False
        self._poses = PoseFiles(self._match_poses(numbered_files(pose_folder, (".txt",)), pose_folder))

    def __len__(self) -> int:
        """Number of colour images."""
        return len(self._numbers)

    def annotation(self, position: int) -> Annotation:
        """See :class:`IndexedSequence`."""
        index, stamp = self._times.indices[position], self._times.stamps[position]
        if stamp is None:
            raise DatasetError(f"expected a time of frame {index} in {self._times_path}, but it has none")
        return Annotation(index, stamp, self._truth(self._numbers[position]))

    def read(self, position: int) -> Frame:
        """See :class:`IndexedSequence`."""
        index, stamp, truth = self.annotation(position)
        number = self._numbers[position]
        path = self._colors[position]
        if number not in self._depths:
            raise DatasetError(
                f"expected a depth image of number {number} in {self._depth_folder} as there is a colour image {path.name}, "
                "found none; is the data set complete?"
            )
        color = read_color(path)
        depth = read_depth(self._depths[number], self._metres_per_unit)
        return make_frame(
            path,
            color=color,
            depth=depth,
            stamp=stamp,
            index=index,
            truth=truth,
            masks=self._read_masks(number, color.shape[:2]),
            **self._cameras(color.shape[:2], depth.shape),
        )

    @abstractmethod
    def _cameras(self, color_size: tuple[int, int], depth_size: tuple[int, int]) -> dict[str, object]:
        """The fields of a :class:`Frame` with images of these sizes (height, width) that say how they were taken."""

    @property
    def _times_path(self) -> Path:
        return self.folder / "timestamps.txt"

    def _read_times(self, rate_hz: float | None) -> FrameTimes:
        if rate_hz is not None and not rate_hz > 0:
            raise ValueError(f"expected a frame rate above zero, got {rate_hz}")
        return frame_times(self._numbers, self._times_path, rate_hz)

    def _match_poses(self, paths: dict[int, Path], folder: Path) -> dict[int, Path]:
        """Pose files by the numbers of the images, or in their order where they are counted otherwise than the images.

        That is where images are named by time, or where all numbers are off by the same, as of poses from 0 to images from 1.
        """
        if not paths or set(paths) == set(self._numbers):
            return paths
        if len(paths) == len(self._numbers):
            differences = {pose - image for pose, image in zip(paths, self._numbers)}
            named_by_time = self._times.indices != self._numbers
            if len(differences) == 1 and not named_by_time:
                logger.warning(
                    "the poses in %s are numbered from %d, the images from %d; they were paired in their order",
                    folder,
                    next(iter(paths)),
                    self._numbers[0],
                )
            if len(differences) == 1 or named_by_time:
                return dict(zip(self._numbers, paths.values()))
        if any(number in paths for number in self._numbers):
            return paths
        raise DatasetError(
            f"expected poses in {folder} with the numbers of the {len(self._numbers)} images, "
            f"got {len(paths)} whose names are not those of the images; is the data set complete?"
        )

    def _truth(self, number: int) -> dict[str, np.ndarray]:
        if self.object_name is None:
            self._note_unnamed_poses()
            return {}
        pose = self._poses.pose(number)
        return {} if pose is None else {self.object_name: pose}

    def _note_unnamed_poses(self) -> None:
        if len(self._poses) and not self._noted_unnamed_poses:
            self._noted_unnamed_poses = True
            logger.warning(
                "nothing says whose the poses of %s are, so they are left out; give object_name", self.folder
            )

    def _read_masks(self, number: int, size: tuple[int, int]) -> dict[str, np.ndarray]:
        if number not in self._masks:
            return {}
        path, name = self._masks[number], self.object_name or UNNAMED_OBJECT
        labels = read_labels(path)
        if labels.shape[:2] != size:
            raise DatasetError(
                f"expected a mask of {size[1]}x{size[0]} like the image in {path}, got {labels.shape[1]}x{labels.shape[0]}"
            )
        if self._label is not None:
            return {name: mask_of(labels, self._label, path)}
        return {f"label {label}" if label else name: mask for label, mask in masks_by_label(labels).items()}


def camera_of(matrix: np.ndarray, size: tuple[int, int], source: object) -> PinholeCamera:
    """Camera of an intrinsic matrix (3, 3) for images of a size (height, width).

    Raises DatasetError that names the ``source`` of the matrix when no camera has it.
    """
    try:
        return PinholeCamera.from_matrix(matrix, size[1], size[0])
    except ValueError as error:
        raise DatasetError(f"{source}: {error}") from error
