"""What the deviations that a network says of its pixels are worth, measured on pairs that it was not trained with."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtri

# What all pixels of a prediction are off by together: standard deviation of places on the object, diameters.
PLACE_DEVIATION_D = 0.015
# Neighbouring cells of a prediction have errors in common, as if so many were one. With both constants the errors of 95 % of
# 930 motions on seven of the frozen sets lie in the 95 % ellipsoid, of weights that were not calibrated otherwise.
CORRELATED_CELLS = 20.0
# Calibration brings so many errors into the ellipsoid of as much of a normal distribution, if that can be done within limits.
INSIDE = 0.95
CELLS_LIMITS = (1.0, 10_000.0)
HALVINGS = 24
# Of fewer answers nobody can tell what one in twenty is off by.
FEWEST_ANSWERS = 60


def joint_information(of_pixels: np.ndarray, shared: np.ndarray, correlated_cells: float) -> np.ndarray:
    """Information (..., 6, 6) about motion.

    Parameters: ``of_pixels`` (..., 6, 6), as if every cell were alone; ``shared`` (..., 6, 6), covariance of what they are off by
    together. Without any information of pixels, a network knows nothing of its certainty, and has the shared errors alone.
    """
    alone = of_pixels / correlated_cells
    # (N^-1 + S)^-1 without the inverse of N.
    joint = alone @ np.linalg.inv(np.eye(6) + shared @ alone)
    joint = np.where(of_pixels.any(axis=(-2, -1), keepdims=True), joint, np.linalg.inv(shared))
    return (joint + np.swapaxes(joint, -2, -1)) / 2


def calibrated_cells(errors: np.ndarray, of_pixels: np.ndarray, shared: np.ndarray) -> float:
    """How many cells are as one, by INSIDE of the errors (N, 6) of answers; ``of_pixels`` and ``shared`` (N, 6, 6) as above.

    CORRELATED_CELLS for few answers and for those without certainties of their own.
    """
    if len(errors) < FEWEST_ANSWERS or not of_pixels.any():
        return CORRELATED_CELLS
    limit = chdtri(6, 1 - INSIDE)
    low, high = np.log(CELLS_LIMITS)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        information = joint_information(of_pixels, shared, float(np.exp(middle)))
        squares = np.einsum("ni,nij,nj->n", errors, information, errors)
        low, high = (low, middle) if np.mean(squares < limit) >= INSIDE else (middle, high)
    return float(np.exp(high))
