"""How far an image shows what keyframes saw, by depth and by brightness, at a pose that somebody found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from pose_tracker_ros.geometry import invert
from pose_tracker_ros.relocalization.depth_alignment import (
    COMMON_M,
    COMMON_RAD,
    View,
    depth_deviation,
    samples,
    seen_by,
)
from pose_tracker_ros.relocalization.surface import LOOKS_STEP, Surface

# Brightness is compared in squares of so many of its pixels, where at least half is known of both and they are not of one.
CELL = 6
LEAST_CONTRAST = 6.0
# Correlation from which a square shows the same, and up to which it shows something else.
SAME, OTHER = 0.6, 0.3


class Agreement(NamedTuple):
    """What of an image keyframes saw, too.

    depth_same: pixels (every STRIDE-th in both directions) whose depth is what keyframes saw; depth_other: those where one
    sees through what the other saw; looks_same, looks_other: squares whose brightness correlates, or does not.
    What no keyframe saw, and what has no structure, is none of these.
    """

    depth_same: int = 0
    depth_other: int = 0
    looks_same: int = 0
    looks_other: int = 0

    @property
    def depth(self) -> float:
        """Share of the depth that can be compared that agrees; 0 where nothing can."""
        return self.depth_same / max(self.depth_same + self.depth_other, 1)

    @property
    def looks(self) -> float:
        """Share of the squares that can be compared that look the same; 0 where none can."""
        return self.looks_same / max(self.looks_same + self.looks_other, 1)


def agreement(surface: Surface, views: Sequence[View], map_T_camera: np.ndarray) -> Agreement:
    """How far an image is what keyframes saw, at a pose (4, 4)."""
    points, _ = samples(surface)
    same = np.zeros(len(points), bool)
    other = np.zeros(len(points), bool)
    through = 0
    for view in views:
        seen, difference, limit = _depth_difference(points, view.surface, invert(view.map_T_camera) @ map_T_camera)
        same[seen[np.abs(difference) < limit]] = True
        other[seen[difference < -limit]] = True
        # What the new image sees through: surfaces of keyframes nearer than what is seen behind them.
        theirs, _ = samples(view.surface)
        _, difference, limit = _depth_difference(theirs, surface, invert(map_T_camera) @ view.map_T_camera)
        through += int((difference < -limit).sum())
    contradicting = int((other & ~same).sum()) + through // max(len(views), 1)
    return Agreement(int(same.sum()), contradicting, *_looks(surface, views, map_T_camera))


def _depth_difference(
    points: np.ndarray, surface: Surface, surface_T_points: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which points (N, 3) are seen by a surface's camera, how much farther they are than what is measured there, along the
    normal, and by how much they may be."""
    moved = points @ surface_T_points[:3, :3].T + surface_T_points[:3, 3]
    seen, rows, columns = seen_by(moved, surface)
    known = surface.points[rows, columns, 2]
    # At grazing angles depth alone differs by much more than surfaces do.
    slant = np.ones(len(seen))
    normals = surface.normals[rows, columns]
    has_normal = normals.any(axis=1)
    rays = moved[seen] / np.linalg.norm(moved[seen], axis=1, keepdims=True)
    slant[has_normal] = np.abs((normals[has_normal] * rays[has_normal]).sum(axis=1))
    return seen, (moved[seen, 2] - known) * slant, _limit(known)


def _looks(surface: Surface, views: Sequence[View], map_T_camera: np.ndarray) -> tuple[int, int]:
    """Squares that look as in the keyframes, and that do not."""
    if not surface.points.any():
        # Where the new image has no depth, that of keyframes says what it should show.
        new = [(view, *_warped(view.surface, surface, invert(map_T_camera) @ view.map_T_camera)) for view in views]
        counts = [_compared(view.surface.brightness, looks, seen) for view, looks, seen in new]
        return max(counts, key=sum, default=(0, 0))
    theirs, known = np.zeros_like(surface.brightness), np.zeros(surface.brightness.shape, bool)
    for view in views:
        looks, seen = _warped(surface, view.surface, invert(view.map_T_camera) @ map_T_camera)
        added = seen & ~known
        theirs[added] = looks[added]
        known |= added
    return _compared(surface.brightness, theirs, known)


def _compared(mine: np.ndarray, theirs: np.ndarray, known: np.ndarray) -> tuple[int, int]:
    """Squares of two images (h, w) whose brightness correlates, and whose does not, where both are ``known``."""
    mine, theirs = np.where(known, mine, 0), np.where(known, theirs, 0)
    count = _sums(known.astype(np.float32))
    enough = count >= CELL * CELL / 2
    count = np.maximum(count, 1)
    mean, their_mean = _sums(mine) / count, _sums(theirs) / count
    variance = _sums(mine * mine) / count - mean**2
    their_variance = _sums(theirs * theirs) / count - their_mean**2
    common = _sums(mine * theirs) / count - mean * their_mean
    correlation = common / np.sqrt(np.maximum(variance * their_variance, 1e-6))
    textured = enough & (np.maximum(variance, their_variance) > LEAST_CONTRAST**2)
    return int((textured & (correlation > SAME)).sum()), int((textured & (correlation < OTHER)).sum())


def _warped(surface: Surface, other: Surface, other_T_surface: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Brightness (h, w) float32 of another image where each pixel of one shows it, and which are seen (h, w) bool."""
    coarse = surface.points[::LOOKS_STEP, ::LOOKS_STEP]
    shape = coarse.shape[:2]
    points = coarse.reshape(-1, 3) @ other_T_surface[:3, :3].T.astype(np.float32) + other_T_surface[:3, 3]
    pixels = other.camera.project(points)
    size = (other.camera.width - 1, other.camera.height - 1)
    seen = (coarse[..., 2].ravel() > 0) & np.all((pixels >= 0) & (pixels <= size), axis=1)
    which, rows, columns = seen_by(points, other)
    known = other.points[rows, columns, 2]
    # What the other saw something else before, or behind, is not what it shows there.
    seen[which[np.abs(points[which, 2] - known) > 2 * _limit(known)]] = False
    maps = np.nan_to_num(pixels / LOOKS_STEP).astype(np.float32).reshape(*shape, 2)
    looks = cv2.remap(other.brightness, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return looks, seen.reshape(shape)


def _limit(depth: np.ndarray) -> np.ndarray:
    """Depths of two surfaces differ by more: four deviations of two measurements, and errors that all have in common."""
    return 4 * np.hypot(np.sqrt(2) * depth_deviation(depth), COMMON_M + COMMON_RAD * depth)


def _sums(values: np.ndarray) -> np.ndarray:
    """Sums over squares of CELL pixels."""
    height, width = (size // CELL * CELL for size in values.shape)
    return values[:height, :width].reshape(height // CELL, CELL, width // CELL, CELL).sum(axis=(1, 3))
