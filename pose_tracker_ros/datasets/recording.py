"""Recordings of a camera made with rosbag2 (.mcap or .db3), read without a ROS installation."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets.files import DatasetError
from pose_tracker_ros.datasets.image_messages import color_from_message, depth_from_message
from pose_tracker_ros.datasets.sequence import Annotation, FrameSequence, make_frame
from pose_tracker_ros.frame import Frame

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
INFO_TYPE = "sensor_msgs/msg/CameraInfo"
BAG_SUFFIXES = (".mcap", ".db3")
DEFAULT_RATE_HZ = 30.0
# Images that wait for their partner; more means that one of the topics has stopped.
_LARGEST_BACKLOG = 30


@dataclass(frozen=True)
class CameraTopics:
    """Topics of a camera whose depth images are registered to its colour images."""

    color: str
    depth: str
    camera_info: str


class Recording(FrameSequence):
    """The colour and depth images of one camera in a bag, paired by their header stamps.

    Frames count from 0; stamps are those of the colour images. Images are read in the order in which
    they were recorded and only those that wait for their partner are kept. There is no true pose.
    """

    layout = "a rosbag2 recording (.mcap, .db3)"

    @classmethod
    def fits(cls, path: Path) -> bool:
        """See :class:`FrameSequence`."""
        return path.suffix in BAG_SUFFIXES or (path / "metadata.yaml").is_file() or _only_bag(path) is not None

    def __init__(
        self,
        path: str | Path,
        *,
        color_topic: str | None = None,
        depth_topic: str | None = None,
        camera_info_topic: str | None = None,
        largest_gap_s: float = 0.02,
        on_error: str = "stop",
    ) -> None:
        """Open a bag's folder, or its only .mcap or .db3 file.

        Parameters: topics that are not named are found by message type and by the words that cameras
        use in topic names; ``largest_gap_s`` between the stamps of a pair.
        Raises DatasetError when the bag cannot be read or its topics are not clear.
        """
        self.path = _only_bag(Path(path)) or Path(path)
        super().__init__(self.path.stem, DEFAULT_RATE_HZ, on_error)
        with self._reader() as reader:
            counts = {topic: (info.msgtype, info.msgcount) for topic, info in reader.topics.items()}
            seconds = reader.duration * 1e-9
        self.topics = choose_topics(counts, self.path, color_topic, depth_topic, camera_info_topic)
        # The first CameraInfo may have been recorded after the first image.
        self._first_info = next((message for _, message in self._messages({self.topics.camera_info})), None)
        self._count = counts[self.topics.color][1]
        if self._count > 1 and seconds > 0:
            self.rate_hz = (self._count - 1) / seconds
        self._largest_gap_s = largest_gap_s

    def __len__(self) -> int:
        """Number of colour images; images without a depth partner are not yielded, so it is an upper bound."""
        return self._count

    def annotations(self) -> Iterator[Annotation]:
        """Nothing: recordings hold no true poses."""
        return iter(())

    def __iter__(self) -> Iterator[Frame]:
        """See :class:`FrameSequence`."""
        pairs = _PairQueue(self._largest_gap_s)
        info = self._first_info
        index = 0
        for topic, message in self._messages({self.topics.color, self.topics.depth, self.topics.camera_info}):
            if topic == self.topics.camera_info:
                info = message
                continue
            for color, depth in pairs.push(topic == self.topics.color, message):
                try:
                    frame = self._frame(color, depth, info, index)
                except DatasetError as error:
                    self._skip_or_raise(error)
                else:
                    yield frame
                index += 1

    @contextmanager
    def _reader(self) -> Iterator[AnyReader]:
        # Other formats are read where the rosbags library is not installed.
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore

        # Bags of .db3 files from before Iron do not carry the message definitions.
        try:
            with AnyReader([self.path], default_typestore=get_typestore(Stores.ROS2_JAZZY)) as reader:
                yield reader
        except Exception as error:  # rosbags raises those of SQLite, YAML, struct, ... for damaged files
            reason = str(error) or type(error).__name__
            raise DatasetError(
                f"expected a complete rosbag2 recording (.mcap or .db3) at {self.path}: {reason}"
            ) from error

    def _messages(self, topics: set[str]) -> Iterator[tuple[str, Any]]:
        try:
            with self._reader() as reader:
                connections = [connection for connection in reader.connections if connection.topic in topics]
                for connection, _, data in reader.messages(connections=connections):
                    yield connection.topic, reader.deserialize(data, connection.msgtype)
        except DatasetError as error:
            self._skip_or_raise(error)

    def _frame(self, color: Any, depth: Any, info: Any, index: int) -> Frame:
        place = f"{self.path}, frame {index}"
        if info is None:
            raise DatasetError(f"{place}: expected intrinsics on {self.topics.camera_info}, but it has no messages")
        try:
            return make_frame(
                place,
                color=color_from_message(color),
                depth=depth_from_message(depth),
                camera=PinholeCamera.from_matrix(np.asarray(info.k), info.width, info.height),
                stamp=stamp_of(color),
                index=index,
            )
        except DatasetError:
            raise
        except ValueError as error:
            raise DatasetError(f"{place}: {error}") from error


def _only_bag(path: Path) -> Path | None:
    """The one bag file of a folder without metadata.yaml."""
    if not path.is_dir() or (path / "metadata.yaml").is_file():
        return None
    bags = [file for suffix in BAG_SUFFIXES for file in path.glob(f"*{suffix}")]
    return bags[0] if len(bags) == 1 else None


class _PairQueue:
    """Pairs colour and depth messages whose stamps agree within a gap, oldest first."""

    def __init__(self, largest_gap_s: float) -> None:
        self._gap = largest_gap_s
        self._colors: deque[Any] = deque(maxlen=_LARGEST_BACKLOG)
        self._depths: deque[Any] = deque(maxlen=_LARGEST_BACKLOG)

    def push(self, is_color: bool, message: Any) -> Iterator[tuple[Any, Any]]:
        """Add a message; gives the pairs that are now complete."""
        (self._colors if is_color else self._depths).append(message)
        while self._colors and self._depths:
            difference = stamp_of(self._colors[0]) - stamp_of(self._depths[0])
            if abs(difference) <= self._gap:
                yield self._colors.popleft(), self._depths.popleft()
            elif difference > 0:
                self._depths.popleft()
            else:
                self._colors.popleft()


def choose_topics(
    topics: dict[str, tuple[str | None, int]],
    path: Path,
    color: str | None = None,
    depth: str | None = None,
    camera_info: str | None = None,
) -> CameraTopics:
    """The camera's topics in a bag: those named, else the only ones that fit.

    Parameters: ``topics`` name -> (message type, count).
    Raises DatasetError that lists the candidates when there is none or more than one.
    """
    images = [name for name, (kind, _) in topics.items() if kind in IMAGE_TYPES]
    infos = [name for name, (kind, _) in topics.items() if kind == INFO_TYPE]
    depths = [name for name in images if "depth" in name.lower()]
    registered = [name for name in depths if "aligned" in name.lower() or "registered" in name.lower()]
    colors = [
        name for name in images if name not in depths and "infra" not in name.lower() and "mask" not in name.lower()
    ]
    color = _pick("colour image", color, images, _raw_first(colors), path)
    depth = _pick("depth image", depth, images, _raw_first(registered or depths), path)
    # The camera's intrinsics are published beside its image.
    beside = [name for name in infos if name.rsplit("/", 1)[0] == color.removesuffix("/compressed").rsplit("/", 1)[0]]
    return CameraTopics(color, depth, _pick("CameraInfo", camera_info, infos, beside or infos, path))


def stamp_of(message: Any) -> float:
    """Header stamp of a message in seconds."""
    return message.header.stamp.sec + message.header.stamp.nanosec * 1e-9


def _raw_first(names: list[str]) -> list[str]:
    raw = [name for name in names if not name.endswith(("/compressed", "/compressedDepth", "/theora"))]
    return raw or [name for name in names if not name.endswith("/theora")]


def _pick(what: str, wanted: str | None, known: list[str], candidates: list[str], path: Path) -> str:
    if wanted is not None:
        if wanted not in known:
            raise DatasetError(f"expected the {what} topic {wanted} in {path}; it has {', '.join(known) or 'none'}")
        return wanted
    if len(candidates) != 1:
        found = ", ".join(sorted(candidates)) or "none"
        raise DatasetError(f"expected one {what} topic in {path}, found {found}; name the one to use")
    return candidates[0]
