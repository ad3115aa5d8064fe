"""The outline of a mask, and where colours tell that the object ends on lines across it.

A line is cut into segments. Each has a posterior: that its colours are the object's and not those of its surroundings.
For each place of the border the segments around it are compared with a soft step; the rest of the line has no say (as in
the region modality of Stoiber et al., "A Sparse Gaussian Approach to Region-Based 6DoF Object Tracking", ACCV 2020). There
a segment's likelihood is multiplied; here its departure from not knowing is summed, so that to confirm weighs as much as
to contradict: evidence on one side of the border only does not pull it to the other side, and a line without any has
its mean in the middle and the variance of not knowing.
"""

from __future__ import annotations

from math import ceil, exp, sqrt, tanh

import numpy as np

from pose_tracker_ros.kernels.compilation import helper, kernel
from pose_tracker_ros.kernels.shared import bin_of, covered, moved

# Places of the border on a line, segments around each that are looked at, and segments of a line (of the paper).
PLACES, WINDOW = 12, 8
SEGMENTS = PLACES + WINDOW - 1
# The step is so soft, segments (of the paper).
SLOPE = 0.5
# What a sure segment weighs: half of log(0.93 / 0.07), since 7 % of pixels may show anything (the paper's amplitude 0.43).
WEIGHT = 1.29
# Variance of the border on a perfect line, segments squared: that of the soft step.
LEAST_VARIANCE = 0.5
# Variance of the border where nothing is known, segments squared: all places are as likely.
UNKNOWN_VARIANCE = (PLACES**2 - 1) / 12
# What is less than this known of a border, as a share of its information, is nothing.
LEAST_KNOWN = 1e-3
# Posterior of what says nothing: as likely the one as the other.
UNKNOWN = 0.5
# Outlines shorter than this, sides of pixels, are spots; a normal is that of the chord over so many sides before and after.
SHORTEST, CHORD = 16, 4
# Colours are counted one pixel of the mask inside the outline, and from so far to so far outside of it.
OUTSIDE_FROM_PX, OUTSIDE_TO_PX = 2, 12
# Around the middle of a line occluders are looked for so far, pixels of the depth image.
OCCLUDER_PX = 3
# Columns and rows to the next corner of pixels: to the right, down, to the left, up.
ACROSS, ALONG = (1, 0, -1, 0), (0, 1, 0, -1)
# The pixel to the left before a corner, looking there; the one to the right is that of the next direction.
LEFT_ROW, LEFT_COLUMN = (-1, 0, 0, -1), (0, 0, -1, -1)


@helper
def _is_in(mask, row, column):
    return 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1] and mask[row, column]


@helper
def _follow(mask, row, column, visited, sides, count):
    """Append the sides (row, column and direction from their first corners on) of the outline that begins at a corner, the
    object to the right; returns how many there are. Pixels that touch at a corner are one object."""
    direction, first_row, first_column = 0, row, column
    while True:
        if direction == 0:
            visited[row, column] = True
        sides[count, 0], sides[count, 1], sides[count, 2] = row, column, direction
        count += 1
        row, column = row + ALONG[direction], column + ACROSS[direction]
        right = (direction + 1) % 4
        if _is_in(mask, row + LEFT_ROW[direction], column + LEFT_COLUMN[direction]):
            direction = (direction + 3) % 4
        elif not _is_in(mask, row + LEFT_ROW[right], column + LEFT_COLUMN[right]):
            direction = right
        if row == first_row and column == first_column and direction == 0:
            return count


