"""The pixel likelihood's kernels again, in plain NumPy: whole arrays, general solvers, images instead of lists."""

from __future__ import annotations

from math import gamma

import numpy as np
from scipy.ndimage import binary_erosion, correlate1d

from pose_tracker_ros.kernels import evidence as kernels
from pose_tracker_ros.kernels import surroundings
from pose_tracker_ros.kernels.shared import BINS

CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)


def in_window(shape, window):
    """Pixels (R, R) bool of the window."""
    inside = np.zeros(shape, bool)
    inside[window[1] : window[3], window[0] : window[2]] = True
    return inside


def sensor_deviation(depth, noise):
    """Of a depth (...) in metres."""
    return noise[kernels.DEPTH] * depth**2


def interior(mask):
    """Pixels (R, R) bool whose four neighbours are on the silhouette, too."""
    return binary_erosion(mask, CROSS)


def deviations(expected, normal, rays, noise):
    """Of measured from expected depth (R, R)."""
    cosine = -np.sum(normal * rays, axis=-1) / np.linalg.norm(rays, axis=-1)
    surface = noise[kernels.SURFACE] / np.maximum(cosine, kernels.LEAST_COSINE)
    return np.hypot(sensor_deviation(expected, noise), surface)


def coordinates(shape):
    """Across and along (R, R), in crop sides from the middle."""
    rows, columns = np.indices(shape)
    return (columns - (shape[1] - 1) / 2) / shape[1], (rows - (shape[0] - 1) / 2) / shape[1]


