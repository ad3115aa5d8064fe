"""What can be read of recordings whose end is missing, as they are left by a full disk or a computer switched off.

Each function gives the messages that are whole, in the order of the file.

MCAP: https://mcap.dev/spec; rosbag2's SQLite tables: https://github.com/ros2/rosbag2; bags of ROS 1:
http://wiki.ros.org/Bags/Format/2.0
"""

from __future__ import annotations

import bz2
import sqlite3
import struct
from collections.abc import Generator, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pose_tracker_ros.limits import BAG_RECORD_BYTES

MCAP_MAGIC = b"\x89MCAP0\r\n"
ROS1_MAGIC = b"#ROSBAG V2.0\n"
_MCAP_SCHEMA, _MCAP_CHANNEL, _MCAP_MESSAGE, _MCAP_CHUNK, _MCAP_DATA_END = 3, 4, 5, 6, 15
_ROS1_MESSAGE, _ROS1_CHUNK, _ROS1_CONNECTION = 2, 5, 7
_DAMAGE = (struct.error, UnicodeDecodeError, ValueError, KeyError, EOFError, OSError, RuntimeError)


class RawMessage(NamedTuple):
    """A message as a bag stores it: its topic and type, the type's definition ('' if not stored), and its bytes.

    time_ns: when it was recorded.
    """

    topic: str
    kind: str
    definition: str
    time_ns: int
    data: bytes


def read_cut_bag(path: Path) -> Iterator[RawMessage]:
    """The whole messages of a bag file of any format that has lost its end; raises EOFError where that is."""
    with path.open("rb") as file:
        begin = file.read(16)
    if begin.startswith(MCAP_MAGIC):
        if (yield from _read_mcap(path)):
            return
    elif begin.startswith(ROS1_MAGIC):
        yield from _read_ros1(path)
    elif begin.startswith(b"SQLite format 3"):
        yield from _read_sqlite(path)
    raise EOFError(f"{path} ends here")


def _read_mcap(path: Path) -> Generator[RawMessage, None, bool]:
    """Returns whether the file goes on to where its data end."""
    schemas: dict[int, tuple[str, str]] = {}
    channels: dict[int, tuple[str, int]] = {}
    with path.open("rb") as file:
        file.seek(len(MCAP_MAGIC))
        try:
            for code, body in _mcap_records(file):
                if code == _MCAP_DATA_END:
                    return True
                if code == _MCAP_SCHEMA:
                    number, texts = struct.unpack_from("<H", body)[0], _texts(body, 2, 3)
                    schemas[number] = (texts[0], texts[2])
                elif code == _MCAP_CHANNEL:
                    number, schema = struct.unpack_from("<HH", body)
                    channels[number] = (_texts(body, 4, 1)[0], schema)
                elif code == _MCAP_MESSAGE:
                    number, _, time_ns = struct.unpack_from("<HIQ", body)
                    topic, schema = channels[number]
                    yield RawMessage(topic, *schemas.get(schema, ("", "")), time_ns, bytes(body[22:]))
        except _DAMAGE:
            return False
    return False


