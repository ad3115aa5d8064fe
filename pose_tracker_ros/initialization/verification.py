"""Does a pose explain mask, depth and colour? The gate between a pose and those who trust it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from pose_tracker_ros.initialization.observation import Observation
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering.raster import RasterRenderer
from pose_tracker_ros.tracking.evidence import Appearance, Evidence, weigh
from pose_tracker_ros.tracking.noise import NoiseModel
from pose_tracker_ros.tracking.observation import Observation as Seen
from pose_tracker_ros.tracking.observation import observe
from pose_tracker_ros.tracking.view import View, make_view

# Log odds beside those of depth and colour: of a mask that is the object's wholly, of a nat of pattern a pixel (so many of its
# pixels are independent), and of neither. From first poses in 228 simulated scenes with masks of the object and 114 with others'
# (19 objects, changing light): logistic regression gives 7 to 8 for the mask, 5 (on the object?) to 20 (which turn?) for the
# pattern; 10 for each suits real frames. With the constant 0.7 lies between the likeliest wrong answers (13.0, of 126 real
# masks of other things 13.4, a can turned by 25 degrees 14.0) and most right ones (14.2 and more; of 29 real masks 15.2). It
# goes with tracking.evidence.CALIBRATION: look again when that changes.
MASK, PATTERN, CONSTANT = 10.0, 10.0, -13.4
# Masks are so much too large or too small, pixels of the image.
MASK_BLEED_PX = 2
# Between these deviations of their Gaussians, diameters, lies what is pattern: coarser is light, finer is noise, or missed.
PATTERN_BAND_D = (0.015, 0.06)
# Of colours in that band, grey levels: of scans and cameras.
PATTERN_NOISE = 6.0
# Of the cells of noise in that band so many are independent when two turns are compared. Simulated, in changing light: the likelihood
# of the right turn among its rivals is largest at 0.7 and within 3 % of that from 0.5 to 1 (283 scenes of 16 painted objects);
# prints that have nothing in common, whose correlation squared is one over that number, give 0.2 to 0.9 (three boxes, a can).
INDEPENDENT_CELLS = 0.5
# Log odds of what surely is not there.
IMPOSSIBLE = -20.0


class Verdict(NamedTuple):
    """How well a pose explains an observation.

    log_odds: natural logarithm of the odds that it is the object's pose, all evidence together. evidence: of depth and colour,
    None where the pose is outside of the image. overlap: 0..1 of the mask with what is in sight of the object. pattern:
    of the paint that is seen, nats a pixel. rivalry: how many times as likely as this pose all other ones together are.
    """

    log_odds: float
    evidence: Evidence | None
    overlap: float
    pattern: float
    rivalry: float = 0.0

    @property
    def score(self) -> float:
        """Probability 0..1 that the pose is the object's."""
        return 1 / (1 + math.exp(-self.log_odds)) / (1 + self.rivalry)

    @property
    def is_ambiguous(self) -> bool:
        """Whether other poses take more of the probability than that the object is not there at all."""
        return self.rivalry > math.exp(-self.log_odds)

    @property
    def doubt(self) -> str:
        """What speaks most against the pose, in words."""
        if self.evidence is None:
            return "it is outside of the image"
        if self.evidence.is_hidden:
            return "something nearer hides it"
        if self.is_ambiguous:
            return "other turns explain the image about as well"
        if self.evidence.depth_ratio < 0:
            return "depth says that what is around goes on there"
        if self.overlap < 0.5:
            return f"it overlaps the mask by {self.overlap:.2f} only"
        if self.evidence.color_ratio < 0:
            return "the colours there are rather those of what is around"
        return "mask, depth and colours fit it, but not well enough"


