"""Opinions about how the object moved, each as certain as it deserves, and their most likely sum."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Standard deviation of a pose about which nothing is known: metres, radians.
UNKNOWN_DEVIATION = np.array([0.1, 0.1, 0.1, 0.5, 0.5, 0.5])
# Distance of a bulky object's surface from any axis through its centre, diameters; and the smallest that counts of it.
BULKY_LEVER = 0.25
SMALLEST_LEVER = 0.05


class Measurement(NamedTuple):
    """Motion (6,) of the object since the rendering, in camera axes, and the information (6, 6) about it.

    The first three are the translation of the object centre in metres, the others the rotation vector about it.
    """

    motion: np.ndarray
    information: np.ndarray


def limited(information: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """Information (6, 6) after adding independent errors of covariance ``shared`` (6, 6) that all pixels have in common."""
    if not information.any():
        return information
    return np.linalg.inv(np.linalg.inv(information + np.diag(UNKNOWN_DEVIATION**-2)) + shared)


def shared_covariance(translation: np.ndarray, rotation: float, slack: np.ndarray | None = None) -> np.ndarray:
    """Covariance (6, 6) of errors that all pixels have in common.

    Parameters: standard deviations of ``translation`` (3,) metres and, of a bulky object, of ``rotation``, radians;
    ``slack`` (3, 3) of :func:`turning_slack`, in camera axes, for one that is not.
    """
    covariance = np.zeros((6, 6))
    covariance[:3, :3] = np.diag(np.square(translation))
    covariance[3:, 3:] = rotation**2 * (np.eye(3) if slack is None else slack)
    return covariance


def turning_slack(arms: np.ndarray, diameter_m: float) -> np.ndarray:
    """How much more than a bulky object one with surface points ``arms`` (N, 3) about its centre can be turned unnoticed.

    Errors in place turn an object the farther, the nearer its surface is to the axis: a rod about its own axis by much.
    Returns (3, 3), factor on the covariance of rotation vectors, 1 about axes that the surface is far away from.
    """
    squares = np.einsum("ni,nj->ij", arms, arms) / len(arms)
    levers, axes = np.linalg.eigh(np.trace(squares) * np.eye(3) - squares)
    ratios = np.clip(np.sqrt(np.maximum(levers, 0)) / (BULKY_LEVER * diameter_m), SMALLEST_LEVER, 1.0)
    return axes @ np.diag(ratios**-2) @ axes.T


def fuse(prior: np.ndarray, *measurements: Measurement) -> tuple[np.ndarray, np.ndarray]:
    """The most likely motion (6,), translation before rotation, and its information (6, 6).

    Product of normal distributions: no motion with information ``prior``, and the measurements.
    """
    information = prior + sum(measurement.information for measurement in measurements)
    if not information.any():
        return np.zeros(6), information
    regular = information + np.diag(UNKNOWN_DEVIATION**-2) * 1e-3
    pull = sum(measurement.information @ measurement.motion for measurement in measurements)
    return np.linalg.solve(regular, pull), information
