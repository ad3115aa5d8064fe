"""Frames as they are published: converted before they are due, in a file where they are made long before."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets import Frame
from pose_tracker_ros.nodes.messages import depth_pixels


class ReadyFrame(NamedTuple):
    """A frame whose images only have to be put into messages.

    color (H, W, 3) uint8; depth (H, W) uint16 millimetres or float32 metres, as its encoding says; the others as in
    :class:`pose_tracker_ros.frame.Frame`.
    """

    color: np.ndarray
    depth: np.ndarray
    masks: Mapping[str, np.ndarray]
    camera: PinholeCamera
    truth: Mapping[str, np.ndarray]
    world_T_camera: np.ndarray | None
    depth_camera: PinholeCamera | None = None
    color_T_depth: np.ndarray | None = None


def ready_frame(frame: Frame, depth_encoding: str) -> ReadyFrame:
    """A frame with its depth as published; raises ValueError for an unknown encoding."""
    return ReadyFrame(
        frame.color,
        depth_pixels(frame.depth, depth_encoding),
        frame.masks,
        frame.camera,
        frame.truth,
        frame.world_T_camera,
        frame.depth_camera,
        frame.color_T_depth,
    )


class _Place(NamedTuple):
    """Where an image of a dtype and shape begins in a file."""

    offset: int
    dtype: np.dtype
    shape: tuple[int, ...]


class FrameFile:
    """Ready frames whose images are in a temporary file: memory has to hold them only where it has room.

    The file has no name and goes with the process.
    """

    def __init__(self) -> None:
        """An empty one, in the folder for temporary files (TMPDIR)."""
        self._file = tempfile.TemporaryFile()
        self._frames: list[ReadyFrame] = []

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._frames)

    def append(self, frame: ReadyFrame) -> None:
        """Keep a frame; raises OSError when there is no room for it."""
        placed = _with_images(frame, self._write)
        self._file.flush()
        self._frames.append(placed)

    def __iter__(self) -> Iterator[ReadyFrame]:
        """The frames in order, as often as one likes."""
        bytes_of_all = np.memmap(self._file, np.uint8, "r")

        def image(place: _Place) -> np.ndarray:
            return np.ndarray(place.shape, place.dtype, bytes_of_all, place.offset)

        for frame in self._frames:
            yield _with_images(frame, image)

    def _write(self, image: np.ndarray) -> _Place:
        offset = self._file.tell()
        self._file.write(np.ascontiguousarray(image))
        return _Place(offset, image.dtype, image.shape)


def _with_images(frame: ReadyFrame, changed: Callable) -> ReadyFrame:
    """The frame with what ``changed`` makes of each of its images."""
    masks = {name: changed(mask) for name, mask in frame.masks.items()}
    return frame._replace(color=changed(frame.color), depth=changed(frame.depth), masks=masks)
