"""Textures that go on beyond their borders otherwise than by repeating, made into ones that repeat."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pose_tracker_ros import limits

# What is farther out, in sizes of the texture, is drawn as if it were there.
FARTHEST = 8.0


def mirrored(pixels: np.ndarray, along: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (height, width, 3) and coordinates (V,) along an axis, 0 for u and 1 for v upwards, of every second one turned over."""
    flipped = np.flip(pixels, axis=1 - axis)
    # The image's first row has the largest v.
    pair = (pixels, flipped) if axis == 0 else (flipped, pixels)
    both = np.concatenate(pair, axis=1 - axis)
    return _resized(both, [min(side, limits.TEXTURE_SIDE_PX) for side in both.shape[:2]]), along / 2


def extended(pixels: np.ndarray, along: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (height, width, 3) and coordinates (V,), as of :func:`mirrored`, with the borders going on as far as is used."""
    along = np.clip(along, -FARTHEST, 1 + FARTHEST)
    below, above = max(0.0, -float(along.min())), max(0.0, float(along.max()) - 1)
    shape = list(pixels.shape[:2])
    shape[1 - axis] = size = min(shape[1 - axis], max(1, int(limits.TEXTURE_SIDE_PX / (below + 1 + above)) - 4))
    pixels = _resized(pixels, shape)
    # A texel more, for filters.
    before, after = int(np.ceil(size * below)) + 1, int(np.ceil(size * above)) + 1
    pads = [(0, 0)] * 3
    pads[1 - axis] = (before, after) if axis == 0 else (after, before)
    return np.pad(pixels, pads, mode="edge"), (along * size + before) / (before + size + after)


def _resized(pixels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Pixels averaged down to rows and columns."""
    return pixels if tuple(shape) == pixels.shape[:2] else cv2.resize(pixels, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
