"""Reading the files of data sets, with errors that name the file."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

# Some decoders take a file that was cut while it was copied and paint the missing rows black or grey.
_ENDINGS = {".png": b"IEND\xaeB`\x82", ".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9"}
_TAIL_BYTES = 64


class DatasetError(ValueError):
    """A file of a data set is missing, cut short or not what its format says; the message names it."""


def read_image(path: Path) -> np.ndarray:
    """Pixels as the file stores them (OpenCV's channel order and the file's own type).

    Raises DatasetError for a missing, truncated or undecodable file.
    """
    if not path.is_file():
        raise DatasetError(f"expected an image at {path}, but there is no such file; is the data set complete?")
    data = path.read_bytes()
    ending = _ENDINGS.get(path.suffix.lower())
    image = None
    if ending is None or ending in data[-_TAIL_BYTES:]:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if image is None:
        raise DatasetError(
            f"expected a complete image in {path}, but its {len(data)} bytes do not decode; copy it again"
        )
    return image


def read_color(path: Path) -> np.ndarray:
    """Colour image (height, width, 3) uint8 RGB; a grey image is repeated in the three channels."""
    image = read_image(path)
    if image.dtype != np.uint8:
        raise DatasetError(f"expected an 8-bit colour image in {path}, got {image.dtype}")
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def read_depth(path: Path, metres_per_unit: float) -> np.ndarray:
    """Depth image (height, width) float32 metres, 0 = no measurement, of a single-channel image file."""
    image = read_image(path)
    if image.ndim != 2 or image.dtype == np.uint8:
        raise DatasetError(f"expected a 16-bit single-channel depth image in {path}, got {image.dtype} {image.shape}")
    depth = image.astype(np.float32) * np.float32(metres_per_unit)
    return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0))


def read_mask(path: Path, label: int | None = None) -> np.ndarray:
    """Mask (H, W) bool of an image file: pixels that are not zero, or that have the value ``label``.

    Raises DatasetError when there is no such image.
    """
    image = read_image(path)
    if image.ndim == 3:
        # An opacity channel is full everywhere in most files and says nothing.
        image = image[..., :3].max(axis=2)
    return image > 0 if label is None else image == label


def read_json(path: Path) -> dict | list:
    """Contents of a JSON file.

    Raises DatasetError when there is no such file or it is cut short.
    """
    if not path.is_file():
        raise DatasetError(f"expected a JSON file at {path}, but there is no such file; is the data set complete?")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise DatasetError(f"expected valid JSON in {path}: {error}; is the file complete?") from error


def read_matrix(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Whitespace-separated numbers of a text file as an array of ``shape``.

    Raises DatasetError when there is no such file or it holds other than that many finite numbers.
    """
    if not path.is_file():
        raise DatasetError(f"expected a text file with numbers at {path}, but there is no such file")
    try:
        numbers = np.array(path.read_text().split(), dtype=np.float64)
    except ValueError as error:
        raise DatasetError(f"expected only numbers in {path}: {error}") from error
    if numbers.size != np.prod(shape) or not np.all(np.isfinite(numbers)):
        raise DatasetError(f"expected {int(np.prod(shape))} finite numbers in {path}, got {numbers.size}")
    return numbers.reshape(shape)
