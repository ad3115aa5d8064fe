"""Opinions about how the object moved, each as certain as it deserves, and their most likely sum."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Standard deviation of a pose about which nothing is known: metres, radians.
UNKNOWN_DEVIATION = np.array([0.1, 0.1, 0.1, 0.5, 0.5, 0.5])


class Measurement(NamedTuple):
    """Motion (6,) of the object since the rendering, in camera axes, and the information (6, 6) about it.

    The first three are the translation of the object centre in metres, the others the rotation vector about it.
    """

    motion: np.ndarray
    information: np.ndarray


def limited(information: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Information (6, 6) after adding independent errors of standard ``deviation`` (6,) that all pixels share."""
    if not information.any():
        return information
    return np.linalg.inv(np.linalg.inv(information + np.diag(UNKNOWN_DEVIATION**-2)) + np.diag(deviation**2))


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
