"""A map as a folder that any program can read: images, tables, and arrays as safetensors.

``map.yaml``: format, source, options, intrinsics; ``keyframes.csv``: frame, stamp, pose and number of features of every
keyframe; ``features.safetensors``: pixels, descriptors and points of all keyframes one after the other;
``index.safetensors``: words and descriptions of images; ``color/*.jpg``, ``depth/*.png`` (16 bit, DEPTH_UNIT_M).
"""

from __future__ import annotations

import csv
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.configuration import make_config
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import make_pose, matrix_from_quaternion, quaternion_from_matrix
from pose_tracker_ros.relocalization.config import MapConfig
from pose_tracker_ros.relocalization.features import Features
from pose_tracker_ros.relocalization.keyframes import Keyframe
from pose_tracker_ros.relocalization.retrieval import Vocabulary
from pose_tracker_ros.relocalization.room_map import RoomMap

FORMAT = "pose_tracker_ros map, version 1"
DESCRIPTION, TABLE = "map.yaml", "keyframes.csv"
FEATURES, INDEX = "features.safetensors", "index.safetensors"
COLUMNS = ("frame", "stamp", "x", "y", "z", "qx", "qy", "qz", "qw", "features")
DEPTH_UNIT_M = 0.0005
JPEG_QUALITY = 92


class MapImages:
    """Colour and depth of keyframes in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, position: int, frame: Frame) -> None:
        """Keep the images of the keyframe at a position."""
        color, depth = self._paths(position)
        for path in (color, depth):
            path.parent.mkdir(parents=True, exist_ok=True)
        units = np.rint(frame.depth / DEPTH_UNIT_M).clip(0, 65535).astype(np.uint16)
        done = cv2.imwrite(str(color), cv2.cvtColor(frame.color, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not (done and cv2.imwrite(str(depth), units, [cv2.IMWRITE_PNG_COMPRESSION, 3])):
            raise OSError(f"expected to write {color} and {depth}, which failed; is the disk full?")

    def read(self, position: int, keyframe: Keyframe) -> Frame:
        """The images of a keyframe; raises ValueError where a file is missing or is not one."""
        color, depth = self._paths(position)
        pixels, units = cv2.imread(str(color), cv2.IMREAD_COLOR_RGB), cv2.imread(str(depth), cv2.IMREAD_UNCHANGED)
        for image, path in ((pixels, color), (units, depth)):
            if image is None:
                raise ValueError(f"expected an image of the map at {path}, which is missing or cannot be read; map again")
        return Frame(
            pixels,
            units.astype(np.float32) * np.float32(DEPTH_UNIT_M),
            keyframe.camera,
            keyframe.stamp,
            keyframe.number,
            world_T_camera=keyframe.map_T_camera,
        )

    def _paths(self, position: int) -> tuple[Path, Path]:
        return self._folder / "color" / f"{position:06d}.jpg", self._folder / "depth" / f"{position:06d}.png"


def save_map(room: RoomMap, folder: Path, source: str, poses: str) -> None:
    """Write everything but the images, which :class:`MapImages` writes as they come; ``poses`` says where they are from."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / TABLE, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for keyframe in room.keyframes:
            pose = keyframe.map_T_camera
            numbers = (*pose[:3, 3], *quaternion_from_matrix(pose[:3, :3]))
            cells = [f"{value:.9g}" for value in numbers]
            writer.writerow([keyframe.number, repr(float(keyframe.stamp)), *cells, len(keyframe.features)])
    features = [keyframe.features for keyframe in room.keyframes]
    arrays = {
        "pixels": np.vstack([one.pixels for one in features]),
        "descriptors": np.vstack([one.descriptors for one in features]),
        "points": np.vstack([keyframe.points for keyframe in room.keyframes]),
    }
    save_file(arrays, folder / FEATURES)
    save_file({"words": room.vocabulary.words, "descriptions": room.descriptions}, folder / INDEX)
    description = {
        "format": FORMAT,
        "source": source,
        "poses": poses,
        "keyframes": len(room),
        "depth_unit_m": DEPTH_UNIT_M,
        "options": asdict(room.config),
        "cameras": _cameras(room.keyframes),
    }
    (folder / DESCRIPTION).write_text(yaml.safe_dump(description, sort_keys=False))


