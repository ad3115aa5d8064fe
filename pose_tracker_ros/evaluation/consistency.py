"""Whether a tracker is as sure as it may be: errors measured in the covariance that it claims."""

from __future__ import annotations

import numpy as np
from scipy.stats import chi2

from pose_tracker_ros.geometry import residual_between
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.symmetries import nearest_equivalent, observable_directions

CONFIDENCE = 0.95
TWIST_SIZE = 6


def normalized_errors_squared(
    estimates: np.ndarray,
    truths: np.ndarray,
    covariances: np.ndarray,
    model: ObjectModel,
    symmetries: np.ndarray,
) -> np.ndarray:
    """Normalised estimation error squared (N,), e^T P^-1 e (Bar-Shalom et al., Estimation with Applications, 2001).

    e takes the truth to the estimate: translation of the object's centre (m), then rotation vector (rad), camera axes.
    The truth is the equivalent one that is turned least from the estimate. What cannot be observed, the turn about an
    axis of continuous symmetry, is projected out of e and P; :func:`degrees_of_freedom` says how many remain.

    Parameters: ``estimates``, ``truths`` (N, 4, 4); ``covariances`` (N, 6, 6), NaN where not known; ``symmetries``
    (K, 4, 4) from :func:`pose_tracker_ros.symmetries.symmetry_transforms`. NaN without pose or covariance; infinite where
    the covariance is none (not positive definite).
    """
    errors = np.full(len(estimates), np.nan)
    known = np.isfinite(estimates).all(axis=(1, 2)) & np.isfinite(covariances).all(axis=(1, 2))
    for number in np.flatnonzero(known):
        truth = nearest_equivalent(estimates[number], truths[number], symmetries)
        error = np.concatenate(residual_between(truth, estimates[number], model.center_m))
        basis = observable_directions(model, truth)
        errors[number] = _mahalanobis_squared(basis.T @ error, basis.T @ covariances[number] @ basis)
    return errors


def degrees_of_freedom(model: ObjectModel) -> int:
    """How many of the six directions of a pose images can tell: 5 for an object that is round about an axis."""
    return observable_directions(model, np.eye(4)).shape[1]


def inside_ellipsoid(errors_squared: np.ndarray, freedom: int) -> np.ndarray:
    """True (N,) where a normalised error squared lies inside the ellipsoid that holds 95 % of all errors."""
    return errors_squared <= chi2.ppf(CONFIDENCE, freedom)


def _mahalanobis_squared(error: np.ndarray, covariance: np.ndarray) -> float:
    try:
        whitened = np.linalg.solve(np.linalg.cholesky(covariance), error)
    except np.linalg.LinAlgError:
        return float("inf")
    return float(whitened @ whitened)
