"""How far pixels are from a mask: two sweeps of steps to neighbours (Borgefors, "Distance transformations in digital images", 1986)."""

from __future__ import annotations

import numpy as np

from pose_tracker_ros.kernels.compilation import helper, kernel

# A step along a row or column and one across a corner, pixels, which are off by the least (Borgefors); in whole numbers, which are added sooner.
UNIT = 2.0**20
STEP, CORNER = np.int32(round(0.955 * UNIT)), np.int32(round(1.3693 * UNIT))
# Farther than anybody asks: 512 pixels.
FAR = np.int32(512 * UNIT)
ONE = np.uint64(1)


@helper
def _step_from(beside, steps):
    """From the row before or after to one of the same length (w + 2,); vectorised."""
    for column in range(ONE, np.uint64(len(steps)) - ONE):
        corner = min(beside[column - ONE], beside[column + ONE]) + CORNER
        steps[column] = min(steps[column], beside[column] + STEP, corner)


@helper
def _step_along(steps):
    """From each pixel of a row (w + 2,) to the next."""
    least = FAR
    for column in range(ONE, np.uint64(len(steps))):
        least = min(least + STEP, steps[column])
        steps[column] = least


@kernel("float32[:, ::1](boolean[:, ::1])")
def distance_around(mask):
    """How far pixels are from a mask (h, w): (h, w) pixels, at most 512."""
    rows, columns = mask.shape
    steps, distance = np.full((rows + 2, columns + 2), FAR), np.empty(mask.shape, np.float32)
    for row in range(1, rows + 1):
        here, inside = steps[row, 1:-1], mask[row - 1]
        for column in range(np.uint64(columns)):
            here[column] = np.int32(0) if inside[column] else FAR
        _step_from(steps[row - 1], steps[row])
        _step_along(steps[row])
    for row in range(rows, 0, -1):
        _step_from(steps[row + 1], steps[row])
        _step_along(steps[row, ::-1])
        here, away = steps[row, 1:-1], distance[row - 1]
        for column in range(np.uint64(columns)):
            away[column] = np.float32(here[column]) * np.float32(1 / UNIT)
    return distance
