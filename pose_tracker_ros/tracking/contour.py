"""Contour alignment: where the colours of the object end and those of the background begin.

Depth cameras measure some materials (translucent, dark or glossy ones) millimetres too far or too near; the
outline in the colour image does not lie. Colour models of object and background are made afresh from every
crop, so that nothing can drift (the idea of PWP3D, Prisacariu and Reid 2012; the probabilities along short
lines across the outline follow Stoiber et al. 2020).
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from pose_tracker_ros.geometry import so3_exp
from pose_tracker_ros.tracking.crop import Crop
from pose_tracker_ros.tracking.fusion import UNKNOWN_DEVIATION, Measurement, limited, shared_covariance

MIN_POINTS = 20
MAX_POINTS = 240
HALF_LINE_PX = 8
# Pixels this near the outline belong to neither colour model, as the pose may be off by as much.
MARGIN_PX = 2
BINS = 16
# Neighbouring pixels resemble each other: their evidence counts this much.
INDEPENDENCE = 0.35
MAX_LOG_RATIO = 3.0
# Blur and the errors of the mesh: standard deviation of one point's place, pixels of the crop.
POINT_DEVIATION_PX = 0.7
CORRELATED_POINTS = 4.0
ROBUST_DEVIATIONS = 3.0
# An occluder is nearer than the object by at least this share of the diameter.
OCCLUDER_SHARE = 0.15


# What all points may be off by together: pixels of the crop, and radians.
SHARED_DEVIATION_PX = 0.4
SHARED_DEVIATION_RAD = 0.02


class Outline(NamedTuple):
    """Points on the rendered outline.

    points: (N, 3) metres in the camera frame; normals: (N, 2) outward unit vectors in the image;
    known: (N, 2 * HALF_LINE_PX + 1) bool, samples across the outline that show what their side promises.
    """

    points: np.ndarray
    normals: np.ndarray
    known: np.ndarray


OFFSETS = np.arange(-HALF_LINE_PX, HALF_LINE_PX + 1, dtype=np.float32)
STEPS = np.arange(-HALF_LINE_PX - 0.5, HALF_LINE_PX + 1, dtype=np.float64)


def outline_of(crop: Crop) -> Outline:
    """Outline points of the rendering, at most MAX_POINTS, spread evenly; none for an empty rendering."""
    mask = crop.rendering.mask.astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    pixels, normals = [], []
    for contour in contours:
        if len(contour) < MIN_POINTS:
            continue
        places = contour[:, 0].astype(np.float32)
        along = np.roll(places, -3, axis=0) - np.roll(places, 3, axis=0)
        pixels.append(contour[:, 0])
        normals.append(np.column_stack([along[:, 1], -along[:, 0]]))
    if not pixels:
        return Outline(np.zeros((0, 3)), np.zeros((0, 2)), np.zeros((0, len(OFFSETS)), bool))
    pixels, normals = np.vstack(pixels), np.vstack(normals)
    length = np.linalg.norm(normals, axis=1)
    size = mask.shape[0]
    inside = np.all((pixels > 1) & (pixels < size - 2), axis=1) & (length > 1)
    pixels, normals = pixels[inside], normals[inside] / length[inside, None]
    stride = -(-len(pixels) // MAX_POINTS) or 1
    pixels, normals = pixels[::stride], normals[::stride]
    # Outside is where the mask ends, whichever way round OpenCV walked.
    beyond = _sample(mask.astype(np.float32), pixels + 2 * normals) - _sample(
        mask.astype(np.float32), pixels - 2 * normals
    )
    normals = np.where(beyond[:, None] > 0, -normals, normals)
    lines = pixels[:, None] + normals[:, None] * OFFSETS[:, None]
    shown = _sample(mask.astype(np.float32), lines) > 0.5
    known = (shown == (OFFSETS <= 0)) | (np.abs(OFFSETS) <= 1)
    # Behind another part of the object nothing is known any more.
    outer = np.minimum.accumulate(known[:, HALF_LINE_PX:], axis=1)
    inner = np.minimum.accumulate(known[:, HALF_LINE_PX::-1], axis=1)[:, ::-1]
    known = np.hstack([inner[:, :-1], outer])
    depth = crop.rendering.depth[pixels[:, 1], pixels[:, 0]]
    # The last pixel inside is on average half a pixel within the outline.
    places = pixels + 0.5 * normals
    camera = crop.camera
    points = np.column_stack(
        [(places[:, 0] - camera.cx) / camera.fx, (places[:, 1] - camera.cy) / camera.fy, np.ones(len(places))]
    )
    return Outline(points * depth[:, None], normals, known)


def color_evidence(crop: Crop) -> np.ndarray | None:
    """Log ratio (R, R) float32 of the colours' probabilities on the object and on the background; 0 where hidden.

    None when object or background are too small for a colour model.
    """
    rendering = crop.rendering
    mask = rendering.mask.astype(np.uint8)
    kernel = np.ones((2 * MARGIN_PX + 1,) * 2, np.uint8)
    far = rendering.depth[rendering.mask].max() if rendering.mask.any() else 0.0
    hidden = (crop.depth > 0) & (
        crop.depth < np.where(rendering.mask, rendering.depth, far) - OCCLUDER_SHARE * crop.diameter_m
    )
    visible = ~cv2.dilate(hidden.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    on_object = cv2.erode(mask, kernel).astype(bool) & visible
    if on_object.sum() < 100:
        on_object = rendering.mask & visible
    on_background = ~cv2.dilate(mask, kernel).astype(bool) & visible
    if on_object.sum() < 50 or on_background.sum() < 50:
        return None
    index = color_bins(crop.color)
    ratio = np.log(color_histogram(index[on_object])) - np.log(color_histogram(index[on_background]))
    evidence = np.clip(ratio, -MAX_LOG_RATIO, MAX_LOG_RATIO).astype(np.float32)[index]
    evidence[hidden] = 0
    return evidence


def color_bins(color: np.ndarray) -> np.ndarray:
    """Number (...,) of the bin that each colour (..., 3) uint8 falls into, of BINS along each channel."""
    color = color.astype(np.int32) * BINS // 256
    return (color[..., 0] * BINS + color[..., 1]) * BINS + color[..., 2]


def color_histogram(index: np.ndarray) -> np.ndarray:
    """Probabilities (BINS^3,) of the colours of some :func:`color_bins`, shared a little with the neighbouring ones."""
    counts = np.bincount(index.ravel(), minlength=BINS**3).astype(np.float32).reshape(BINS, BINS, BINS)
    for axis in range(3):
        padded = np.pad(counts, [(1, 1) if other == axis else (0, 0) for other in range(3)], mode="edge")
        before, after = (np.take(padded, range(first, first + BINS), axis=axis) for first in (0, 2))
        counts = 0.5 * counts + 0.25 * (before + after)
    counts = counts.ravel()
    return (counts + 0.02 * counts.sum() / len(counts)) / (1.02 * counts.sum())


def align(
    crop: Crop, outline: Outline, evidence: np.ndarray, motion: np.ndarray, slack: np.ndarray | None = None
) -> Measurement:
    """One Gauss-Newton step of the outline, moved by ``motion`` (6,) since the rendering, towards the colours' border.

    The result is the whole motion since the rendering. Without enough of the outline its information is zero.
    ``slack`` (3, 3): of :func:`pose_tracker_ros.tracking.fusion.turning_slack`.
    """
    if len(outline.points) < MIN_POINTS:
        return Measurement(motion, np.zeros((6, 6)))
    camera = crop.camera
    arms = (outline.points - crop.center) @ so3_exp(motion[3:]).T
    moved = arms + crop.center + motion[:3]
    pixels = camera.project(moved)
    samples = _sample(evidence, pixels[:, None] + outline.normals[:, None] * OFFSETS[:, None])
    samples = np.where(outline.known, samples, np.float32(0))
    shift, variance = _border(samples)
    z = np.maximum(moved[:, 2], 1e-3)
    # d(pixel along the normal) / d(point), then / d(motion).
    slope = np.column_stack(
        [
            outline.normals[:, 0] * camera.fx / z,
            outline.normals[:, 1] * camera.fy / z,
            -(outline.normals[:, 0] * camera.fx * moved[:, 0] + outline.normals[:, 1] * camera.fy * moved[:, 1]) / z**2,
        ]
    )
    jacobian = np.hstack([slope, np.cross(arms, slope)])
    deviation = np.sqrt(variance + POINT_DEVIATION_PX**2)
    weight = 1 / (deviation**2 * CORRELATED_POINTS) / (1 + (shift / (ROBUST_DEVIATIONS * deviation)) ** 2) ** 2
    information = (jacobian * weight[:, None]).T @ jacobian
    gradient = (jacobian * weight[:, None]).T @ shift
    step = np.linalg.solve(information + np.diag(UNKNOWN_DEVIATION**-2), gradient)
    return Measurement(motion + step, limited(information, _shared_covariance(crop, slack)))


def _shared_covariance(crop: Crop, slack: np.ndarray | None) -> np.ndarray:
    """Covariance (6, 6) of a motion when the whole outline is off, sideways or in size."""
    pixel_m = SHARED_DEVIATION_PX * crop.center[2] / crop.camera.fx
    radius_px = 0.5 * crop.diameter_m * crop.camera.fx / crop.center[2]
    translation = np.array([pixel_m, pixel_m, SHARED_DEVIATION_PX / radius_px * crop.center[2]])
    return shared_covariance(translation, SHARED_DEVIATION_RAD, slack)


def _border(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance, pixels outward, of where the object ends on each line of ``samples`` (N, S).

    The probability of a step between two samples is that of object colours before and background behind it.
    """
    score = np.zeros((len(samples), len(STEPS)))
    np.cumsum(INDEPENDENCE * samples, axis=1, out=score[:, 1:])
    probability = np.exp(score - score.max(axis=1, keepdims=True))
    probability /= probability.sum(axis=1, keepdims=True)
    mean = probability @ STEPS
    return mean, probability @ STEPS**2 - mean**2


def _sample(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Bilinear samples of ``image`` (R, R) float32 at ``places`` (..., 2) x, y; 0 beyond the border."""
    flat = places.reshape(1, -1, 2).astype(np.float32)
    return cv2.remap(image, flat, None, cv2.INTER_LINEAR).reshape(places.shape[:-1])
