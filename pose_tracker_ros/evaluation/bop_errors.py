"""Pose errors and average recalls of the BOP challenge (Hodan et al., ECCV Workshops 2020, arXiv 2009.07378).

Lengths are metres, projections pixels. Poses are camera_T_object (4, 4); symmetries are transforms
(K, 4, 4) from :func:`pose_tracker_ros.symmetries.symmetry_transforms`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from pose_tracker_ros.camera import PinholeCamera

STEPS = np.arange(1, 11)
# MSSD and VSD: shares of the diameter; MSPD: pixels in an image 640 pixels wide.
DIAMETER_THRESHOLDS = 0.05 * STEPS
PIXEL_THRESHOLDS = 5.0 * STEPS
REFERENCE_WIDTH_PX = 640
VSD_TOLERANCE_M = 0.015
# VSD's misalignment tolerances, shares of the diameter, and the thresholds of its error.
VSD_TAUS = 0.05 * STEPS
VSD_THRESHOLDS = 0.05 * STEPS
_POINTS_PER_BLOCK = 200_000


def mssd_error(estimate: np.ndarray, truth: np.ndarray, points: np.ndarray, symmetries: np.ndarray) -> float:
    """Maximum symmetry-aware surface distance in metres.

    The largest distance of corresponding points (P, 3), for the equivalent truth that makes it smallest.
    It depends on the convex hull of the points alone, see :func:`hull_points`.
    """
    return float(np.sqrt(min(_largest_square(block) for block in _differences(estimate, truth, points, symmetries))))


def mspd_error(
    estimate: np.ndarray, truth: np.ndarray, points: np.ndarray, symmetries: np.ndarray, camera: PinholeCamera
) -> float:
    """Maximum symmetry-aware projection distance in pixels; infinite when a point is not in front of the camera."""
    projected = camera.project(points @ estimate[:3, :3].T + estimate[:3, 3])
    smallest = np.inf
    for block in _blocks(symmetries, len(points)):
        equivalents = truth @ block
        placed = np.einsum("kij,pj->kpi", equivalents[:, :3, :3], points) + equivalents[:, None, :3, 3]
        squares = np.sum((camera.project(placed) - projected) ** 2, axis=-1).max(axis=1)
        smallest = min(smallest, float(np.sqrt(np.where(np.isnan(squares), np.inf, squares).min())))
    return smallest


def vsd_errors(
    estimated_depth: np.ndarray,
    true_depth: np.ndarray,
    measured_depth: np.ndarray,
    camera: PinholeCamera,
    diameter_m: float,
    taus: np.ndarray = VSD_TAUS,
    tolerance_m: float = VSD_TOLERANCE_M,
) -> np.ndarray:
    """Visible surface discrepancy (T,), 0..1, for each misalignment tolerance.

    Parameters: depth images (H, W) in metres, 0 = nothing: rendered at the estimate, rendered at the truth,
    and measured; ``taus`` (T,) are shares of the diameter. Depths are compared as distances from the
    camera's centre. A surface is visible where it is at most ``tolerance_m`` behind what was measured, or
    where nothing was measured; the estimate's is visible also where the truth's is.
    """
    ray_lengths = np.linalg.norm(camera.rays(), axis=-1)
    estimated, true, measured = (depth * ray_lengths for depth in (estimated_depth, true_depth, measured_depth))
    true_visible = _visible(true, measured, tolerance_m)
    estimated_visible = _visible(estimated, measured, tolerance_m) | (true_visible & (estimated > 0))
    union = np.sum(true_visible | estimated_visible)
    if union == 0:
        return np.ones(len(taus))
    both = true_visible & estimated_visible
    offsets = np.abs(true[both] - estimated[both]) / diameter_m
    misaligned = np.array([np.sum(offsets >= tau) for tau in taus])
    return (misaligned + union - both.sum()) / union


def hull_points(points: np.ndarray) -> np.ndarray:
    """The points (P, 3) on the convex hull; all of them when they lie in a plane.

    A rigid motion's displacement is an affine map of the point and its length a convex function, whose
    maximum over a set is attained at a vertex of the convex hull: MSSD needs no other points.
    """
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:
        return points


@dataclass(frozen=True)
class MatchedTarget:
    """All estimates and true instances of one object in one image.

    errors: (E, G, D) of estimates, in the order of falling score, against true instances; D is the number
    of error values of a pair (10 tolerances for VSD, else 1). count: number of instances to be found.
    """

    errors: np.ndarray
    count: int


def recalls(targets: Sequence[MatchedTarget], thresholds: np.ndarray) -> np.ndarray:
    """Share (..., D) of target instances found, for every threshold and error value.

    An estimate takes, in the order of scores, the free true instance of smallest error strictly below
    the threshold; thresholds (T,) are in the unit of the errors. Returns (T, D).
    """
    depth = targets[0].errors.shape[2] if targets else 1
    found = np.zeros((len(thresholds), depth))
    for target in targets:
        for t, threshold in enumerate(thresholds):
            for d in range(depth):
                found[t, d] += _count_matches(target.errors[..., d], threshold)
    return found / max(sum(target.count for target in targets), 1)


def average_recall(targets: Sequence[MatchedTarget], thresholds: np.ndarray) -> float:
    """Mean of :func:`recalls` over thresholds and error values: AR_MSSD, AR_MSPD or AR_VSD."""
    return float(recalls(targets, thresholds).mean())


def _count_matches(errors: np.ndarray, threshold: float) -> int:
    if errors.shape == (1, 1):
        return int(errors[0, 0] < threshold)
    free = np.ones(errors.shape[1], dtype=bool)
    for row in errors:
        candidates = np.where(free, row, np.inf)
        if len(candidates) and candidates.min() < threshold:
            free[np.argmin(candidates)] = False
    return int(np.sum(~free))


def _visible(distance: np.ndarray, measured: np.ndarray, tolerance_m: float) -> np.ndarray:
    return (distance > 0) & ((measured == 0) | (distance - measured <= tolerance_m))


def _differences(
    estimate: np.ndarray, truth: np.ndarray, points: np.ndarray, symmetries: np.ndarray
) -> Iterator[np.ndarray]:
    """Displacements (K, P, 3) of the points from the equivalent truths to the estimate, in blocks of K."""
    for block in _blocks(symmetries, len(points)):
        difference = estimate[:3] - (truth @ block)[:, :3]
        yield np.einsum("kij,pj->kpi", difference[..., :3], points) + difference[:, None, :, 3]


def _largest_square(displacements: np.ndarray) -> float:
    return float(np.einsum("kpi,kpi->kp", displacements, displacements).max(axis=1).min())


def _blocks(symmetries: np.ndarray, points: int) -> list[np.ndarray]:
    size = max(1, _POINTS_PER_BLOCK // max(points, 1))
    return [symmetries[start : start + size] for start in range(0, len(symmetries), size)]
