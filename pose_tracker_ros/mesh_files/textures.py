"""Images as textures: 8-bit RGB of a size that a renderer has use for, whatever their own pixels are."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from pose_tracker_ros import limits

# Rows that are taken at a time, so that a large image is never held twice.
STRIP_ROWS = 1024
SINGLE_CHANNEL = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


def read_texture(path: Path) -> np.ndarray:
    """Texture (height, width, 3) uint8 sRGB of an image file. Raises ValueError that names the file."""
    return decode_texture(limits.read_bytes(path, limits.IMAGE_BYTES, "an image"), str(path))


def decode_texture(data: bytes, name: str) -> np.ndarray:
    """Texture (height, width, 3) uint8 sRGB of an encoded image.

    Grey of 16 bits is scaled, floating point is taken as 0..1; sides of more than 4,096 pixels are reduced. Texels stay where
    they are: tags of orientation are meant for photographs.
    Raises ValueError with the image's ``name`` for what is no image, is cut, too large or not within 0..1.
    """
    try:
        with warnings.catch_warnings():
            # The limit is ours, below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                with Image.open(io.BytesIO(data)) as image:
                    limits.check_pixels(*image.size, f"the texture {name}")
                    return _eight_bits(image, name)
            finally:
                Image.MAX_IMAGE_PIXELS = limit
    except (OSError, SyntaxError, EOFError, IndexError, TypeError, AttributeError, KeyError, OverflowError) as error:
        raise ValueError(f"expected an image of a texture in {name}, but it can't be decoded: {error}") from error
    except ValueError as error:
        if name in str(error):
            raise
        raise ValueError(f"expected an image of a texture in {name}, but it can't be decoded: {error}") from error


def _eight_bits(image: Image.Image, name: str) -> np.ndarray:
    if image.mode in SINGLE_CHANNEL:
        return _reduced(Image.fromarray(_scaled(np.asarray(image), name)))
    return _reduced(image)


def _scaled(values: np.ndarray, name: str) -> np.ndarray:
    """Grey (height, width) uint8 of more bits; whole numbers are of 16 bits."""
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    most = 1.0 if values.dtype.kind == "f" else 65535.0
    if not (np.isfinite(low) and np.isfinite(high)) or low < 0 or high > most:
        raise ValueError(
            f"expected texels from 0 to {most:g} in the texture {name}, got {low:g} to {high:g}; "
            "save it with 8 bits a channel"
        )
    grey = np.empty(values.shape, np.uint8)
    for first in range(0, len(values), STRIP_ROWS):
        rows = slice(first, first + STRIP_ROWS)
        grey[rows] = np.rint(values[rows] * np.float32(255 / most))
    return grey


def _reduced(image: Image.Image) -> np.ndarray:
    """RGB pixels of an image, averaged down by a whole factor where it is too large."""
    width, height = image.size
    factor = max(1, -(-max(width, height) // limits.TEXTURE_SIDE_PX))
    if factor == 1:
        return np.array(image.convert("RGB"))
    image.load()
    rows = max(1, STRIP_ROWS // factor) * factor
    strips = [image.crop((0, top, width, min(top + rows, height))) for top in range(0, height, rows)]
    return np.vstack([np.array(strip.convert("RGB").reduce(factor)) for strip in strips])
