"""Points of features in maps without depth: what two keyframes see from different places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import invert, transform_points
from pose_tracker_ros.relocalization.features import match
from pose_tracker_ros.relocalization.keyframes import Keyframe
from pose_tracker_ros.relocalization.retrieval import Vocabulary

# A keyframe is compared with so many that look alike.
PARTNERS = 6
# Rays that meet at a smaller angle leave depth open; radians.
LEAST_ANGLE = np.radians(2.0)
# Largest distance of a point from its pixel, of images 640 wide.
LARGEST_ERROR_PX, FULL_WIDTH = 2.0, 640.0


def with_triangulated_points(keyframes: Sequence[Keyframe]) -> list[Keyframe]:
    """The same keyframes with points (N, 3) of features that no depth image measured, where another keyframe sees them, too.

    Of several partners the one whose rays meet at the largest angle counts. Poses have to be known.
    """
    directions = [keyframe.features.directions for keyframe in keyframes]
    vocabulary = Vocabulary.of(np.vstack(directions))
    descriptions = np.stack([vocabulary.describe(one) for one in directions])
    found = []
    for number, keyframe in enumerate(keyframes):
        similar = descriptions @ descriptions[number]
        similar[number] = -np.inf
        points = keyframe.points.copy()
        open_ones = ~np.isfinite(points[:, 2])
        best = np.full(len(points), LEAST_ANGLE)
        for partner in np.argsort(-similar, kind="stable")[: min(PARTNERS, len(keyframes) - 1)]:
            pairs = match(directions[number], directions[partner])
            pairs = pairs[open_ones[pairs[:, 0]]]
            if len(pairs) == 0:
                continue
            here, angles = triangulate(keyframe, keyframes[partner], pairs)
            better = np.isfinite(here[:, 2]) & (angles > best[pairs[:, 0]])
            points[pairs[better, 0]], best[pairs[better, 0]] = here[better], angles[better]
        found.append(replace(keyframe, points=points))
    return found


def triangulate(one: Keyframe, other: Keyframe, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (M, 3) of pairs (M, 2) of features in the frame of one camera, and angles (M,) in radians between their rays.

    NaN where a point is behind a camera or not seen where its feature is.
    """
    other_T_one = invert(other.map_T_camera) @ one.map_T_camera
    pixels = one.features.pixels[pairs[:, 0]].astype(np.float64), other.features.pixels[pairs[:, 1]].astype(np.float64)
    projections = one.camera.matrix @ np.eye(3, 4), other.camera.matrix @ other_T_one[:3]
    homogeneous = cv2.triangulatePoints(*projections, pixels[0].T, pixels[1].T)
    with np.errstate(divide="ignore", invalid="ignore"):
        points = (homogeneous[:3] / homogeneous[3]).T
    there = transform_points(other_T_one, points)
    wrong = _is_off(points, pixels[0], one.camera) | _is_off(there, pixels[1], other.camera)
    with np.errstate(invalid="ignore"):
        rays = points, points - invert(other_T_one)[:3, 3]
        cosines = (rays[0] * rays[1]).sum(axis=1) / np.maximum(np.linalg.norm(rays[0], axis=1) * np.linalg.norm(rays[1], axis=1), 1e-12)
    points[wrong] = np.nan
    return points, np.arccos(np.clip(np.nan_to_num(cosines, nan=1.0), -1, 1))


def _is_off(points: np.ndarray, pixels: np.ndarray, camera: PinholeCamera) -> np.ndarray:
    errors = np.linalg.norm(camera.project(points) - pixels, axis=1)
    return ~(errors < LARGEST_ERROR_PX * camera.width / FULL_WIDTH)
