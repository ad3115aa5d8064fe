"""The pose of one image against keyframes: what locating in a map, odometry and loop closure have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import invert, transform_points
from pose_tracker_ros.relocalization.absolute_pose import absolute_pose
from pose_tracker_ros.relocalization.agreement import Agreement, agreement
from pose_tracker_ros.relocalization.confidence import confidence
from pose_tracker_ros.relocalization.depth_alignment import View, align_depth
from pose_tracker_ros.relocalization.features import Features, match
from pose_tracker_ros.relocalization.keyframes import Keyframe
from pose_tracker_ros.relocalization.surface import Surface

# Errors in pixels are those of images of this width.
FULL_WIDTH = 640.0


class Looked(NamedTuple):
    """An image as it is compared: features, their ``directions`` (N, 128), and its surface."""

    features: Features
    directions: np.ndarray
    surface: Surface
    camera: PinholeCamera


class Known(NamedTuple):
    """A keyframe to compare with, and what is made of its images when it is needed."""

    keyframe: Keyframe
    directions: np.ndarray
    surface: Surface


class FoundByFeatures(NamedTuple):
    """``map_T_camera`` (4, 4), ``information`` (6, 6) of a twist in camera axes, and inliers of each keyframe (K,), distinct
    features in sum."""

    map_T_camera: np.ndarray
    information: np.ndarray
    inliers: np.ndarray


class Registration(NamedTuple):
    """``map_T_camera`` (4, 4); ``information`` (6, 6) of a twist (translation, then rotation) in camera axes; ``inliers``:
    features; how far the images agree; ``confidence``: the probability that the pose is right."""

    map_T_camera: np.ndarray
    information: np.ndarray
    inliers: int
    agreement: Agreement
    confidence: float


def find_by_features(
    looked: Looked, keyframes: Sequence[Keyframe], directions: Sequence[np.ndarray], largest_error_px: float
) -> FoundByFeatures | None:
    """The pose with which most features of keyframes are seen where they are; None where too few are found again.

    Parameters: ``directions`` (N, 128) of each keyframe; ``largest_error_px`` for images FULL_WIDTH wide.
    """
    pixels, points, which, owner = [], [], [], []
    for number, (keyframe, theirs) in enumerate(zip(keyframes, directions)):
        pairs = match(looked.directions, theirs)
        pairs = pairs[np.isfinite(keyframe.points[pairs[:, 1], 2])]
        pixels.append(looked.features.pixels[pairs[:, 0]])
        points.append(transform_points(keyframe.map_T_camera, keyframe.points[pairs[:, 1]].astype(np.float64)))
        which.append(pairs[:, 0])
        owner.append(np.full(len(pairs), number))
    if not pixels:
        return None
    limit = largest_error_px * looked.camera.width / FULL_WIDTH
    found = absolute_pose(np.concatenate(pixels), np.concatenate(points), looked.camera, limit)
    if found is None:
        return None
    _, first = np.unique(np.concatenate(which)[found.inliers], return_index=True)
    counts = np.bincount(np.concatenate(owner)[found.inliers][first], minlength=len(keyframes))
    return FoundByFeatures(invert(found.camera_T_points), found.information, counts)


def refine_by_depth(looked: Looked, found: FoundByFeatures, views: Sequence[View]) -> Registration:
    """The pose aligned with the depth of keyframes, and how likely it is right."""
    aligned = align_depth(looked.surface, views, found.map_T_camera, found.information)
    agreed = agreement(looked.surface, views, aligned.map_T_camera)
    inliers = int(found.inliers.sum())
    has_depth = looked.surface.points.any() and any(view.surface.points.any() for view in views)
    sure = confidence(agreed, inliers, has_depth=bool(has_depth))
    return Registration(aligned.map_T_camera, aligned.information, inliers, agreed, sure)


def register(looked: Looked, known: Sequence[Known], largest_error_px: float) -> Registration | None:
    """The pose against some keyframes; None where too few features are found again."""
    found = find_by_features(looked, [one.keyframe for one in known], [one.directions for one in known], largest_error_px)
    if found is None:
        return None
    seen = [one for one, inliers in zip(known, found.inliers) if inliers]
    return refine_by_depth(looked, found, [View(one.surface, one.keyframe.map_T_camera) for one in seen])
