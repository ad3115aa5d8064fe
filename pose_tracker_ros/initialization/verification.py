"""Does a pose explain mask, depth and colour? The gate between a pose and those who trust it."""

from __future__ import annotations

import math
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
    def doubt(self) -> str:
        """What speaks most against the pose, in words."""
        if self.evidence is None:
            return "it is outside of the image"
        if self.evidence.is_hidden:
            return "something nearer hides it"
        if self.log_odds > 0 and self.rivalry > 0.5:
            return "other poses explain the image as well"
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
        evidence = weigh(view, seen, self._appearance, self._noise, depth_bias_m)
        left, top, right, bottom = seen.window
        sight = np.zeros(view.rendering.mask.shape, np.float32)
        sight[top:bottom, left:right] = (view.rendering.mask * (1 - evidence.occluder))[top:bottom, left:right]
        if not sight.any():
            return Verdict(IMPOSSIBLE, None, 0.0, 0.0)
        overlap = _overlap(observation.mask, view, sight)
        pattern = shared_pattern(view, seen, sight) if painted else 0.0
        odds = evidence.log_odds + MASK * overlap + PATTERN * pattern + CONSTANT
        return Verdict(max(odds, IMPOSSIBLE), evidence, overlap, pattern)


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


def shared_pattern(view: View, seen: Seen, sight: np.ndarray) -> float:
    """Mutual information of paint and image, nats a pixel in ``sight`` (R, R); 0 where there is no pattern, or another.

    Of two normal variables with correlation r it is -log(1 - r^2) / 2. Gains, offsets and shading do not matter.
    """
    weight = cv2.erode((sight > 0.5).astype(np.float32), np.ones((3, 3), np.uint8))
    pixels_a_diameter = view.diameter_m * view.camera.fx / view.center[2]

    def blurred(image: np.ndarray, deviation_d: float) -> np.ndarray:
        return cv2.GaussianBlur(image, (0, 0), deviation_d * pixels_a_diameter)

    def pattern(image: np.ndarray) -> np.ndarray:
        weighted = image * weight[..., None]
        fine, coarse = (blurred(weighted, d) / (blurred(weight, d) + 1e-3)[..., None] for d in PATTERN_BAND_D)
        return (fine - coarse)[weight > 0]

    paint, image = pattern(view.rendering.color), pattern(seen.color)
    covariance, floor = float(np.vdot(paint, image)), paint.size * PATTERN_NOISE**2
    if covariance <= 0:
        return 0.0
    power = (float(np.vdot(paint, paint)) + floor) * (float(np.vdot(image, image)) + floor)
    return -0.5 * math.log(1 - covariance**2 / power)