def surrounding_planes(depth, ring, noise):
    """Planes (2, 4) of the pixels (R, R) of a ring."""
    planes = np.zeros((surroundings.MOST_PLANES, surroundings.PLANE_NUMBERS))
    across, along = coordinates(depth.shape)
    rows, columns = np.nonzero(ring & (depth > 0))
    stride = max(1, -(-len(rows) // surroundings.MOST_SAMPLES))
    taken = len(rows) // stride
    place = rows[::stride][:taken], columns[::stride][:taken]
    seen = depth[place].astype(np.float64)
    deviation = np.hypot(sensor_deviation(seen, noise), noise[kernels.SURFACE])
    samples = np.column_stack([across[place], along[place], 1 / seen, seen**2 / deviation])
    for row in planes:
        if len(samples) < max(surroundings.LEAST_SAMPLES, surroundings.LEAST_SHARE * taken):
            break
        plane = refitted(samples, best_plane(samples))
        off = np.abs(scaled_errors(samples, plane)) >= 1
        row[:3] = plane
        row[3] = (~off).sum() / taken
        samples = samples[off]
    return planes


def scaled_errors(samples, plane):
    """Inverse depth's errors as shares of the largest that a sample on the plane has."""
    error = samples[:, 2] - plane[0] - samples[:, :2] @ plane[1:]
    return error * samples[:, 3] / surroundings.INLIER_DEVIATIONS


def best_plane(samples):
    """The plane of the best-supported three samples."""
    best, best_support = None, -1.0
    for attempt in range(1, surroundings.TRIES + 1):
        chosen = (np.mod(attempt * np.array(surroundings.STEPS), 1) * len(samples)).astype(int)
        matrix = np.column_stack([np.ones(3), samples[chosen, :2]])
        if abs(np.linalg.det(matrix)) < surroundings.LEAST_DETERMINANT:
            continue
        plane = np.linalg.solve(matrix, samples[chosen, 2])
        support = np.maximum(0, 1 - scaled_errors(samples, plane) ** 2).sum()
        if support > best_support:
            best, best_support = plane, support
    return best


def refitted(samples, plane):
    """The plane after least squares with Tukey's weights."""
    design = np.column_stack([np.ones(len(samples)), samples[:, :2]])
    for _ in range(surroundings.REFITS):
        weight = np.maximum(0, 1 - scaled_errors(samples, plane) ** 2) * samples[:, 3]
        plane = np.linalg.lstsq(design * weight[:, None], samples[:, 2] * weight, rcond=None)[0]
    return plane


def normal_density(error, deviation):
    """Of a normal distribution, nothing far out."""
    scaled = error / deviation
    density = np.exp(-0.5 * scaled**2) / (deviation * np.sqrt(2 * np.pi))
    return np.where(np.abs(scaled) > kernels.NEGLIGIBLE_DEVIATIONS, 0, density)


def continued(depth, expected, deviation, planes, noise):
    """Densities (R, R) of measured depth on planes in front of the expected one, and on the others."""
    across, along = coordinates(depth.shape)
    place = np.stack([np.ones_like(across), across, along], axis=-1)
    front = behind = np.zeros(depth.shape)
    for plane in planes[planes[:, 3] > 0]:
        there = 1 / (place @ plane[:3])
        spread = np.hypot(sensor_deviation(depth, noise), noise[kernels.SURFACE])
        density = plane[3] * normal_density(depth - there, spread)
        is_front = there < expected - kernels.FRONT_DEVIATIONS * deviation
        front = front + np.where(is_front, density, 0)
        behind = behind + np.where(is_front, 0, density)
    return front, behind


def hidden(depth, expected, deviation, noise):
    """Pixels (R, R) bool that see something nearer."""
    return (depth > 0) & (depth < expected - kernels.HIDDEN_DEVIATIONS * (deviation + noise[kernels.BIAS]))


def elsewhere_density(planes):
    """Of depth that is on no plane."""
    return kernels.ANYWHERE + kernels.GOES_ON * (1 - planes[:, 3].sum())


def depth_ratio(chosen, total, deviation, rendered, depth, planes, bias, noise):
    """Mean log ratio and what the bias is off from the ``chosen`` (R, R) pixels; ``total`` as many as could have been."""
    expected = rendered + bias
    front, behind = continued(depth, expected, deviation, planes, noise)
    absent = kernels.GOES_ON * (front + behind) + elsewhere_density(planes)
    rest = kernels.IN_FRONT * front + np.where(depth < expected, kernels.NEARER, kernels.FARTHER)
    is_hidden = hidden(depth, expected, deviation, noise)
    speaks = chosen & (depth > 0) & ~is_hidden
    normaliser = max(speaks.sum(), kernels.LEAST_SPEAKING * total, 1)
    shifts = np.linspace(-kernels.BIAS_REACH, kernels.BIAS_REACH, kernels.BIASES)
    means = []
    for shift in shifts * noise[kernels.BIAS]:
        present = kernels.ON_SURFACE * normal_density(depth - expected - shift, deviation) + rest
        ratio = np.clip(np.log(present / absent), -kernels.MOST_LOG_RATIO, kernels.MOST_LOG_RATIO)
        means.append(ratio[speaks].sum() / normaliser)
    prior = np.exp(-(shifts**2) / 2)
    support = prior / prior.sum() * np.exp(noise[kernels.DEPTHS] * np.array(means))
    shift = (support * shifts).sum() / support.sum() * noise[kernels.BIAS]
    return np.log(support.sum()) / noise[kernels.DEPTHS], shift


def color_density(colors):
    """Density (4096,) of colours (N, 3)."""
    bins, side = BINS, surroundings.SIDE_SHARE
    histogram = np.histogramdd(colors.astype(float), [np.linspace(0, 256, bins + 1)] * 3)[0] * bins**3 / len(colors)
    window = [side, 1 - 2 * side, side]
    for axis in range(3):
        histogram = correlate1d(histogram, window, axis, mode="nearest")
    return histogram.ravel()


def light(paint, color, noise):
    """Gains and offsets (6,) between colours (N, 3) by weighted least squares with a prior from the likeliest exposure on, and the
    prior's share of it."""
    prior = np.zeros((6, 6))
    tied = noise[kernels.EXPOSURE] ** 2 * np.ones((3, 3)) + noise[kernels.WHITE_BALANCE] ** 2 * np.eye(3)
    prior[:3, :3] = np.linalg.inv(tied)
    prior[3:, 3:] = np.eye(3) / noise[kernels.HAZE] ** 2
    mean = np.array([1.0, 1, 1, 0, 0, 0])
    variance = noise[kernels.COLOR] ** 2
    per_pixel = min(1, noise[kernels.COLORS] / len(paint)) / variance
    changes = np.linspace(-1, 1, kernels.EXPOSURES) * kernels.EXPOSURE_REACH * noise[kernels.EXPOSURE]
    starts = mean + changes[:, None] * [1, 1, 1, 0, 0, 0]
    log_density = np.log(student_density(color - starts[:, None, :3] * paint, noise[kernels.COLOR])).sum(axis=1) * variance * per_pixel
    gains = starts[np.argmax(log_density - 0.5 * np.einsum("ki,ij,kj->k", starts - mean, prior, starts - mean))]
    for _ in range(kernels.LIGHT_FITS):
        squared = ((color - gains[:3] * paint - gains[3:]) ** 2).sum(axis=1)
        weight = per_pixel * (kernels.FREEDOM + 3) / (kernels.FREEDOM + squared / variance)
        matrix, right = prior.copy(), prior @ mean
        for channel in range(3):
            design = np.zeros((len(paint), 6))
            design[:, channel], design[:, 3 + channel] = paint[:, channel], 1
            matrix += (design * weight[:, None]).T @ design
            right += (design * weight[:, None]).T @ color[:, channel]
        gains = np.linalg.solve(matrix, right)
    return gains, 0.5 * (gains - mean) @ prior @ (gains - mean)


def weigh_pixels(chosen, total, deviation, rendered, depth, planes, bias, shift, object_density, around, noise):
    """Probabilities (R, R) of surface and occluder, and the colour's ratio, given densities (R, R) of colour, or None."""
    expected = rendered + bias
    front, behind = continued(depth, expected, deviation, planes, noise)
    is_hidden = hidden(depth, expected, deviation, noise)
    error = depth - expected - shift
    nearer = error < -kernels.FRONT_DEVIATIONS * deviation
    densities = np.array(
        [
            kernels.ON_SURFACE * normal_density(error, deviation),
            kernels.IN_FRONT * front + np.where(nearer, kernels.NEARER, 0),
            kernels.GOES_ON * behind + np.where(nearer, 0, elsewhere_density(planes)),
        ]
    )
    blind = np.array([kernels.SURFACE_BLIND, kernels.OCCLUDER_BLIND, kernels.BACKGROUND_BLIND])
    densities = np.where(depth > 0, densities, blind[:, None, None])
    on_surface, elsewhere = np.ones(depth.shape), np.ones(depth.shape)
    if object_density is not None:
        on_surface = (1 - kernels.NEW_ON_SURFACE) * object_density + kernels.NEW_ON_SURFACE
        elsewhere = (1 - kernels.NEW_AROUND) * around + kernels.NEW_AROUND
    densities *= [on_surface, (1 + elsewhere) / 2, elsewhere]
    surface, occluder, _ = np.where(chosen, densities / densities.sum(axis=0), 0)
    visible = chosen & ~is_hidden
    limit = kernels.MOST_LOG_RATIO
    ratio = np.clip(np.log(on_surface / elsewhere), -limit, limit)[visible].sum()
    return surface, occluder, ratio / max(visible.sum(), kernels.LEAST_SPEAKING * total, 1)


def student_density(error, deviation):
    """Of three channels' errors (..., 3), relative to all colours being alike."""
    freedom = kernels.FREEDOM
    peak = gamma((freedom + 3) / 2) / (gamma(freedom / 2) * (freedom * np.pi) ** 1.5 * deviation**3)
    return 256**3 * peak * (1 + (error**2).sum(axis=-1) / (freedom * deviation**2)) ** (-(freedom + 3) / 2)
