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
from pose_tracker_ros.kernels.shared import bin_of
from pose_tracker_ros.kernels.surroundings import WEIGHT

# Places in ``noise``.
DEPTH, SURFACE, BIAS, COLOR, EXPOSURE, WHITE_BALANCE, HAZE, DEPTHS, COLORS = range(9)

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

# Share of colours that neither paint nor memory knows, on the object and around it. The latter is large, since a colour that is
# not around is no evidence for the object.
NEW_ON_SURFACE, NEW_AROUND = 0.1, 0.4
# Colours of paint: Student's t in three dimensions with three degrees of freedom, for its long tails; its density at the mean for
# a deviation of 1; and the number of colours, since densities are relative to all being alike.
FREEDOM = 3.0
T_PEAK = 2.0 / (0.5 * sqrt(np.pi) * (FREEDOM * np.pi) ** 1.5)
COLORS_IN_ALL = 256.0**3
# Reweighted fits of gains and offsets, from the likeliest of so many exposures on, up to so many deviations to both sides: sides of an
# object are lit differently, and a fit that begins at one of them stays there. Between two that are tried a colour is off by about as much
# as paint is.
LIGHT_FITS = 4
EXPOSURES, EXPOSURE_REACH = 9, 2.0
# Where the object's colours are known from.
UNKNOWN, PAINTED, LEARNT = range(3)
# Shares of surface, occluder and background where no depth was measured.
SURFACE_BLIND, OCCLUDER_BLIND, BACKGROUND_BLIND = 0.5, 0.1, 0.4
SQRT_TAU = sqrt(2.0 * np.pi)

# What a pixel does, and places of what is known of it. RAY is its ray's squared length, which the sharpness replaces, as densities
# replace FACING.
BLIND, SPEAKING, HIDDEN = range(3)
OBSERVED, EXPECTED, ACROSS, ALONG, RAY, FACING, FRONT, BEHIND = range(8)
SHARPNESS = RAY


@helper
def _normal_density(error, sharpness):
    """Of a normal distribution whose deviation is 1 / ``sharpness``.

    The exponential is the 32nd power of a series that is within 3e-8 of it: it needs neither a call nor a branch.
    """
    scaled = error * sharpness
    x = scaled * scaled * (-0.5 / 32)
    series = 1.0 + x * (1.0 + x / 2 * (1.0 + x / 3 * (1.0 + x / 4 * (1.0 + x / 5 * (1.0 + x / 6 * (1.0 + x / 7 * (1.0 + x / 8)))))))
    power_4 = series * series * series * series
    power_16 = power_4 * power_4 * power_4 * power_4
    return power_16 * power_16 * (sharpness / SQRT_TAU) if abs(scaled) <= NEGLIGIBLE_DEVIATIONS else 0.0


@helper
def _limited(ratio):
    return min(MOST_RATIO, max(1.0 / MOST_RATIO, ratio))


@helper
def _gather(mask, rendered, normal, camera, window, depth, bias, places, seen):
    """Fill ``places`` (N, 2) and what is ``seen`` (8 times N) up to FACING, of pixels whose neighbours are on the silhouette, too.

    Returns how many such pixels the silhouette has, and how many of them the window: as many are filled.
    """
    rows, columns = mask.shape
    total, count = 0, 0
    per_column, per_row, center_column, center_row = 1.0 / camera[0], 1.0 / camera[1], camera[2], camera[3]
    for row in range(1, rows - 1):
        along = (row - center_row) * per_row
        for column in range(1, columns - 1):
            if not (mask[row, column] and mask[row - 1, column] and mask[row + 1, column]):
                continue
            if not (mask[row, column - 1] and mask[row, column + 1]):
                continue
            total += 1
            if column < window[0] or column >= window[2] or row < window[1] or row >= window[3]:
                continue
            across = (column - center_column) * per_column
            places[count, 0], places[count, 1] = row, column
            seen[OBSERVED][count], seen[EXPECTED][count] = depth[row, column], rendered[row, column] + bias
            seen[ACROSS][count], seen[ALONG][count], seen[RAY][count] = across, along, across * across + along * along + 1.0
            seen[FACING][count] = normal[row, column, 0] * across + normal[row, column, 1] * along + normal[row, column, 2]
            count += 1
    return total, count


