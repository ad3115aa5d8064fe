"""The outline against where colours show that the object ends."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pose_tracker_ros.kernels import contour
from pose_tracker_ros.kernels.alignment import STATE, add_contour
from pose_tracker_ros.kernels.shared import BINS
from pose_tracker_ros.tracking.noise import NoiseModel
from pose_tracker_ros.tracking.view import View

# Tukey's limit, standard deviations of a line.
LIMIT = 4.0
# What an unseen colour counts, as a share of all pixels: it says nothing.
UNSEEN_SHARE = 1e-5


class ColorStatistics(NamedTuple):
    """Colour histograms (BINS^3,) float32, shares, of the object and of what is around it."""

    inside: np.ndarray
    outside: np.ndarray

    @classmethod
    def seen_in(cls, view: View) -> ColorStatistics:
        """Those of a view whose rendering is where the object is."""
        where = view.rendering.mask, view.around_px
        return cls.under(*where, view.frame.color, view.left, view.top, view.scale)

    @classmethod
    def under(
        cls, mask: np.ndarray, around_px: np.ndarray, color: np.ndarray, left: int, top: int, scale: int
    ) -> ColorStatistics:
        """Those of a mask (R, R) bool whose pixel (row, column) is that of an image ``color`` (H, W, 3) at (top + scale row,
        left + scale column); ``around_px`` (R, R): how far each is from the mask."""
        seen = cls(*np.empty((2, BINS**3), np.float32))
        shown = np.ascontiguousarray(color), np.ascontiguousarray(mask), np.ascontiguousarray(around_px)
        contour.count_colors(*shown, left, top, scale, *seen)
        return seen

    def renewed(self, other: ColorStatistics, share: float) -> ColorStatistics:
        """Mean of these and others, whose part is ``share``."""
        return ColorStatistics(*((1 - share) * mine + share * new for mine, new in zip(self, other)))

    def posterior(self) -> np.ndarray:
        """That a colour is the object's (BINS^3,) float32, if it is as likely the object's as not."""
        inside, outside = self.inside + np.float32(UNSEEN_SHARE), self.outside + np.float32(UNSEEN_SHARE)
        return inside / (inside + outside)


class ContourFactor(NamedTuple):
    """Points of the rendered outline and the lines across it, in the colour image; see ``kernels.alignment.add_contour``.

    weights: (L,) of the lines at the best state, 0 for outliers.
    """

    points: np.ndarray
    lines: np.ndarray
    camera: np.ndarray
    limit: float
    shared: float
    weights: np.ndarray

    @classmethod
    def of(
        cls,
        view: View,
        posterior: np.ndarray,
        noise: NoiseModel,
        segment_px: float,
        shift: np.ndarray,
        depth_range: tuple[float, float],
        occluder_m: float,
        is_used: bool = True,
    ) -> ContourFactor:
        """Lines at places that nothing covers in the depth image.

        ``posterior``: of :class:`ColorStatistics`; ``segment_px``: length of a segment of the lines, pixels of the image, they
        reach ten to both sides; ``shift`` (2,): of colour against depth, pixels; ``depth_range``: of depths to believe,
        metres above 0; ``occluder_m``: what is so much nearer than the object covers it. Says nothing unless ``is_used``.
        """
        count = noise.contour_lines if is_used else 0
        points, lines = outline_lines(view, count, shift, depth_range, occluder_m)
        samples = np.empty((len(lines), contour.SEGMENTS))
        contour.sample_colors(view.frame.color, posterior, lines, segment_px, samples)
        contour.find_borders(samples, segment_px, lines)
        # Fewer lines are farther apart: the whole outline is as good.
        shared = max(1.0, noise.contour_shared * len(lines) / noise.contour_lines)
        return cls(points, lines, view.frame.camera.numbers, LIMIT, shared, np.zeros(len(lines), np.float32))

    def log_ratio(self, center: np.ndarray, state: np.ndarray, segment_px: float) -> float:
        """How much likelier borders are where lines show them than anywhere on the lines, natural logarithm, of an outline at a state (10,).

        ``center`` (3,): of the object; ``segment_px``: of the lines.
        """
        not_knowing = contour.UNKNOWN_VARIANCE * segment_px**2
        known = np.log1p(not_knowing / self.lines[:, 5]).sum() / (2 * self.shared)
        scratch = np.zeros((STATE, STATE)), np.zeros(STATE)
        return float(known - add_contour(*self, center, state, *scratch))


def outline_lines(
    view: View, count: int, shift: np.ndarray, depth_range: tuple[float, float], occluder_m: float
) -> tuple[np.ndarray, np.ndarray]:
    """Points (L, 3) in the colour camera of about ``count`` lines, and the lines (L, 6), without the borders on them.

    For the rest see :class:`ContourFactor`; no lines where ``count`` is 0.
    """
    pixels, borders = np.empty((2 * count, 2), np.int64), np.empty((2 * count, 4))
    points, lines = np.empty((2 * count, 3)), np.empty((2 * count, 6))
    found = contour.trace_outline(view.rendering.mask, count, pixels, borders) if count else 0
    window = np.array([view.left, view.top, view.scale], np.float64)
    drawn = view.rendering.depth, view.rendering.normal, view.camera.numbers, window
    measured = view.frame.depth, view.depth_camera.numbers, view.frame.depth_T_color, np.array(depth_range)
    kept = contour.place_lines(pixels, borders, found, *drawn, *measured, occluder_m, shift, points, lines)
    return points[:kept], lines[:kept]
