"""What several kernels look up: bins of colours, places of points in another camera, and the part of a window that an image covers."""

from __future__ import annotations

from pose_tracker_ros.kernels.compilation import helper

# Bins along each colour channel, and bits of a channel beyond its bin (of M3T: two histograms stay in the fastest cache).
BINS, BIN_SHIFT = 16, 4


@helper
def bin_of(color, row, column):
    """Place in a histogram (BINS^3,) of the colour of a pixel of an image (H, W, 3) uint8."""
    red, green, blue = color[row, column, 0], color[row, column, 1], color[row, column, 2]
    return ((red >> BIN_SHIFT) * BINS + (green >> BIN_SHIFT)) * BINS + (blue >> BIN_SHIFT)


@helper
def moved(matrix, x, y, z):
    """A point after a transform (4, 4)."""
    return (
        matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + matrix[0, 3],
        matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + matrix[1, 3],
        matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + matrix[2, 3],
    )


@helper
def covered(size, first, scale, count):
    """Of ``count`` places from a pixel ``first`` on, ``scale`` apart, the first one in an image, and the one after the last."""
    begin = min(max(-(first // scale), 0), count)
    return begin, max(min((size - 1 - first) // scale + 1, count), begin)
