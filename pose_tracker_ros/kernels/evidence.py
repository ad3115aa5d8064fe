"""The pixel likelihood: is the object here, or does what is around it go on?

Every pixel of a silhouette sees the surface, something nearer (an occluder), or what is behind (background). Background is
what surrounds the silhouette, continued behind it; see :mod:`pose_tracker_ros.kernels.surroundings`. Depths are metres,
pixel centres at integer coordinates, crops are (R, R) or (rows, columns). Densities of depth are per metre; densities of
colour are relative to all colours being alike, so that 1 says nothing.

``noise`` is :attr:`pose_tracker_ros.tracking.noise.NoiseModel.of_pixels`.
"""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np

from pose_tracker_ros.kernels.compilation import helper, kernel

# Places in ``noise``.
DEPTH, SURFACE, BIAS, COLOR, EXPOSURE, WHITE_BALANCE, HAZE, DEPTHS, COLORS = range(9)
# Columns of ``planes``.
WEIGHT = 3

# Numbers of densities, and what they are limited to, were chosen on 8,879 simulated and real crops.
# Surfaces seen flatter than this cosine count as seen under it.
LEAST_COSINE = 0.15
# Depth where the object is, shares: on its surface; on what is around, passing in front; nearer or farther than it, per metre.
ON_SURFACE, IN_FRONT, NEARER, FARTHER = 0.8, 0.45, 0.16, 0.03
# Depth where it is not: share on what is around, or anywhere, per metre.
GOES_ON, ANYWHERE = 0.9, 0.1
# A continuation so many deviations before the surface passes in front of it.
FRONT_DEVIATIONS = 2.0
# Pixels so many deviations of the surface, and of the bias, before it are hidden.
HIDDEN_DEVIATIONS = 3.0
# Beyond so many deviations a density, 4e-6 of its largest, is nothing beside the others.
NEGLIGIBLE_DEVIATIONS = 5.0
# No pixel says more than this (natural logarithm). With 2 a fifth of right poses is refused; 3 to 5 are alike.
MOST_LOG_RATIO = 3.0
MOST_RATIO = exp(MOST_LOG_RATIO)
# The logarithm of a product takes the time of one: of so many ratios it stays far from what doubles can hold.
FACTORS = 64
# Means are over at least this share of the silhouette: as much seems to speak of 5 % of wholly hidden ones.
LEAST_SPEAKING = 0.08
# The mean over biases of depth is a sum of so many, up to so many deviations to both sides.
BIASES = 9
BIAS_REACH = 2.0
# So many pixels are enough for what all have in common: the bias of depth, and the light.
COMMON_PIXELS = 400

# Bins along each colour channel, and bits of a channel beyond its bin.
BINS = 16
BIN_SHIFT = 4
# Share of colours that neither paint nor memory knows, on the object and around it. The latter is large, since a colour that is
# not around is no evidence for the object.
NEW_ON_SURFACE, NEW_AROUND = 0.1, 0.4
# Colours of paint: Student's t in three dimensions with three degrees of freedom, for its long tails; its density at the mean for
# a deviation of 1; and the number of colours, since densities are relative to all being alike.
FREEDOM = 3.0
T_PEAK = 2.0 / (0.5 * sqrt(np.pi) * (FREEDOM * np.pi) ** 1.5)
COLORS_IN_ALL = 256.0**3
# Reweighted fits of gains and offsets.
LIGHT_FITS = 4
# Where the object's colours are known from.
UNKNOWN, PAINTED, LEARNT = range(3)
# Shares of surface, occluder and background where no depth was measured.
SURFACE_BLIND, OCCLUDER_BLIND, BACKGROUND_BLIND = 0.5, 0.1, 0.4
SQRT_TAU = sqrt(2.0 * np.pi)

# What a pixel does, and columns of what is known of it.
BLIND, SPEAKING, HIDDEN = range(3)
ERROR, DEVIATION, FRONT, BEHIND = range(4)


@helper
def _normal_density(error, deviation):
    scaled = error / deviation
    if abs(scaled) > NEGLIGIBLE_DEVIATIONS:
        return 0.0
    return float(exp(np.float32(-0.5 * scaled * scaled))) / (deviation * SQRT_TAU)


