"""Does a pose explain mask, depth and colour? The gate between a pose and those who trust it."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.initialization.observation import Observation
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import Rendering

MIN_TOLERANCE_M = 0.006
TOLERANCE_SHARE = 0.04
# Mask pixels that the pose does not explain count half: masks bleed.
UNEXPLAINED_WEIGHT = 0.5
# Less of the rendered object in sight than this cannot be told from something else.
ENOUGH_VISIBLE = 0.3
# Colours off by this share of the full range, after an equal gain, are another object's.
COLOR_TOLERANCE = 0.35
# Variance of colours (grey levels squared) below which there is no pattern to speak of.
PATTERN_FLOOR = 60.0


class Verdict(NamedTuple):
    """How well a pose explains an observation, each 0..1.

    score: the product; geometry: mask and depth; color: 1 for objects of unknown colour.
    """

    score: float
    geometry: float
    color: float


class View(NamedTuple):
    """Observation through a crop camera: color (R, R, 3), depth (R, R) all of it, mask (R, R) bool."""

    camera: PinholeCamera
    color: np.ndarray
    depth: np.ndarray
    mask: np.ndarray


def view_of(observation: Observation, camera: PinholeCamera) -> View:
    """The observation as a crop camera sees it."""
    frame = observation.frame
    scale_x, scale_y = frame.camera.fx / camera.fx, frame.camera.fy / camera.fy
    matrix = np.array(
        [[scale_x, 0, frame.camera.cx - scale_x * camera.cx], [0, scale_y, frame.camera.cy - scale_y * camera.cy]]
    )
    size = (camera.width, camera.height)
    nearest = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return View(
        camera,
        cv2.warpAffine(frame.color, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP),
        cv2.warpAffine(frame.depth, matrix, size, flags=nearest),
        cv2.warpAffine(observation.mask.astype(np.uint8), matrix, size, flags=nearest).astype(bool),
    )


def verify(model: ObjectModel, view: View, rendering: Rendering) -> Verdict:
    """Compare a rendering with what was seen through the same camera.

    Agreement is a rendered pixel within the mask whose depth is right. Contradiction is a rendered pixel that
    sees farther, or one outside the mask that nothing hides. Pixels behind something nearer that is outside
    the mask say nothing. Without depth the mask alone decides.
    """
    rendered = rendering.mask
    tolerance = max(MIN_TOLERANCE_M, TOLERANCE_SHARE * model.diameter_m)
    measured = view.depth > 0
    difference = view.depth - rendering.depth
    near = measured & (np.abs(difference) <= tolerance)
    hidden = rendered & ~view.mask & measured & (difference < -tolerance)
    unknown = rendered & ~measured
    if measured[rendered & view.mask].mean() < 0.1 if (rendered & view.mask).any() else True:
        near = rendered
    agreeing = int((rendered & view.mask & near).sum())
    contradicting = int((rendered & view.mask & measured & ~near).sum()) + int(
        (rendered & ~view.mask & ~hidden & ~unknown).sum()
    )
    # Masks stop a pixel early or late: their border is not held against a pose.
    beyond = view.mask & ~cv2.dilate(rendered.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    unexplained = int(beyond.sum())
    visible = int((rendered & ~hidden).sum())
    if agreeing == 0 or visible == 0:
        return Verdict(0.0, 0.0, 0.0)
    geometry = agreeing / (agreeing + contradicting + UNEXPLAINED_WEIGHT * unexplained)
    geometry *= min(1.0, visible / (ENOUGH_VISIBLE * max(rendered.sum(), 1)))
    color = _color_agreement(model, view, rendering, rendered & view.mask & (near | unknown))
    return Verdict(geometry * color, geometry, color)


def _color_agreement(model: ObjectModel, view: View, rendering: Rendering, where: np.ndarray) -> float:
    """1 for equal colours up to a common gain and a gentle change of light across the object, towards 0 for others'."""
    if not model.mesh.has_color or where.sum() < 20:
        return 1.0
    weight = where.astype(np.float32)
    smooth = 0.012 * len(where)

    def blurred(image: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(image * weight[..., None], (0, 0), smooth)

    total = np.maximum(cv2.GaussianBlur(weight, (0, 0), smooth), 1e-3)[..., None]
    expected = (blurred(rendering.color.astype(np.float32)) / total)[where]
    seen = (blurred(view.color.astype(np.float32)) / total)[where]
    # Shading changes brightness over the object; the light's colour and gain are the same all over it.
    expected = expected * _shading(rendering.normal[where], expected.mean(axis=1), seen.mean(axis=1))[:, None]
    gain = (seen * expected).sum(axis=0) / np.maximum((expected**2).sum(axis=0), 1e-6)
    gain = np.clip(gain, 0.5 * gain.mean(), 1.5 * gain.mean())
    expected = expected * gain
    error = float(np.abs(seen - expected).mean()) / max(float(seen.mean()), 25.0)
    return math.exp(-((error / COLOR_TOLERANCE) ** 2)) * _pattern_agreement(expected, seen)


def _pattern_agreement(expected: np.ndarray, seen: np.ndarray) -> float:
    """From the correlation of two colour patterns (N, 3): 1 when equal or when there is no pattern, 0 when opposite."""
    expected, seen = expected - expected.mean(axis=0), seen - seen.mean(axis=0)
    power = float((expected**2).mean())
    correlation = float((expected * seen).mean()) / math.sqrt((power + PATTERN_FLOOR) * (float((seen**2).mean()) + PATTERN_FLOOR))
    weight = power / (power + 4 * PATTERN_FLOOR)
    return 1 - weight * (1 - max(correlation, 0.0))


def _shading(normals: np.ndarray, albedo: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    """Shading (N,) by ambient and one directional light that explains brightness as albedo times shading best."""
    design = np.column_stack([np.ones(len(normals)), normals]) * albedo[:, None]
    mean = brightness.mean() / max(float(albedo.mean()), 1.0)
    # Gentle light is more likely: few pixels must not explain paint by shading.
    regular = 0.02 * float((albedo**2).sum()) * np.diag([1e-3, 1.0, 1.0, 1.0])
    light = np.linalg.solve(design.T @ design + regular, design.T @ brightness + regular @ [mean, 0, 0, 0])
    return np.clip(np.column_stack([np.ones(len(normals)), normals]) @ light, 0.4 * mean, 2.5 * mean)