def _mcap_records(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Code and body of every whole record, those in chunks among them."""
    for code, body, whole in _raw_records(file):
        if code != _MCAP_CHUNK:
            if whole:
                yield code, body
            continue
        (length,) = struct.unpack_from("<I", body, 28)
        compression = body[32 : 32 + length].decode()
        records = _unpacked(compression, body[32 + length + 8 :])
        yield from ((inner, data) for inner, data, complete in _raw_records(BytesIO(records)) if complete)


def _raw_records(file: BinaryIO) -> Iterator[tuple[int, bytes, bool]]:
    """Code and body of every record, and whether it is whole, which only the last may not be."""
    while len(head := file.read(9)) == 9:
        code, length = struct.unpack("<BQ", head)
        if length > BAG_RECORD_BYTES:
            return
        body = file.read(length)
        yield code, body, len(body) == length


def _unpacked(compression: str, data: bytes) -> bytes:
    """Contents of a chunk; raises ValueError for damaged ones."""
    try:
        if compression == "zstd":
            from backports import zstd

            return zstd.ZstdDecompressor().decompress(data, BAG_RECORD_BYTES)
        if compression == "lz4":
            import lz4.frame

            return lz4.frame.LZ4FrameDecompressor().decompress(data, BAG_RECORD_BYTES)
        if compression == "bz2":
            return bz2.BZ2Decompressor().decompress(data, BAG_RECORD_BYTES)
    except Exception as error:  # each library has its own
        raise ValueError(f"expected {compression} data: {error}") from error
    return data


def _texts(body: bytes, start: int, count: int) -> list[str]:
    texts = []
    for _ in range(count):
        (length,) = struct.unpack_from("<I", body, start)
        texts.append(body[start + 4 : start + 4 + length].decode())
        start += 4 + length
    return texts


def _read_sqlite(path: Path) -> Iterator[RawMessage]:
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)
    except sqlite3.Error:
        return
    try:
        # Else SQLite refuses a file that is shorter than its header says.
        connection.execute("PRAGMA writable_schema=ON")
        topics = {row[0]: row[1:] for row in connection.execute("SELECT id, name, type FROM topics")}
        for number, time_ns, data in connection.execute("SELECT topic_id, timestamp, data FROM messages ORDER BY id"):
            if number in topics and isinstance(time_ns, int) and isinstance(data, bytes):
                yield RawMessage(*topics[number], "", time_ns, data)
    except (sqlite3.Error, *_DAMAGE):
        return
    finally:
        connection.close()


def _read_ros1(path: Path) -> Iterator[RawMessage]:
    connections: dict[int, tuple[str, str, str]] = {}
    with path.open("rb") as file:
        file.seek(len(ROS1_MAGIC))
        try:
            for header, data in _ros1_records(file):
                code = header["op"][0]
                if code == _ROS1_CONNECTION:
                    fields = _ros1_fields(data)
                    kind = fields["type"].decode().replace("/", "/msg/", 1)
                    number = struct.unpack("<I", header["conn"])[0]
                    connections[number] = (header["topic"].decode(), kind, fields["message_definition"].decode())
                elif code == _ROS1_MESSAGE:
                    seconds, nanoseconds = struct.unpack("<II", header["time"])
                    number = struct.unpack("<I", header["conn"])[0]
                    yield RawMessage(*connections[number], seconds * 10**9 + nanoseconds, data)
        except _DAMAGE:
            return


def _ros1_records(file: BinaryIO) -> Iterator[tuple[dict[str, bytes], bytes]]:
    """Header and data of every whole record, those in chunks among them."""
    while True:
        header = _ros1_fields(_ros1_block(file))
        is_chunk = header["op"][0] == _ROS1_CHUNK
        data = _ros1_block(file, cut=is_chunk)
        if is_chunk:
            try:
                yield from _ros1_records(BytesIO(_unpacked(header["compression"].decode(), data)))
            except EOFError:
                continue
        else:
            yield header, data


def _ros1_block(file: BinaryIO, cut: bool = False) -> bytes:
    """The next block of bytes; raises EOFError for one that is not whole, unless it may be ``cut``."""
    head = file.read(4)
    if len(head) < 4:
        raise EOFError
    (length,) = struct.unpack("<I", head)
    data = file.read(min(length, BAG_RECORD_BYTES))
    if len(data) < length and not (cut and data):
        raise EOFError
    return data


def _ros1_fields(block: bytes) -> dict[str, bytes]:
    fields, start = {}, 0
    while start < len(block):
        (length,) = struct.unpack_from("<I", block, start)
        name, _, value = block[start + 4 : start + 4 + length].partition(b"=")
        fields[name.decode()] = value
        start += 4 + length
    return fields
