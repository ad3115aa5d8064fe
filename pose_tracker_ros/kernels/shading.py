"""Surfaces in the light of lamps, for the scenes of trainings."""

from __future__ import annotations

from pose_tracker_ros.kernels.compilation import kernel

ROWS, IMAGE = "float32[:, ::1]", "float32[:, :, ::1]"


@kernel(f"void(boolean[:, ::1], {IMAGE}, {ROWS}, {ROWS}, {ROWS}, float32[::1], float32[::1], float32, float32, {IMAGE})")
def shade(mask, normal, albedo, directions, colors, ambient, half, strength, exponent, shaded):
    """Fill ``shaded`` (R, R, 3), which is 0 elsewhere, where the ``mask`` (R, R) is, with normals (R, R, 3).

    Parameters: ``albedo`` (N, 3) of the mask's pixels, row by row; lamps' ``directions`` and ``colors`` (L, 3) and ``ambient``
    (3,) as of ``Lighting``; its highlight's ``strength`` and ``exponent``, and the unit vector ``half`` (3,) between lamp and camera.
    """
    number = 0
    for row in range(mask.shape[0]):
        for column in range(mask.shape[1]):
            if not mask[row, column]:
                continue
            x, y, z = normal[row, column, 0], normal[row, column, 1], normal[row, column, 2]
            red, green, blue = ambient[0], ambient[1], ambient[2]
            for lamp in range(len(directions)):
                lambert = max(x * directions[lamp, 0] + y * directions[lamp, 1] + z * directions[lamp, 2], 0.0)
                red += lambert * colors[lamp, 0]
                green += lambert * colors[lamp, 1]
                blue += lambert * colors[lamp, 2]
            facing = max(x * half[0] + y * half[1] + z * half[2], 0.0) if strength > 0 else 0.0
            highlight = strength * facing**exponent if facing > 0 else 0.0
            shaded[row, column, 0] = albedo[number, 0] * red + highlight
            shaded[row, column, 1] = albedo[number, 1] * green + highlight
            shaded[row, column, 2] = albedo[number, 2] * blue + highlight
            number += 1
