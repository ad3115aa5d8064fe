"""Where a surface that is seen in one view was seen in an earlier one."""

from __future__ import annotations

import numpy as np

from pose_tracker_ros.kernels.compilation import kernel


@kernel(
    "void(boolean[:, ::1], float32[:, ::1], float64[::1], float64[:, ::1], float32[:, ::1], float64[::1], float64, "
    "float32[:, :, ::1])"
)
def find_earlier(mask, depth, camera, earlier_T_view, earlier_depth, earlier_camera, tolerance, places):
    """Fill ``places`` (h, w, 2), column and row in the earlier view, -1 for what was not seen there.

    mask, depth (h, w), metres: of a rendering by a camera fx, fy, cx, cy (4,); earlier_T_view (4, 4): between both cameras;
    earlier_depth (H, W): metres of the surface that was seen, 0 = none, by its camera (4,). What differs by more than the
    tolerance, metres, is another part of the surface.
    """
    rows, columns = earlier_depth.shape
    for row in range(mask.shape[0]):
        for column in range(mask.shape[1]):
            places[row, column, 0] = places[row, column, 1] = -1.0
            if not mask[row, column]:
                continue
            z = float(depth[row, column])
            x, y = (column - camera[2]) / camera[0] * z, (row - camera[3]) / camera[1] * z
            away = earlier_T_view[2, 0] * x + earlier_T_view[2, 1] * y + earlier_T_view[2, 2] * z + earlier_T_view[2, 3]
            if away <= 0:
                continue
            across = earlier_T_view[0, 0] * x + earlier_T_view[0, 1] * y + earlier_T_view[0, 2] * z + earlier_T_view[0, 3]
            along = earlier_T_view[1, 0] * x + earlier_T_view[1, 1] * y + earlier_T_view[1, 2] * z + earlier_T_view[1, 3]
            u, v = earlier_camera[0] * across / away + earlier_camera[2], earlier_camera[1] * along / away + earlier_camera[3]
            near_row, near_column = int(np.rint(v)), int(np.rint(u))
            if not (0 <= near_row < rows and 0 <= near_column < columns):
                continue
            there = earlier_depth[near_row, near_column]
            if there > 0 and abs(there - away) <= tolerance:
                places[row, column, 0], places[row, column, 1] = u, v
