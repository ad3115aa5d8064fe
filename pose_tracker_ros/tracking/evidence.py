"""Is the object here, or does what is around it go on? One likelihood a pixel, and what all of them say together.

The log ratio E of the two hypotheses is a mean over the pixels that speak, so it does not grow with their number: depth
against planes that continue what surrounds the silhouette (a board that goes on smoothly across the outline is evidence
*against* the object), and colour against the colours around. Near 0 neither can be told from the other: then a prior has to
decide, and nothing is learnt. Presence is not accuracy: a pose in the right place with a wrong turn may pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.kernels import evidence as kernels
from pose_tracker_ros.kernels import surroundings
from pose_tracker_ros.kernels.shared import BINS
from pose_tracker_ros.tracking.noise import NoiseModel
from pose_tracker_ros.tracking.observation import Observation
from pose_tracker_ros.tracking.view import Drawn

# A share of the silhouette below which what is seen says nothing about the object: as much seems to speak of 5 % of wholly hidden ones.
HIDDEN_SPEAKING_SHARE = 0.08
# From this probability on the object is there: 0.3 % of 1,062 wrong poses are above, none of 646 right ones below, out of fold.
PRESENT_PROBABILITY = 0.9
PRESENT_LOG_ODDS = math.log(PRESENT_PROBABILITY / (1 - PRESENT_PROBABILITY))
# The depth's log ratio of right poses falls by less from frame to frame (0.01 at 0.8 m; by 0.07 where a jug is 9 mm off).
STEADY_DEPTH_RATIO = 0.02
# Log ratios above this, but not up to that probability, leave open whether the object is there.
UNDECIDED_LOG_RATIO = -1.0
# Learning: how sure a pixel must be, the share that every frame renews, and the frames after which the memory is believed.
LEARNING_SURFACE = 0.9
RENEWAL, BELIEVED_FRAMES = 0.1, 5
# Fewer pixels than this teach nothing.
LEAST_PIXELS = 40


class Evidence(NamedTuple):
    """What an observation says about a pose.

    depth_ratio, color_ratio: of "the object is here" to "what is around goes on", mean of the pixels that speak, natural
    logarithm. 0 where nothing is known.
    log_likelihood: ratio of all pixels together, so many of which are independent as the noise says, natural logarithm.
    log_odds: that the pose is on the object, calibrated on as many right as wrong poses (docs/evidence_reliability.png).
    seen_log_odds: the same as far as the object is seen, with depth or by colour alone: what counts where it was not expected.
    speaking_share: pixels of the silhouette with depth that is not nearer; hidden_share: with nearer depth. What they leave
    to 1 has no depth, or is outside of the image.
    color_share: pixels on which the colour's ratio rests; 0 where the object's colours are unknown.
    surface, occluder: (R, R) float32 probability of each pixel, 0 outside the silhouette; the rest of 1 is background.
    """

    depth_ratio: float
    color_ratio: float
    log_odds: float
    seen_log_odds: float
    speaking_share: float
    hidden_share: float
    color_share: float
    surface: np.ndarray
    occluder: np.ndarray
    log_likelihood: float

    @property
    def log_ratio(self) -> float:
        """E, of depth and colour together."""
        return self.depth_ratio + self.color_ratio

    @property
    def probability(self) -> float:
        """That the pose is on the object."""
        return 1.0 / (1.0 + math.exp(-self.log_odds))

    @property
    def is_hidden(self) -> bool:
        """Whether something nearer covers so much that the rest says nothing, whatever the ratio is."""
        return self.hidden_share > 0 and self.speaking_share + self.color_share < HIDDEN_SPEAKING_SHARE

    @property
    def is_present(self) -> bool:
        """Whether the object is surely there."""
        return self.probability >= PRESENT_PROBABILITY and not self.is_hidden

    def is_steady(self, before: Evidence) -> bool:
        """Whether the object is surely there, and depth fits as well as it did in the frame before."""
        return self.is_present and self.depth_ratio > before.depth_ratio - STEADY_DEPTH_RATIO

    @property
    def is_undecided(self) -> bool:
        """Whether it cannot be told: a prior may hold the pose, but nothing may be learnt."""
        return self.log_ratio > UNDECIDED_LOG_RATIO and not self.is_present


@dataclass(frozen=True)
class Calibration:
    """Logistic regression from log ratios to log odds.

    From ``python -m pose_tracker_ros.commands.calibrate_evidence``, right against wrong poses, as many of each.
    """

    depth: float
    color: float
    constant: float

    def log_odds(self, depth_ratio: float, color_ratio: float) -> float:
        """That a pose of these ratios is on the object."""
        return self.depth * depth_ratio + self.color * color_ratio + self.constant


CALIBRATION = Calibration(depth=3.27, color=1.18, constant=-3.46)
COLOR_CALIBRATION = Calibration(depth=0.0, color=0.84, constant=0.30)
"""Where no depth was measured: what colour alone is worth."""


@dataclass(frozen=True)
class Appearance:
    """What is known of an object's colours: its paint, or what was learnt where it surely was.

    is_painted: the mesh has colours. density: (4096,) float32 of the colours that were seen, relative to all being alike;
    frames: from so many.
    """

    is_painted: bool
    density: np.ndarray | None = None
    frames: int = 0

    @property
    def known(self) -> int:
        """UNKNOWN, PAINTED or LEARNT of the kernels."""
        if self.is_painted:
            return kernels.PAINTED
        return kernels.LEARNT if self.frames >= BELIEVED_FRAMES else kernels.UNKNOWN

    def learnt(self, observation: Observation, evidence: Evidence) -> Appearance:
        """This with the colours of an observation, if the whole evidence says that the object is there; paint is known, and learns nothing.

        Only pixels that are surely surface teach; too few teach nothing.
        """
        if self.is_painted or not evidence.is_present:
            return self
        seen = np.empty(BINS**3, np.float32)
        if surroundings.color_density(observation.color, evidence.surface, LEARNING_SURFACE, seen) < LEAST_PIXELS:
            return self
        if self.density is None:
            return replace(self, density=seen, frames=1)
        # At first a plain mean, so that the first frame does not stay for long.
        seen -= self.density
        seen *= np.float32(max(RENEWAL, 1 / (self.frames + 1)))
        seen += self.density
        return Appearance(self.is_painted, seen, self.frames + 1)


def weigh(
    view: Drawn, observation: Observation, appearance: Appearance, noise: NoiseModel, depth_bias_m: float = 0.0
) -> Evidence:
    """The evidence for the pose at which an object is drawn, with colour where the mesh has some; around the silhouette the crop should reach
    as far as the ring, 0.1 diameters.

    ``depth_bias_m``: what the depth camera is known to measure too far; what remains has the deviation of ``noise``.
    Raises ValueError for crops of another size than the view's.
    """
    rendering, size = view.rendering, view.rendering.mask.shape
    if observation.depth.shape != size or observation.color.shape != (*size, 3):
        raise ValueError(
            f"expected colour and depth of the drawn crop's size {size}, got {observation.color.shape} and "
            f"{observation.depth.shape}; cut both with its camera"
        )
    seen = observation.window, observation.depth, observation.color
    planes, around = np.empty((surroundings.MOST_PLANES, surroundings.PLANE_NUMBERS)), np.empty(BINS**3, np.float32)
    surroundings.look_around(view.around_px, view.diameter_px, *seen, noise.depth_at_metre, noise.surface, planes, around)
    surface, occluder = np.zeros(size, np.float32), np.zeros(size, np.float32)
    drawn = rendering.mask, rendering.depth, rendering.normal, rendering.color, view.camera.numbers
    known, learnt = appearance.known, around if appearance.density is None else appearance.density
    depth_ratio, color_ratio, total, visible, speaking, hidden = kernels.weigh_pixels(
        *drawn, *seen, planes, around, known, learnt, depth_bias_m, noise.of_pixels, surface, occluder
    )
    total = max(total, 1)
    is_blind = visible > 0 and speaking + hidden < HIDDEN_SPEAKING_SHARE * total
    with_depth, without = (one.log_odds(depth_ratio, color_ratio) for one in (CALIBRATION, COLOR_CALIBRATION))
    speaking_share, color_share = speaking / total, 0.0 if known == kernels.UNKNOWN else visible / total
    # Of what has neither depth nor known colours an image says nothing.
    is_unknown = is_blind and known == kernels.UNKNOWN
    log_odds = 0.0 if is_unknown else without if is_blind else with_depth
    of_depth, of_color = noise.independent_depths * speaking_share, noise.independent_colors * color_share
    return Evidence(
        depth_ratio=depth_ratio,
        color_ratio=color_ratio,
        log_odds=log_odds,
        seen_log_odds=speaking_share * with_depth + max(color_share - speaking_share, 0.0) * without,
        speaking_share=speaking_share,
        hidden_share=hidden / total,
        color_share=color_share,
        surface=surface,
        occluder=occluder,
        log_likelihood=of_depth * depth_ratio + of_color * color_ratio,
    )
