"""Where a doubted object could be instead: places of the image and turns of the object, ranked by evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import make_pose, rotation_angle, so3_exp
from pose_tracker_ros.kernels import places
from pose_tracker_ros.kernels.shared import BINS
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import Renderer
from pose_tracker_ros.tracking.evidence import CALIBRATION
from pose_tracker_ros.tracking.factors.contour import ColorStatistics
from pose_tracker_ros.tracking.track import VAGUE_M, VAGUE_RAD
from pose_tracker_ros.tracking.view import View, make_view

# The object is drawn so small, pixels; and looked at in so many points on it and beside it.
SIDE_PX, POINTS, RING_POINTS = 48, 80, 32
# Places are so far apart, and beside the silhouette is so far away, diameters.
SPACING_D, BESIDE_D = 0.12, 0.08
# Depths within so much are one: a share of the diameter, and of the distance from the first point, for the turn is not known.
TOLERANCE_D, TOLERANCE_TURN = 0.03, 0.15
# Maxima nearer to each other than this are one place, diameters.
APART_D = 0.4
# Points are taken in so many turns over the surface, so that the first of them, by which hopeless places are left, are all over it.
STRIDE = 5
# Around the best places the grid is so many times as fine.
FINER = 4
# No colour says more than this, natural logarithm: as much as a depth that agrees.
MOST_COLOR = 1.0
# From how far off the estimator finds a turn, radians: the n-th turn to try lies as far out as n such balls fill.
BASIN_RAD = 0.35
# Turns about the line of sight (S, 3, 3), the first none, between the turns to try: half of one off, a thin object lies beside itself.
SPINS = so3_exp(np.array([0.0, -0.5, 0.5])[:, None] * [0.0, 0.0, BASIN_RAD])
# Irrational steps that fill a square evenly (Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018).
EVEN_STEPS = 1 / 1.32471795724474602596 ** np.arange(1, 3)


class Outlook(NamedTuple):
    """The object as seen at one turn: points (P, 3) of its surface and (R, 3) beside it, metres from the centre in camera
    axes; the first point has so much surface around it, metres."""

    points: np.ndarray
    ring: np.ndarray
    radius_m: float

    def turned(self, turn: np.ndarray) -> Outlook:
        """After a turn (3, 3) about the line of sight, which shows nothing else of the object."""
        return Outlook(self.points @ turn.T, self.ring @ turn.T, self.radius_m)


def turns(first: int, count: int) -> np.ndarray:
    """Rotation matrices (count, 3, 3), those from number ``first`` on of an endless sequence that goes ever farther.

    Number 0 is no turn; axes are spread evenly.
    """
    numbers = np.arange(first, first + count)
    across, around = np.mod(0.5 + numbers[:, None] * EVEN_STEPS, 1).T
    along = 2 * across - 1
    radius = np.sqrt(1 - along**2)
    axes = np.column_stack([radius * np.cos(2 * np.pi * around), radius * np.sin(2 * np.pi * around), along])
    return so3_exp(axes * np.minimum(BASIN_RAD * np.cbrt(numbers), np.pi)[:, None])


def moved_log_density(distance_m: np.ndarray) -> np.ndarray:
    """Of places so far (...,) from the last one, metres, up to a constant: beyond a hand's breadth no order of size is likelier
    than another."""
    return -1.5 * np.log1p((distance_m / VAGUE_M) ** 2)


def pose_log_density(camera_T_object: np.ndarray, last: np.ndarray, center_m: np.ndarray) -> np.ndarray:
    """Of poses (..., 4, 4) of an object with this centre (3,), last seen at another, up to a constant: turns are as places are."""
    moved = camera_T_object - last
    moved_m = np.linalg.norm(moved[..., :3, :3] @ center_m + moved[..., :3, 3], axis=-1)
    turned_rad = rotation_angle(camera_T_object[..., :3, :3] @ last[:3, :3].T)
    return moved_log_density(moved_m) - 1.5 * np.log1p((turned_rad / VAGUE_RAD) ** 2)


def look(view: View) -> Outlook | None:
    """Points of a rendered view, the first as far inside as can be; None where hardly anything is seen."""
    mask = np.pad(view.rendering.mask.astype(np.uint8), 1)
    inside = cv2.distanceTransform(mask, cv2.DIST_L1, 3)[1:-1, 1:-1]
    rows, columns = np.nonzero(view.rendering.mask)
    if len(rows) < POINTS // 4:
        return None
    spread = np.linspace(0, len(rows) - 1, min(POINTS, len(rows))).round().astype(int)
    # Every part of the points is spread over all of the surface.
    chosen = np.concatenate([spread[first::STRIDE] for first in range(STRIDE)])
    chosen[0] = np.argmax(inside[rows, columns])
    points = view.back_project(np.column_stack([columns, rows])[chosen], view.rendering.depth[rows, columns][chosen])
    reach = max(2, round(BESIDE_D * view.diameter_m * view.camera.fx / view.center[2]))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    grown = cv2.dilate(mask, kernel) - cv2.dilate(mask, np.ones((2 * reach - 1, 2 * reach - 1), np.uint8))
    ring_rows, ring_columns = np.nonzero((grown > 0)[1:-1, 1:-1])
    chosen = np.linspace(0, len(ring_rows) - 1, min(RING_POINTS, len(ring_rows))).round().astype(int)
    beside = np.column_stack([ring_columns, ring_rows])[chosen]
    # As far away as the surface nearest to it, which is on its rim.
    rows, columns = np.nonzero(inside == 1)
    nearest = np.argmin(((beside[:, None] - np.column_stack([columns, rows])[None]) ** 2).sum(axis=2), axis=1)
    ring = view.back_project(beside, view.rendering.depth[rows, columns][nearest])
    radius_m = float(inside.max()) * view.center[2] / view.camera.fx
    return Outlook(np.ascontiguousarray(points - view.center), np.ascontiguousarray(ring - view.center), radius_m)


class Places:
    """Where in a frame an object could be that was last seen at a pose (4, 4), best by points and :func:`moved_log_density`."""

    def __init__(
        self,
        frame: Frame,
        model: ObjectModel,
        renderer: Renderer,
        camera_T_object: np.ndarray,
        colors: ColorStatistics | None = None,
        reach_m: float = np.inf,
    ) -> None:
        """``colors``: None where they are not known; ``reach_m``: how far from the last place."""
        self._frame, self._model, self._renderer, self._reach_m = frame, model, renderer, reach_m
        self._rotation, self._center = camera_T_object[:3, :3], camera_T_object[:3, :3] @ model.center_m + camera_T_object[:3, 3]
        self._camera, self._depth_camera = frame.camera.numbers, (frame.depth_camera or frame.camera).numbers
        color_T_depth = np.eye(4) if frame.color_T_depth is None else frame.color_T_depth
        self._transforms = np.array(color_T_depth, np.float64, order="C"), frame.depth_T_color
        self._log_ratios = np.zeros(BINS**3, np.float32)
        if colors is not None:
            posterior = colors.posterior()
            self._log_ratios = np.clip(np.log(posterior / (1 - posterior)), -MOST_COLOR, MOST_COLOR).astype(np.float32)

    def best(self, rotation: np.ndarray, count: int) -> list[tuple[float, np.ndarray]]:
        """Scores and poses (4, 4) of at most ``count`` places of the object after a ``rotation`` (3, 3), of a thin one of some turns more."""
        turned = rotation @ self._rotation
        view = make_view(self._frame, self._renderer, self._model, _posed(self._model, turned, self._looked_at()), SIDE_PX)
        outlook = view and look(view)
        found = []
        for spin in () if outlook is None else SPINS if self._model.is_thin else SPINS[:1]:
            found += [(score, _posed(self._model, spin @ turned, place)) for score, place in self._rated(outlook.turned(spin), count)]
        return found

    def _looked_at(self) -> np.ndarray:
        """The last centre (3,), or a place in the middle of the image where it can't be looked at there."""
        camera, center = self._frame.camera, self._center
        u, v = camera.project(center[None])[0] if center[2] > 0 else (np.nan, np.nan)
        if 0 <= u < camera.width and 0 <= v < camera.height:
            return center
        return np.array([0.0, 0.0, max(center[2], 2 * self._model.diameter_m)])

    def _rated(self, outlook: Outlook, count: int) -> list[tuple[float, np.ndarray]]:
        """Scores and centres (3,) of the best places, best first."""
        near, diameter_m = self._center, self._model.diameter_m
        # One of the places has to lie on the object, however thin it is.
        spacing_m = min(SPACING_D * diameter_m, outlook.radius_m)
        step = max(2, int(spacing_m * self._depth_camera[0] / max(near[2], diameter_m)))
        first, last = self._reached(near + outlook.points[0])
        scores, centers = self._rate(outlook, first, step, -(-(last - first) // step))
        if not scores.size:
            return []
        distance = np.linalg.norm(centers - near, axis=2)
        scores += moved_log_density(distance) / CALIBRATION.depth
        scores[distance > self._reach_m] = -np.inf
        found = []
        for _ in range(count):
            best = np.unravel_index(np.argmax(scores), scores.shape)
            if not np.isfinite(scores[best]):
                break
            score, place = self._refined(outlook, first + np.multiply(best, step), step)
            found.append((score + float(moved_log_density(np.linalg.norm(place - near))) / CALIBRATION.depth, place))
            scores[np.linalg.norm(centers - centers[best], axis=2) < APART_D * diameter_m] = -np.inf
        return found

    def _reached(self, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First row and column of depth within reach of a point (3,) of the colour camera, and those after the last."""
        size, camera = np.array(self._frame.depth.shape), self._depth_camera
        point = self._transforms[1][:3, :3] @ near + self._transforms[1][:3, 3]
        nearest_m = point[2] - self._reach_m
        if nearest_m <= 0:
            return np.zeros(2, int), size
        middle = point[1::-1] / point[2] * camera[1::-1] + camera[:1:-1]
        around = self._reach_m / nearest_m * (1 + np.abs(point[1::-1] / point[2])) * camera[1::-1]
        return tuple(np.clip([middle - around, middle + around + 1], 0, size).astype(int))

    def _refined(self, outlook: Outlook, place: np.ndarray, step: int) -> tuple[float, np.ndarray]:
        """The best place around one of a grid, by row and column."""
        fine = max(1, step // FINER)
        scores, centers = self._rate(outlook, place - step, fine, [2 * step // fine + 1] * 2)
        best = np.unravel_index(np.argmax(scores), scores.shape)
        return float(scores[best]), centers[best].astype(np.float64)

    def _rate(self, outlook: Outlook, first: np.ndarray, step: int, shape: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores, centers = np.empty(shape, np.float32), np.zeros((*shape, 3), np.float32)
        points = np.vstack([outlook.points, outlook.ring])
        tolerances = TOLERANCE_D * self._model.diameter_m + TOLERANCE_TURN * np.linalg.norm(points - points[0], axis=1)
        images, cameras = (self._frame.color, self._frame.depth), (self._camera, self._depth_camera)
        looked_for = self._log_ratios, outlook.points, outlook.ring, tolerances
        places.rate_places(*images, *cameras, *self._transforms, *looked_for, np.array([*first, step]), scores, centers)
        return scores, centers


def _posed(model: ObjectModel, rotation: np.ndarray, center: np.ndarray) -> np.ndarray:
    return make_pose(rotation, center - rotation @ model.center_m)
