"""Recordings and files of data sets and results."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from pose_tracker_ros.datasets import open_sequence
from pose_tracker_ros.datasets.files import read_color
from pose_tracker_ros.datasets.intrinsics_files import read_intrinsics
from pose_tracker_ros.datasets.masks import read_mask
from pose_tracker_ros.evaluation.fuzzing.kinds import FuzzKind
from pose_tracker_ros.evaluation.result_files import is_tum_trajectory, read_tum
from pose_tracker_ros.evaluation.trajectory import (
    BopEstimate,
    PoseEstimate,
    is_bop_results,
    read_bop_results,
    read_trajectory,
    write_bop_results,
    write_trajectory,
)
from pose_tracker_ros.geometry import make_pose, so3_exp

WIDTH, HEIGHT, FRAMES = 32, 24, 6
CAMERA = "/camera/color"


def _pose(number: int) -> np.ndarray:
    return make_pose(so3_exp(np.array([0.1 * number, 0.2, -0.3])), np.array([0.01 * number, -0.02, 0.5]))


def _write_bag(folder: Path, plugin: StoragePlugin, compressed: bool) -> Path:
    """A recording of a camera, as a file beside its metadata."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types = store.types
    writer = Writer(folder / "bag", version=9, storage_plugin=plugin)
    if compressed:
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    k = np.array([40.0, 0, 15.5, 0, 42, 11.5, 0, 0, 1])
    region = types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    with writer:
        kinds = {"image_raw": "Image", "camera_info": "CameraInfo", "depth/image_raw": "Image"}
        connections = {
            name: writer.add_connection(f"{CAMERA}/{name}", f"sensor_msgs/msg/{kind}", typestore=store)
            for name, kind in kinds.items()
        }
        for number in range(FRAMES):
            time_ns = 10**9 + number * 33_000_000
            stamp = types["builtin_interfaces/msg/Time"](time_ns // 10**9, time_ns % 10**9)
            header = types["std_msgs/msg/Header"](stamp, "camera_color_optical_frame")
            image = types["sensor_msgs/msg/Image"]
            messages = {
                "camera_info": types["sensor_msgs/msg/CameraInfo"](
                    header, HEIGHT, WIDTH, "plumb_bob", np.zeros(5), k, np.eye(3).ravel(), np.zeros(12), 0, 0, region
                ),
                "image_raw": image(header, HEIGHT, WIDTH, "rgb8", 0, 3 * WIDTH, np.full(3 * WIDTH * HEIGHT, 90, np.uint8)),
                "depth/image_raw": image(header, HEIGHT, WIDTH, "16UC1", 0, 2 * WIDTH, np.full(2 * WIDTH * HEIGHT, 2, np.uint8)),
            }
            for name, message in messages.items():
                writer.write(connections[name], time_ns, store.serialize_cdr(message, message.__msgtype__))
    return next(path for path in (folder / "bag").iterdir() if path.suffix in (".mcap", ".db3"))


def _write_scene(folder: Path) -> Path:
    """A BOP scene; the file is its scene_camera.json."""
    for name, image in (("rgb", np.full((HEIGHT, WIDTH, 3), 90, np.uint8)), ("depth", np.full((HEIGHT, WIDTH), 500, np.uint16))):
        (folder / "000001" / name).mkdir(parents=True)
        cv2.imwrite(str(folder / "000001" / name / "000000.png"), image)
    path = folder / "000001" / "scene_camera.json"
    entry = {"cam_K": [40.0, 0, 15.5, 0, 42.0, 11.5, 0, 0, 1.0], "depth_scale": 1.0, "cam_R_w2c": np.eye(3).ravel().tolist(), "cam_t_w2c": [0, 0, 5.0]}
    path.write_text(json.dumps({"0": entry}))
    return path


def _write_matrix(folder: Path) -> Path:
    """A folder as one records it; the file is the object's pose in its frame."""
    for name, image in (("rgb", np.full((HEIGHT, WIDTH, 3), 90, np.uint8)), ("depth", np.full((HEIGHT, WIDTH), 500, np.uint16))):
        (folder / "mustard0" / name).mkdir(parents=True)
        cv2.imwrite(str(folder / "mustard0" / name / "0.png"), image)
    np.savetxt(folder / "mustard0" / "cam_K.txt", [[40.0, 0, 15.5], [0, 42, 11.5], [0, 0, 1]])
    (folder / "mustard0" / "annotated_poses").mkdir()
    path = folder / "mustard0" / "annotated_poses" / "0.txt"
    np.savetxt(path, _pose(1))
    return path


def _read_sequence(path: Path) -> None:
    """Open and read all; a recording to its end, whatever is wrong with single frames."""
    sequence = open_sequence(path, on_error="skip")
    if not sum(1 for _ in sequence):
        raise sequence.nothing_read()


def _write_ours(folder: Path) -> Path:
    path = folder / "trajectory.csv"
    write_trajectory(path, [PoseEstimate(0.1 * n, n, _pose(n), latency_ms=3.0, covariance=np.eye(6)) for n in range(FRAMES)])
    return path


def _write_bop(folder: Path) -> Path:
    path = folder / "results.csv"
    write_bop_results(path, [BopEstimate(1, n, 2, 0.5, _pose(n), 0.1) for n in range(FRAMES)])
    return path


def _write_tum(folder: Path) -> Path:
    path = folder / "trajectory.txt"
    lines = [f"{0.1 * n:.6f} " + " ".join(f"{v:.6f}" for v in (*_pose(n)[:3, 3], 0, 0, 0, 1)) for n in range(FRAMES)]
    path.write_text("# time x y z qx qy qz qw\n" + "\n".join(lines) + "\n")
    return path


def _read_results(path: Path) -> None:
    if is_bop_results(path):
        read_bop_results(path)
    elif is_tum_trajectory(path):
        read_tum(path)
    else:
        read_trajectory(path)


def _write_image(folder: Path, name: str) -> Path:
    image = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    path = folder / name
    cv2.imwrite(str(path), image)
    return path


def _write_intrinsics(folder: Path, name: str) -> Path:
    entries = {"width": WIDTH, "camera_matrix": {"rows": 3, "cols": 3, "data": [40.0, 0, 15.5, 0, 42.0, 11.5, 0, 0, 1]}, "D": [0.0, 0, 0, 0]}
    (folder / name).write_text(json.dumps(entries))
    return folder / name


def _write_labels(folder: Path) -> Path:
    labels = np.zeros((HEIGHT, WIDTH), np.uint16)
    labels[5:15, 5:20] = 3
    cv2.imwrite(str(folder / "mask.png"), labels)
    return folder / "mask.png"


COLOR_PNG = FuzzKind("color_png", lambda folder: _write_image(folder, "image.png"), read_color)
COLOR_JPG = FuzzKind("color_jpg", lambda folder: _write_image(folder, "image.jpg"), read_color)
MASK_PNG = FuzzKind("mask_png", _write_labels, read_mask)
MCAP = FuzzKind("mcap", lambda folder: _write_bag(folder, StoragePlugin.MCAP, False), _read_sequence)
MCAP_ZSTD = FuzzKind("mcap_zstd", lambda folder: _write_bag(folder, StoragePlugin.MCAP, True), _read_sequence)
DB3 = FuzzKind("db3", lambda folder: _write_bag(folder, StoragePlugin.SQLITE3, False), _read_sequence)
SCENE_JSON = FuzzKind("scene_json", _write_scene, lambda path: _read_sequence(path.parent))
POSE_TXT = FuzzKind("pose_txt", _write_matrix, lambda path: _read_sequence(path.parent.parent))
CAMERA_JSON = FuzzKind("camera_json", lambda folder: _write_intrinsics(folder, "camera.json"), read_intrinsics)
CAMERA_YAML = FuzzKind("camera_yaml", lambda folder: _write_intrinsics(folder, "camera_info.yaml"), read_intrinsics)
TRAJECTORY_CSV = FuzzKind("csv", _write_ours, _read_results)
BOP_CSV = FuzzKind("bop_csv", _write_bop, _read_results)
TUM = FuzzKind("tum", _write_tum, _read_results)
