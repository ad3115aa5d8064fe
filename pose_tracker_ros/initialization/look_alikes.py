"""Turns after which an object's surface is where it was: only paint tells them apart."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from pose_tracker_ros.geometry import make_pose, rotation_angle
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.symmetries import symmetry_transforms
from pose_tracker_ros.tracking.search import BASIN_RAD, turns

# Poses are another answer from so far on: the limits within which a first pose counts as right. Radians and metres.
APART_RAD, APART_M = np.radians(20.0), 0.02
# Turns that fill the space of rotations with balls of the estimator's basin.
ALL_TURNS = int(np.ceil((np.pi / BASIN_RAD) ** 3))
# Surfaces are in one place when they are so near to each other (root of the mean square), diameters. Measured: half turns of boxes,
# bottles and cans 0.010 to 0.014, of which 0.011 are the points' spacing; quarter turns of a brick 0.027; a mug about its axis 0.038.
SAME_SURFACE_D = 0.03
# Turns a few degrees off come to fit; those whose surface is farther off than this after the first steps do not, diameters.
NEAR_SURFACE_D = 0.05
SURFACE_POINTS = 4000
# Points that are moved, and steps: few for all turns, more for those that differ and are left.
FIRST, LAST = (40, 6), (120, 16)
# Continuous symmetries in steps of so many diameters of motion.
STEP_D = 0.05


class LookAlikes:
    """Other poses of one object that can be mistaken for a pose, declared symmetries apart."""

    def __init__(self, model: ObjectModel) -> None:
        """Turns the surface in all ways, which takes some tenths of a second."""
        self._model, self._symmetries = model, symmetry_transforms(model, STEP_D)
        self.turns = self._self_turns()

    def are_apart(self, one: np.ndarray, other: np.ndarray) -> bool:
        """Whether two poses (4, 4) are different answers, whichever of the equivalent ones is meant."""
        equivalents = other @ self._symmetries
        angles = rotation_angle(one[:3, :3] @ equivalents[:, :3, :3].transpose(0, 2, 1))
        center = self._model.center_m
        moved = np.linalg.norm((equivalents - one)[:, :3, :3] @ center + (equivalents - one)[:, :3, 3], axis=1)
        return not bool(np.any((angles <= APART_RAD) & (moved <= APART_M)))

    def _self_turns(self) -> np.ndarray:
        """Transforms (K, 4, 4) of the object after which its surface is where it was."""
        center, diameter = self._model.center_m, self._model.diameter_m
        surface = (self._model.sample_points(SURFACE_POINTS) - center) / diameter
        motions = turns(1, ALL_TURNS), np.zeros((ALL_TURNS, 3))
        motions = _fitting(surface, *motions, *FIRST, (2 * NEAR_SURFACE_D, NEAR_SURFACE_D))
        different = _different(motions[0], APART_RAD / 2)
        rotations, shifts = _fitting(surface, motions[0][different], motions[1][different], *LAST, (NEAR_SURFACE_D, SAME_SURFACE_D))
        chosen: list[np.ndarray] = [np.eye(4)]
        for rotation, shift in zip(rotations, shifts):
            turned = make_pose(rotation, center + shift * diameter - rotation @ center)
            if all(self.are_apart(other, turned) for other in chosen):
                chosen.append(turned)
        return np.array(chosen[1:]).reshape(-1, 4, 4)


def _fitting(
    surface: np.ndarray, rotations: np.ndarray, shifts: np.ndarray, count: int, steps: int, limits: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Motions (S, 3, 3) and (S, 3) that bring ``count`` of the surface's points (N, 3) nearest to it in some steps, best first.

    Those whose points stay farther away (root of the mean square) than ``limits`` at first and in the end are left out.
    """
    tree, moving = cKDTree(surface), surface[:: len(surface) // count]
    for largest in np.geomspace(*limits, steps):
        distance, nearest = tree.query(moving @ rotations.transpose(0, 2, 1) + shifts[:, None])
        apart = np.sqrt(np.mean(distance**2, axis=1))
        order = np.argsort(apart, kind="stable")
        rotations, shifts = _best_motions(moving, surface[nearest[order[apart[order] < largest]]])
    return rotations, shifts


def _different(rotations: np.ndarray, angle_rad: float) -> list[int]:
    """Indices of rotations (S, 3, 3) that are farther than an angle from those before them."""
    chosen: list[int] = []
    for index, rotation in enumerate(rotations):
        between = rotation_angle(rotation @ rotations[chosen].transpose(0, 2, 1))
        if between.min(initial=np.inf) > angle_rad:
            chosen.append(index)
    return chosen


def _best_motions(points: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (S, 3, 3) and shifts (S, 3) that bring points (P, 3) nearest to each of the ``targets`` (S, P, 3).

    Kabsch, "A solution for the best rotation to relate two sets of vectors", Acta Crystallographica, 1976.
    """
    middle, middles = points.mean(axis=0), targets.mean(axis=1)
    left, _, right = np.linalg.svd(np.einsum("spi,pj->sij", targets - middles[:, None], points - middle))
    left[:, :, 2] *= np.linalg.det(left @ right)[:, None]
    rotations = left @ right
    return rotations, middles - rotations @ middle
