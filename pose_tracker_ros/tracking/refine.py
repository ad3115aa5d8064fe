"""Geometric polish: projective point-to-plane alignment of the rendered surface with the observed depth."""

from __future__ import annotations

import numpy as np

from pose_tracker_ros.geometry import so3_exp, so3_log
from pose_tracker_ros.tracking.crop import Crop, depth_at, surface
from pose_tracker_ros.tracking.fusion import Measurement, limited, shared_covariance

# Depth noise of a typical RGB-D camera at half a metre, and how many neighbouring pixels share one error.
DEPTH_DEVIATION_M = 0.002
CORRELATED_PIXELS = 20.0
MIN_POINTS = 30
# The gate closes from a share of the diameter to a few deviations of the residuals.
FIRST_GATE = 0.12
MIN_GATE_M = 0.004
GATE_DEVIATIONS = 3.0


def polish(
    crop: Crop,
    iterations: int,
    prior: Measurement | None = None,
    depth_bias_m: float = 0.0,
    slack: np.ndarray | None = None,
) -> Measurement:
    """Align the rendered surface of ``crop`` with its observed depth.

    Every rendered point is paired with the observed point on its ray (after the motion found so far), and
    the distances along the rendered normals are minimised with Tukey's weights, as in projective ICP
    (Blais and Levine 1995, Chen and Medioni 1992). Occluders and background fall outside the closing gate.

    Parameters: ``prior`` opinion about the motion, which keeps directions that the depth does not determine;
    ``depth_bias_m`` systematic error of the depth camera, beyond which more pixels make the result no more certain,
    and ``slack`` (3, 3) of :func:`pose_tracker_ros.tracking.fusion.turning_slack` for what it does to turns. Without
    enough depth the motion and the information are zero.
    """
    points, normals = surface(crop)
    information = np.zeros((6, 6))
    if len(points) < MIN_POINTS:
        return Measurement(np.zeros(6), information)
    prior = Measurement(np.zeros(6), np.zeros((6, 6))) if prior is None else prior
    arms = points - crop.center
    translation, rotation = np.zeros(3), np.eye(3)
    gate = FIRST_GATE * crop.diameter_m
    damping = np.diag([1.0, 1.0, 1.0, crop.diameter_m**2 / 4, crop.diameter_m**2 / 4, crop.diameter_m**2 / 4])
    for _ in range(iterations):
        moved_arms = arms @ rotation.T
        moved = moved_arms + crop.center + translation
        moved_normals = normals @ rotation.T
        depth, valid = depth_at(crop, moved)
        observed = moved * (depth / np.maximum(moved[:, 2], 1e-3))[:, None]
        distance = np.einsum("ij,ij->i", moved_normals, observed - moved)
        used = valid & (np.abs(distance) < gate)
        if used.sum() < MIN_POINTS:
            break
        jacobian = np.hstack([moved_normals[used], np.cross(moved_arms[used], moved_normals[used])])
        weight = (1 - (distance[used] / gate) ** 2) ** 2 / (DEPTH_DEVIATION_M**2 * CORRELATED_PIXELS)
        information = (jacobian * weight[:, None]).T @ jacobian
        gradient = (jacobian * weight[:, None]).T @ distance[used]
        gradient += prior.information @ (prior.motion - np.concatenate([translation, so3_log(rotation)]))
        step = np.linalg.solve(information + prior.information + damping, gradient)
        translation = translation + step[:3]
        rotation = so3_exp(step[3:]) @ rotation
        spread = 1.4826 * np.median(np.abs(distance[used]))
        gate = np.clip(GATE_DEVIATIONS * spread, MIN_GATE_M, gate)
    motion = np.concatenate([translation, so3_log(rotation)])
    return Measurement(motion, _limited_by_bias(information, depth_bias_m, crop.diameter_m, slack))


def _limited_by_bias(information: np.ndarray, bias_m: float, diameter_m: float, slack: np.ndarray | None) -> np.ndarray:
    """Information when the whole depth image may be off: along the ray, and by as much from one end to the other."""
    if bias_m == 0:
        return information
    along = np.array([bias_m / 2, bias_m / 2, bias_m])
    return limited(information, shared_covariance(along, bias_m / diameter_m, slack))