class Verifier:
    """Judges poses of one object."""

    def __init__(self, model: ObjectModel, renderer: RasterRenderer, noise: NoiseModel) -> None:
        self._model, self._renderer, self._noise = model, renderer, noise
        self._appearance = Appearance(model.mesh.has_color)

    def verify(
        self, observation: Observation, camera_T_object: np.ndarray, largest_px: int, depth_bias_m: float = 0.0
    ) -> Verdict:
        """The verdict on a pose (4, 4), looked at in a window of at most ``largest_px`` on a side.

        ``depth_bias_m``: what the depth camera is known to measure too far.
        """
        painted = self._appearance.is_painted
        view = make_view(observation.frame, self._renderer, self._model, camera_T_object, largest_px, color=painted)
        if view is None:
            return Verdict(IMPOSSIBLE, None, 0.0, 0.0)
        seen = observe(view)
        evidence, sight = self._look(view, seen, depth_bias_m)
        if not sight.any():
            return Verdict(IMPOSSIBLE, None, 0.0, 0.0)
        overlap = _overlap(observation.mask, view, sight)
        pattern = shared_pattern(view.rendering.color, seen, *_weighed(view, sight)) if painted else 0.0
        odds = evidence.log_odds + MASK * overlap + PATTERN * pattern + CONSTANT
        return Verdict(max(odds, IMPOSSIBLE), evidence, overlap, pattern)

    def compare_paint(
        self, observation: Observation, camera_T_object: np.ndarray, others: Sequence[np.ndarray], largest_px: int
    ) -> np.ndarray:
        """Log likelihood ratios (K,) of the paint at other poses (4, 4) to that at one, in the pixels that both show.

        With n independent pixels of normal noise, whose deviation and the paint's gain are fitted, it is n times the
        difference of the mutual informations. 0 without paint.
        """
        ratios = np.zeros(len(others))
        if not self._appearance.is_painted or not len(others):
            return ratios
        view = make_view(observation.frame, self._renderer, self._model, camera_T_object, largest_px, color=True)
        if view is None:
            return ratios
        seen = observe(view)
        _, sight = self._look(view, seen)
        for number, pose in enumerate(others):
            rendering = self._renderer.render(view.camera, pose, color=True)
            _, other_sight = self._look(replace(view, rendering=rendering), seen)
            weight, scale = _weighed(view, sight * other_sight)
            # Noise blurred by a Gaussian is alike within its correlation's area.
            cells = float(weight.sum()) / (4 * math.pi * (PATTERN_BAND_D[0] * scale) ** 2)
            one, other = (shared_pattern(drawn.color, seen, weight, scale) for drawn in (view.rendering, rendering))
            ratios[number] = INDEPENDENT_CELLS * cells * (other - one)
        return ratios

    def _look(self, view: View, seen: Seen, depth_bias_m: float = 0.0) -> tuple[Evidence, np.ndarray]:
        """Evidence for a view, and what is in sight of its object: (R, R) float32, 0..1."""
        evidence = weigh(view, seen, self._appearance, self._noise, depth_bias_m)
        left, top, right, bottom = seen.window
        sight = np.zeros(view.rendering.mask.shape, np.float32)
        sight[top:bottom, left:right] = (view.rendering.mask * (1 - evidence.occluder))[top:bottom, left:right]
        return evidence, sight


def _overlap(mask: np.ndarray, view: View, sight: np.ndarray) -> float:
    """Overlap of a mask (H, W) of the image and what is in ``sight`` (R, R), 0..1, of the object drawn in a view.

    Intersection over union, but for pixels near the outline that only one of them has: masks bleed. What something nearer
    hides, or the image's border cuts, cannot be in a mask.
    """
    side, scale = len(sight), view.scale
    rows, columns = (first + scale * np.arange(side) for first in (view.top, view.left))
    in_rows, in_columns = (rows >= 0) & (rows < mask.shape[0]), (columns >= 0) & (columns < mask.shape[1])
    shown = np.zeros((side, side), np.uint8)
    shown[np.ix_(in_rows, in_columns)] = mask[np.ix_(rows[in_rows], columns[in_columns])]
    bleeding = np.ones((2 * math.ceil(MASK_BLEED_PX / scale) + 1,) * 2, np.uint8)
    common = float(sight[shown > 0].sum())
    missed = float(sight[cv2.dilate(shown, bleeding) == 0].sum())
    around = cv2.dilate(view.rendering.mask.view(np.uint8), bleeding)
    beyond = max(mask.sum() / scale**2 - (shown & around).sum(), 0.0)
    return common / max(common + missed + beyond, 1.0)


def _weighed(view: View, sight: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights (R, R) of the pixels in ``sight`` whose neighbours are so, too, and pixels a diameter."""
    weight = cv2.erode((sight > 0.5).astype(np.float32), np.ones((3, 3), np.uint8))
    return weight, view.diameter_m * view.camera.fx / view.center[2]


def shared_pattern(drawn: np.ndarray, seen: Seen, weight: np.ndarray, pixels_a_diameter: float) -> float:
    """Mutual information of ``drawn`` paint (R, R, 3) and image, nats a pixel of ``weight`` (R, R) 1; 0 where there is no
    pattern, or another.

    Of two normal variables with correlation r it is -log(1 - r^2) / 2. Gains, offsets and shading do not matter.
    """

    def blurred(image: np.ndarray, deviation_d: float) -> np.ndarray:
        return cv2.GaussianBlur(image, (0, 0), deviation_d * pixels_a_diameter)

    def pattern(image: np.ndarray) -> np.ndarray:
        weighted = image * weight[..., None]
        fine, coarse = (blurred(weighted, d) / (blurred(weight, d) + 1e-3)[..., None] for d in PATTERN_BAND_D)
        return (fine - coarse)[weight > 0]

    paint, image = pattern(drawn), pattern(seen.color)
    covariance, floor = float(np.vdot(paint, image)), paint.size * PATTERN_NOISE**2
    if covariance <= 0:
        return 0.0
    power = (float(np.vdot(paint, paint)) + floor) * (float(np.vdot(image, image)) + floor)
    return -0.5 * math.log(1 - covariance**2 / power)