@helper
def _limited(ratio):
    return min(MOST_RATIO, max(1.0 / MOST_RATIO, ratio))


@helper
def _continued(observed, expected, deviation, x, y, planes, noise):
    """Density of a depth on what is around: of planes that pass in front of the expected depth, and of the others."""
    front, behind = 0.0, 0.0
    sensor = noise[DEPTH] * observed * observed
    spread = sqrt(sensor * sensor + noise[SURFACE] * noise[SURFACE])
    for number in range(planes.shape[0]):
        plane = planes[number]
        inverse = plane[0] + plane[1] * x + plane[2] * y
        if plane[WEIGHT] == 0.0 or inverse <= 0.0:
            continue
        there = 1.0 / inverse
        density = plane[WEIGHT] * _normal_density(observed - there, spread)
        if there < expected - FRONT_DEVIATIONS * deviation:
            front += density
        else:
            behind += density
    return front, behind


@helper
def _seen(mask, rendered, normal, camera, window, depth, planes, bias, noise, places, kinds, seen):
    """Fill ``places`` (N, 2), ``kinds`` (N,) and what is ``seen`` (N, 4) of pixels whose neighbours are on the silhouette, too.

    Returns how many such pixels the silhouette has, and how many of them the window: the number of rows that are filled.
    """
    rows, columns = mask.shape
    total, count = 0, 0
    for row in range(1, rows - 1):
        along = (row - camera[3]) / camera[1]
        for column in range(1, columns - 1):
            if not (mask[row, column] and mask[row - 1, column] and mask[row + 1, column]):
                continue
            if not (mask[row, column - 1] and mask[row, column + 1]):
                continue
            total += 1
            if column < window[0] or column >= window[2] or row < window[1] or row >= window[3]:
                continue
            places[count, 0], places[count, 1] = row, column
            kinds[count] = BLIND
            observed = float(depth[row, column])
            if observed > 0.0:
                across = (column - camera[2]) / camera[0]
                facing = normal[row, column, 0] * across + normal[row, column, 1] * along + normal[row, column, 2]
                cosine = max(-facing / sqrt(across * across + along * along + 1.0), LEAST_COSINE)
                expected = rendered[row, column] + bias
                sensor, surface = noise[DEPTH] * expected * expected, noise[SURFACE] / cosine
                deviation = sqrt(sensor * sensor + surface * surface)
                x, y = (column - 0.5 * (columns - 1)) / columns, (row - 0.5 * (rows - 1)) / columns
                front, behind = _continued(observed, expected, deviation, x, y, planes, noise)
                seen[count, ERROR], seen[count, DEVIATION] = observed - expected, deviation
                seen[count, FRONT], seen[count, BEHIND] = front, behind
                hidden = observed - expected < -HIDDEN_DEVIATIONS * (deviation + noise[BIAS])
                kinds[count] = HIDDEN if hidden else SPEAKING
            count += 1
    return total, count


