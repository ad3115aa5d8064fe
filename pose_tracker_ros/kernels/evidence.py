"""The pixel likelihood: is the object here, or does what is around it go on?

Every pixel of a silhouette sees the surface, something nearer (an occluder), or what is behind (background). Background is
what surrounds the silhouette, continued behind it: planes, which are linear in inverse depth, and the colours of two rings.
Depths are metres, pixel centres at integer coordinates, crops are (R, R) or (rows, columns). Densities of depth are per
metre; densities of colour are relative to all colours being alike, so that 1 says nothing.

Lists of ``pixels`` are rows and columns (N, 2). ``window`` is the part of the crop that the image covers:
first column, first row, column and row after the last. ``noise`` is :meth:`tracking.evidence.EvidenceNoise.for_kernels`.
"""

from __future__ import annotations

from math import ceil, exp, log, sqrt

import numpy as np

from pose_tracker_ros.kernels.compilation import helper, kernel

# Places in ``noise``.
DEPTH, DEPTH_FLOOR, SHAPE, BIAS, COLOR, GAIN, CHANNEL_GAIN, OFFSET, DEPTHS, COLORS = range(10)

# Depth at which the deviation of depth is stated, metres.
REFERENCE_M = 0.6
# Surfaces seen flatter than this cosine count as seen under it.
LEAST_COSINE = 0.15
# Distances are in 1/1000 pixel; one step and one diagonal step (Borgefors, "Distance transformations in digital images",
# 1986), and farther than any.
DISTANCE_UNITS = 1000
STEP, DIAGONAL, FAR = 955, 1369, 10**9

# Planes: samples and tries of one ring, deviations within which a sample lies on a plane, and the fewest on one.
MOST_SAMPLES, TRIES, REFITS = 160, 32, 3
INLIER_DEVIATIONS = 3.0
LEAST_SAMPLES, LEAST_SHARE = 12, 0.1
LEAST_DETERMINANT = 1e-9
PLANES_A_RING = 2
PLANE_NUMBERS = 10
RINGS = 2
# Columns of ``planes``.
WEIGHT = 9

# Depth where the object is: on its surface; on what is around, passing in front; nearer or farther than it, per metre.
ON_SURFACE, IN_FRONT, NEARER, FARTHER = 0.8, 0.45, 0.16, 0.03
# Depth where it is not: on what is around, or anywhere, per metre.
GOES_ON, ANYWHERE = 0.9, 0.1
# A continuation so many deviations before the surface passes in front of it.
FRONT_DEVIATIONS = 2.0
# Pixels so many deviations of the surface, and of the bias, before it are hidden.
HIDDEN_DEVIATIONS = 3.0
# Beyond so many deviations a density is nothing beside the others.
NEGLIGIBLE_DEVIATIONS = 5.0
# No pixel says more than this (natural logarithm).
MOST_LOG_RATIO = 3.0
# Means are over at least this share of the silhouette.
LEAST_SPEAKING = 0.08
BIASES = 9
BIAS_REACH = 2.0
# So many pixels are enough for the mean over biases, and for the gains of colour.
BIAS_PIXELS, GAIN_PIXELS = 400, 200

BINS = 16
BIN_SHIFT = 4
# Smoothing over three bins with a deviation of 0.8 bins.
SIDE_SHARE = 0.32
# Share of colours that neither paint nor memory knows, on the object and around it.
NEW_ON_SURFACE, NEW_AROUND = 0.1, 0.4
# Colours of paint: Student's t in three dimensions with three degrees of freedom.
FREEDOM = 3.0
T_PEAK = 2.0 / (0.5 * sqrt(np.pi) * (FREEDOM * np.pi) ** 1.5)
COLORS_IN_ALL = 256.0**3
GAIN_FITS = 4
UNKNOWN, PAINTED, LEARNT = range(3)
# Surface, occluder and background where no depth was measured.
SURFACE_BLIND, OCCLUDER_BLIND, BACKGROUND_BLIND = 0.5, 0.1, 0.4
SQRT_TAU = sqrt(2.0 * np.pi)


@helper
def _sensor_deviation(depth, noise):
    ratio = depth / REFERENCE_M
    return noise[DEPTH] * ratio * ratio + noise[DEPTH_FLOOR]


