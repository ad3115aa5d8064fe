"""What is around a silhouette, so that it can be continued behind it: planes and colours of a ring.

Planes are linear in inverse depth. Depths are metres, pixel centres at integer coordinates, crops are (R, R) or (rows,
columns). ``window`` is the part of the crop that the image covers: first column, first row, column and row after the last.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from pose_tracker_ros.kernels.compilation import helper, kernel
from pose_tracker_ros.kernels.shared import BINS, bin_of

# The ring around the silhouette, in diameters: where it begins and ends. A narrow one sees boards that reach little beyond the
# object; a wide one stays on what is around when that is lost at the edge.
RING_LOW, RING_HIGH = 0.02, 0.1
# Samples and tries, deviations within which a sample lies on a plane, and the fewest on one.
MOST_SAMPLES, TRIES, REFITS = 160, 32, 3
INLIER_DEVIATIONS = 3.0
LEAST_SAMPLES, LEAST_SHARE = 12, 0.1
# Determinants below this are of samples on a line, but for rounding.
LEAST_DETERMINANT = 1e-9
MOST_PLANES = 2
# Columns of ``planes``: inverse depth and slopes, and the share of the ring.
WEIGHT, PLANE_NUMBERS = 3, 4
# Rows of samples: 1, across and along, which are a plane's design, inverse depth and its precision.
INVERSE, PRECISION, SAMPLE_NUMBERS = 3, 4, 5
# Three samples a try: steps that fill a cube evenly (Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018).
STEPS = (0.8191725134, 0.6710436067, 0.5497004779)

# Smoothing over three bins with a deviation of 0.8 bins.
SIDE_SHARE = 0.32


@helper
def _inverse(matrix):
    """The adjugate of a matrix (3, 3), by cross products of its rows, and its determinant."""
    adjugate = np.empty((3, 3))
    for row in range(3):
        one, other = (row + 1) % 3, (row + 2) % 3
        for column in range(3):
            left, right = (column + 1) % 3, (column + 2) % 3
            adjugate[column, row] = matrix[one, left] * matrix[other, right] - matrix[one, right] * matrix[other, left]
    return adjugate, (matrix[0] * adjugate[:, 0]).sum()


@helper
def _scaled_errors(samples, plane):
    """Errors of samples (5, N) as shares of the largest that one on the plane has."""
    there = plane[0] + plane[1] * samples[1] + plane[2] * samples[2]
    return (samples[INVERSE] - there) * samples[PRECISION] / INLIER_DEVIATIONS


@helper
def _support(samples, plane):
    """How many samples (5, N) lie on a plane, each the less the larger its error is."""
    support = 0.0
    for number in range(samples.shape[1]):
        there = plane[0] + plane[1] * samples[1, number] + plane[2] * samples[2, number]
        error = (samples[INVERSE, number] - there) * samples[PRECISION, number] / INLIER_DEVIATIONS
        support += max(0.0, 1.0 - error * error)
    return support


@helper
def _best_plane(samples):
    """The plane (3,) on which most samples lie, of those through three of them."""
    best, best_support = np.zeros(3), -1.0
    matrix, plane = np.empty((3, 3)), np.empty(3)
    values = np.empty(3)
    for attempt in range(1, TRIES + 1):
        for place in range(3):
            chosen = int(attempt * STEPS[place] % 1.0 * samples.shape[1])
            matrix[place], values[place] = samples[:INVERSE, chosen], samples[INVERSE, chosen]
        adjugate, determinant = _inverse(matrix)
        if abs(determinant) < LEAST_DETERMINANT:
            continue
        for number in range(3):
            plane[number] = (adjugate[number] * values).sum() / determinant
        support = _support(samples, plane)
        if support > best_support:
            best[:], best_support = plane, support
    return best


@helper
def _refit(samples, plane):
    """Least squares with Tukey's weights, from a plane (3,) on, in place; False where samples lie on a line."""
    normal, right = np.empty((3, 3)), np.empty(3)
    for _ in range(REFITS):
        weights = (np.maximum(0.0, 1.0 - _scaled_errors(samples, plane) ** 2) * samples[PRECISION]) ** 2
        for row in range(3):
            right[row] = (weights * samples[row] * samples[INVERSE]).sum()
            for column in range(3):
                normal[row, column] = (weights * samples[row] * samples[column]).sum()
        adjugate, determinant = _inverse(normal)
        if determinant <= LEAST_DETERMINANT * normal[0, 0] * normal[1, 1] * normal[2, 2]:
            return False
        for number in range(3):
            plane[number] = (adjugate[number] * right).sum() / determinant
    return True


