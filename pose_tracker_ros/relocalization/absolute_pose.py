"""The pose of a camera from pixels and the points that they show."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import poselib

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import make_pose, transform_points

# Three points leave up to four poses, a fourth decides.
LEAST_POINTS = 4
MOST_SAMPLES = 2000
# The largest error is so many deviations of a feature.
LIMIT_DEVIATIONS = 2.0
# What all features share, metres and radians: depth that is registered to colour by a pixel or two.
COMMON_M, COMMON_RAD = 0.05, 0.03


class AbsolutePose(NamedTuple):
    """``camera_T_points`` (4, 4) of the frame that the points are given in, which pairs agree with it (N,) bool, and the
    ``information`` (6, 6) of a twist (translation, then rotation) in camera axes."""

    camera_T_points: np.ndarray
    inliers: np.ndarray
    information: np.ndarray


def absolute_pose(
    pixels: np.ndarray, points: np.ndarray, camera: PinholeCamera, largest_error_px: float
) -> AbsolutePose | None:
    """The pose with which most points (N, 3) are seen at their pixels (N, 2), by PoseLib; None for fewer than four points.

    PoseLib samples triples locally optimised (LO-RANSAC) and refines the best by a truncated loss.
    """
    if len(pixels) < LEAST_POINTS:
        return None
    intrinsics = {
        "model": "PINHOLE",
        "width": camera.width,
        "height": camera.height,
        "params": [camera.fx, camera.fy, camera.cx, camera.cy],
    }
    found, info = poselib.estimate_absolute_pose(
        pixels.astype(np.float64),
        points.astype(np.float64),
        intrinsics,
        {"max_reproj_error": largest_error_px, "max_iterations": MOST_SAMPLES, "min_iterations": 100, "seed": 0},
        {"loss_type": "TRUNCATED", "loss_scale": largest_error_px},
    )
    inliers = np.asarray(info["inliers"], bool)
    if inliers.sum() < LEAST_POINTS:
        return None
    pose = make_pose(found.R, found.t)
    deviation_px = largest_error_px / LIMIT_DEVIATIONS
    return AbsolutePose(pose, inliers, _information(transform_points(pose, points[inliers]), camera, deviation_px))


def _information(points: np.ndarray, camera: PinholeCamera, deviation_px: float) -> np.ndarray:
    """Information (6, 6) of points (N, 3) in the camera's frame that are seen with a deviation, as far as it is their own."""
    x, y, z = points.T
    zero = np.zeros_like(z)
    of_pixels = np.stack(
        [
            np.column_stack([camera.fx / z, zero, -camera.fx * x / z**2]),
            np.column_stack([zero, camera.fy / z, -camera.fy * y / z**2]),
        ],
        axis=1,
    )
    # A camera that is moved by a twist sees points moved by its opposite: -t - w x p.
    jacobian = np.concatenate([-of_pixels, np.cross(of_pixels, points[:, None])], axis=2).reshape(-1, 6)
    own = jacobian.T @ jacobian / deviation_px**2
    common = np.diag([COMMON_M**-2] * 3 + [COMMON_RAD**-2] * 3)
    return own - own @ np.linalg.solve(own + common, own)
