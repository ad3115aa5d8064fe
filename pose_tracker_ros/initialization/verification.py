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
COLOR_TOLERANCE = 0.3
# Errors of darker objects are measured against this grey level.
DARK = 40.0
# Variance of colours (grey levels squared) below which there is no pattern to speak of.
PATTERN_FLOOR = 60.0
PATTERN_SHARE = 0.6


class Verdict(NamedTuple):
    """How well a pose explains an observation, each 0..1.

    score: the product, for objects of unknown colour the cube of geometry; geometry: mask and depth;
    color: 1 for objects of unknown colour.
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
    common = rendered & view.mask
    if measured[common].sum() < 0.1 * common.sum():
        near, unknown = rendered, np.zeros_like(rendered)
    agreeing = int((common & near).sum())
    contradicting = int((common & measured & ~near).sum() + (rendered & ~view.mask & ~hidden & ~unknown).sum())
    # Masks stop a pixel early or late: their border is not held against a pose.
    beyond = view.mask & ~cv2.dilate(rendered.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    unexplained = int(beyond.sum())
    visible = int((rendered & ~hidden).sum())
    if agreeing == 0 or visible == 0:
        return Verdict(0.0, 0.0, 0.0)
    geometry = agreeing / (agreeing + contradicting + UNEXPLAINED_WEIGHT * unexplained)
    geometry *= min(1.0, visible / (ENOUGH_VISIBLE * max(rendered.sum(), 1)))
    if not model.mesh.has_color:
        # Where colour cannot speak against it, geometry has to be the more convincing.
        return Verdict(geometry**3, geometry, 1.0)
    color = _color_agreement(view, rendering, common & (near | unknown))
    return Verdict(geometry * color, geometry, color)


def _color_agreement(view: View, rendering: Rendering, where: np.ndarray) -> float:
    """1 for equal colours up to a common gain and a gentle change of light across the object, towards 0 for others'."""
    if where.sum() < 20:
        return 1.0
    weight = where.astype(np.float32)
    smooth = 0.012 * len(where)

    def blurred(image: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(image * weight[..., None], (0, 0), smooth)

    total = np.maximum(cv2.GaussianBlur(weight, (0, 0), smooth), 1e-3)[..., None]
    expected = (blurred(rendering.color.astype(np.float32)) / total)[where]
    seen = (blurred(view.color.astype(np.float32)) / total)[where]
    # Shading changes brightness over the object, and is no paint; the light's colour and gain are the same all over it.
    shading = _shading(rendering.normal[where], expected.mean(axis=1), seen.mean(axis=1))[:, None]
    seen = seen / np.maximum(shading, 0.1)
    gain = (seen * expected).sum(axis=0) / np.maximum((expected**2).sum(axis=0), 1e-6)
    seen = seen / np.clip(gain, 0.5 * gain.mean(), 1.5 * gain.mean())
    # Highlights and stickers are on a part of the object only, another object's colours are all over it.
    error = float(np.median(np.abs(seen - expected).mean(axis=1))) / max(float(expected.mean(axis=0).max()), DARK)
    return math.exp(-((error / COLOR_TOLERANCE) ** 2)) * _pattern_agreement(expected, seen)


def _pattern_agreement(expected: np.ndarray, seen: np.ndarray) -> float:
    """From the correlation of two colour patterns (N, 3): 1 when equal or when there is no pattern, less when not.

    Scanned textures carry highlights of their own, so that a wrong pattern alone does not refuse a pose.
    """
    expected, seen = expected - expected.mean(axis=0), seen - seen.mean(axis=0)
    power = float((expected**2).mean())
    correlation = float((expected * seen).mean()) / math.sqrt(
        (power + PATTERN_FLOOR) * (float((seen**2).mean()) + PATTERN_FLOOR)
    )
    weight = power / (power + 4 * PATTERN_FLOOR)
    return 1 - PATTERN_SHARE * weight * (1 - max(correlation, 0.0))


def _shading(normals: np.ndarray, albedo: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    """Shading (N,) by ambient and one directional light that explains brightness as albedo times shading best."""
    design = np.column_stack([np.ones(len(normals)), normals]) * albedo[:, None]
    mean = float(np.median(brightness)) / max(float(np.median(albedo)), 1.0)
    # Gentle light is more likely: few pixels must not explain paint by shading.
    regular = 0.02 * float((albedo**2).sum()) * np.diag([1e-3, 1.0, 1.0, 1.0])
    light = np.array([mean, 0.0, 0.0, 0.0])
    for _ in range(3):
        # Highlights are doubted, more so in every round.
        residual = brightness - design @ light
        weight = 1 / (1 + (residual / (1.5 * np.median(np.abs(residual)) + 1)) ** 2)
        weighted = design * weight[:, None]
        light = np.linalg.solve(weighted.T @ design + regular, weighted.T @ brightness + regular @ [mean, 0, 0, 0])
    return np.clip(np.column_stack([np.ones(len(normals)), normals]) @ light, 0.4 * mean, 2.5 * mean)
