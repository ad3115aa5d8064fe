"""Geometric polish: projective point-to-plane alignment of the rendered surface with the observed depth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pose_tracker_ros.geometry import apply_residual, so3_exp, so3_log
from pose_tracker_ros.tracking.crop import Crop

# Depth noise of a typical RGB-D camera at half a metre, and how many neighbouring pixels share one error.
DEPTH_DEVIATION_M = 0.002
CORRELATED_PIXELS = 20.0
MAX_POINTS = 2000
MIN_POINTS = 30
# The gate closes from a share of the diameter to a few deviations of the residuals.
FIRST_GATE = 0.12
MIN_GATE_M = 0.004
GATE_DEVIATIONS = 3.0


class Polish(NamedTuple):
    """Refined pose (4, 4) and the information (6, 6) that depth gave: translation in metres, rotation in radians."""

    camera_T_object: np.ndarray
    information: np.ndarray


def polish(
    crop: Crop,
    camera_T_object: np.ndarray,
    center: np.ndarray,
    iterations: int,
    prior: np.ndarray | None = None,
) -> Polish:
    """Refine the pose at which ``crop`` was rendered against its observed depth.

    Every rendered point is paired with the observed point on its ray (after the motion found so far), and
    the distances along the rendered normals are minimised with Tukey's weights, as in projective ICP
    (Blais and Levine 1995, Chen and Medioni 1992). Occluders and background fall outside the closing gate.

    Parameters: ``center`` (3,) of the object in its own frame, metres; ``prior`` (6, 6) information about the
    given pose: directions that the depth does not determine stay there.
    """
    points, normals = _surface(crop)
    information = np.zeros((6, 6))
    if len(points) < MIN_POINTS:
        return Polish(camera_T_object, information)
    prior = np.zeros((6, 6)) if prior is None else prior
    arms = points - crop.center
    translation, rotation = np.zeros(3), np.eye(3)
    gate = FIRST_GATE * crop.diameter_m
    damping = np.diag([1.0, 1.0, 1.0, crop.diameter_m**2 / 4, crop.diameter_m**2 / 4, crop.diameter_m**2 / 4])
    for _ in range(iterations):
        moved_arms = arms @ rotation.T
        moved = moved_arms + crop.center + translation
        moved_normals = normals @ rotation.T
        observed, valid = _observed_on_ray(crop, moved)
        distance = np.einsum("ij,ij->i", moved_normals, observed - moved)
        used = valid & (np.abs(distance) < gate)
        if used.sum() < MIN_POINTS:
            break
        jacobian = np.hstack([moved_normals[used], np.cross(moved_arms[used], moved_normals[used])])
        weight = (1 - (distance[used] / gate) ** 2) ** 2 / (DEPTH_DEVIATION_M**2 * CORRELATED_PIXELS)
        information = (jacobian * weight[:, None]).T @ jacobian
        gradient = (jacobian * weight[:, None]).T @ distance[used]
        gradient -= prior @ np.concatenate([translation, so3_log(rotation)])
        step = np.linalg.solve(information + prior + damping, gradient)
        translation = translation + step[:3]
        rotation = so3_exp(step[3:]) @ rotation
        spread = 1.4826 * np.median(np.abs(distance[used]))
        gate = np.clip(GATE_DEVIATIONS * spread, MIN_GATE_M, gate)
    return Polish(apply_residual(camera_T_object, translation, so3_log(rotation), center), information)


def _surface(crop: Crop) -> tuple[np.ndarray, np.ndarray]:
    """Rendered points and normals (N, 3), thinned out regularly to at most MAX_POINTS."""
    rows, columns = np.nonzero(crop.rendering.mask)
    keep = slice(None, None, max(1, -(-len(rows) // MAX_POINTS)))
    rows, columns = rows[keep], columns[keep]
    depth = crop.rendering.depth[rows, columns].astype(np.float64)
    camera = crop.camera
    points = np.stack([(columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy, np.ones(len(rows))], axis=1)
    return points * depth[:, None], crop.rendering.normal[rows, columns].astype(np.float64)


def _observed_on_ray(crop: Crop, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Observed points (N, 3) on the rays of the given ones, and where there is one."""
    camera = crop.camera
    z = np.maximum(points[:, 2], 1e-3)
    columns = np.rint(camera.fx * points[:, 0] / z + camera.cx).astype(int)
    rows = np.rint(camera.fy * points[:, 1] / z + camera.cy).astype(int)
    inside = (columns >= 0) & (columns < camera.width) & (rows >= 0) & (rows < camera.height)
    depth = np.zeros(len(points))
    depth[inside] = crop.depth[rows[inside], columns[inside]]
    return points * (depth / z)[:, None], depth > 0
