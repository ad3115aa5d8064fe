"""What an active stereo camera makes of the true depth."""

from __future__ import annotations

import math

import cv2
import numpy as np

BASELINE_M = 0.05
DISPARITY_STEP_PX = 1 / 32
REFERENCE_M = 0.6
HOLE_SHARE = 0.02
EDGE_M = 0.03
# The two cameras do not match surfaces that they see flatter than 80 degrees from head-on.
GRAZING_TANGENT = math.tan(math.radians(80))
POOL = 4
PADDING = 64


class DepthNoise:
    """Noise that grows with the square of the depth, disparity steps, lost edges and grazed surfaces, stereo shadows, holes.

    Random fields are drawn once and shifted at random from frame to frame, which is fast enough for 30 Hz.
    """

    def __init__(
        self,
        height: int,
        width: int,
        focal_px: float,
        deviation_m: float,
        seed: int,
        hole_share: float = HOLE_SHARE,
        mixed_share: float = 0.0,
    ) -> None:
        """Parameters: ``deviation_m`` standard deviation at 0.6 m, 0 gives the true depth back; ``hole_share`` of the image
        without depth; ``mixed_share`` of the pixels at depth steps that are measured between both sides, not lost."""
        generator = np.random.default_rng(seed)
        self._shape = (height, width)
        self._focal = focal_px
        self._deviation = deviation_m
        size = (height + PADDING, width + PADDING)
        self._noise = [_correlated(size, generator) for _ in range(POOL)]
        self._holes = [_patches(size, generator, hole_share) for _ in range(POOL)]
        self._mixed_share = mixed_share

    def apply(self, depth: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Measured depth (H, W) float32 metres of a true one, 0 = no measurement."""
        if self._deviation == 0:
            return depth
        noise = _window(self._noise, self._shape, generator)
        holes = _window(self._holes, self._shape, generator)
        scale = np.float32(self._deviation / REFERENCE_M**2)
        measured = depth + noise * (depth * depth * scale)
        product = np.float32(self._focal * BASELINE_M / DISPARITY_STEP_PX)
        measured = product / np.maximum(np.rint(product / np.maximum(measured, np.float32(1e-3))), 1)
        lost = holes | self._shadow(depth) | self._steep(depth) | (depth == 0)
        measured[lost] = 0
        if self._mixed_share > 0:
            self._mix(measured, depth, holes, generator)
        return measured

    def _mix(self, measured: np.ndarray, depth: np.ndarray, holes: np.ndarray, generator: np.random.Generator) -> None:
        """Give pixels beside depth steps a depth anywhere between the two sides, as averaging over a window does."""
        kernel = np.ones((3, 3), np.uint8)
        nearest, farthest = cv2.erode(depth, kernel), cv2.dilate(depth, kernel)
        rows, columns = np.nonzero((farthest - nearest > EDGE_M) & (nearest > 0) & ~holes)
        chosen = generator.random(len(rows)) < self._mixed_share
        rows, columns = rows[chosen], columns[chosen]
        share = generator.random(len(rows), dtype=np.float32)
        near, far = nearest[rows, columns], farthest[rows, columns]
        measured[rows, columns] = near + share * (far - near)

    def _shadow(self, depth: np.ndarray) -> np.ndarray:
        """Pixels that the second camera cannot see past something nearer on their right."""
        shadow = np.zeros(depth.shape, bool)
        disparity = np.float32(self._focal * BASELINE_M) / np.maximum(depth, np.float32(0.05))
        for shift in (3, 7, 12):
            shadow[:, :-shift] |= disparity[:, shift:] - disparity[:, :-shift] > shift
        return shadow

    def _steep(self, depth: np.ndarray) -> np.ndarray:
        """Pixels beside depth steps and on grazed surfaces, told by how far depth spreads over 3x3 pixels."""
        kernel = np.ones((3, 3), np.uint8)
        spread = cv2.dilate(depth, kernel) - cv2.erode(depth, kernel)
        # Two pixels are 2 depth / focal apart.
        grazing = depth * np.float32(2 * GRAZING_TANGENT / self._focal)
        return spread > np.minimum(grazing, np.float32(EDGE_M))


def _correlated(size: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """Unit noise, half of it shared by neighbouring pixels as stereo windows overlap."""
    coarse = generator.normal(size=(size[0] // 4 + 1, size[1] // 4 + 1)).astype(np.float32)
    coarse = cv2.resize(coarse, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    noise = coarse / coarse.std() + generator.normal(size=size).astype(np.float32)
    return noise / noise.std()


def _patches(size: tuple[int, int], generator: np.random.Generator, share: float) -> np.ndarray:
    field = cv2.resize(
        generator.random((size[0] // 6, size[1] // 6), dtype=np.float32), size[::-1], interpolation=cv2.INTER_CUBIC
    )
    return field < np.quantile(field, share) if share > 0 else np.zeros(field.shape, bool)


def _window(pool: list[np.ndarray], shape: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    field = pool[generator.integers(len(pool))]
    row, column = generator.integers(0, PADDING, 2)
    return field[row : row + shape[0], column : column + shape[1]]