@helper
def _take_over(row, neighbour, left, right):
    """Shorten the distances of a row by those of its neighbour."""
    step, diagonal = np.int32(STEP), np.int32(DIAGONAL)
    row[left] = min(row[left], neighbour[left] + step, neighbour[min(left + 1, right)] + diagonal)
    row[right] = min(row[right], neighbour[right] + step, neighbour[max(right - 1, left)] + diagonal)
    for column in range(left + 1, right):
        straight = neighbour[column] + step
        aslant = min(neighbour[column - 1], neighbour[column + 1]) + diagonal
        row[column] = min(row[column], min(straight, aslant))


@kernel("int64(boolean[:, ::1], int64[::1], float64, float64, int32[:, ::1], int32[:, ::1])")
def ring_pixels(mask, window, low, high, distance, pixels):
    """List the ``pixels`` of the window that are more than ``low`` and at most ``high`` pixels beside the silhouette.

    Fills ``distance`` (R, R) with the distance from the silhouette in 1/1000 pixel, 0 on it; it is more than ``high`` where
    nothing is listed. Returns the number of pixels.
    """
    rows, columns = mask.shape
    nearest, farthest = int(low * DISTANCE_UNITS), int(high * DISTANCE_UNITS)
    top, bottom, left, right = rows, -1, columns, -1
    for row in range(rows):
        for column in range(columns):
            distance[row, column] = FAR
            if mask[row, column]:
                distance[row, column] = 0
                top, bottom = min(top, row), row
                left, right = min(left, column), max(right, column)
    if bottom < 0:
        return 0
    reach = int(ceil(farthest / STEP))
    top, bottom = max(top - reach, 0), min(bottom + reach, rows - 1)
    left, right = max(left - reach, 0), min(right + reach, columns - 1)
    for row in range(top, bottom + 1):
        if row > top:
            _take_over(distance[row], distance[row - 1], left, right)
        best = np.int32(FAR)
        for column in range(left, right + 1):
            best = min(distance[row, column], np.int32(best + STEP))
            distance[row, column] = best
    count = 0
    for row in range(bottom, top - 1, -1):
        if row < bottom:
            _take_over(distance[row], distance[row + 1], left, right)
        best = np.int32(FAR)
        for column in range(right, left - 1, -1):
            best = min(distance[row, column], np.int32(best + STEP))
            distance[row, column] = best
        if not window[1] <= row < window[3]:
            continue
        for column in range(max(left, window[0]), min(right + 1, window[2])):
            if nearest < distance[row, column] <= farthest:
                pixels[count, 0], pixels[count, 1] = row, column
                count += 1
    return count


@kernel(
    "Tuple((int64, int64, float64))(boolean[:, ::1], float32[:, ::1], float32[:, :, ::1], float64[::1], int64[::1], "
    "float64[::1], int32[:, ::1], float32[::1])"
)
def surface_pixels(mask, depth, normal, intrinsics, window, noise, pixels, deviations):
    """List the ``pixels`` whose four neighbours are on the silhouette, too, and the ``deviations`` (m) of depth there.

    ``depth``, ``normal`` and ``mask`` are rendered, ``intrinsics`` fx, fy, cx, cy. Returns how many such pixels the
    silhouette has, how many of them the window has (those are listed), and the mean depth of all in metres.
    """
    rows, columns = mask.shape
    per_column, per_row = 1.0 / intrinsics[0], 1.0 / intrinsics[1]
    total, count, depths = 0, 0, 0.0
    for row in range(1, rows - 1):
        along = (row - intrinsics[3]) * per_row
        for column in range(1, columns - 1):
            if not mask[row, column]:
                continue
            if not (
                mask[row - 1, column] and mask[row + 1, column] and mask[row, column - 1] and mask[row, column + 1]
            ):
                continue
            total += 1
            depths += depth[row, column]
            if column < window[0] or column >= window[2] or row < window[1] or row >= window[3]:
                continue
            across = (column - intrinsics[2]) * per_column
            facing = normal[row, column, 0] * across + normal[row, column, 1] * along + normal[row, column, 2]
            cosine = max(-facing / sqrt(across * across + along * along + 1.0), LEAST_COSINE)
            sensor, shape = _sensor_deviation(depth[row, column], noise), noise[SHAPE] / cosine
            pixels[count, 0], pixels[count, 1] = row, column
            deviations[count] = sqrt(sensor * sensor + shape * shape)
            count += 1
    return total, count, depths / max(total, 1)


