"""Errors of estimated poses against true ones, and what tables summarise them with.

Errors are in metres and radians, scores are fractions 0..1 (tables show them times 100).
A missing estimate is a pose of NaN: its errors are infinite, so that it counts as a failure everywhere.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from pose_tracker_ros.geometry import invert

AUC_LIMIT_M = 0.1
NO_POSE = np.full((4, 4), np.nan)
_POINTS_PER_BLOCK = 400_000
# Measured best for a few thousand surface points; smaller leaves double the time of distant queries.
_LEAF_SIZE = 24


def add_errors(estimates: np.ndarray, truths: np.ndarray, points: np.ndarray) -> np.ndarray:
    """ADD (N,) in metres: mean distance of corresponding model points (Hinterstoisser et al., ACCV 2012).

    Parameters: ``estimates`` and ``truths`` camera_T_object (N, 4, 4); ``points`` (P, 3) metres.
    """
    estimates, truths = _pair(estimates, truths)
    errors = np.full(len(estimates), np.inf)
    present = np.flatnonzero(is_present(estimates))
    for block in _blocks(present, len(points)):
        difference = estimates[block, :3] - truths[block, :3]
        offsets = np.einsum("nij,pj->npi", difference[..., :3], points) + difference[:, None, :, 3]
        errors[block] = np.sqrt(np.einsum("npi,npi->np", offsets, offsets)).mean(axis=1)
    return errors


def adds_errors(estimates: np.ndarray, truths: np.ndarray, points: np.ndarray, workers: int = -1) -> np.ndarray:
    """ADD-S (N,) in metres: mean distance of each true model point to the nearest estimated one.

    Nearest neighbours are exact. The direction, from the truth to the estimate, is that of the YCB-Video
    toolbox and of BOP. Distances do not change with the frame, so the true points are brought into the
    estimate's object frame and one search tree of the model serves all poses.

    Parameters: as :func:`add_errors`; ``workers`` threads of the search, -1 for all.
    """
    estimates, truths = _pair(estimates, truths)
    errors = np.full(len(estimates), np.inf)
    tree = cKDTree(points, leafsize=_LEAF_SIZE)
    # Neighbouring queries that are neighbours in space find the same leaves in the cache.
    ordered = points[tree.indices]
    present = np.flatnonzero(is_present(estimates))
    for block in _blocks(present, len(points)):
        estimate_T_truth = invert(estimates[block]) @ truths[block]
        queries = np.einsum("nij,pj->npi", estimate_T_truth[:, :3, :3], ordered) + estimate_T_truth[:, None, :3, 3]
        distances, _ = tree.query(queries.reshape(-1, 3), workers=workers)
        errors[block] = distances.reshape(len(block), -1).mean(axis=1)
    return errors


def translation_errors(estimates: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Distances (N,) in metres between the object origins."""
    estimates, truths = _pair(estimates, truths)
    errors = np.linalg.norm(estimates[:, :3, 3] - truths[:, :3, 3], axis=1)
    return np.where(np.isnan(errors), np.inf, errors)


def rotation_errors(estimates: np.ndarray, truths: np.ndarray, symmetries: np.ndarray | None = None) -> np.ndarray:
    """Angles (N,) in radians, 0..pi, from the truth to the estimate.

    ``symmetries``: transforms (K, 4, 4) from :func:`pose_tracker_ros.symmetries.symmetry_transforms`; the error is then that to the
    nearest of the K equivalent truths.
    """
    estimates, truths = _pair(estimates, truths)
    errors = np.full(len(estimates), np.inf)
    present = is_present(estimates)
    relative = np.swapaxes(truths[present, :3, :3], 1, 2) @ estimates[present, :3, :3]
    equivalents = np.eye(3)[None] if symmetries is None else symmetries[:, :3, :3]
    best = np.full(len(relative), np.inf)
    for equivalent in equivalents:
        best = np.minimum(best, Rotation.from_matrix(equivalent.T @ relative).magnitude() if len(relative) else best)
    errors[present] = best
    return errors


