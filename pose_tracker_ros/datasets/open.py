"""Opening a sequence of frames by its path alone."""

from __future__ import annotations

import inspect
from pathlib import Path

from pose_tracker_ros.datasets.bop import BopSequence, find_scenes
from pose_tracker_ros.datasets.files import DatasetError
from pose_tracker_ros.datasets.sequence import FrameSequence
from pose_tracker_ros.datasets.ycb_video import YcbVideoSequence
from pose_tracker_ros.datasets.ycbineoat import YcbInEoatSequence

BAG_SUFFIXES = (".mcap", ".db3")


def open_sequence(path: str | Path, **options: object) -> FrameSequence:
    """The sequence at a path, whatever its format.

    A BOP scene (``test/000001``) or a BOP data set with one scene, a YCB-Video or YCBInEOAT video, or a
    rosbag2 recording (folder or file).

    Parameters: ``options`` of the reader of that format (BopSequence, YcbVideoSequence, YcbInEoatSequence,
    Recording); ``on_error`` "stop" or "skip" is one of all; None stands for a reader's default.
    Raises DatasetError when nothing fits, when the path holds several sequences, or when an option is
    not one of the reader that fits.
    """
    path = Path(path)
    reader, place = _find_reader(path)
    options = {name: value for name, value in options.items() if value is not None}
    known = inspect.signature(reader).parameters
    unknown = [name for name in options if name not in known]
    if unknown:
        raise DatasetError(f"{', '.join(unknown)} cannot be set for {path}, which is read as {reader.__name__}")
    return reader(place, **options)


def _find_reader(path: Path) -> tuple[type[FrameSequence], Path]:
    if not path.exists():
        raise DatasetError(f"expected a sequence or a recording at {path}, but there is no such file or folder")
    if path.suffix in BAG_SUFFIXES or (path / "metadata.yaml").is_file() or _only_bag(path):
        # Other formats are read where the rosbags library is not installed.
        from pose_tracker_ros.datasets.recording import Recording

        return Recording, _only_bag(path) or path
    if (path / "scene_camera.json").is_file():
        return BopSequence, path
    if any(path.glob("[0-9]*-color.png")) or any(path.glob("[0-9]*-meta.mat")):
        return YcbVideoSequence, path
    if (path / "annotated_poses").is_dir() or (path / "cam_K.txt").is_file():
        return YcbInEoatSequence, path
    scenes = find_scenes(path)
    if len(scenes) == 1:
        return BopSequence, scenes[0]
    if scenes:
        raise DatasetError(f"expected one sequence, but {path} has {len(scenes)}; name one, e.g. {scenes[0]}")
    raise DatasetError(
        f"expected {path} to be a BOP scene (scene_camera.json), a YCB-Video video (000001-color.png), a YCBInEOAT "
        "video (rgb/, annotated_poses/, cam_K.txt) or a rosbag2 recording (.mcap, .db3), but it is none"
    )


def _only_bag(path: Path) -> Path | None:
    """The one bag file of a folder without metadata.yaml."""
    if not path.is_dir() or (path / "metadata.yaml").is_file():
        return None
    bags = [file for suffix in BAG_SUFFIXES for file in path.glob(f"*{suffix}")]
    return bags[0] if len(bags) == 1 else None
