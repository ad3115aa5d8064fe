"""7-Scenes: rooms seen by a hand-held Kinect with the camera's pose in every frame (Shotton et al., CVPR 2013).

A folder a sequence: ``frame-000000.color.png``, ``.depth.png`` (millimetres, 65535 = no measurement) and ``.pose.txt``
(camera to world, 4x4). A scene is a folder of ``seq-01``, ``seq-02``, ... with ``TrainSplit.txt`` and ``TestSplit.txt``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets.files import DatasetError, read_color, read_depth, read_text
from pose_tracker_ros.datasets.frame_times import DEFAULT_RATE_HZ
from pose_tracker_ros.datasets.intrinsics_files import read_intrinsics
from pose_tracker_ros.datasets.numbered_files import number_in_name
from pose_tracker_ros.datasets.numbered_sequence import camera_of
from pose_tracker_ros.datasets.pose_files import PoseFiles
from pose_tracker_ros.datasets.sequence import Annotation, IndexedSequence, make_frame
from pose_tracker_ros.frame import Frame

METRES_PER_UNIT = 0.001
INTRINSICS = "camera-intrinsics.txt"
# What the data set's page gives for both cameras, for images of this width.
FOCAL_PX, WIDTH_PX = 585.0, 640
SPLITS = ("all", "train", "test")
_SPLIT_FILES = {"train": "TrainSplit.txt", "test": "TestSplit.txt"}


class _Files(NamedTuple):
    color: Path
    depth: Path


class SevenScenesSequence(IndexedSequence):
    """One sequence, or all those of a scene or of its split one after another; depth is taken as registered to colour.

    In one sequence index is the number in the file's name; in a scene frames are counted. ``world_T_camera`` is None
    where a frame has no pose file.
    """

    layout = "a sequence or scene of 7-Scenes (frame-*.color.png, .depth.png, .pose.txt)"

    @classmethod
    def fits(cls, path: Path) -> bool:
        """See :class:`FrameSequence`."""
        return path.is_dir() and any(_has_frames(folder) for folder in (path, *path.glob("seq-*")))

    def __init__(
        self,
        folder: str | Path,
        *,
        split: str = "all",
        focal_px: float | None = None,
        rate_hz: float | None = None,
        on_error: str = "stop",
    ) -> None:
        """Open a folder such as ``chess`` or ``chess/seq-01``.

        Parameters: ``split`` one of SPLITS, of a scene; ``focal_px`` default that of ``camera-intrinsics.txt``, else 585
        for images 640 wide; ``rate_hz`` default 30.
        Raises DatasetError when a file that is needed is missing or two have one number.
        """
        super().__init__(Path(folder).name, rate_hz or DEFAULT_RATE_HZ, on_error)
        self.folder = Path(folder)
        sequences = self._sequences(split)
        self._files = [files for sequence in sequences for files in _files(sequence).values()]
        if not self._files:
            raise DatasetError(f"expected images frame-*.color.png in {', '.join(map(str, sequences))}, found none")
        numbers = [number_in_name(files.color) for files in self._files]
        self._indices = numbers if len(sequences) == 1 else list(range(len(numbers)))
        poses = {position: _sibling(files.color, "pose", ".txt") for position, files in enumerate(self._files)}
        self._poses = PoseFiles({position: path for position, path in poses.items() if path.is_file()})
        self._focal_px = focal_px
        self._intrinsics = next((path / INTRINSICS for path in (*sequences[:1], self.folder)
                                 if (path / INTRINSICS).is_file()), None)  # fmt: skip

    def __len__(self) -> int:
        """Number of colour images."""
        return len(self._files)

    def annotation(self, position: int) -> Annotation:
        """See :class:`IndexedSequence`; no objects are known."""
        index = self._indices[position]
        return Annotation(index, index / self.rate_hz, {})

    def world_T_camera(self, position: int) -> np.ndarray | None:
        """Pose (4, 4) of the camera at ``position``, without reading images; None where there is none."""
        return self._poses.pose(position)

    def read(self, position: int) -> Frame:
        """See :class:`IndexedSequence`."""
        files = self._files[position]
        index, stamp, _ = self.annotation(position)
        color = read_color(files.color)
        return make_frame(
            files.color,
            color=color,
            depth=read_depth(files.depth, METRES_PER_UNIT),
            camera=self._camera(color.shape[:2]),
            stamp=stamp,
            index=index,
            world_T_camera=self.world_T_camera(position),
        )

    def _sequences(self, split: str) -> list[Path]:
        if split not in SPLITS:
            raise ValueError(f"expected split to be one of {', '.join(SPLITS)}, got {split!r}")
        if _has_frames(self.folder):
            if split != "all":
                raise DatasetError(
                    f"expected a scene of several sequences for split={split}, got one sequence: {self.folder}"
                )
            return [self.folder]
        if split == "all":
            return sorted(path for path in self.folder.glob("seq-*") if _has_frames(path))
        listed = self.folder / _SPLIT_FILES[split]
        if not listed.is_file():
            raise DatasetError(f"expected the sequences of split={split} in {listed}, but there is no such file")
        numbers = [int(number) for number in re.findall(r"[0-9]+", read_text(listed))]
        return [self.folder / f"seq-{number:02d}" for number in numbers]

    def _camera(self, size: tuple[int, int]) -> PinholeCamera:
        """Camera of colour images of a size (height, width)."""
        if self._intrinsics is not None:
            camera = camera_of(read_intrinsics(self._intrinsics), size, self._intrinsics)
        else:
            focal = FOCAL_PX * size[1] / WIDTH_PX
            camera = PinholeCamera(size[1], size[0], focal, focal, size[1] / 2, size[0] / 2)
        return camera if self._focal_px is None else replace(camera, fx=self._focal_px, fy=self._focal_px)


def _has_frames(folder: Path) -> bool:
    return next(folder.glob("frame-*.color.*"), None) is not None


def _files(folder: Path) -> dict[int, _Files]:
    """Images of a sequence by number."""
    found: dict[int, _Files] = {}
    for color in sorted(folder.glob("frame-*.color.*")):
        number = number_in_name(color)
        if number in found:
            raise DatasetError(
                f"expected one file a frame in {folder}, but {found[number].color.name} and {color.name} both have the "
                f"number {number}; move one of them away"
            )
        found[number] = _Files(color, _sibling(color, "depth", ".png"))
    return dict(sorted(found.items()))


def _sibling(color: Path, kind: str, suffix: str) -> Path:
    return color.with_name(color.name.partition(".")[0] + f".{kind}{suffix}")