def pose_errors_with_symmetry(
    estimates: np.ndarray, truths: np.ndarray, symmetries: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Translation (N,) metres and rotation (N,) radians to the equivalent truth of smallest rotation error.

    Unlike :func:`translation_errors` this is right for symmetries whose axis misses the object origin.
    """
    estimates, truths = _pair(estimates, truths)
    rotation = np.stack([rotation_errors(estimates, truths @ symmetry) for symmetry in symmetries])
    translation = np.stack([translation_errors(estimates, truths @ symmetry) for symmetry in symmetries])
    best = np.argmin(rotation, axis=0)[None]
    return np.take_along_axis(translation, best, 0)[0], np.take_along_axis(rotation, best, 0)[0]


def auc_voc(errors: np.ndarray, limit: float = AUC_LIMIT_M) -> float:
    """Area under the accuracy-threshold curve up to ``limit``, 0..1, as the YCB-Video toolbox computes it.

    The toolbox integrates as PASCAL VOC 2010 integrates precision: each step of the curve counts with its
    upper value, which is (largest error below the limit) / (limit n) more than :func:`auc_exact`.
    """
    errors = np.sort(np.asarray(errors, dtype=np.float64))
    below = errors[errors < limit]
    if not len(below):
        return 0.0
    accuracy = np.arange(1, len(below) + 1) / len(errors)
    steps = np.diff(np.concatenate([[0.0], below, [limit]]))
    return float(np.sum(steps * np.concatenate([accuracy, accuracy[-1:]])) / limit)


def auc_exact(errors: np.ndarray, limit: float = AUC_LIMIT_M) -> float:
    """Area under the accuracy-threshold curve up to ``limit``, 0..1: the mean of max(0, 1 - error / limit)."""
    errors = np.asarray(errors, dtype=np.float64)
    return float(np.mean(np.maximum(0.0, 1.0 - errors / limit))) if len(errors) else 0.0


def accuracy(errors: np.ndarray, threshold: float) -> float:
    """Share 0..1 of errors strictly below the threshold; ADD-0.1d is that of a tenth of the diameter."""
    errors = np.asarray(errors)
    return float(np.mean(errors < threshold)) if len(errors) else 0.0


def accuracy_curve(errors: np.ndarray, limit: float = AUC_LIMIT_M, count: int = 201) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds (count,) from 0 to ``limit`` and the share of errors not above each."""
    thresholds = np.linspace(0.0, limit, count)
    ranks = np.searchsorted(np.sort(errors), thresholds, side="right")
    return thresholds, ranks / max(len(errors), 1)


def pose_accuracy(
    translation: np.ndarray, rotation: np.ndarray, limit_m: float = 0.05, limit_deg: float = 5.0
) -> float:
    """Share 0..1 of poses within both limits, 5 deg / 5 cm by default (Shotton et al., CVPR 2013)."""
    within = (np.asarray(translation) < limit_m) & (np.asarray(rotation) < np.radians(limit_deg))
    return float(np.mean(within)) if len(within) else 0.0


def count_losses(failed: np.ndarray) -> int:
    """How often tracking was lost: runs of consecutive frames (N,) bool that failed."""
    failed = np.asarray(failed, dtype=bool)
    return int(np.sum(failed & ~np.concatenate([[False], failed[:-1]]))) if len(failed) else 0


def is_present(poses: np.ndarray) -> np.ndarray:
    """True (N,) for poses (N, 4, 4) that are not missing."""
    return np.isfinite(poses).all(axis=(1, 2))


def _pair(estimates: np.ndarray, truths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    estimates, truths = (np.asarray(poses, dtype=np.float64) for poses in (estimates, truths))
    if estimates.ndim != 3 or estimates.shape[1:] != (4, 4) or estimates.shape != truths.shape:
        raise ValueError(f"expected two equally long stacks of 4x4 poses, got {estimates.shape} and {truths.shape}")
    return estimates, truths


def _blocks(present: np.ndarray, points: int) -> list[np.ndarray]:
    """Indices in blocks that keep the temporary arrays small."""
    size = max(1, _POINTS_PER_BLOCK // max(points, 1))
    return [present[start : start + size] for start in range(0, len(present), size)]
