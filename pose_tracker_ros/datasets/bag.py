"""Messages of a recording of ROS 2 (.mcap, .db3) or ROS 1 (.bag), read without a ROS installation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from heapq import merge
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from pose_tracker_ros.datasets.bag_files import bag_files, is_ros1, unpack
from pose_tracker_ros.datasets.cut_bags import read_cut_bag
from pose_tracker_ros.datasets.files import DatasetError
from pose_tracker_ros.datasets.recorded_transforms import TF_TYPES

# What is read of messages; each raises AttributeError where a message does not have it.
_HEADER = ("header.stamp.sec", "header.stamp.nanosec", "header.frame_id")
FIELDS = {
    "sensor_msgs/msg/Image": attrgetter(*_HEADER, "height", "width", "encoding", "is_bigendian", "step", "data"),
    "sensor_msgs/msg/CompressedImage": attrgetter(*_HEADER, "format", "data"),
    "sensor_msgs/msg/CameraInfo": attrgetter("height", "width", "distortion_model", "binning_x", "binning_y", "roi.width"),
    **dict.fromkeys(TF_TYPES, attrgetter("transforms")),
}
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class Topic(NamedTuple):
    """A topic of a recording: the type of its messages, and how many there are."""

    kind: str
    count: int


class BagMessage(NamedTuple):
    """A message of a recording, deserialised, with its topic and the time of its recording."""

    topic: str
    time_ns: int
    message: Any


class Bag:
    """A recording, whatever its format, compression and parts.

    topics: by name; seconds: from the first message to the last; faults: what of it cannot be read, a sentence each.
    """

    def __init__(self, path: Path) -> None:
        """Raises DatasetError when there is no recording, or none of its messages can be read."""
        files, absent = bag_files(path)
        unpacked, self._folder = unpack(files)
        self._faults = {f"expected {name} beside the other parts of {path}, but it is not there": None for name in absent}
        self._parts = [self._open(file, plain) for file, plain in zip(files, unpacked)]
        self.topics: dict[str, Topic] = {}
        for name, (kind, count) in (item for part in self._parts for item in part.topics.items()):
            self.topics[name] = Topic(kind, count + (self.topics[name].count if name in self.topics else 0))
        if not self.topics and self._faults:
            raise DatasetError("; ".join(self._faults))
        times = [time for part in self._parts if part.topics for time in part.span_ns]
        self.seconds = 1e-9 * (max(times) - min(times)) if times else 0.0

    @property
    def faults(self) -> list[str]:
        """What is known to be unreadable, more after the messages were read."""
        return list(self._faults)

    def messages(self, topics: Iterable[str]) -> Iterator[BagMessage]:
        """Messages of these topics in the order of their recording; what cannot be read is left out and is a fault."""
        wanted = set(topics)
        parts = [self._read(part, wanted) for part in self._parts if not wanted.isdisjoint(part.topics)]
        yield from (item for item in merge(*parts, key=lambda item: item.time_ns) if item.message is not None)

    def first(self, topic: str) -> BagMessage | None:
        """The first message of a topic, None where none can be read."""
        return next(self.messages({topic}), None)

    def _open(self, file: Path, plain: Path) -> _Part:
        try:
            return _WholePart(file, plain)
        except Exception as error:  # rosbags raises those of SQLite, struct, assert, ... for damaged files
            part = _CutPart(file, plain)
            if not part.whole:
                self._note(file, error)
            return part

    def _read(self, part: _Part, topics: set[str]) -> Iterator[BagMessage]:
        """Messages of a part, after one without content when it begins: a part is opened when those before have been read."""
        yield BagMessage("", part.span_ns[0], None)
        try:
            for topic, time_ns, kind, data in part.messages(topics):
                try:
                    message = part.deserialize(data, kind)
                    if kind in FIELDS:
                        FIELDS[kind](message)  # a bag brings its own definition, which may be damaged
                except Exception as error:  # as above
                    self._faults.setdefault(f"{part.file}: expected messages of {kind} on {topic}: {_reason(error)}", None)
                else:
                    yield BagMessage(topic, time_ns, message)
        except Exception as error:  # as above
            self._note(part.file, error)

    def _note(self, file: Path, error: Exception) -> None:
        self._faults.setdefault(
            f"expected a complete recording (.mcap, .db3 or .bag) at {file}: {_reason(error)}; only what comes before is read",
            None,
        )


class _Part(ABC):
    """One file of a recording. topics: as in Bag; span_ns: when its first and last message were recorded."""

    file: Path
    topics: dict[str, Topic]
    span_ns: tuple[int, int]
    _store: Typestore

    @abstractmethod
    def messages(self, topics: set[str]) -> Iterator[tuple[str, int, str, bytes]]:
        """Topic, time in nanoseconds, type and bytes of the messages of these topics, in the order of their recording."""

    def deserialize(self, data: bytes, kind: str) -> Any:
        """The message in these bytes; raises one of many exceptions where there is none."""
        if is_ros1(self.file):
            return self._store.deserialize_ros1(data, kind)
        if data[:4] == _ZSTD_MAGIC:  # no CDR encapsulation begins so
            from backports import zstd

            data = zstd.decompress(data)
        return self._store.deserialize_cdr(data, kind)


class _WholePart(_Part):
    """A file that the rosbags library opens."""

    def __init__(self, file: Path, plain: Path) -> None:
        self.file, self._plain = file, plain
        with self._reader() as reader:
            self._store = reader.typestore
            self.topics = {name: Topic(info.msgtype, info.msgcount) for name, info in reader.topics.items()}
            self.span_ns = (reader.start_time, reader.end_time)

    def messages(self, topics: set[str]) -> Iterator[tuple[str, int, str, bytes]]:
        """See :class:`_Part`."""
        with self._reader() as reader:
            connections = [connection for connection in reader.connections if connection.topic in topics]
            if connections:
                for connection, time_ns, data in reader.messages(connections=connections):
                    yield connection.topic, time_ns, connection.msgtype, data

    def _reader(self) -> AnyReader:
        # Bags of .db3 files from before Iron do not carry the message definitions.
        return AnyReader([self._plain], default_typestore=get_typestore(Stores.ROS2_JAZZY))


class _CutPart(_Part):
    """A file that rosbags does not open, mostly since only its beginning is there; whole: whether it has its end."""

    def __init__(self, file: Path, plain: Path) -> None:
        self.file, self._plain = file, plain
        self._store = get_typestore(Stores.ROS1_NOETIC if is_ros1(file) else Stores.ROS2_JAZZY)
        counts: dict[str, int] = {}
        kinds: dict[str, str] = {}
        times = [0]
        self.whole = True
        try:
            for topic, kind, definition, time_ns, _ in read_cut_bag(plain):
                if topic not in kinds:
                    self._register(kind, definition)
                kinds[topic] = kind
                counts[topic] = counts.get(topic, 0) + 1
                times = [min(times[0] or time_ns, time_ns), max(times[-1], time_ns)]
        except EOFError:
            self.whole = False
        self.topics = {topic: Topic(kind, counts[topic]) for topic, kind in kinds.items()}
        self.span_ns = (times[0], times[-1])

    def messages(self, topics: set[str]) -> Iterator[tuple[str, int, str, bytes]]:
        """See :class:`_Part`."""
        try:
            for topic, kind, _, time_ns, data in read_cut_bag(self._plain):
                if topic in topics:
                    yield topic, time_ns, kind, data
        except EOFError:
            return  # which is known since the file was opened

    def _register(self, kind: str, definition: str) -> None:
        """Take a type that ROS itself does not have from the bag."""
        try:
            types = get_types_from_msg(definition, kind) if definition and kind not in self._store.types else {}
            self._store.register({name: fields for name, fields in types.items() if name not in self._store.types})
        except Exception:  # rosbags raises many kinds; messages of an unknown type are then a fault each
            return


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
