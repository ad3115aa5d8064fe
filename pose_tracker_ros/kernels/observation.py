"""What images show in the pixels of a window, whose pixel (row, column) is the image's (top + scale row, left + scale column).

Images need not be writable. What is outside of an image is 0.
"""

from __future__ import annotations

from math import ceil, floor

import numpy as np

from pose_tracker_ros.kernels.compilation import kernel
from pose_tracker_ros.kernels.shared import covered, moved

# What is nearer to a camera than this, metres, has no projection.
NEAREST_M = 1e-3
# Pixels that are warped are drawn so many times as large, so that slants and turns leave no cracks between them.
OVERLAP = 1.2
# Every so many rows and columns of a window two images are compared: a hundred pixels and more of an object.
COMPARED = 4


@kernel("UniTuple(int64, 4)(Array(uint8, 3, 'C', True), int64, int64, int64, uint8[:, :, ::1])")
def cut_color(image, left, top, scale, window):
    """Fill a ``window`` (R, R, 3) with what an image (H, W, 3) shows there; returns the part of it that the image covers: first column and row, column and
    row after the last."""
    first_row, end_row = covered(image.shape[0], top, scale, window.shape[0])
    first_column, end_column = covered(image.shape[1], left, scale, window.shape[1])
    window[:] = 0
    for row in range(first_row, end_row):
        # Numbers without a sign, and a loop over bytes that lie side by side: those are copied many at once.
        line, part = image[top + scale * row].ravel()[3 * (left + scale * first_column) :], window[row].ravel()[3 * first_column :]
        if scale == 1:
            for place in range(np.uint64(3 * (end_column - first_column))):
                part[place] = line[place]
        else:
            for column in range(np.uint64(end_column - first_column)):
                for channel in range(np.uint64(3)):
                    part[np.uint64(3) * column + channel] = line[np.uint64(3 * scale) * column + channel]
    return first_column, first_row, end_column, end_row


@kernel("void(Array(float32, 2, 'C', True), int64, int64, int64, float32, float32, float32[:, ::1])")
def cut_depth(image, left, top, scale, nearest, farthest, window):
    """Fill a ``window`` (R, R) with depths of an image (H, W) between two limits (m), 0 for others."""
    first_row, end_row = covered(image.shape[0], top, scale, window.shape[0])
    first_column, end_column = covered(image.shape[1], left, scale, window.shape[1])
    window[:] = 0
    for row in range(first_row, end_row):
        line, part = image[top + scale * row, left + scale * first_column :], window[row, first_column:]
        for column in range(np.uint64(end_column - first_column)):
            value = line[np.uint64(scale) * column]
            part[column] = value if (nearest <= value) & (value <= farthest) else np.float32(0)


@kernel(
    "float64(boolean[:, ::1], uint8[:, :, ::1], float32[:, ::1], Array(uint8, 3, 'A', True), Array(float32, 2, 'A', True), int64, int64, "
    "int64, int64, int64, float64, float64, float64)"
)
def changed_share(mask, color, depth, image, depths, left, top, scale, across, along, depth_at_metre, surface, paint):
    """By how much of its variance an image differs from a window where a ``mask`` (R, R) has depth in both; 1 without such pixels.

    color (R, R, 3) and depth (R, R) are the window's; image (H, W, 3), depths (H, W): what depth has in a pixel is seen ``across``
    and ``along`` of it. Mean over some pixels of half the squared differences over the variance of depth or of the colours,
    whichever is more, at most 1. Standard deviations of depth at 1 m, which grows with the square, of the surface, metres, and of a colour,
    grey levels.
    """
    total, count = 0.0, 0
    for row in range(0, mask.shape[0], COMPARED):
        for column in range(0, mask.shape[1], COMPARED):
            y, x, z = top + scale * row, left + scale * column, depth[row, column]
            if not (mask[row, column] and z > 0 and 0 <= y < image.shape[0] and 0 <= x < image.shape[1]):
                continue
            if not (0 <= y - along < depths.shape[0] and 0 <= x - across < depths.shape[1] and depths[y - along, x - across] > 0):
                continue
            by_depth, by_color = (depths[y - along, x - across] - z) / (surface + depth_at_metre * z * z), 0.0
            for channel in range(3):
                by_color += ((float(image[y, x, channel]) - float(color[row, column, channel])) / paint) ** 2
            total += min(max(by_depth * by_depth, by_color / 3) / 2, 1.0)
            count += 1
    return total / count if count else 1.0


@kernel(
    "void(Array(float32, 2, 'A', True), float64[::1], int64[::1], float64[:, ::1], float64[::1], float64, float64, float64, "
    "float64, float32[:, ::1])"
)
def warp_depth(image, camera, part, window_T_depth, window_camera, shift_x, shift_y, nearest, farthest, window):
    """Fill a ``window`` (R, R) with what a depth camera beside its own measured, as depth in its own; the nearest wins.

    ``camera``, ``window_camera`` (4,): fx, fy, cx, cy of the depth image (H, W) and of the window; ``part`` (4,): first
    column and row of the image that are looked at, column and row after the last; ``window_T_depth`` (4, 4); ``shift``: what
    depth has in a pixel is seen by its ray at pixel + shift. Depths are used between the limits (m). As many pixels of the
    image are used as the window has in their place, so that the nearest is not always one that noise brings nearer; where
    it has more, each fills as many as it covers.
    """
    window[:] = 0
    size = window_camera[0] / camera[0]
    step = max(1, int(floor(1.0 / size)))
    half = 0.5 * OVERLAP * max(1.0, step * size)
    for row in range(part[1], part[3], step):
        ray_y = (row + shift_y - camera[3]) / camera[1]
        for column in range(part[0], part[2], step):
            depth = float(image[row, column])
            if not nearest <= depth <= farthest:
                continue
            x, y = depth * (column + shift_x - camera[2]) / camera[0], depth * ray_y
            across, along, away = moved(window_T_depth, x, y, depth)
            if away < NEAREST_M:
                continue
            u = window_camera[0] * across / away + window_camera[2]
            v = window_camera[1] * along / away + window_camera[3]
            for to_row in range(max(0, int(ceil(v - half))), min(window.shape[0], int(ceil(v + half)))):
                for to_column in range(max(0, int(ceil(u - half))), min(window.shape[1], int(ceil(u + half)))):
                    there = window[to_row, to_column]
                    if there == 0 or away < there:
                        window[to_row, to_column] = np.float32(away)
