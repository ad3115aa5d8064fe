"""Poses of an object that its shape hardly tells apart, so that paint and details have to."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from scipy.spatial.distance import cdist

from pose_tracker_ros.geometry import make_pose, rotation_angle
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.symmetries import symmetry_transforms

# Points of the surface that are compared.
POINTS = 400
# A surface that a turn moves less than this from itself on average, diameters, is alike: half of how far the estimator looks.
ALIKE_D = 0.04
# Turns nearer than this, radians, are one: within the estimator's basin.
SAME_RAD = 0.35


def alike_turns(model: ObjectModel) -> np.ndarray:
    """Motions (K, 4, 4) of an object in its own axes that hardly change its shape but do change its pose: turns about its centre.

    Of those of a cube along the principal axes of the surface: by quarters, halves and thirds.
    """
    points = model.sample_points(POINTS) - model.center_m
    axes = np.linalg.eigh(model.surface_moments)[1]
    symmetries = symmetry_transforms(model)[:, :3, :3]
    distance = cdist(points, points)
    np.fill_diagonal(distance, np.inf)
    spacing = distance.min(axis=1).mean()
    alike = []
    for turn in _cube_turns():
        turn = axes @ turn @ axes.T
        moved = cdist(points @ turn.T, points).min(axis=1).mean() - spacing
        if moved < ALIKE_D * model.diameter_m and all(rotation_angle(turn.T @ one) > SAME_RAD for one in symmetries):
            alike.append(make_pose(turn, model.center_m - turn @ model.center_m))
    return np.array(alike).reshape(-1, 4, 4)


def _cube_turns() -> list[np.ndarray]:
    """The 24 rotations (3, 3) that take a cube to itself."""
    turns = (np.diag(signs)[:, order] for order in permutations(range(3)) for signs in product((1.0, -1.0), repeat=3))
    return [turn for turn in turns if np.linalg.det(turn) > 0]
