"""Points of an image that are found again from elsewhere, and which of two images are the same."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

# Lowe, IJCV 2004, section 7.1: of right matches the second nearest neighbour is farther away by at least this ratio.
RATIO = 0.8
# Where SIFT looks for structure: of dim and blurred images half of its author's value leaves enough.
CONTRAST = 0.02


class Features(NamedTuple):
    """Pixels (N, 2) float32 as x, y, and SIFT descriptors (N, 128) uint8."""

    pixels: np.ndarray
    descriptors: np.ndarray

    def __len__(self) -> int:
        return len(self.pixels)

    def chosen(self, which: np.ndarray) -> Features:
        """Those of a mask (N,) or of indices."""
        return Features(self.pixels[which], self.descriptors[which])

    @property
    def directions(self) -> np.ndarray:
        """Unit vectors (N, 128) float32 whose scalar products compare descriptors, by Hellinger's kernel.

        RootSIFT of Arandjelovic and Zisserman, CVPR 2012.
        """
        values = self.descriptors.astype(np.float32)
        return np.sqrt(values / np.maximum(values.sum(axis=1, keepdims=True), 1.0))


def detect(color: np.ndarray, most: int, width: int) -> Features:
    """The strongest features of an image (H, W, 3) uint8 RGB, found in it resized to ``width`` pixels where it is wider."""
    gray = cv2.cvtColor(color, cv2.COLOR_RGB2GRAY)
    factor = min(1.0, width / gray.shape[1])
    if factor < 1:
        gray = cv2.resize(gray, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    points, descriptors = cv2.SIFT_create(nfeatures=most, contrastThreshold=CONTRAST).detectAndCompute(gray, None)
    if descriptors is None:
        return Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8))
    pixels = np.array([point.pt for point in points], np.float32)
    return Features((pixels + 0.5) / factor - 0.5, descriptors.astype(np.uint8))


def match(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pairs (M, 2) of rows of two sets of unit vectors (N, 128) that are each other's nearest, and clearly nearer than the next."""
    if len(one) < 2 or len(other) < 2:
        return np.zeros((0, 2), np.int64)
    similar = one @ other.T
    nearest = similar.argmax(axis=1)
    rows = np.arange(len(one))
    best = similar[rows, nearest]
    mutual = similar.argmax(axis=0)[nearest] == rows
    similar[rows, nearest] = -1.0
    second = similar.max(axis=1)
    clear = (1 - best) < RATIO**2 * (1 - second)
    kept = np.flatnonzero(mutual & clear)
    return np.column_stack([kept, nearest[kept]])
