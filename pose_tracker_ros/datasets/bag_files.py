"""Which files a recording consists of: one file, or the parts that a recorder split it into, packed or not."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from pose_tracker_ros.datasets.files import DatasetError

ROS2_SUFFIXES = (".mcap", ".db3")
ROS1_SUFFIXES = (".bag", ".active")
PACKED_SUFFIX = ".zstd"
# What recorders of ROS 1 and 2 append to the name of a recording: the time of a part and its number.
_PART_OF_NAME = re.compile(r"([_-]?\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d)?(_\d+)?$")


def is_bag_file(path: Path) -> bool:
    """Whether a file's name is that of a recording or of a part of one."""
    return _plain_name(path).suffix in (*ROS2_SUFFIXES, *ROS1_SUFFIXES)


def is_ros1(path: Path) -> bool:
    """Whether a bag file is one of ROS 1."""
    return _plain_name(path).suffix in ROS1_SUFFIXES


def is_recording(path: Path) -> bool:
    """Whether a path is a bag file, or a folder with the metadata of some, or with bag files and no folders."""
    if path.is_dir():
        return (path / "metadata.yaml").is_file() or (bool(_bags_in(path)) and not any(one.is_dir() for one in path.iterdir()))
    return is_bag_file(path)


def bag_files(path: Path) -> tuple[list[Path], list[str]]:
    """The files of a recording in their order, and names of those that its metadata lists but that are not there.

    Raises DatasetError when a folder holds no bag file or those of several recordings.
    """
    if not path.is_dir():
        return [path], []
    files = _bags_in(path)
    listed = _listed_files(path / "metadata.yaml")
    if listed:
        there = [file for file in files if file.name in listed]
        if there:
            return there, [name for name in listed if name not in {file.name for file in there}]
    if not files:
        raise DatasetError(f"expected bag files ({', '.join(ROS2_SUFFIXES)} or .bag) in {path}, found none")
    recordings = {_PART_OF_NAME.sub("", _plain_name(file).stem) for file in files}
    if len(recordings) > 1 or len({_plain_name(file).suffix for file in files}) > 1:
        raise DatasetError(
            f"expected the parts of one recording in {path}, got {', '.join(file.name for file in files[:4])}"
            f"{', ...' if len(files) > 4 else ''}; name one file"
        )
    return files, []


def unpack(files: Sequence[Path]) -> tuple[list[Path], TemporaryDirectory | None]:
    """The files, those that were compressed as a whole unpacked into a folder that lives as long as it is held.

    Raises DatasetError that names a file that does not unpack.
    """
    if not any(file.suffix == PACKED_SUFFIX for file in files):
        return list(files), None
    from backports import zstd

    folder = TemporaryDirectory(prefix="pose_tracker_bag_")
    unpacked = []
    for file in files:
        if file.suffix != PACKED_SUFFIX:
            unpacked.append(file)
            continue
        target = Path(folder.name) / file.stem
        try:
            with file.open("rb") as packed, zstd.open(packed, "rb") as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
        except (EOFError, zstd.ZstdError):
            pass  # what came before the cut is read, and the end that is missing is found there
        except OSError as error:
            raise DatasetError(f"expected room for {file} unpacked in {folder.name}: {error}; set TMPDIR") from error
        unpacked.append(target)
    return unpacked, folder


def _bags_in(folder: Path) -> list[Path]:
    return sorted((file for file in folder.iterdir() if file.is_file() and is_bag_file(file)), key=_in_order)


def _in_order(file: Path) -> tuple[str, int, str]:
    """Parts by their number, not by its digits: part 10 comes after part 9."""
    stem = _plain_name(file).stem
    number = re.search(r"_(\d+)$", stem)
    return _PART_OF_NAME.sub("", stem), int(number.group(1)) if number else -1, file.name


def _plain_name(path: Path) -> Path:
    """The path without what says that the whole file was compressed."""
    return path.with_suffix("") if path.suffix == PACKED_SUFFIX else path


def _listed_files(metadata: Path) -> list[str]:
    """Names of the files that a metadata.yaml lists; none where it is absent, cut or something else."""
    try:
        content = yaml.safe_load(metadata.read_text(encoding="utf-8-sig"))
        return [Path(name).name for name in content["rosbag2_bagfile_information"]["relative_file_paths"]]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        return []
