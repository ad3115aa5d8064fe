"""Where an object could be: points of it laid over every place that has depth, without rendering it there."""

from __future__ import annotations

import numpy as np

from pose_tracker_ros.kernels.compilation import helper, kernel
from pose_tracker_ros.kernels.shared import bin_of, moved

# Nearest depth that is looked at, metres.
NEAREST_M = 0.05
# Natural logarithms of how likely a pixel is on the object to beside it: depth as expected, farther, and, beside the
# silhouette, depth that goes on. What is nearer hides, and what was not measured tells nothing.
AGREES, FARTHER, GOES_ON = 1.0, -1.5, -1.0
# A place whose first points speak against it by so much a point is not looked at any further.
FIRST_POINTS, HOPELESS = 16, -0.3


@helper
def _pixel(x, y, z, camera, shape):
    """Row and column of a point, -1 outside of the image."""
    if z < NEAREST_M:
        return -1, -1
    column, row = int(np.rint(camera[0] * x / z + camera[2])), int(np.rint(camera[1] * y / z + camera[3]))
    if column < 0 or row < 0 or column >= shape[1] or row >= shape[0]:
        return -1, -1
    return row, column


@kernel(
    "void(uint8[:, :, ::1], float32[:, ::1], float64[::1], float64[::1], float64[:, ::1], float64[:, ::1], float32[::1], "
    "float64[:, ::1], float64[:, ::1], float64[::1], int64[::1], float32[:, ::1], float32[:, :, ::1])"
)
def rate_places(
    color, depth, camera, depth_camera, color_T_depth, depth_T_color, log_ratios, points, ring, tolerances, grid, scores, centers
):
    """Rate an object at pixels of a depth image, its first point being what was measured there.

    color (H, W, 3), depth (H', W') metres, of cameras fx, fy, cx, cy (4,) with transforms (4, 4) between them; log_ratios
    (BINS^3,): of colours on the object to those around it; points (P, 3): of the object's visible surface, ring (R, 3):
    beside its silhouette and as far away, metres from its centre in the colour camera's axes; tolerances (P + R,): within
    which depths are one, metres; grid: first row and column, and the step from one to the next.
    Fills scores (rows, columns) with the mean log ratio, -inf where nothing was measured, and centers (rows, columns, 3)
    of the object in the colour camera.
    """
    total = points.shape[0]
    for i in range(scores.shape[0]):
        for j in range(scores.shape[1]):
            scores[i, j] = -np.inf
            row, column = grid[0] + i * grid[2], grid[1] + j * grid[2]
            if row < 0 or column < 0 or row >= depth.shape[0] or column >= depth.shape[1]:
                continue
            measured = depth[row, column]
            if measured < NEAREST_M:
                continue
            x, y, z = moved(
                color_T_depth,
                (column - depth_camera[2]) / depth_camera[0] * measured,
                (row - depth_camera[3]) / depth_camera[1] * measured,
                measured,
            )
            x, y, z = x - points[0, 0], y - points[0, 1], z - points[0, 2]
            score = 0.0
            for k in range(total):
                if k == FIRST_POINTS and score < HOPELESS * k:
                    score = HOPELESS * total
                    break
                px, py, pz = x + points[k, 0], y + points[k, 1], z + points[k, 2]
                dx, dy, dz = moved(depth_T_color, px, py, pz)
                row, column = _pixel(dx, dy, dz, depth_camera, depth.shape)
                if row < 0:
                    continue
                difference = depth[row, column] - dz
                if depth[row, column] > 0:
                    if difference < -tolerances[k]:
                        continue
                    score += AGREES if difference < tolerances[k] else FARTHER
                row, column = _pixel(px, py, pz, camera, color.shape)
                if row >= 0:
                    score += log_ratios[bin_of(color, row, column)]
            beside = 0.0
            for k in range(ring.shape[0]):
                dx, dy, dz = moved(depth_T_color, x + ring[k, 0], y + ring[k, 1], z + ring[k, 2])
                row, column = _pixel(dx, dy, dz, depth_camera, depth.shape)
                if row >= 0 and depth[row, column] > 0 and abs(depth[row, column] - dz) < tolerances[total + k]:
                    beside += GOES_ON
            scores[i, j] = score / total + beside / max(ring.shape[0], 1)
            centers[i, j, 0], centers[i, j, 1], centers[i, j, 2] = x, y, z