def load_map(folder: str | Path) -> RoomMap:
    """The map in a folder; images are read when they are asked for.

    Raises FileNotFoundError or ValueError, in one sentence, where the folder holds no whole map.
    """
    folder = Path(folder)
    if not (folder / DESCRIPTION).is_file():
        raise FileNotFoundError(f"expected a map in {folder}, but there is no {DESCRIPTION}; make one with pose-tracker map")
    description = read_description(folder)
    if description.get("format") != FORMAT:
        raise ValueError(f"expected format {FORMAT!r} in {folder / DESCRIPTION}, got {description.get('format')!r}; map again")
    try:
        arrays, index = load_file(folder / FEATURES), load_file(folder / INDEX)
        keyframes = _keyframes(folder / TABLE, description["cameras"], arrays)
        config = make_config(MapConfig, description["options"])
        vocabulary, descriptions = Vocabulary(index["words"]), index["descriptions"]
        if descriptions.shape != (len(keyframes), vocabulary.words.size):
            raise ValueError(f"{INDEX} describes other images than the {len(keyframes)} of {TABLE}")
    except (LookupError, TypeError, ValueError, OSError, SafetensorError) as error:
        raise ValueError(f"expected a whole map in {folder}: {error}; map again") from error
    images = MapImages(folder)
    return RoomMap(keyframes, lambda position: images.read(position, keyframes[position]), config, vocabulary, descriptions)


def read_description(folder: str | Path) -> dict[str, Any]:
    """What :data:`DESCRIPTION` says; raises ValueError where it says nothing."""
    path = Path(folder) / DESCRIPTION
    try:
        description = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"expected YAML in {path}: {' '.join(str(error).split())}; map again") from error
    if not isinstance(description, dict):
        raise ValueError(f"expected {path} to map names to values, got {type(description).__name__}; map again")
    return description


def has_own_frame(folder: str | Path) -> bool:
    """Whether the frame of a map is that of its first image, as odometry leaves it."""
    return read_description(folder).get("poses") == "odometry"


def folder_size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _cameras(keyframes: tuple[Keyframe, ...]) -> list[dict]:
    """Intrinsics, and the first keyframe that has them, in order."""
    rows: list[dict] = []
    last = None
    for position, keyframe in enumerate(keyframes):
        if keyframe.camera != last:
            last = keyframe.camera
            rows.append({"from_keyframe": position, **asdict(last)})
    return rows


def _keyframes(table: Path, cameras: list[dict], arrays: dict[str, np.ndarray]) -> list[Keyframe]:
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    total = sum(int(row["features"]) for row in rows)
    if {len(array) for array in arrays.values()} != {total}:
        raise ValueError(f"{FEATURES} has other numbers of features than the {total} of {TABLE}")
    keyframes: list[Keyframe] = []
    first = 0
    for position, row in enumerate(rows):
        last = first + int(row["features"])
        numbers = np.array([float(row[name]) for name in COLUMNS[2:9]])
        known = {name: array[first:last] for name, array in arrays.items()}
        intrinsics = [one for one in cameras if one["from_keyframe"] <= position][-1]
        camera = PinholeCamera(**{name: value for name, value in intrinsics.items() if name != "from_keyframe"})
        pose = make_pose(matrix_from_quaternion(numbers[3:]), numbers[:3])
        features = Features(known["pixels"], known["descriptors"])
        keyframes.append(Keyframe(int(row["frame"]), float(row["stamp"]), pose, camera, features, known["points"]))
        first = last
    return keyframes