@helper
def _compare(seen, kinds, camera, shape, planes, noise):
    """Fill ``kinds`` (N,) and the rest of what is ``seen`` (8 times N): sharpness, and the density of depth on planes in front and on others.

    Loops are without calls and branches, and write little, so that the compiler vectorises them.
    """
    at_metre, rough, hidden_m = noise[DEPTH], noise[SURFACE], HIDDEN_DEVIATIONS * noise[BIAS]
    observed, expected, across, along, sharpness, density, front, behind = seen
    around = np.empty(len(kinds))
    for number in range(len(kinds)):
        # The cosine's square times the ray's, so that one root is enough.
        ray, facing, sensor = sharpness[number], min(density[number], 0.0), at_metre * expected[number] * expected[number]
        square = max(facing * facing, LEAST_COSINE * LEAST_COSINE * ray)
        sharpness[number] = sqrt(square / (sensor * sensor * square + rough * rough * ray))
        sensor = at_metre * observed[number] * observed[number]
        around[number] = sqrt(1.0 / (sensor * sensor + rough * rough))
    for number in range(len(kinds)):
        is_hidden = (observed[number] - expected[number] + hidden_m) * sharpness[number] < -HIDDEN_DEVIATIONS
        kinds[number] = BLIND if observed[number] <= 0.0 else HIDDEN if is_hidden else SPEAKING
    front[:], behind[:] = 0.0, 0.0
    for plane in range(planes.shape[0]):
        weight = planes[plane, WEIGHT]
        if weight == 0.0:
            continue
        # Slopes are a crop's side across and along: from there to rays, by the focal lengths.
        slope_x, slope_y = planes[plane, 1] / shape[1], planes[plane, 2] / shape[1]
        middle = planes[plane, 0] + slope_x * (camera[2] - 0.5 * (shape[1] - 1)) + slope_y * (camera[3] - 0.5 * (shape[0] - 1))
        slope_x, slope_y = slope_x * camera[0], slope_y * camera[1]
        for number in range(len(kinds)):
            inverse = middle + slope_x * across[number] + slope_y * along[number]
            there = 1.0 / inverse
            here = weight * _normal_density(observed[number] - there, around[number])
            is_front = (there - expected[number]) * sharpness[number] < -FRONT_DEVIATIONS
            # Negative in front.
            density[number] = 0.0 if inverse <= 0.0 else -here if is_front else here
        for number in range(len(kinds)):
            front[number] += max(-density[number], 0.0)
            behind[number] += max(density[number], 0.0)