@helper
def _fit_planes(samples, planes):
    """Fill ``planes`` (2, 4), by MSAC (Torr and Zisserman, "MLESAC", 2000), then refitted."""
    taken = samples.shape[1]
    for number in range(MOST_PLANES):
        if samples.shape[1] < max(LEAST_SAMPLES, LEAST_SHARE * taken):
            return
        plane = _best_plane(samples)
        if not _refit(samples, plane):
            return
        others = np.flatnonzero(np.abs(_scaled_errors(samples, plane)) >= 1.0)
        planes[number, :WEIGHT] = plane
        planes[number, WEIGHT] = (samples.shape[1] - len(others)) / taken
        samples = np.ascontiguousarray(samples[:, others])


@helper
def _sampled(pixels, depth, noise_at_metre, surface_noise):
    """Samples (5, N) of pixels (M, 2) evenly."""
    rows, columns = depth.shape
    stride = max(1, (len(pixels) + MOST_SAMPLES - 1) // MOST_SAMPLES)
    samples = np.empty((SAMPLE_NUMBERS, len(pixels) // stride))
    for number in range(samples.shape[1]):
        row, column = pixels[number * stride]
        observed = float(depth[row, column])
        samples[0, number] = 1.0
        samples[1, number] = (column - 0.5 * (columns - 1)) / columns
        samples[2, number] = (row - 0.5 * (rows - 1)) / columns
        samples[INVERSE, number] = 1.0 / observed
        sensor = noise_at_metre * observed * observed
        samples[PRECISION, number] = observed * observed / sqrt(sensor * sensor + surface_noise * surface_noise)
    return samples


@helper
def _smooth(source, target, stride):
    """Smooth a histogram along one of its axes, whose neighbours are ``stride`` bins apart; what has but one neighbour comes last."""
    middle, side, stride = np.float32(1.0 - 2.0 * SIDE_SHARE), np.float32(SIDE_SHARE), np.uint64(stride)
    for place in range(stride, np.uint64(BINS**3) - stride):
        target[place] = middle * source[place] + side * (source[place - stride] + source[place + stride])
    for block in range(np.uint64(0), np.uint64(BINS**3), np.uint64(BINS) * stride):
        for first in range(block, block + stride):
            last = first + np.uint64(BINS - 1) * stride
            target[first] = middle * source[first] + side * (source[first] + source[first + stride])
            target[last] = middle * source[last] + side * (source[last] + source[last - stride])


@helper
def _make_density(density, count):
    """From a histogram (4096,) of so many pixels to a smooth density, relative to all colours being alike."""
    if count == 0:
        density[:] = 1.0
        return
    buffer = np.empty(BINS**3, np.float32)
    _smooth(density, buffer, 1)
    _smooth(buffer, density, BINS)
    _smooth(density, buffer, BINS * BINS)
    density[:] = buffer * np.float32(BINS**3 / count)


@kernel("int64(uint8[:, :, ::1], float32[:, ::1], float64, float32[::1])")
def color_density(color, surface, least, density):
    """Fill ``density`` (4096) of 16 x 16 x 16 colours of pixels where ``surface`` (R, R) is more than ``least``.

    Densities are relative to all colours being alike; 1 where there is no such pixel. Returns how many there are.
    """
    density[:] = 0.0
    count = 0
    for row in range(np.uint64(surface.shape[0])):
        for column in range(np.uint64(surface.shape[1])):
            if surface[row, column] > least:
                density[bin_of(color, row, column)] += 1
                count += 1
    _make_density(density, count)
    return count


@kernel(
    "void(float32[:, ::1], float64, int64[::1], float32[:, ::1], uint8[:, :, ::1], float64, float64, float64[:, ::1], "
    "float32[::1])"
)
def look_around(distance, diameter_px, window, depth, color, noise_at_metre, surface_noise, planes, around):
    """Fit up to two planes to the measured depth of the ring, and count its colours.

    ``distance`` (R, R): pixels from the silhouette; ``noise_at_metre``: deviation of depth at one metre, it grows with the
    square; ``surface_noise``: of what is measured from a plane, metres. Fills ``planes`` (2, 4): inverse depth (1/m) in the
    middle of the crop, its slopes a crop's side across and along, and the share of the ring that lies on the plane, 0 for a
    plane that is not there. Fills ``around`` (4096), see :func:`color_density`.
    """
    planes[:], around[:] = 0.0, 0.0
    pixels = np.empty((distance.size, 2), np.int32)
    measured, count = 0, 0
    low, high = np.float32(RING_LOW * diameter_px), np.float32(RING_HIGH * diameter_px)
    for row in range(np.uint64(window[1]), np.uint64(window[3])):
        for column in range(np.uint64(window[0]), np.uint64(window[2])):
            if not low < distance[row, column] <= high:
                continue
            around[bin_of(color, row, column)] += 1
            count += 1
            if depth[row, column] > 0:
                pixels[measured, 0], pixels[measured, 1] = row, column
                measured += 1
    _make_density(around, count)
    _fit_planes(_sampled(pixels[:measured], depth, noise_at_metre, surface_noise), planes)
