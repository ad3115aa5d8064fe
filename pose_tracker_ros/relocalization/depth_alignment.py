"""The depth of an image against that of keyframes: the pose at which the surfaces coincide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.geometry import invert, make_pose, so3_exp, so3_log
from pose_tracker_ros.relocalization.surface import Surface

ITERATIONS = 8
# Points are compared that are so far apart, metres: at first what the features leave, at last what noise does.
FIRST_REACH_M, LAST_REACH_M = 0.15, 0.04
# Normals of one surface seen twice differ by less: cosine.
SAME_NORMAL = 0.8
# Every n-th pixel of the new image in both directions; neighbours have one error (of speckle windows and interpolation).
STRIDE = 5
SHARED = 1.5
# Standard deviation of measured depth, metres: constant, and at 1 m of what grows with the square (Khoshelham, Sensors 2012).
NOISE_M, NOISE_AT_METRE = 0.005, 0.003
# What two cameras' depth differ by in common, and poses of keyframes are off: metres, radians.
COMMON_M, COMMON_RAD = 0.005, 0.004


class View(NamedTuple):
    """A surface and the pose (4, 4) of the camera that saw it, in the frame of the map."""

    surface: Surface
    map_T_camera: np.ndarray


class DepthAlignment(NamedTuple):
    """``map_T_camera`` (4, 4) and ``information`` (6, 6) of a twist (translation, then rotation) in camera axes."""

    map_T_camera: np.ndarray
    information: np.ndarray


def align_depth(
    surface: Surface, views: Sequence[View], map_T_camera: np.ndarray, prior: np.ndarray
) -> DepthAlignment:
    """The most likely pose by depth and by where the camera is taken to be.

    Point-to-plane distances between pixels of the new image and the pixels of keyframes in which they are seen (projective
    association: Blais and Levine, PAMI 1995), as normal distributions of one scale with Tukey's weights, by Gauss-Newton.
    Parameters: ``surface`` of the new image; ``map_T_camera`` (4, 4) and the ``prior`` information (6, 6) about it.
    """
    points, normals = samples(surface)
    pose = map_T_camera
    information = prior
    for iteration in range(ITERATIONS):
        reach = FIRST_REACH_M * (LAST_REACH_M / FIRST_REACH_M) ** (iteration / (ITERATIONS - 1))
        hessian, gradient = np.zeros((6, 6)), np.zeros(6)
        for view in views:
            _add_view(hessian, gradient, points, normals, view, pose, reach)
        own = _own_part(hessian)
        information = prior + own @ hessian
        step = np.linalg.solve(information, -(own @ gradient + prior @ twist_between(map_T_camera, pose)))
        pose = pose @ make_pose(so3_exp(step[3:]), step[:3])
        if np.linalg.norm(step) < 1e-5 and reach < 1.5 * LAST_REACH_M:
            break
    return DepthAlignment(pose, information)


def twist_between(pose: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Translation and rotation (6,) in camera axes that take one map_T_camera to another."""
    change = invert(pose) @ other
    return np.concatenate([change[:3, 3], so3_log(change[:3, :3])])


def samples(surface: Surface) -> tuple[np.ndarray, np.ndarray]:
    points = surface.points[1::STRIDE, 1::STRIDE].reshape(-1, 3)
    normals = surface.normals[1::STRIDE, 1::STRIDE].reshape(-1, 3)
    measured = normals.any(axis=1)
    return points[measured].astype(np.float64), normals[measured].astype(np.float64)


def depth_deviation(depth: np.ndarray) -> np.ndarray:
    return NOISE_M + NOISE_AT_METRE * depth**2


def seen_by(points: np.ndarray, surface: Surface) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which points (N, 3) of a surface's camera frame fall onto a measured pixel, and that pixel's row and column."""
    camera = surface.camera
    z = np.maximum(points[:, 2], 1e-6)
    columns = np.rint(camera.fx * points[:, 0] / z + camera.cx)
    rows = np.rint(camera.fy * points[:, 1] / z + camera.cy)
    inside = (points[:, 2] > 0.05) & (columns >= 0) & (columns < camera.width) & (rows >= 0) & (rows < camera.height)
    which = np.flatnonzero(inside)
    rows, columns = rows[which].astype(int), columns[which].astype(int)
    measured = surface.points[rows, columns, 2] > 0
    return which[measured], rows[measured], columns[measured]


def _add_view(
    hessian: np.ndarray,
    gradient: np.ndarray,
    points: np.ndarray,
    normals: np.ndarray,
    view: View,
    map_T_camera: np.ndarray,
    reach: float,
) -> None:
    keyframe_T_camera = invert(view.map_T_camera) @ map_T_camera
    rotation = keyframe_T_camera[:3, :3]
    moved = points @ rotation.T + keyframe_T_camera[:3, 3]
    seen, rows, columns = seen_by(moved, view.surface)
    theirs = view.surface.normals[rows, columns].astype(np.float64)
    between = moved[seen] - view.surface.points[rows, columns]
    same = ((normals[seen] @ rotation.T) * theirs).sum(axis=1) > SAME_NORMAL
    same &= (between**2).sum(axis=1) < reach**2
    seen, theirs, between = seen[same], theirs[same], between[same]
    distances = (theirs * between).sum(axis=1)
    deviation = np.sqrt(2) * depth_deviation(points[seen, 2])
    weights = np.clip(1 - (distances / (4 * deviation + reach / 4)) ** 2, 0, None) ** 2 / (SHARED * deviation**2)
    axes = theirs @ rotation
    jacobian = np.hstack([axes, np.cross(points[seen], axes)])
    weighted = jacobian * weights[:, None]
    hessian += weighted.T @ jacobian
    gradient += weighted.T @ distances


def _own_part(hessian: np.ndarray) -> np.ndarray:
    """Matrix (6, 6) that takes Hessian and gradient of what is measured to what they say of the pose alone.

    All that is measured has an error of COMMON_M and COMMON_RAD in common: a twist c of covariance C. The best c for every
    pose leaves M H and M g of H and g, with M = 1 - H (H + C^-1)^-1.
    """
    common = np.diag([COMMON_M**-2] * 3 + [COMMON_RAD**-2] * 3)
    return np.eye(6) - hessian @ np.linalg.inv(hessian + common)