@helper
def _invert(s00, s01, s02, s11, s12, s22):
    """Inverse of a symmetric 3x3 matrix as its six numbers, and whether it has one."""
    c00, c01, c02 = s11 * s22 - s12 * s12, s02 * s12 - s01 * s22, s01 * s12 - s02 * s11
    determinant = s00 * c00 + s01 * c01 + s02 * c02
    if determinant <= LEAST_DETERMINANT * s00 * s11 * s22:
        return (0.0, 0.0, 0.0, 0.0, 0.0, 0.0), False
    scale = 1.0 / determinant
    return (
        (
            c00 * scale,
            c01 * scale,
            c02 * scale,
            (s00 * s22 - s02 * s02) * scale,
            (s01 * s02 - s00 * s12) * scale,
            (s00 * s11 - s01 * s01) * scale,
        ),
        True,
    )


@helper
def _drawn_plane(samples, count, state):
    """The plane of three samples at random, the generator's next state, and whether there is a plane."""
    state = (state * 1103515245 + 12345) & 0x7FFFFFFF
    one = (state >> 8) % count
    state = (state * 1103515245 + 12345) & 0x7FFFFFFF
    two = (state >> 8) % count
    state = (state * 1103515245 + 12345) & 0x7FFFFFFF
    three = (state >> 8) % count
    x1, y1 = samples[two, 0] - samples[one, 0], samples[two, 1] - samples[one, 1]
    x2, y2 = samples[three, 0] - samples[one, 0], samples[three, 1] - samples[one, 1]
    determinant = x1 * y2 - x2 * y1
    if abs(determinant) < LEAST_DETERMINANT:
        return (0.0, 0.0, 0.0), state, False
    rise1, rise2 = samples[two, 2] - samples[one, 2], samples[three, 2] - samples[one, 2]
    across, along = (rise1 * y2 - rise2 * y1) / determinant, (x1 * rise2 - x2 * rise1) / determinant
    return (samples[one, 2] - across * samples[one, 0] - along * samples[one, 1], across, along), state, True


@helper
def _best_plane(samples, count, state):
    """The plane on which most samples lie, of TRIES, and the generator's next state."""
    best, best_support = (0.0, 0.0, 0.0), -1.0
    for _ in range(TRIES):
        plane, state, drawn = _drawn_plane(samples, count, state)
        if not drawn:
            continue
        constant, across, along = plane
        support = 0.0
        for sample in range(count):
            error = samples[sample, 2] - constant - across * samples[sample, 0] - along * samples[sample, 1]
            error *= samples[sample, 3] / INLIER_DEVIATIONS
            support += max(0.0, 1.0 - error * error)
        if support > best_support:
            best, best_support = plane, support
    return best, state


@helper
def _refitted(samples, count, plane):
    """Least squares with Tukey's weights from a plane on: the plane, the inverse normal matrix, whether there is one."""
    information = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    for _ in range(REFITS):
        s00, s01, s02, s11, s12, s22, g0, g1, g2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        constant, across, along = plane
        for sample in range(count):
            x, y = samples[sample, 0], samples[sample, 1]
            error = samples[sample, 2] - constant - across * x - along * y
            scaled = error * samples[sample, 3] / INLIER_DEVIATIONS
            keep = 1.0 - scaled * scaled
            if keep <= 0.0:
                continue
            weight = keep * keep * samples[sample, 3] * samples[sample, 3]
            s00 += weight
            s01 += weight * x
            s02 += weight * y
            s11 += weight * x * x
            s12 += weight * x * y
            s22 += weight * y * y
            g0 += weight * error
            g1 += weight * error * x
            g2 += weight * error * y
        information, regular = _invert(s00, s01, s02, s11, s12, s22)
        if not regular:
            return plane, information, False
        i00, i01, i02, i11, i12, i22 = information
        plane = (
            constant + i00 * g0 + i01 * g1 + i02 * g2,
            across + i01 * g0 + i11 * g1 + i12 * g2,
            along + i02 * g0 + i12 * g1 + i22 * g2,
        )
    return plane, information, True


