"""The outline against where colours show that the object ends."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from pose_tracker_ros.kernels import alignment, contour
from pose_tracker_ros.tracking.noise import NoiseModel
from pose_tracker_ros.tracking.view import View

# Outlines shorter than this, in pixels of the window, are spots; tangents are chords over so many pixels to both sides.
SHORTEST_PX, CHORD_PX = 12, 3
# Around the middle of a line occluders are looked for so far, pixels of the depth image.
OCCLUDER_REACH_PX = 3
# Tukey's limit, standard deviations of a line.
LIMIT = 4.0
# Colours are counted so far inside the outline, and from so far to so far outside of it, pixels of the window.
INSIDE_PX, OUTSIDE_FROM_PX, OUTSIDE_TO_PX = 1, 2, 12
# What an unseen colour counts, as a share of all pixels: it says nothing.
UNSEEN_SHARE = 1e-5


class Outline(NamedTuple):
    """Points (L, 3) of the rendered outline in the colour camera, where they are seen (L, 2) in the colour image, pixels,
    with outward unit normals (L, 2)."""

    points: np.ndarray
    places: np.ndarray
    normals: np.ndarray


class ColorStatistics(NamedTuple):
    """Colour histograms (BINS^3,) float32, shares, of the object and of what is around it."""

    inside: np.ndarray
    outside: np.ndarray

    @classmethod
    def seen_in(cls, view: View) -> ColorStatistics:
        """Those of a view whose rendering is where the object is."""
        mask = view.rendering.mask.astype(np.uint8)
        inside = cv2.erode(mask, _square(INSIDE_PX))
        outside = (cv2.dilate(mask, _square(OUTSIDE_TO_PX)) > 0) & (cv2.dilate(mask, _square(OUTSIDE_FROM_PX)) == 0)
        label = np.where(outside, np.uint8(2), inside)
        counts = np.zeros((2, contour.BINS**3), np.float32)
        color = np.ascontiguousarray(view.frame.color)
        contour.count_colors(color, label, view.left, view.top, view.scale, counts[0], counts[1])
        return cls(*(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)))

    def renewed(self, other: ColorStatistics, share: float) -> ColorStatistics:
        """Mean of these and others, whose part is ``share``."""
        return ColorStatistics(*((1 - share) * mine + share * new for mine, new in zip(self, other)))

    def posterior(self) -> np.ndarray:
        """That a colour is the object's (BINS^3,) float32, if it is as likely the object's as not."""
        inside, outside = self.inside + np.float32(UNSEEN_SHARE), self.outside + np.float32(UNSEEN_SHARE)
        return inside / (inside + outside)


class ContourFactor:
    """The outline in the colour image: residuals of its points along their lines.

    means, variances: (L,) of the borders that were found, pixels; weights (L,) at the last state.
    """

    def __init__(
        self, view: View, outline: Outline, colors: ColorStatistics, noise: NoiseModel, segment_px: float
    ) -> None:
        """``segment_px``: length of a segment of the lines, pixels of the image; they reach ten to both sides."""
        samples = np.empty((len(outline.points), contour.SEGMENTS))
        color = np.ascontiguousarray(view.frame.color)
        contour.sample_colors(color, colors.posterior(), outline.places, outline.normals, segment_px, samples)
        self.means, self.variances = np.empty(len(samples)), np.empty(len(samples))
        contour.find_borders(samples, segment_px, self.means, self.variances)
        self.weights = np.zeros(len(samples), np.float32)
        self._outline = outline
        self._center = view.center
        camera = view.frame.camera
        self._camera = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
        # Fewer lines are farther apart: the whole outline is as good.
        self._shared = max(1.0, noise.contour_shared * len(samples) / noise.contour_lines)

    def add(self, state: np.ndarray, hessian: np.ndarray, gradient: np.ndarray) -> float:
        """See :class:`pose_tracker_ros.tracking.factors.Factor`."""
        if len(self.means) == 0:
            return 0.0
        return alignment.add_contour(
            *self._outline,
            self.means,
            self.variances,
            self._center,
            self._camera,
            LIMIT,
            self._shared,
            state,
            hessian,
            gradient,
            self.weights,
        )


def find_outline(view: View, count: int, shift: np.ndarray, occluder_m: float) -> Outline:
    """At most about ``count`` points, evenly along the rendered outline, that nothing nearer covers in the depth image.

    ``shift`` (2,): of colour against depth, pixels; ``occluder_m``: what is so much nearer than the object covers it.
    """
    mask = view.rendering.mask
    pixels, normals = _edge_pixels(mask, count)
    depth = view.rendering.depth[pixels[:, 1], pixels[:, 0]].astype(np.float64)
    # The border runs between the last pixel of the object and the next one.
    border = pixels + normals / 2
    points = view.back_project(border, depth)
    free = ~_covered(view, points, _nearest_around(view)[pixels[:, 1], pixels[:, 0]] - occluder_m, shift)
    return Outline(*(np.ascontiguousarray(rows[free]) for rows in (points, view.pixels_in_image(border), normals)))


def _edge_pixels(mask: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (L, 2) column, row on the inner side of a mask's edges, and outward unit normals (L, 2)."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rings = [ring[:, 0] for ring in found if len(ring) >= SHORTEST_PX]
    if not rings:
        return np.zeros((0, 2), np.int64), np.zeros((0, 2))
    every = max(1, round(sum(map(len, rings)) / count))
    pixels = np.vstack([ring[::every] for ring in rings])
    chords = np.vstack([(np.roll(ring, -CHORD_PX, 0) - np.roll(ring, CHORD_PX, 0))[::every] for ring in rings])
    normals = np.column_stack([chords[:, 1], -chords[:, 0]]).astype(np.float64)
    length = np.linalg.norm(normals, axis=1)
    smooth = length > CHORD_PX
    pixels, normals = pixels[smooth], normals[smooth] / length[smooth, None]
    beside, other = _shown(mask, pixels + 2 * normals), _shown(mask, pixels - 2 * normals)
    normals[beside & ~other] *= -1
    clear = beside ^ other
    return pixels[clear].astype(np.int64), normals[clear]


def _shown(mask: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    columns, rows = np.rint(pixels).astype(int).T
    inside = (columns >= 0) & (rows >= 0) & (columns < mask.shape[1]) & (rows < mask.shape[0])
    result = np.zeros(len(pixels), bool)
    result[inside] = mask[rows[inside], columns[inside]]
    return result


def _nearest_around(view: View) -> np.ndarray:
    """Least depth (h, w) of the object itself within reach of a pixel: round things come nearer beside their outline."""
    shown = np.where(view.rendering.mask, view.rendering.depth, np.float32(np.inf))
    return cv2.erode(shown, _square(int(np.ceil(OCCLUDER_REACH_PX / view.scale))))


def _covered(view: View, points: np.ndarray, nearest: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Where (L,) something is measured before the depth ``nearest`` (L,) around outline points (L, 3)."""
    depth, camera, depth_T_color = view.frame.depth, view.depth_camera, view.depth_T_color
    seen = points @ depth_T_color[:3, :3].T + depth_T_color[:3, 3]
    nearest = nearest + seen[:, 2] - points[:, 2]
    columns, rows = np.rint(np.nan_to_num(camera.project(seen) - shift)).astype(int).T
    covered = np.zeros(len(points), bool)
    for across in (-OCCLUDER_REACH_PX, 0, OCCLUDER_REACH_PX):
        for along in (-OCCLUDER_REACH_PX, 0, OCCLUDER_REACH_PX):
            near_rows = np.clip(rows + along, 0, depth.shape[0] - 1)
            near_columns = np.clip(columns + across, 0, depth.shape[1] - 1)
            measured = depth[near_rows, near_columns]
            covered |= (measured > 0) & (measured < nearest)
    return covered


def _square(reach: int) -> np.ndarray:
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
