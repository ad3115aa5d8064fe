"""Reading the files of data sets, with errors that name the file."""

from __future__ import annotations

import codecs
import json
from io import BytesIO
from pathlib import Path
from tokenize import TokenError

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from pose_tracker_ros import limits
from pose_tracker_ros.datasets.depth_units import depth_in_metres
from pose_tracker_ros.datasets.errors import DatasetError

# Some decoders take a file that was cut while it was copied and paint the missing rows black or grey.
_ENDINGS = {".png": b"IEND\xaeB`\x82", ".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9"}
_TAIL_BYTES = 64
# Within so many of the first bytes the tags of a JPEG begin.
_TAGS_BYTES = 4096
# How PNG and JPEG begin: what cannot be told of their headers is damage, which decoders pass over.
_STRICT = (b"\x89P", b"\xff\xd8")
# Formats that do not keep the values of pixels.
LOSSY_SUFFIXES = (".jpg", ".jpeg")
# Between numbers of matrices, besides blanks.
SEPARATORS = str.maketrans("[](){},;", "        ")
LEVELS_8_BIT = 257  # levels of 16 bits to one of 8


def read_image(path: Path, opacity: bool = False) -> np.ndarray:
    """Pixels as the file's tags say they are to be turned, in OpenCV's channel order and the file's own type.

    Parameters: ``opacity`` keeps the channel of opacity where there is one.
    Raises DatasetError for a missing, truncated or undecodable file.
    """
    if not path.is_file():
        raise DatasetError(f"expected an image at {path}, but there is no such file; is the data set complete?")
    flags = cv2.IMREAD_UNCHANGED if opacity else cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
    ending = _ENDINGS.get(path.suffix.lower(), b"")
    try:
        data = limits.read_bytes(path, limits.IMAGE_BYTES, "an image")
        image = decoded(data, flags | cv2.IMREAD_IGNORE_ORIENTATION) if ending in data[-_TAIL_BYTES:] else None
    except ValueError as error:
        raise DatasetError(f"{path}: {error}") from error
    if image is None:
        raise DatasetError(
            f"expected a complete image in {path}, but its {len(data)} bytes do not decode; copy it again"
        )
    return upright(image, data)


def read_color(path: Path) -> np.ndarray:
    """Colour image (height, width, 3) uint8 RGB; a grey image is repeated in the three channels, 16 bits become 8."""
    image = read_image(path)
    if image.dtype == np.uint16:
        image = (image // LEVELS_8_BIT).astype(np.uint8)
    if image.dtype != np.uint8:
        raise DatasetError(f"expected a colour image of 8 or 16 bits in {path}, got {image.dtype}")
    return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB)


def read_depth(path: Path, metres: float | None = None, metres_of_integers: float = 1e-3) -> np.ndarray:
    """Depth image (height, width) float32 metres, 0 = no measurement, of an image file with one channel, or of NumPy's .npy.

    Parameters: as of :func:`~pose_tracker_ros.datasets.depth_units.depth_in_metres`.
    """
    image = read_array(path) if path.suffix.lower() == ".npy" else read_image(path)
    if image.ndim != 2 or image.dtype == np.uint8 or image.dtype.kind not in "fiu":
        raise DatasetError(
            f"expected a depth image of one channel, 16-bit or float, in {path}, got {image.dtype} {image.shape}"
        )
    return depth_in_metres(image, metres, metres_of_integers)


def upright(image: np.ndarray, data: bytes) -> np.ndarray:
    """Pixels (H, W[, C]) turned as the tag of orientation in an encoded image's data says (Exif 2.3, 0x0112)."""
    if b"Exif" not in data[:_TAGS_BYTES] and b"eXIf" not in data:
        return image
    try:
        with Image.open(BytesIO(data)) as tagged:
            orientation = tagged.getexif().get(0x0112, 1)
    except (UnidentifiedImageError, SyntaxError, OSError, ValueError):
        return image
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def read_array(path: Path) -> np.ndarray:
    """Array of a .npy file, without axes of length one. Raises DatasetError for a missing, cut or too large one."""
    if not path.is_file():
        raise DatasetError(f"expected an array at {path}, but there is no such file; is the data set complete?")
    try:
        # Mapped, since a damaged header may say any size.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it holds several arrays")
        limits.check(array.size, limits.CAMERA_PIXELS, "pixels in an image")
        return np.array(array).squeeze()
    # Headers are read as Python's source is.
    except (ValueError, OSError, EOFError, SyntaxError, TypeError, OverflowError, MemoryError, TokenError) as error:
        raise DatasetError(f"expected a NumPy array (.npy) in {path}: {error}") from error


def decoded(data: bytes, flags: int) -> np.ndarray | None:
    """Pixels of an encoded image as OpenCV's ``flags`` say; None for bytes that are no image.

    Raises ValueError for one that says that it is larger than cameras' images are, before memory is taken for it.
    """
    size = _size_of(data)
    if not data or (size is None and data[:2] in _STRICT):
        return None
    if size is not None:
        limits.check(size[0] * size[1], limits.CAMERA_PIXELS, "pixels in an image")
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # of sizes that no image has
        return None


def _size_of(data: bytes) -> tuple[int, int] | None:
    """Width and height that an image says of itself, None where that is only found by decoding it."""
    try:
        with Image.open(BytesIO(data)) as image:
            return image.size
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from error
    except (UnidentifiedImageError, SyntaxError, OSError, ValueError):
        return None


def read_text(path: Path) -> str:
    """Contents of a text file without a byte order mark, which may say that it is UTF-16.

    Raises DatasetError for bytes that are no text.
    """
    try:
        data = limits.read_bytes(path, limits.SEQUENCE_TEXT_BYTES, "text")
        return data.decode("utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"expected a text file (UTF-8) at {path}: {error}") from error
    except ValueError as error:
        raise DatasetError(str(error)) from error


def read_json(path: Path) -> dict | list:
    """Contents of a JSON file.

    Raises DatasetError when there is no such file or it is cut short.
    """
    if not path.is_file():
        raise DatasetError(f"expected a JSON file at {path}, but there is no such file; is the data set complete?")
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"expected valid JSON in {path}: {error}; is the file complete?") from error


def read_matrix(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of a text file, separated by blanks, commas or brackets, as an array of ``shape``.

    Raises DatasetError when there is no such file or it holds other than that many finite numbers.
    """
    if not path.is_file():
        raise DatasetError(f"expected a text file with numbers at {path}, but there is no such file")
    try:
        numbers = np.array(read_text(path).translate(SEPARATORS).split(), dtype=np.float64)
    except ValueError as error:
        raise DatasetError(f"expected only numbers in {path}: {error}") from error
    if numbers.size != np.prod(shape) or not np.all(np.isfinite(numbers)):
        raise DatasetError(f"expected {int(np.prod(shape))} finite numbers in {path}, got {numbers.size}")
    return numbers.reshape(shape)