@helper
def _claimed(samples, count, plane):
    """Move the samples that lie on a plane to the end; returns how many do not."""
    left = count
    sample = 0
    while sample < left:
        error = samples[sample, 2] - plane[0] - plane[1] * samples[sample, 0] - plane[2] * samples[sample, 1]
        if abs(error) * samples[sample, 3] < INLIER_DEVIATIONS:
            left -= 1
            for number in range(4):
                samples[sample, number] = samples[left, number]
        else:
            sample += 1
    return left


@kernel(
    "void(float32[:, ::1], int32[:, ::1], int32[:, ::1], int64, float64[:, ::1], float64, float64[::1], float64[:, ::1])"
)
def surrounding_planes(depth, distance, pixels, count, rings, independent_px, noise, planes):
    """Fit up to two planes to the measured depth of each ring.

    ``pixels`` are those of both rings, whose ``distance`` is between the two bounds in ``rings`` (2, 2), pixels. ``independent_px``:
    so many pixels know as much as one independent one. Fills ``planes`` (4, 10), those of the near ring first: inverse
    depth (1/m) in the middle of the crop and its slopes a crop's side across and along; the six numbers of their
    covariance; the share of both rings that lies on the plane, 0 for a plane that is not there.
    Planes by MSAC (Torr and Zisserman, "MLESAC", 2000) with a generator that always starts alike, then refitted.
    """
    planes[:] = 0.0
    rows, columns = depth.shape
    scale = 1.0 / columns
    samples = np.empty((MOST_SAMPLES, 4))
    members = np.empty(count, np.int32)
    for ring in range(RINGS):
        low, high = int(rings[ring, 0] * DISTANCE_UNITS), int(rings[ring, 1] * DISTANCE_UNITS)
        measured = 0
        for number in range(count):
            row, column = pixels[number, 0], pixels[number, 1]
            if low < distance[row, column] <= high and depth[row, column] > 0.0:
                members[measured] = number
                measured += 1
        stride = max(1, (measured + MOST_SAMPLES - 1) // MOST_SAMPLES)
        if measured // stride < LEAST_SAMPLES:
            continue
        taken = 0
        for number in range(0, measured, stride):
            row, column = pixels[members[number], 0], pixels[members[number], 1]
            observed = float(depth[row, column])
            sensor = _sensor_deviation(observed, noise)
            samples[taken, 0] = (column - 0.5 * (columns - 1)) * scale
            samples[taken, 1] = (row - 0.5 * (rows - 1)) * scale
            samples[taken, 2] = 1.0 / observed
            samples[taken, 3] = observed * observed / sqrt(sensor * sensor + noise[SHAPE] * noise[SHAPE])
            taken += 1
        left, state = taken, 1
        for number in range(PLANES_A_RING):
            if left < max(LEAST_SAMPLES, LEAST_SHARE * taken):
                break
            plane, state = _best_plane(samples, left, state)
            plane, covariance, found = _refitted(samples, left, plane)
            if not found:
                break
            rest = _claimed(samples, left, plane)
            out = planes[ring * PLANES_A_RING + number]
            out[0], out[1], out[2] = plane
            inflation = taken * independent_px / measured
            for entry in range(6):
                out[3 + entry] = covariance[entry] * inflation
            out[WEIGHT] = (left - rest) / (RINGS * taken)
            left = rest


@helper
def _is_hidden(observed, expected, deviation, noise):
    return observed < expected - HIDDEN_DEVIATIONS * (deviation + noise[BIAS])


@helper
def _normal_density(error, deviation):
    scaled = error / deviation
    if abs(scaled) > NEGLIGIBLE_DEVIATIONS:
        return 0.0
    return float(exp(np.float32(-0.5 * scaled * scaled))) / (deviation * SQRT_TAU)


@helper
def _continued(observed, rendered, deviation, x, y, planes, noise):
    """Density of a depth on what is around: of planes that pass in front of the rendered depth, and of the others."""
    front, behind = 0.0, 0.0
    sensor = _sensor_deviation(observed, noise)
    floor = sensor * sensor + noise[SHAPE] * noise[SHAPE]
    for number in range(planes.shape[0]):
        plane = planes[number]
        if plane[WEIGHT] == 0.0:
            continue
        inverse = plane[0] + plane[1] * x + plane[2] * y
        if inverse <= 0.0:
            continue
        there = 1.0 / inverse
        variance = (
            plane[3] + plane[6] * x * x + plane[8] * y * y + 2.0 * (plane[4] * x + plane[5] * y + plane[7] * x * y)
        )
        squared = there * there
        variance, error = floor + variance * squared * squared, observed - there
        if error * error > NEGLIGIBLE_DEVIATIONS**2 * variance:
            continue
        density = plane[WEIGHT] * _normal_density(error, sqrt(variance))
        if there < rendered - FRONT_DEVIATIONS * deviation:
            front += density
        else:
            behind += density
    return front, behind


@helper
def _known_share(planes):
    known = 0.0
    for number in range(planes.shape[0]):
        known += planes[number, WEIGHT]
    return known


@kernel(
    "UniTuple(float64, 2)(int32[:, ::1], float32[::1], int64, int64, float32[:, ::1], float32[:, ::1], float64[:, ::1], "
    "float64, float64[::1])"
)
def depth_ratio(pixels, deviations, count, total, rendered, depth, planes, bias, noise):
    """Mean log ratio of depth, object here against what is around goes on, and the depth bias (m) that suits it best.

    ``pixels``, ``deviations``, ``count`` and ``total`` from :func:`surface_pixels`, ``rendered`` and measured ``depth``,
    ``planes`` from :func:`surrounding_planes`; ``bias`` (m) is what depth is expected to be too far. The pixels have the
    rest of the bias in common: the ratio is a mean over it, weighted by what so many independent depths say. The bias is
    coarse, since ratios are limited.
    """
    rows, columns = depth.shape
    scale = 1.0 / columns
    reach = noise[BIAS]
    unknown = ANYWHERE + GOES_ON * (1.0 - _known_share(planes))
    sums = np.zeros(BIASES)
    stride = max(1, (count + BIAS_PIXELS - 1) // BIAS_PIXELS)
    speaking = 0
    most, least = np.float32(MOST_LOG_RATIO), np.float32(-MOST_LOG_RATIO)
    for number in range(0, count, stride):
        row, column = pixels[number, 0], pixels[number, 1]
        observed = float(depth[row, column])
        if observed <= 0.0:
            continue
        expected, deviation = float(rendered[row, column]) + bias, float(deviations[number])
        if _is_hidden(observed, expected, deviation, noise):
            continue
        x, y = (column - 0.5 * (columns - 1)) * scale, (row - 0.5 * (rows - 1)) * scale
        front, behind = _continued(observed, expected, deviation, x, y, planes, noise)
        absent = GOES_ON * (front + behind) + unknown
        rest = IN_FRONT * front + (NEARER if observed < expected else FARTHER)
        speaking += 1
        for step in range(BIASES):
            shift = BIAS_REACH * reach * (2.0 * step / (BIASES - 1) - 1.0)
            present = ON_SURFACE * _normal_density(observed - expected - shift, deviation) + rest
            sums[step] += min(most, max(least, log(np.float32(present / absent))))
    normaliser = max(float(speaking), LEAST_SPEAKING * total / stride, 1.0)
    highest, weights, mean, shift_mean = -1e300, 0.0, 0.0, 0.0
    for step in range(BIASES):
        highest = max(highest, sums[step] / normaliser)
    for step in range(BIASES):
        place = BIAS_REACH * (2.0 * step / (BIASES - 1) - 1.0)
        prior = exp(-0.5 * place * place)
        support = prior * exp(noise[DEPTHS] * (sums[step] / normaliser - highest))
        weights += prior
        mean += support
        shift_mean += support * place * reach
    return highest + log(mean / weights) / noise[DEPTHS], bias + shift_mean / mean


@helper
def _bin(color, row, column):
    return ((color[row, column, 0] >> BIN_SHIFT) * BINS + (color[row, column, 1] >> BIN_SHIFT)) * BINS + (
        color[row, column, 2] >> BIN_SHIFT
    )


@helper
def _smooth(source, target, stride):
    """Smooth a histogram along one of its axes, whose neighbours are ``stride`` bins apart."""
    middle, side = np.float32(1.0 - 2.0 * SIDE_SHARE), np.float32(SIDE_SHARE)
    for block in range(0, BINS**3, BINS * stride):
        for place in range(BINS):
            before = block + max(place - 1, 0) * stride
            here = block + place * stride
            after = block + min(place + 1, BINS - 1) * stride
            for step in range(stride):
                target[here + step] = middle * source[here + step] + side * (
                    source[before + step] + source[after + step]
                )


@kernel("void(uint8[:, :, ::1], int32[:, ::1], int64, float32[::1])")
def color_density(color, pixels, count, density):
    """Fill ``density`` (4096) of 16 x 16 x 16 colours with the smoothed histogram of these pixels; 1 where there are none."""
    if count == 0:
        density[:] = 1.0
        return
    buffer = np.empty(BINS**3, np.float32)
    density[:] = 0.0
    share = np.float32(BINS**3 / count)
    for number in range(count):
        row, column = pixels[number, 0], pixels[number, 1]
        density[_bin(color, row, column)] += share
    _smooth(density, buffer, 1)
    _smooth(buffer, density, BINS)
    _smooth(density, buffer, BINS * BINS)
    density[:] = buffer


@kernel(
    "Tuple((int64, float64))(int32[:, ::1], float32[::1], int64, float32[:, ::1], float32[:, ::1], float64, "
    "uint8[:, :, ::1], uint8[:, :, ::1], float64[::1], float64[::1])"
)
def color_gains(pixels, deviations, count, rendered, depth, bias, paint, color, noise, gains):
    """Fit gain and offset of each channel that take the rendered ``paint`` to the observed ``color``.

    Fills ``gains`` (6): three gains, three offsets in grey levels. They have a prior in common (noise): exposure changes
    all gains alike, white balance each a little, haze adds. The pixels, of which hidden ones are left out, count as no more
    than so many independent ones, since they would outvote any prior. Returns how many were used, and what the prior has
    against the result (natural logarithm).
    """
    gains[:3] = 1.0
    gains[3:] = 0.0
    stride = max(1, (count + GAIN_PIXELS - 1) // GAIN_PIXELS)
    visible = np.empty((count // stride + 1, 2), np.int32)
    used = 0
    for number in range(0, count, stride):
        row, column = pixels[number, 0], pixels[number, 1]
        observed = float(depth[row, column])
        expected, deviation = float(rendered[row, column]) + bias, float(deviations[number])
        if observed > 0.0 and _is_hidden(observed, expected, deviation, noise):
            continue
        visible[used, 0], visible[used, 1] = row, column
        used += 1
    if used == 0:
        return 0, 0.0
    per_pixel = min(1.0, noise[COLORS] / used) / (noise[COLOR] * noise[COLOR])
    common, own = noise[GAIN] * noise[GAIN], noise[CHANNEL_GAIN] * noise[CHANNEL_GAIN]
    tie = -common / (own * (own + 3.0 * common))
    offset_information = 1.0 / (noise[OFFSET] * noise[OFFSET])
    sums = np.empty((3, 5))
    for _ in range(GAIN_FITS):
        sums[:] = 0.0
        for number in range(used):
            row, column = visible[number, 0], visible[number, 1]
            squared = 0.0
            for channel in range(3):
                error = color[row, column, channel] - gains[channel] * paint[row, column, channel] - gains[3 + channel]
                squared += error * error
            weight = per_pixel * (FREEDOM + 3.0) / (FREEDOM + squared / (noise[COLOR] * noise[COLOR]))
            for channel in range(3):
                painted = float(paint[row, column, channel])
                seen = float(color[row, column, channel])
                sums[channel, 0] += weight
                sums[channel, 1] += weight * painted
                sums[channel, 2] += weight * painted * painted
                sums[channel, 3] += weight * seen
                sums[channel, 4] += weight * seen * painted
        # Offsets are eliminated; what is left is a diagonal matrix plus the tie of all gains.
        numerator, denominator = 0.0, 1.0
        for channel in range(3):
            one, painted, squares, seen, product = sums[channel]
            diagonal = squares - painted * painted / (one + offset_information) + 1.0 / own
            right = product - painted * seen / (one + offset_information) + 1.0 / own + 3.0 * tie
            sums[channel, 2], sums[channel, 4] = diagonal, right
            numerator += right / diagonal
            denominator += tie / diagonal
        for channel in range(3):
            one, painted, diagonal, seen, right = sums[channel]
            gains[channel] = (right - tie * numerator / denominator) / diagonal
            gains[3 + channel] = (seen - gains[channel] * painted) / (one + offset_information)
    change, cost = 0.0, 0.0
    for channel in range(3):
        gain, offset = gains[channel] - 1.0, gains[3 + channel]
        change += gain
        cost += gain * gain / own + offset * offset * offset_information
    return used, 0.5 * (cost + tie * change * change)


@helper
def _paint_density(paint, color, row, column, gains, inverse_variance, peak):
    squared = 0.0
    for channel in range(3):
        mean = min(255.0, max(0.0, gains[channel] * paint[row, column, channel] + gains[3 + channel]))
        error = color[row, column, channel] - mean
        squared += error * error
    spread = 1.0 / (1.0 + squared * inverse_variance)
    return peak * spread * spread * spread


@kernel(
    "Tuple((float64, int64, int64, int64))(int32[:, ::1], float32[::1], int64, int64, float32[:, ::1], float32[:, ::1], "
    "float64[:, ::1], float64, uint8[:, :, ::1], uint8[:, :, ::1], int64, float64[::1], float32[::1], float32[::1], "
    "float64[::1], float32[:, ::1], float32[:, ::1])"
)
def weigh_pixels(
    pixels,
    deviations,
    count,
    total,
    rendered,
    depth,
    planes,
    bias,
    paint,
    color,
    known,
    gains,
    learnt,
    around,
    noise,
    surface,
    occluder,
):
    """Probabilities of surface and occluder a pixel, and the mean log ratio of colour over the visible pixels.

    Parameters as in :func:`depth_ratio` and :func:`color_gains`; ``known`` is UNKNOWN, PAINTED or LEARNT: where the object's
    colours are known from; ``learnt`` and ``around`` (4096) are densities from :func:`color_density`, of the object and of
    the rings. Fills ``surface`` and ``occluder`` (R, R) at the listed pixels; what they leave to 1 is background.
    Returns the ratio, and how many pixels are visible, how many of them have depth, and how many are hidden.
    """
    rows, columns = depth.shape
    scale = 1.0 / columns
    unknown = ANYWHERE + GOES_ON * (1.0 - _known_share(planes))
    inverse_variance = 1.0 / (FREEDOM * noise[COLOR] * noise[COLOR])
    peak = T_PEAK * COLORS_IN_ALL / noise[COLOR] ** 3
    ratio = 0.0
    visible, speaking, hidden = 0, 0, 0
    most, least = np.float32(MOST_LOG_RATIO), np.float32(-MOST_LOG_RATIO)
    for number in range(count):
        row, column = pixels[number, 0], pixels[number, 1]
        on_surface, elsewhere = 1.0, 1.0
        if known != UNKNOWN:
            place = _bin(color, row, column)
            elsewhere = (1.0 - NEW_AROUND) * around[place] + NEW_AROUND
            if known == PAINTED:
                density = _paint_density(paint, color, row, column, gains, inverse_variance, peak)
            else:
                density = float(learnt[place])
            on_surface = (1.0 - NEW_ON_SURFACE) * density + NEW_ON_SURFACE
        observed = float(depth[row, column])
        seen = True
        if observed > 0.0:
            expected, deviation = float(rendered[row, column]) + bias, float(deviations[number])
            x, y = (column - 0.5 * (columns - 1)) * scale, (row - 0.5 * (rows - 1)) * scale
            front, behind = _continued(observed, expected, deviation, x, y, planes, noise)
            is_surface = ON_SURFACE * _normal_density(observed - expected, deviation)
            is_occluder, is_background = IN_FRONT * front, GOES_ON * behind
            if observed < expected - FRONT_DEVIATIONS * deviation:
                is_occluder += NEARER
            else:
                is_background += unknown
            if _is_hidden(observed, expected, deviation, noise):
                hidden += 1
                seen = False
            else:
                speaking += 1
        else:
            is_surface, is_occluder, is_background = SURFACE_BLIND, OCCLUDER_BLIND, BACKGROUND_BLIND
        is_surface *= on_surface
        is_occluder *= 0.5 * (1.0 + elsewhere)
        is_background *= elsewhere
        whole = 1.0 / (is_surface + is_occluder + is_background)
        surface[row, column] = is_surface * whole
        occluder[row, column] = is_occluder * whole
        if seen:
            visible += 1
            if known != UNKNOWN:
                ratio += min(most, max(least, log(np.float32(on_surface / elsewhere))))
    return ratio / max(float(visible), LEAST_SPEAKING * total, 1.0), visible, speaking, hidden
