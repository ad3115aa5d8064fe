"""Images as networks take them: planes of float32, depth relative to the object's centre and in its diameters."""

from __future__ import annotations

import numpy as np

from pose_tracker_ros.kernels.compilation import helper, kernel

# Depth is limited to this magnitude, diameters; pixels without carry the limit itself, as the far end of what a network
# can tell apart.
DEPTH_LIMIT = 2.0


@helper
def _relative(depth, center_z, diameter):
    return np.float32(min(max((depth - center_z) / diameter, -DEPTH_LIMIT), DEPTH_LIMIT))


@kernel(
    "void(uint8[:, :, ::1], float32[:, ::1], boolean[:, ::1], float32[:, :, ::1], float64, float64, float32[:, :, ::1])"
)
def fill_rendered(color, depth, mask, normal, center_z, diameter, channels):
    """Fill channels (8, R, R) by a rendering: colours (R, R, 3), depth in metres and mask (R, R), normals (R, R, 3)."""
    for row in range(color.shape[0]):
        for column in range(color.shape[1]):
            drawn = mask[row, column]
            for axis in range(3):
                channels[axis, row, column] = color[row, column, axis]
                channels[5 + axis, row, column] = normal[row, column, axis]
            channels[3, row, column] = _relative(depth[row, column], center_z, diameter) if drawn else DEPTH_LIMIT
            channels[4, row, column] = drawn


@kernel("void(uint8[:, :, ::1], float32[:, ::1], float64, float64, float32[:, :, ::1])")
def fill_observed(color, depth, center_z, diameter, channels):
    """Fill channels (5, R, R) by an image: colours (R, R, 3), depth (R, R) in metres, 0 where there is none."""
    for row in range(color.shape[0]):
        for column in range(color.shape[1]):
            known = depth[row, column] > 0
            for axis in range(3):
                channels[axis, row, column] = color[row, column, axis]
            channels[3, row, column] = _relative(depth[row, column], center_z, diameter) if known else DEPTH_LIMIT
            channels[4, row, column] = known