@helper
def _depth_ratio(kinds, seen, count, total, unknown, noise):
    """Mean log ratio of depth, object here against what is around goes on, and the bias (m) that suits it best.

    The pixels have a bias in common: the ratio is a mean over it, weighted by what so many independent depths say. The bias
    is coarse, since ratios are limited.
    """
    stride = max(1, (count + COMMON_PIXELS - 1) // COMMON_PIXELS)
    errors, sharpness, per_absent, rest = np.empty((4, count // stride + 1))
    speaking, sums = 0, np.zeros(BIASES)
    for number in range(0, count, stride):
        if kinds[number] == SPEAKING:
            front, error = seen[FRONT][number], seen[OBSERVED][number] - seen[EXPECTED][number]
            errors[speaking], sharpness[speaking] = error, seen[SHARPNESS][number]
            per_absent[speaking] = 1.0 / (GOES_ON * (front + seen[BEHIND][number]) + unknown)
            rest[speaking] = IN_FRONT * front + (NEARER if error < 0.0 else FARTHER)
            speaking += 1
    for step in range(BIASES):
        shift = BIAS_REACH * noise[BIAS] * (2.0 * step / (BIASES - 1) - 1.0)
        for first in range(0, speaking, FACTORS):
            product = 1.0
            for number in range(first, min(first + FACTORS, speaking)):
                density = ON_SURFACE * _normal_density(errors[number] - shift, sharpness[number])
                product *= _limited((density + rest[number]) * per_absent[number])
            sums[step] += log(product)
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
def _exposure(shown, used, share, noise):
    """The likeliest gain of all channels alike, of some, for the first ``used`` columns of ``shown`` (6, N), colours of paint and image."""
    likeliest, least, per_squared = 1.0, 1e300, 1.0 / (FREEDOM * noise[COLOR] ** 2)
    painted, both, seen = np.zeros(used), np.zeros(used), np.zeros(used)
    for channel in range(3):
        for number in range(used):
            from_paint, from_image = shown[channel, number], shown[3 + channel, number]
            painted[number] += per_squared * from_paint * from_paint
            both[number] -= 2.0 * per_squared * from_paint * from_image
            seen[number] += per_squared * from_image * from_image
    for step in range(EXPOSURES):
        change = EXPOSURE_REACH * noise[EXPOSURE] * (2.0 * step / (EXPOSURES - 1) - 1.0)
        gain, differs = 1.0 + change, 0.0
        for first in range(0, used, FACTORS):
            product = 1.0
            for number in range(first, min(first + FACTORS, used)):
                product *= 1.0 + seen[number] + gain * (both[number] + gain * painted[number])
            differs += log(product)
        cost = share * (FREEDOM + 3.0) * differs + 3.0 * change * change / (noise[WHITE_BALANCE] ** 2 + 3.0 * noise[EXPOSURE] ** 2)
        if cost < least:
            likeliest, least = gain, cost
    return likeliest


@helper
def _light(places, kinds, count, paint, color, noise):
    """Gains (3,) and offsets (3,) in grey levels that take the rendered ``paint`` to the observed ``color``.

    They have a prior in common: exposure changes all gains alike, white balance each a little, haze adds. Visible pixels
    count as no more than so many independent ones, since they would outvote any prior. Returns what the prior has against
    the result, too (natural logarithm).
    """
    gains, offsets, sums = np.ones(3), np.zeros(3), np.empty((3, 5))
    stride = max(1, (count + COMMON_PIXELS - 1) // COMMON_PIXELS)
    shown, weights = np.empty((6, count // stride + 1)), np.empty(count // stride + 1)
    used = 0
    for number in range(0, count, stride):
        if kinds[number] != HIDDEN:
            row, column = places[number]
            for channel in range(3):
                shown[channel, used], shown[3 + channel, used] = paint[row, column, channel], color[row, column, channel]
            used += 1
    red, green, blue, seen_red, seen_green, seen_blue = shown
    per_variance = noise[COLOR] ** -2.0
    share = min(1.0, noise[COLORS] / max(used, 1))
    gains[:], per_pixel = _exposure(shown, used, share, noise), share * per_variance
    common, own, haze = noise[EXPOSURE] ** 2, noise[WHITE_BALANCE] ** 2, noise[HAZE] ** -2.0
    tie = -common / (own * (own + 3.0 * common))
    for _ in range(LIGHT_FITS):
        for number in range(used):
            off_red = seen_red[number] - gains[0] * red[number] - offsets[0]
            off_green = seen_green[number] - gains[1] * green[number] - offsets[1]
            off_blue = seen_blue[number] - gains[2] * blue[number] - offsets[2]
            squared = off_red * off_red + off_green * off_green + off_blue * off_blue
            weights[number] = per_pixel * (FREEDOM + 3.0) / (FREEDOM + squared * per_variance)
        for channel in range(3):
            one = painted = squares = observed = product = 0.0
            for number in range(used):
                weight, from_paint, from_image = weights[number], shown[channel, number], shown[3 + channel, number]
                one += weight
                painted += weight * from_paint
                squares += weight * from_paint * from_paint
                observed += weight * from_image
                product += weight * from_image * from_paint
            sums[channel, 0], sums[channel, 1], sums[channel, 2] = one, painted, squares
            sums[channel, 3], sums[channel, 4] = observed, product
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
def _paint_density(paint, color, row, column, gains, offsets, peak, per_squared):
    """Of a pixel's colour where it is the paint's in the light: at most ``peak``."""
    squared = 0.0
    for channel in range(3):
        mean = min(255.0, max(0.0, gains[channel] * paint[row, column, channel] + offsets[channel]))
        error = color[row, column, channel] - mean
        squared += error * error
    spread = 1.0 / (1.0 + squared * per_squared)
    return peak * spread * spread * spread


@kernel(
    "Tuple((float64, float64, int64, int64, int64, int64))(boolean[:, ::1], float32[:, ::1], float32[:, :, ::1], "
    "uint8[:, :, ::1], float64[::1], int64[::1], float32[:, ::1], uint8[:, :, ::1], float64[:, ::1], float32[::1], int64, "
    "float32[::1], float64, float64[::1], float32[:, ::1], float32[:, ::1])"
)
def weigh_pixels(
    mask, rendered, normal, paint, camera, window, depth, color, planes, around, known, learnt, bias, noise, surface,
    occluder
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
    most = mask.sum()
    places = np.empty((most, 2), np.uint32)
    # Rows of one array might overlap for all that the compiler knows: it would not vectorise what writes to them.
    seen = (np.empty(most), np.empty(most), np.empty(most), np.empty(most), np.empty(most), np.empty(most), np.empty(most), np.empty(most))
    total, count = _gather(mask, rendered, normal, camera, window, depth, bias, places, seen)
    kinds = np.empty(count, np.int8)
    _compare(seen, kinds, camera, mask.shape, planes, noise)
    unknown = ANYWHERE + GOES_ON * (1.0 - planes[:, WEIGHT].sum())
    depth_ratio, shift = _depth_ratio(kinds, seen, count, total, unknown, noise)
    observed, expected, _, _, sharpness, density, front, behind = seen
    for number in range(count):
        density[number] = _normal_density(observed[number] - expected[number] - shift, sharpness[number])
    gains, offsets, cost = np.ones(3), np.zeros(3), 0.0
    if known == PAINTED:
        gains, offsets, cost = _light(places, kinds, count, paint, color, noise)
    color_sum, product, speaking, hidden = 0.0, 1.0, 0, 0
    on_surface, elsewhere = 1.0, 1.0
    peak, per_squared = T_PEAK * COLORS_IN_ALL / noise[COLOR] ** 3, 1.0 / (FREEDOM * noise[COLOR] ** 2)
    for number in range(count):
        row, column = places[number]
        if known != UNKNOWN:
            place = bin_of(color, row, column)
            here = float(learnt[place])
            if known == PAINTED:
                here = _paint_density(paint, color, row, column, gains, offsets, peak, per_squared)
            on_surface = (1.0 - NEW_ON_SURFACE) * here + NEW_ON_SURFACE
            elsewhere = (1.0 - NEW_AROUND) * around[place] + NEW_AROUND
            if kinds[number] != HIDDEN:
                product *= _limited(on_surface / elsewhere)
            if number % FACTORS == 0:
                color_sum, product = color_sum + log(product), 1.0
        is_surface, is_occluder, is_background = SURFACE_BLIND, OCCLUDER_BLIND, BACKGROUND_BLIND
        if kinds[number] != BLIND:
            speaking += kinds[number] == SPEAKING
            hidden += kinds[number] == HIDDEN
            is_nearer = (observed[number] - expected[number] - shift) * sharpness[number] < -FRONT_DEVIATIONS
            is_surface = ON_SURFACE * density[number]
            is_occluder = IN_FRONT * front[number] + (NEARER if is_nearer else 0.0)
            is_background = GOES_ON * behind[number] + (0.0 if is_nearer else unknown)
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
