"""Where a surface that is seen in one view was seen in an earlier one."""

from __future__ import annotations

import numpy as np

from pose_tracker_ros.kernels.compilation import kernel

# Places between two pixels, as OpenCV's remap has them.
STEPS = 32


@kernel(
    "void(boolean[:, ::1], float32[:, ::1], float64[::1], float64[:, ::1], uint8[:, ::1], float32[:, ::1], float64[::1], float64, "
    "uint8[:, ::1], boolean[:, ::1])"
)
def show_earlier(mask, depth, camera, earlier_T_view, earlier_grey, earlier_depth, earlier_camera, tolerance, grey, known):
    """Put the grey values with which a surface was seen earlier into ``grey`` (h, w), bilinear, where it was; fills ``known`` (h, w): where.

    mask, depth (h, w), metres: of a rendering by a camera fx, fy, cx, cy (4,); earlier_T_view (4, 4): between both cameras;
    earlier_grey, earlier_depth (H, W): of the surface that was seen, metres, 0 = none, by its camera (4,). What differs by more than
    the tolerance, metres, is another part of the surface. Beyond its image grey values are 0.
    """
    rows, columns = earlier_depth.shape
    known[:] = False
    for row in range(mask.shape[0]):
        for column in range(mask.shape[1]):
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
            if not (0 <= near_row < rows and 0 <= near_column < columns) or u < 0:
                continue
            there = earlier_depth[near_row, near_column]
            if not (there > 0 and abs(there - away) <= tolerance):
                continue
            right, down = int(np.rint(np.float32(u) * np.float32(STEPS))), int(np.rint(np.float32(v) * np.float32(STEPS)))
            left, top, total = right // STEPS, down // STEPS, 0
            right, down = right - STEPS * left, down - STEPS * top
            for beside_y, share_y in ((top, STEPS - down), (top + 1, down)):
                for beside_x, share_x in ((left, STEPS - right), (left + 1, right)):
                    if 0 <= beside_y < rows and beside_x < columns:
                        total += share_y * share_x * earlier_grey[beside_y, beside_x]
            grey[row, column], known[row, column] = (total + STEPS**2 // 2) // STEPS**2, True