@kernel("int64(boolean[:, ::1], int64, int64[:, ::1], float64[:, ::1])")
def trace_outline(mask, count, pixels, borders):
    """About ``count`` places, evenly along the outline of a mask (h, w) and of its holes; returns how many.

    Fills pixels (., 2), row and column of the mask's last pixels, and borders (., 4): column and row of the middle of its side
    there, and the outward unit normal. Room for twice ``count`` is enough; what does not fit is left out.
    """
    rows, columns = mask.shape
    visited = np.zeros((rows, columns), np.bool_)
    sides, ends = np.empty((2 * rows * columns + rows + columns, 3), np.int16), np.empty(rows * columns, np.int32)
    total, outlines = 0, 0
    for row in range(rows):
        for column in range(columns):
            # Every outline has a side on top of a pixel.
            if mask[row, column] and not visited[row, column] and not _is_in(mask, row - 1, column):
                end = _follow(mask, row, column, visited, sides, total)
                if end - total >= SHORTEST:
                    total, ends[outlines] = end, end
                    outlines += 1
    every, found, first = max(1, (total + count // 2) // count), 0, 0
    for outline in range(outlines):
        length = ends[outline] - first
        for i in range(0, length, every):
            before, after = first + (i - CHORD) % length, first + (i + CHORD + 1) % length
            x, y = float(sides[after, 1] - sides[before, 1]), float(sides[after, 0] - sides[before, 0])
            chord = sqrt(x * x + y * y)
            if chord <= CHORD or found == len(borders):
                continue
            row, column, direction = sides[first + i, 0], sides[first + i, 1], sides[first + i, 2]
            right = (direction + 1) % 4
            pixels[found, 0], pixels[found, 1] = row + LEFT_ROW[right], column + LEFT_COLUMN[right]
            borders[found, 0], borders[found, 1] = column + (ACROSS[direction] - 1) / 2, row + (ALONG[direction] - 1) / 2
            borders[found, 2], borders[found, 3] = y / chord, -x / chord
            found += 1
        first = ends[outline]
    return found


@helper
def _nearest(rendered, row, column, reach):
    """Least depth of the object itself around a pixel: round things come nearer beside their outline."""
    nearest = rendered[row, column]
    for near_row in range(max(row - reach, 0), min(row + reach + 1, rendered.shape[0])):
        for near_column in range(max(column - reach, 0), min(column + reach + 1, rendered.shape[1])):
            if 0 < rendered[near_row, near_column] < nearest:
                nearest = rendered[near_row, near_column]
    return nearest


@helper
def _is_measured(depth, row, column, nearest, farthest):
    """Whether a depth in a range was measured around a pixel, or at the edge of the image next to it."""
    for along in range(-OCCLUDER_PX, OCCLUDER_PX + 1, OCCLUDER_PX):
        for across in range(-OCCLUDER_PX, OCCLUDER_PX + 1, OCCLUDER_PX):
            near_row = min(max(row + along, 0), depth.shape[0] - 1)
            near_column = min(max(column + across, 0), depth.shape[1] - 1)
            if nearest <= depth[near_row, near_column] < farthest:
                return True
    return False


@helper
def _facing(normals, row, column, camera):
    """Sine of the angle between a pixel's ray and the surface there."""
    x, y, normal = (column - camera[2]) / camera[0], (row - camera[3]) / camera[1], normals[row, column]
    return -(normal[0] * x + normal[1] * y + normal[2]) / sqrt(x * x + y * y + 1)


@helper
def _turned_away(rendered, normals, camera, row, column, across, down):
    """How much farther than its last pixel a surface is at its outline, whose normal is (across, down), metres.

    A circle through that pixel and the one inside of it tells; where it ends more than a pixel beyond, there is an edge.
    """
    sideways = abs(across) >= abs(down)
    inside = (row, column - int(np.sign(across))) if sideways else (row - int(np.sign(down)), column)
    if not _is_in(rendered, *inside):
        return 0.0
    apart, last, before = rendered[row, column] - rendered[inside], _facing(normals, row, column, camera), _facing(normals, *inside, camera)
    if not (apart > 0 and 0 < last < before):
        return 0.0
    farther = apart * last / (before - last)
    return farther if farther * last / (1 + sqrt(1 - last * last)) * camera[0] <= rendered[row, column] else 0.0


@kernel(
    "int64(int64[:, ::1], float64[:, ::1], int64, float32[:, ::1], float32[:, :, ::1], float64[::1], float64[::1], float32[:, ::1], "
    "float64[::1], float64[:, ::1], float64[::1], float64, float64[::1], float64[:, ::1], float64[:, ::1])"
)
def place_lines(
    pixels, borders, count, rendered, normals, camera, window, depth, depth_camera, depth_T_color, depth_range, occluder, shift,
    points, lines
):
    """Lines across the outline at the first ``count`` borders that nothing covers in the depth image; returns how many.

    pixels, borders: of :func:`trace_outline`; rendered (h, w): depth, metres, with normals (h, w, 3), of a camera fx, fy, cx, cy (4,) whose pixel
    (row, column) is the image's (top + scale row, left + scale column); window (3,): left, top, scale; depth (H, W), of a
    camera (4,) of its own, believed in a depth_range (2,) of metres above 0; depth_T_color (4, 4); occluder: what is so
    much nearer than the object, metres, covers it; shift (2,): of colour against depth, pixels. Fills points (., 3) in the colour camera, and of lines (., 6) the first four: the pixel of the
    colour image, and the outward normal.
    """
    kept, reach = 0, int(ceil(OCCLUDER_PX / window[2]))
    for i in range(count):
        z = float(rendered[pixels[i, 0], pixels[i, 1]])
        x, y = (borders[i, 0] - camera[2]) / camera[0] * z, (borders[i, 1] - camera[3]) / camera[1] * z
        seen_x, seen_y, seen_z = moved(depth_T_color, x, y, z)
        if seen_z > 0:
            column = int(np.rint(depth_camera[0] * seen_x / seen_z + depth_camera[2] - shift[0]))
            row = int(np.rint(depth_camera[1] * seen_y / seen_z + depth_camera[3] - shift[1]))
            # First what covers the pixel itself, since that there is nothing is soon seen.
            least, most, before = depth_range[0], depth_range[1], seen_z - z - occluder
            if _is_measured(depth, row, column, least, min(most, z + before)):
                nearest = _nearest(rendered, pixels[i, 0], pixels[i, 1], reach)
                if _is_measured(depth, row, column, least, min(most, nearest + before)):
                    continue
        end = 1 + _turned_away(rendered, normals, camera, pixels[i, 0], pixels[i, 1], borders[i, 2], borders[i, 3]) / z
        points[kept, 0], points[kept, 1], points[kept, 2] = end * x, end * y, end * z
        lines[kept, 0], lines[kept, 1] = window[0] + window[2] * borders[i, 0], window[1] + window[2] * borders[i, 1]
        lines[kept, 2], lines[kept, 3] = borders[i, 2], borders[i, 3]
        kept += 1
    return kept


@helper
def _stand_inside(mask, row, upright):
    """Fill upright (w + 2,), from the column before the first to the one after the last: whether pixels of a row are in a
    mask (h, w) with those above and below them. What is beyond the mask's border is as what is next to it."""
    above, here, below = mask[max(row - 1, 0)], mask[row], mask[min(row + 1, mask.shape[0] - 1)]
    for column in range(len(here)):
        upright[column + 1] = above[column] & here[column] & below[column]
    upright[0], upright[-1] = upright[1], upright[-2]


@kernel("void(uint8[:, :, ::1], boolean[:, ::1], float32[:, ::1], int64, int64, int64, float32[::1], float32[::1])")
def count_colors(color, mask, around, left, top, scale, inside, outside):
    """Fill histograms (BINS^3,), shares, of the colours of an image (H, W, 3) inside a mask (h, w) and outside of it.

    ``around`` (h, w): how far pixels are from the mask. Pixel (row, column) of both is the image's (top + scale row, left + scale column).
    """
    rows, columns = mask.shape
    inside[:], outside[:] = 0, 0
    within, without, upright = 0, 0, np.empty(columns + 2, np.bool_)
    first_column, end_column = covered(color.shape[1], left, scale, columns)
    for row in range(*covered(color.shape[0], top, scale, rows)):
        _stand_inside(mask, row, upright)
        shown, away, y, one = mask[row], around[row], np.uint64(top + scale * row), np.uint64(1)
        for column in range(np.uint64(first_column), np.uint64(end_column)):
            if shown[column]:
                if upright[column] and upright[column + one] and upright[column + one + one]:
                    inside[bin_of(color, y, np.uint64(left + scale * np.int64(column)))] += 1
                    within += 1
            elif OUTSIDE_FROM_PX < away[column] <= OUTSIDE_TO_PX:
                outside[bin_of(color, y, np.uint64(left + scale * np.int64(column)))] += 1
                without += 1
    inside /= np.float32(max(within, 1))
    outside /= np.float32(max(without, 1))


@kernel("void(uint8[:, :, ::1], float32[::1], float64[:, ::1], float64, float64[:, ::1])")
def sample_colors(color, posterior, lines, segment_px, samples):
    """Fill samples (L, SEGMENTS), posteriors from the inside out, of lines (L, 6) of :func:`place_lines`.

    color (H, W, 3); posterior (BINS^3,): that a colour is the object's; segment_px: length of a segment, of which each
    pixel counts as independent. What is outside of the image says nothing.
    """
    steps = max(1, int(np.rint(segment_px)))
    rows, columns = np.uint64(color.shape[0]), np.uint64(color.shape[1])
    apart = segment_px / steps
    first = 0.5 * (apart - SEGMENTS * segment_px)
    for line in range(lines.shape[0]):
        across, down = lines[line, 2] * apart, lines[line, 3] * apart
        x, y = lines[line, 0] + first * lines[line, 2], lines[line, 1] + first * lines[line, 3]
        for segment in range(SEGMENTS):
            on, off = 1.0, 1.0
            for step in range(segment * steps, (segment + 1) * steps):
                # Negative ones are beyond any image as numbers without a sign.
                column, row = np.uint64(int(np.rint(x + step * across))), np.uint64(int(np.rint(y + step * down)))
                if column < columns and row < rows:
                    value = float(posterior[bin_of(color, row, column)])
                    on *= value
                    off *= 1 - value
            samples[line, segment] = on / (on + off) if on + off > 0 else UNKNOWN


@kernel("void(float64[:, ::1], float64, float64[:, ::1])")
def find_borders(samples, segment_px, lines):
    """Fill the last two of lines (L, 6), mean and variance of where the object ends on lines of samples (L, SEGMENTS), pixels
    outward from their middle."""
    step = np.empty(WINDOW)
    for k in range(WINDOW):
        step[k] = -tanh((k - (WINDOW - 1) / 2) / (2 * SLOPE))
    for line in range(samples.shape[0]):
        total, mean, square = 0.0, 0.0, 0.0
        for border in range(PLACES):
            agreement = 0.0
            for k in range(WINDOW):
                agreement += (2 * samples[line, border + k] - 1) * step[k]
            probability = exp(WEIGHT * agreement)
            place = border - (PLACES - 1) / 2
            total += probability
            mean += probability * place
            square += probability * place * place
        mean /= total
        variance = max(square / total - mean * mean, LEAST_VARIANCE)
        known = max(1 - variance / UNKNOWN_VARIANCE, LEAST_KNOWN)
        lines[line, 4] = mean * segment_px
        lines[line, 5] = variance / known * segment_px * segment_px
