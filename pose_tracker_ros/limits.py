"""How large an input may be. Every loader asks here before it takes memory or time, so that a bad file ends in a sentence."""

from __future__ import annotations

from pathlib import Path

MEBIBYTE = 2**20

# Meshes, and what belongs to them.
MESH_BYTES = 1024 * MEBIBYTE
MESH_TRIANGLES = 12_000_000
# Each takes 36 texels at least.
BAKED_TRIANGLES = 400_000
MESH_DOCUMENT_BYTES = 64 * MEBIBYTE
MESH_NODES = 100_000
# Images: 16,384 x 16,384 is what photogrammetry makes at most; larger ones are refused.
IMAGE_BYTES = 1024 * MEBIBYTE
IMAGE_PIXELS = 16_384 * 16_384
# Images of cameras, and masks of them: more than 7,680 x 4,320.
CAMERA_PIXELS = 36_000_000
# A camera sees no more of an object; larger textures are reduced.
TEXTURE_SIDE_PX = 4_096
# Data sets, recordings and results.
SEQUENCE_TEXT_BYTES = 512 * MEBIBYTE
BAG_RECORD_BYTES = 1024 * MEBIBYTE
# Descriptions that people write.
DESCRIPTION_BYTES = MEBIBYTE
DESCRIPTION_NESTING = 32


def read_bytes(path: Path, most: int, what: str) -> bytes:
    """Contents of a file of at most ``most`` bytes; ``what`` it is in words, for the error.

    Raises ValueError for a larger one, OSError where it can't be read.
    """
    check(path.stat().st_size, most, f"bytes of {what} in {path}")
    return path.read_bytes()


def check(count: int, most: int, what: str) -> None:
    """Raise ValueError where there are more than ``most`` of something."""
    if count > most:
        raise ValueError(f"expected at most {most:,} {what}, got {count:,}; make it smaller")


def check_pixels(width: int, height: int, what: str) -> None:
    """Raise ValueError for an image that would not fit into memory."""
    check(width * height, IMAGE_PIXELS, f"pixels in {what}")
