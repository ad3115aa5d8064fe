"""Intrinsic matrices in the files that programs write: numbers in a text, JSON of Open3D and BOP, calibrations of ROS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from pose_tracker_ros.datasets.files import SEPARATORS, DatasetError, read_json, read_text

# In the order in which they count.
NAMES = ("cam_K.txt", "intrinsics.txt", "camera.json", "camera_intrinsics.json", "camera_intrinsic.json", "intrinsics.json")
NAMES += ("camera_info.yaml", "camera.yaml", "intrinsics.yaml")
# What is distorted less is not worth a word.
_NO_DISTORTION = 1e-9


def find_intrinsics(folder: Path) -> Path | None:
    """The file with the intrinsics of a folder's images, None where there is none."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def read_intrinsics(path: Path) -> np.ndarray:
    """Intrinsic matrix (3, 3), pixels, of a file.

    A text has the matrix, 3x3, 3x4 or 4x4 with or without brackets and commas, or fx fy cx cy. JSON and YAML have the matrix as
    K, cam_K, camera_matrix (data) or intrinsic_matrix (column by column, as Open3D writes it), or fx, fy, cx and cy.
    Raises DatasetError that names the file where there are none, or where its images have yet to be undistorted.
    """
    if not path.is_file():
        raise DatasetError(f"expected a text file with numbers at {path}, but there is no such file")
    try:
        if path.suffix == ".txt":
            return _matrix([float(word) for word in read_text(path).translate(SEPARATORS).split()])
        content = read_json(path) if path.suffix == ".json" else yaml.safe_load(read_text(path))
        return _of_entries(content)
    except (ValueError, TypeError, KeyError, yaml.YAMLError, RecursionError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"expected intrinsics, a 3x3 matrix or fx, fy, cx and cy, in {path}: {error}") from error


def _of_entries(content: object) -> np.ndarray:
    if isinstance(content, list):
        return _matrix(content)
    if not isinstance(content, dict):
        raise ValueError("got neither a list nor entries with names")
    distortion = content.get("distortion_coefficients", content.get("D", content.get("dist_coeffs", ())))
    coefficients = np.ravel(np.array(_data(distortion), np.float64))
    if np.any(np.abs(coefficients) > _NO_DISTORTION):
        raise ValueError("the camera has distortion; undistort the images and save them with a matrix alone")
    for name in ("K", "k", "cam_K", "camera_matrix"):
        if name in content:
            return _matrix(_data(content[name]))
    if "intrinsic_matrix" in content:
        matrix = _matrix(content["intrinsic_matrix"])
        return matrix.T if np.ndim(content["intrinsic_matrix"]) == 1 else matrix
    if "intrinsic" in content:
        return _of_entries(content["intrinsic"])
    return _matrix([content[name] for name in ("fx", "fy", "cx", "cy")])


def _data(entry: object) -> object:
    return entry.get("data", ()) if isinstance(entry, dict) else entry


def _matrix(numbers: object) -> np.ndarray:
    try:
        values = np.ravel(np.array(numbers, np.float64))
    except (ValueError, TypeError):
        raise ValueError("its numbers are not those of a matrix") from None
    if values.size not in (4, 9, 12, 16) or not np.all(np.isfinite(values)):
        raise ValueError(f"got {values.size} numbers, or some that are not finite")
    if values.size == 4:
        fx, fy, cx, cy = values
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return values.reshape({9: (3, 3), 12: (3, 4), 16: (4, 4)}[values.size])[:3, :3]
