"""Images as networks take them: planes of float32, depth relative to the object's centre and in its diameters."""

from __future__ import annotations

import numpy as np

from pose_tracker_ros.kernels.compilation import helper, kernel

# Depth is limited to this magnitude, diameters; pixels without carry the limit itself, as the far end of what a network
# can tell apart.
DEPTH_LIMIT = 2.0


@helper
def _fill(color, depth, known, center_z, diameter, channels, row, column):
    """The first five planes of a pixel, whose depth is ``known`` or not."""
    for axis in range(3):
        channels[axis, row, column] = color[row, column, axis]
    relative = np.float32(min(max((depth[row, column] - center_z) / diameter, -DEPTH_LIMIT), DEPTH_LIMIT))
    channels[3, row, column] = relative if known else DEPTH_LIMIT
    channels[4, row, column] = known


@kernel(
    "void(uint8[:, :, ::1], float32[:, ::1], boolean[:, ::1], float32[:, :, ::1], float64, float64, float32[:, :, ::1])"
)
def fill_rendered(color, depth, mask, normal, center_z, diameter, channels):
    """Fill channels (8, R, R) by a rendering: colours (R, R, 3), depth in metres and mask (R, R), normals (R, R, 3)."""
    for row in range(color.shape[0]):
        for column in range(color.shape[1]):
            _fill(color, depth, mask[row, column], center_z, diameter, channels, row, column)
            for axis in range(3):
                channels[5 + axis, row, column] = normal[row, column, axis]


@kernel("void(uint8[:, :, ::1], float32[:, ::1], float64, float64, float32[:, :, ::1])")
def fill_observed(color, depth, center_z, diameter, channels):
    """Fill channels (5, R, R) by an image: colours (R, R, 3), depth (R, R) in metres, 0 where there is none."""
    for row in range(color.shape[0]):
        for column in range(color.shape[1]):
            _fill(color, depth, depth[row, column] > 0, center_z, diameter, channels, row, column)
