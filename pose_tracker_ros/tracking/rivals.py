"""Turns of an object that its shape hardly tells apart, so that paint and details have to."""

from __future__ import annotations

from itertools import permutations, product
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from pose_tracker_ros.geometry import make_pose, rotation_angle
from pose_tracker_ros.objects import Mesh, ObjectModel
from pose_tracker_ros.symmetries import symmetry_transforms
from pose_tracker_ros.tracking.noise import NoiseModel

# Points of the surface that are compared.
POINTS = 400
# A surface that a turn moves less than this from itself on average, diameters, is alike: half of how far the estimator looks.
ALIKE_D = 0.04
# Turns nearer than this, radians, are one: within the estimator's basin.
SAME_RAD = 0.35


class AlikeTurns(NamedTuple):
    """Motions (K, 4, 4) of an object in its own axes, turns about its centre, that hardly change its shape but do change its pose.

    told: those that paint or details may tell, the first of them none, if there are others; untold: those that nothing tells.
    """

    told: np.ndarray
    untold: np.ndarray


def alike_turns(model: ObjectModel, noise: NoiseModel) -> AlikeTurns:
    """Of the turns of a cube along the principal axes of the surface, by quarters, halves and thirds.

    Nothing tells a turn that moves the surface by less than meshes are off, if the paint is the same all over or not known.
    """
    points = model.sample_points(POINTS) - model.center_m
    axes = np.linalg.eigh(model.surface_moments)[1]
    symmetries = symmetry_transforms(model)[:, :3, :3]
    distance = cdist(points, points)
    np.fill_diagonal(distance, np.inf)
    spacing = distance.min(axis=1).mean()
    told, untold = [np.eye(4)], []
    for turn in _cube_turns():
        turn = axes @ turn @ axes.T
        moved_m = cdist(points @ turn.T, points).min(axis=1).mean() - spacing
        if moved_m < ALIKE_D * model.diameter_m and all(rotation_angle(turn.T @ one) > SAME_RAD for one in symmetries):
            is_told = moved_m > noise.surface or _has_pattern(model.mesh, noise.paint)
            (told if is_told else untold).append(make_pose(turn, model.center_m - turn @ model.center_m))
    return AlikeTurns(np.array(told if len(told) > 1 else []).reshape(-1, 4, 4), np.array(untold).reshape(-1, 4, 4))


def _cube_turns() -> list[np.ndarray]:
    """The 24 rotations (3, 3) that take a cube to itself."""
    turns = (np.diag(signs)[:, order] for order in permutations(range(3)) for signs in product((1.0, -1.0), repeat=3))
    return [turn for turn in turns if np.linalg.det(turn) > 0]


def _has_pattern(mesh: Mesh, paint: float) -> bool:
    """Whether a mesh has colours that differ by more than paint's deviation, grey levels."""
    colors = mesh.vertex_colors if mesh.texture is None else mesh.texture.reshape(-1, 3)
    return colors is not None and float(colors.std(axis=0).max()) > paint
