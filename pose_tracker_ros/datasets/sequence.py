"""What every source of frames offers, and how it treats frames that cannot be read."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets.files import DatasetError
from pose_tracker_ros.datasets.left_out import counted_reasons, reason_kind
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.objects import ObjectModel

ON_ERROR = ("stop", "skip")
logger = logging.getLogger(__name__)


class Annotation(NamedTuple):
    """What is known about a frame without reading its images.

    index: number of the frame as the data set counts; stamp: seconds;
    truth: object name -> camera_T_object (4, 4).
    """

    index: int
    stamp: float
    truth: Mapping[str, np.ndarray]


class FrameSequence(ABC):
    """A video: iterating over it reads one frame at a time.

    name: of the video; rate_hz: frames per second; on_error: ``stop`` raises DatasetError at the first
    frame that cannot be read, ``skip`` leaves it out and keeps the reason in ``skipped``, which is logged once a kind.
    layout: what a path has to be to be opened as such a sequence, in a few words; empty for those made otherwise.
    Options of a reader are the keyword arguments of its constructor.
    """

    layout: ClassVar[str] = ""

    @classmethod
    def fits(cls, path: Path) -> bool:
        """Whether what lies at a path is such a sequence, judged by the names of its files alone."""
        return False

    def __init__(self, name: str, rate_hz: float, on_error: str = "stop") -> None:
        if on_error not in ON_ERROR:
            raise ValueError(f"expected on_error to be one of {', '.join(ON_ERROR)}, got {on_error!r}")
        if not rate_hz > 0:
            raise ValueError(f"expected a frame rate above zero, got {rate_hz}")
        self.name = name
        self.rate_hz = rate_hz
        self.on_error = on_error
        self._skipped: dict[str, None] = {}
        self._logged_kinds: set[str] = set()

    @abstractmethod
    def __len__(self) -> int:
        """Number of frames, those that cannot be read included."""

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """The frames in order, read as they are asked for."""

    @abstractmethod
    def annotations(self) -> Iterator[Annotation]:
        """Stamps and true poses of all frames, without reading images."""

    def load_model(self, name: str) -> ObjectModel:
        """The model of an object, where the data set comes with models.

        Raises DatasetError where it does not.
        """
        raise DatasetError(f"sequence {self.name!r} comes without a model of {name!r}")

    @cached_property
    def camera(self) -> PinholeCamera:
        """Intrinsics of the first frame that can be read."""
        for frame in self:
            return frame.camera
        raise self.nothing_read()

    @cached_property
    def object_names(self) -> tuple[str, ...]:
        """Names of all objects whose true pose is known in some frame."""
        names = {name for annotation in self.annotations() for name in annotation.truth}
        return tuple(sorted(names))

    @property
    def skipped(self) -> list[str]:
        """Why frames were left out, each reason once however often the sequence was read."""
        return list(self._skipped)

    def remarks(self) -> list[str]:
        """What a user should know of the frames as they were read last, a sentence each; the base class knows nothing."""
        return []

    def left_out(self) -> str | None:
        """How many frames could not be read and the reasons with their counts, None when all could."""
        if not self.skipped:
            return None
        return f"{len(self.skipped)} of {len(self)} frames could not be read: {'; '.join(counted_reasons(self.skipped))}"

    def nothing_read(self) -> DatasetError:
        """The error for a sequence of which no frame could be read, with the commonest reason."""
        why = f": {counted_reasons(self.skipped)[0]}" if self.skipped else ""
        return DatasetError(
            f"expected frames that can be read in sequence {self.name!r}, got none of its {len(self)}{why}"
        )

    def _skip_or_raise(self, error: DatasetError) -> None:
        if self.on_error == "stop":
            raise error
        message = str(error)
        self._skipped[message] = None
        kind = reason_kind(message)
        if kind not in self._logged_kinds:
            self._logged_kinds.add(kind)
            logger.warning("left out: %s; more for the same reason are only counted", message)


class IndexedSequence(FrameSequence):
    """A video whose frames can be read in any order."""

    @abstractmethod
    def read(self, position: int) -> Frame:
        """The frame at ``position`` 0..len-1; raises DatasetError that names the file at fault."""

    @abstractmethod
    def annotation(self, position: int) -> Annotation:
        """Stamp and true poses of the frame at ``position``."""

    def __iter__(self) -> Iterator[Frame]:
        """See :class:`FrameSequence`."""
        for position in range(len(self)):
            yield from self.read_or_skip(position)

    def read_or_skip(self, position: int) -> Iterator[Frame]:
        """The frame at ``position``, nothing where it cannot be read and ``on_error`` is ``skip``."""
        try:
            frame = self.read(position)
        except DatasetError as error:
            self._skip_or_raise(error)
        else:
            yield frame

    def annotations(self) -> Iterator[Annotation]:
        """See :class:`FrameSequence`."""
        for position in range(len(self)):
            try:
                annotation = self.annotation(position)
            except DatasetError as error:
                self._skip_or_raise(error)
            else:
                yield annotation


def make_frame(source: object, **fields: object) -> Frame:
    """A :class:`Frame` of the fields; a fault in them is reported as one of the file ``source``."""
    try:
        return Frame(**fields)
    except ValueError as error:
        raise DatasetError(f"{source}: {error}") from error
