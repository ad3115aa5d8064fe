"""Which images of a map look like a new one: a short description of a whole image."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

WORDS = 64
# So many descriptors of a map are enough to find its words.
SAMPLES = 20_000


class Vocabulary(NamedTuple):
    """Typical descriptors of a map: ``words`` (K, 128) float32, means of unit vectors."""

    words: np.ndarray

    @classmethod
    def of(cls, directions: np.ndarray) -> Vocabulary:
        """K means of unit vectors (N, 128) float32; the same input gives the same words."""
        generator = np.random.default_rng(0)
        if len(directions) > SAMPLES:
            directions = directions[generator.choice(len(directions), SAMPLES, replace=False)]
        count = min(WORDS, len(directions))
        if count == 0:
            return cls(np.zeros((0, 128), np.float32))
        first = generator.integers(count, size=(len(directions), 1)).astype(np.int32)
        first[:count, 0] = np.arange(count)
        criteria = (cv2.TERM_CRITERIA_MAX_ITER + cv2.TERM_CRITERIA_EPS, 15, 1e-4)
        words = cv2.kmeans(directions, count, first, criteria, 1, cv2.KMEANS_USE_INITIAL_LABELS)[2]
        return cls(words)

    def describe(self, directions: np.ndarray) -> np.ndarray:
        """Unit vector (K * 128,) float32 of an image's descriptors (N, 128); zeros without any.

        VLAD with intra-normalisation: the sum of the differences from the nearest word, of every word of length one
        (Jegou et al., CVPR 2010; Arandjelovic and Zisserman, CVPR 2013).
        """
        sums = np.zeros_like(self.words)
        if len(directions) and len(self.words):
            distances = (self.words**2).sum(axis=1) - 2 * directions @ self.words.T
            nearest = distances.argmin(axis=1)
            members = np.zeros((len(self.words), len(directions)), np.float32)
            members[nearest, np.arange(len(directions))] = 1
            sums = members @ directions - members.sum(axis=1, keepdims=True) * self.words
        sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
        flat = sums.ravel()
        return flat / max(float(np.linalg.norm(flat)), 1e-9)
