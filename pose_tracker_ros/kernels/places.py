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
def _find(points, first, end, x, y, z, camera, shape, pixels):
    """Fill ``pixels`` from ``first`` to ``end`` with where points (3, N) about a place are in an image, counted row by row, -1 outside of it."""
    fx, fy, cx, cy = camera[0], camera[1], camera[2], camera[3]
    for k in range(first, end):
        px, py, pz = x + points[0, k], y + points[1, k], z + points[2, k]
        away = max(pz, NEAREST_M)
        column, row = np.rint(fx * px / away + cx), np.rint(fy * py / away + cy)
        inside = (pz >= NEAREST_M) & (column >= 0) & (row >= 0) & (column < shape[1]) & (row < shape[0])
        pixels[k] = np.int32(row * shape[1] + column) if inside else np.int32(-1)


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
    total, count = points.shape[0], points.shape[0] + ring.shape[0]
    # About the object's centre, in the axes of both cameras.
    in_color, in_depth = np.empty((3, count)), np.empty((3, count))
    for k in range(count):
        for axis in range(3):
            in_color[axis, k] = points[k, axis] if k < total else ring[k - total, axis]
        for axis in range(3):
            turn = depth_T_color[axis]
            in_depth[axis, k] = turn[0] * in_color[0, k] + turn[1] * in_color[1, k] + turn[2] * in_color[2, k]
    # What one pixel shows in both need not be looked for twice.
    is_one = color.shape[:2] == depth.shape and np.all(camera == depth_camera) and np.all(color_T_depth == np.eye(4))
    seen = np.empty(count, np.int32)
    colored = seen if is_one else np.empty(count, np.int32)
    depths, colors = depth.ravel(), color.reshape(1, -1, 3)
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
            dx, dy, dz = moved(depth_T_color, x, y, z)
            score, first, end = 0.0, 0, min(FIRST_POINTS, total)
            while first < end:
                _find(in_depth, first, end, dx, dy, dz, depth_camera, depth.shape, seen)
                if not is_one:
                    _find(in_color, first, end, x, y, z, camera, color.shape, colored)
                # Without branches, so that pixels are fetched several at once.
                for k in range(first, end):
                    there = depths[np.uint64(max(seen[k], 0))]
                    difference = there - (dz + in_depth[2, k])
                    told = (seen[k] >= 0) & ((there == 0) | (difference >= -tolerances[k]))
                    score += (AGREES if difference < tolerances[k] else FARTHER) if told & (there > 0) else 0.0
                    ratio = log_ratios[bin_of(colors, 0, np.uint64(max(colored[k], 0)))]
                    score += ratio if told & (colored[k] >= 0) else 0.0
                if end < total and score < HOPELESS * end:
                    score = HOPELESS * total
                    break
                first, end = end, total
            beside = 0.0
            _find(in_depth, total, count, dx, dy, dz, depth_camera, depth.shape, seen)
            for k in range(total, count):
                there = depths[np.uint64(max(seen[k], 0))]
                goes_on = (seen[k] >= 0) & (there > 0) & (abs(there - (dz + in_depth[2, k])) < tolerances[k])
                beside += GOES_ON if goes_on else 0.0
            scores[i, j] = score / total + beside / max(ring.shape[0], 1)
            centers[i, j, 0], centers[i, j, 1], centers[i, j, 2] = x, y, z