@helper
def _depth_ratio(kinds, seen, count, total, unknown, noise):
    """Mean log ratio of depth, object here against what is around goes on, and the bias (m) that suits it best.

    The pixels have a bias in common: the ratio is a mean over it, weighted by what so many independent depths say. The bias
    is coarse, since ratios are limited.
    """
    sums, products = np.zeros(BIASES), np.ones(BIASES)
    stride = max(1, (count + COMMON_PIXELS - 1) // COMMON_PIXELS)
    speaking = 0
    for number in range(0, count, stride):
        if kinds[number] != SPEAKING:
            continue
        speaking += 1
        error, deviation = float(seen[number, ERROR]), float(seen[number, DEVIATION])
        front, behind = float(seen[number, FRONT]), float(seen[number, BEHIND])
        absent = GOES_ON * (front + behind) + unknown
        rest = IN_FRONT * front + (NEARER if error < 0.0 else FARTHER)
        for step in range(BIASES):
            shift = BIAS_REACH * noise[BIAS] * (2.0 * step / (BIASES - 1) - 1.0)
            products[step] *= _limited((ON_SURFACE * _normal_density(error - shift, deviation) + rest) / absent)
        if speaking % FACTORS == 0:
            sums += np.log(products)
            products[:] = 1.0
    sums += np.log(products)
    sums /= max(float(speaking), LEAST_SPEAKING * total / stride, 1.0)
    highest = sums.max()
    weights, mean, shift_mean = 0.0, 0.0, 0.0
    for step in range(BIASES):
        place = BIAS_REACH * (2.0 * step / (BIASES - 1) - 1.0)
        prior = exp(-0.5 * place * place)
        support = prior * exp(noise[DEPTHS] * (sums[step] - highest))
        weights += prior
        mean += support
        shift_mean += support * place * noise[BIAS]
    return highest + log(mean / weights) / noise[DEPTHS], shift_mean / mean


@helper
def _light(places, kinds, count, paint, color, noise):
    """Gains (3,) and offsets (3,) in grey levels that take the rendered ``paint`` to the observed ``color``.

    They have a prior in common: exposure changes all gains alike, white balance each a little, haze adds. Visible pixels
    count as no more than so many independent ones, since they would outvote any prior. Returns what the prior has against
    the result, too (natural logarithm).
    """
    gains, offsets, sums = np.ones(3), np.zeros(3), np.empty((3, 5))
    stride = max(1, (count + COMMON_PIXELS - 1) // COMMON_PIXELS)
    used = 0
    for number in range(0, count, stride):
        used += kinds[number] != HIDDEN
    per_pixel = min(1.0, noise[COLORS] / max(used, 1)) / noise[COLOR] ** 2
    common, own, haze = noise[EXPOSURE] ** 2, noise[WHITE_BALANCE] ** 2, noise[HAZE] ** -2.0
    tie = -common / (own * (own + 3.0 * common))
    for _ in range(LIGHT_FITS):
        sums[:] = 0.0
        for number in range(0, count, stride):
            if kinds[number] == HIDDEN:
                continue
            row, column = places[number]
            squared = 0.0
            for channel in range(3):
                error = color[row, column, channel] - gains[channel] * paint[row, column, channel] - offsets[channel]
                squared += error * error
            weight = per_pixel * (FREEDOM + 3.0) / (FREEDOM + squared / noise[COLOR] ** 2)
            for channel in range(3):
                painted, observed = float(paint[row, column, channel]), float(color[row, column, channel])
                sums[channel, 0] += weight
                sums[channel, 1] += weight * painted
                sums[channel, 2] += weight * painted * painted
                sums[channel, 3] += weight * observed
                sums[channel, 4] += weight * observed * painted
        # Offsets are eliminated; what is left is a diagonal matrix plus the tie of all gains.
        one, painted, squares, observed, product = sums.T
        diagonal = squares - painted * painted / (one + haze) + 1.0 / own
        right = product - painted * observed / (one + haze) + 1.0 / own + 3.0 * tie
        tied = tie * (right / diagonal).sum() / (1.0 + tie * (1.0 / diagonal).sum())
        gains[:] = (right - tied) / diagonal
        offsets[:] = (observed - gains * painted) / (one + haze)
    changes = gains - 1.0
    cost = (changes * changes).sum() / own + tie * changes.sum() ** 2 + (offsets * offsets).sum() * haze
    return gains, offsets, 0.5 * cost


@helper
def _bin(color, row, column):
    red, green, blue = color[row, column, 0], color[row, column, 1], color[row, column, 2]
    return ((red >> BIN_SHIFT) * BINS + (green >> BIN_SHIFT)) * BINS + (blue >> BIN_SHIFT)


@helper
def _paint_density(paint, color, row, column, gains, offsets, deviation):
    squared = 0.0
    for channel in range(3):
        mean = min(255.0, max(0.0, gains[channel] * paint[row, column, channel] + offsets[channel]))
        error = color[row, column, channel] - mean
        squared += error * error
    spread = 1.0 / (1.0 + squared / (FREEDOM * deviation * deviation))
    return T_PEAK * COLORS_IN_ALL / deviation**3 * spread * spread * spread


@kernel(
    "Tuple((float64, float64, int64, int64, int64, int64))(boolean[:, ::1], float32[:, ::1], float32[:, :, ::1], "
    "uint8[:, :, ::1], float64[::1], int64[::1], float32[:, ::1], uint8[:, :, ::1], float64[:, ::1], float32[::1], int64, "
    "float32[::1], float64, float64[::1], float32[:, ::1], float32[:, ::1])"
)
def weigh_pixels(
    mask,
    rendered,
    normal,
    paint,
    camera,
    window,
    depth,
    color,
    planes,
    around,
    known,
    learnt,
    bias,
    noise,
    surface,
    occluder,
):
    """Mean log ratios of depth and of colour, object here against what is around goes on, and each pixel's probabilities.

    ``mask``, depth ``rendered``, ``normal`` and ``paint`` are drawn by a ``camera`` (4,) fx, fy, cx, cy; ``depth`` and
    ``color`` were measured in the ``window`` (4,); ``planes`` and ``around`` are of
    :func:`pose_tracker_ros.kernels.surroundings.look_around`; the object's colours are ``known`` from nowhere, its paint, or
    ``learnt`` (4096); depth is expected to be too far by ``bias`` (m).

    Fills ``surface`` and ``occluder`` (R, R) with probabilities in the silhouette, without its edge; what they leave to 1 is
    background. Returns both ratios, and how many pixels the silhouette has without its edge, how many of them are visible,
    have depth that is not hidden, and are hidden.
    """
    places, kinds = np.empty((mask.size, 2), np.int32), np.empty(mask.size, np.int8)
    seen = np.empty((mask.size, 4), np.float32)
    total, count = _seen(mask, rendered, normal, camera, window, depth, planes, bias, noise, places, kinds, seen)
    unknown = ANYWHERE + GOES_ON * (1.0 - planes[:, WEIGHT].sum())
    depth_ratio, shift = _depth_ratio(kinds, seen, count, total, unknown, noise)
    gains, offsets, cost = np.ones(3), np.zeros(3), 0.0
    if known == PAINTED:
        gains, offsets, cost = _light(places, kinds, count, paint, color, noise)
    color_sum, product, speaking, hidden = 0.0, 1.0, 0, 0
    on_surface, elsewhere = 1.0, 1.0
    for number in range(count):
        row, column = places[number]
        if known != UNKNOWN:
            place = _bin(color, row, column)
            density = float(learnt[place])
            if known == PAINTED:
                density = _paint_density(paint, color, row, column, gains, offsets, noise[COLOR])
            on_surface = (1.0 - NEW_ON_SURFACE) * density + NEW_ON_SURFACE
            elsewhere = (1.0 - NEW_AROUND) * around[place] + NEW_AROUND
            if kinds[number] != HIDDEN:
                product *= _limited(on_surface / elsewhere)
            if number % FACTORS == 0:
                color_sum, product = color_sum + log(product), 1.0
        is_surface, is_occluder, is_background = SURFACE_BLIND, OCCLUDER_BLIND, BACKGROUND_BLIND
        if kinds[number] != BLIND:
            speaking += kinds[number] == SPEAKING
            hidden += kinds[number] == HIDDEN
            error, deviation = float(seen[number, ERROR]) - shift, float(seen[number, DEVIATION])
            is_nearer = error < -FRONT_DEVIATIONS * deviation
            is_surface = ON_SURFACE * _normal_density(error, deviation)
            is_occluder = IN_FRONT * seen[number, FRONT] + (NEARER if is_nearer else 0.0)
            is_background = GOES_ON * seen[number, BEHIND] + (0.0 if is_nearer else unknown)
        is_surface *= on_surface
        is_occluder *= 0.5 * (1.0 + elsewhere)
        is_background *= elsewhere
        whole = 1.0 / (is_surface + is_occluder + is_background)
        surface[row, column], occluder[row, column] = is_surface * whole, is_occluder * whole
    color_sum += log(product)
    visible = count - hidden
    # Light that changes the paint a great deal is as unlikely as colours that differ from it.
    color_ratio = color_sum / max(float(visible), LEAST_SPEAKING * total, 1.0) - cost / noise[COLORS]
    return depth_ratio, max(color_ratio, -MOST_LOG_RATIO), total, visible, speaking, hidden
