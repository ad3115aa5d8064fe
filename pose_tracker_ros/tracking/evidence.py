"""Is the object here, or does what is around it go on? One likelihood a pixel, and what all of them say together.

The log ratio E of the two hypotheses is a mean over the pixels that speak, so it does not grow with their number: depth
against planes that continue what surrounds the silhouette (a board that goes on smoothly across the outline is evidence
*against* the object), and colour against the colours around. Near 0 neither can be told from the other: then a prior has to
decide, and nothing is learnt. Presence is not accuracy: a pose in the right place with a wrong turn may pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.kernels import evidence as kernels
from pose_tracker_ros.rendering.protocol import Rendering

# Rings around the silhouette, in diameters: where they begin and end. Both count alike. A near one sees boards that reach
# little beyond the object; wide ones stay on what is around when that is lost at the edge.
RINGS_D = np.array([[0.02, 0.08], [0.04, 0.16]])
# Neighbouring depths have errors in common: so many pixels of 1/48 diameter are one independent measurement.
CORRELATED_PIXELS, PIXELS_A_DIAMETER = 30.0, 48.0
# A share of the silhouette below which what is seen says nothing about the object.
HIDDEN_SPEAKING_SHARE = 0.08
# From this probability on the object is there: 0.2 % of wrong poses are above, none of 958 right ones below, out of fold.
PRESENT_PROBABILITY = 0.9
# Log ratios above this, but not up to that probability, leave open whether the object is there.
UNDECIDED_LOG_RATIO = -1.0
# Learning: how sure a pixel must be, the share that every frame renews, and when the memory is believed.
LEARNING_SURFACE = 0.9
RENEWAL, BELIEVED_FRAMES = 0.1, 5
LEAST_PIXELS = 40


@dataclass(frozen=True)
class EvidenceNoise:
    """What the camera and the model make of a right pose.

    Depth noise is that of an active stereo camera of the RealSense D400 kind. The others were chosen on 8,879 simulated
    and real crops, independent_colors on 505 simulated ones and mustard0: with 40, paint explains any plain board.

    depth_m: deviation of depth at 0.6 m, metres; it grows with the square of the distance.
    depth_floor_m: deviation of depth that does not depend on the distance, metres.
    shape_m: deviation of the mesh from the object, along its normal, metres.
    bias_m: deviation of what all pixels' depth is off in common, metres.
    color: deviation of a pixel's colour from the paint's, grey levels.
    gain: deviation of the exposure, as a share; channel_gain: of each channel against it; offset: of haze, grey levels.
    independent_depths: so many depths of a silhouette are independent of each other.
    independent_colors: so many pixels count against the prior of gains and offsets.
    """

    depth_m: float = 0.0012
    depth_floor_m: float = 0.0004
    shape_m: float = 0.0007
    bias_m: float = 0.002
    color: float = 16.0
    gain: float = 0.4
    channel_gain: float = 0.12
    offset: float = 15.0
    independent_depths: float = 60.0
    independent_colors: float = 10.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"expected {item.name} of the evidence's noise above 0, got {value}; set it to one")

    @cached_property
    def for_kernels(self) -> np.ndarray:
        """The numbers (10,) float64 in the order of :mod:`pose_tracker_ros.kernels.evidence`."""
        return np.array([getattr(self, item.name) for item in fields(self)])


class Drawn(NamedTuple):
    """An object drawn at a pose by a crop's camera; other views with these attributes do as well.

    camera: the crop's. rendering: of its size, with colour where the mesh has some. diameter_m: of the object. Around the
    silhouette the crop should reach as far as the rings, 0.16 diameters.
    """

    camera: PinholeCamera
    rendering: Rendering
    diameter_m: float


class Observation(NamedTuple):
    """What was measured, as a crop's camera sees it (nearest neighbour for depth).

    color: (R, R, 3) uint8. depth: (R, R) float32 metres, 0 = none. window: (4,) int64, the part of the crop that the image
    covers: first column and row, column and row after the last. See :func:`image_window`.
    """

    color: np.ndarray
    depth: np.ndarray
    window: np.ndarray

    @classmethod
    def whole(cls, color: np.ndarray, depth: np.ndarray) -> Observation:
        """Of a crop that lies within the image."""
        return cls(color, depth, np.array([0, 0, depth.shape[1], depth.shape[0]]))


class Evidence(NamedTuple):
    """What an observation says about a pose.

    log_ratio: E = depth_ratio + color_ratio, of "the object is here" to "what is around goes on", mean of the pixels that
    speak, natural logarithm. 0 where nothing is known.
    probability: that the pose is on the object, calibrated on as many right as wrong poses (docs/evidence_reliability.png).
    speaking_share: pixels of the silhouette with depth that is not nearer; hidden_share: with nearer depth. What they leave
    to 1 has no depth, or is outside of the image.
    color_share: pixels on which the colour's ratio rests; 0 where the object's colours are unknown.
    surface, occluder: (R, R) float32 probability of each pixel, 0 outside the silhouette; the rest of 1 is background.
    """

    log_ratio: float
    depth_ratio: float
    color_ratio: float
    probability: float
    speaking_share: float
    hidden_share: float
    color_share: float
    surface: np.ndarray
    occluder: np.ndarray

    @property
    def is_hidden(self) -> bool:
        """Whether something nearer covers so much that the rest says nothing, whatever the ratio is."""
        return self.hidden_share > 0 and self.speaking_share + self.color_share < HIDDEN_SPEAKING_SHARE

    @property
    def is_present(self) -> bool:
        """Whether the object is surely there."""
        return self.probability >= PRESENT_PROBABILITY and not self.is_hidden

    @property
    def is_undecided(self) -> bool:
        """Whether it cannot be told: a prior may hold the pose, but nothing may be learnt."""
        return self.log_ratio > UNDECIDED_LOG_RATIO and not self.is_present


@dataclass(frozen=True)
class Calibration:
    """Logistic regression from log ratios to a probability.

    From ``python -m pose_tracker_ros.commands.calibrate_evidence``, right against wrong poses, as many of each.
    """

    depth: float
    color: float
    constant: float

    def probability(self, depth_ratio: float, color_ratio: float) -> float:
        """That a pose of these ratios is on the object."""
        return 1.0 / (1.0 + math.exp(-(self.depth * depth_ratio + self.color * color_ratio + self.constant)))


CALIBRATION = Calibration(depth=3.59, color=1.13, constant=-3.93)
COLOR_CALIBRATION = Calibration(depth=0.0, color=0.79, constant=0.20)
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
        """This with the colours of an observation, if the whole evidence says that the object is there.

        Only pixels that are surely surface teach; too few teach nothing.
        """
        if not evidence.is_present:
            return self
        pixels = np.ascontiguousarray(np.argwhere(evidence.surface > LEARNING_SURFACE), np.int32)
        if len(pixels) < LEAST_PIXELS:
            return self
        seen = np.empty(kernels.BINS**3, np.float32)
        kernels.color_density(observation.color, pixels, len(pixels), seen)
        if self.density is None:
            return replace(self, density=seen, frames=1)
        # At first a plain mean, so that the first frame does not stay for long.
        share = np.float32(max(RENEWAL, 1 / (self.frames + 1)))
        return replace(self, density=(1 - share) * self.density + share * seen, frames=self.frames + 1)


def image_window(camera: PinholeCamera, crop: PinholeCamera) -> np.ndarray:
    """The part (4,) int64 of a crop that an image of ``camera`` covers: see :class:`Observation`."""
    ratio_x, ratio_y = crop.fx / camera.fx, crop.fy / camera.fy
    left, top = crop.cx - ratio_x * camera.cx, crop.cy - ratio_y * camera.cy
    first = np.ceil([left, top])
    after = np.floor([left + ratio_x * (camera.width - 1), top + ratio_y * (camera.height - 1)]) + 1
    size = [crop.width, crop.height]
    first, after = np.clip(first, 0, size), np.clip(after, 0, size)
    return np.concatenate([first, np.maximum(first, after)]).astype(np.int64)


def weigh(
    view: Drawn,
    observation: Observation,
    appearance: Appearance,
    noise: EvidenceNoise,
    depth_bias_m: float = 0.0,
) -> Evidence:
    """The evidence for the pose at which an object is drawn.

    ``depth_bias_m``: what the depth camera is known to measure too far; what remains has the deviation of ``noise``.
    Raises ValueError for crops of another size than the view's.
    """
    rendering, size = view.rendering, view.rendering.mask.shape
    if observation.depth.shape != size or observation.color.shape != (*size, 3):
        raise ValueError(
            f"expected colour and depth of the drawn crop's size {size}, got {observation.color.shape} and "
            f"{observation.depth.shape}; cut both with its camera"
        )
    numbers = noise.for_kernels
    surface, occluder = np.zeros(size, np.float32), np.zeros(size, np.float32)
    camera = view.camera
    pixels, deviations = np.empty((surface.size, 2), np.int32), np.empty(surface.size, np.float32)
    intrinsics = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
    total, count, distance_m = kernels.surface_pixels(
        rendering.mask, rendering.depth, rendering.normal, intrinsics, observation.window, numbers, pixels, deviations
    )
    if count == 0:
        return Evidence(0.0, 0.0, 0.0, CALIBRATION.probability(0.0, 0.0), 0.0, 0.0, 0.0, surface, occluder)
    planes, around = _surroundings(view, observation, view.camera.fx * view.diameter_m / distance_m, numbers)
    on_silhouette = (pixels, deviations, count)
    depth_ratio, bias = kernels.depth_ratio(
        *on_silhouette, total, rendering.depth, observation.depth, planes, depth_bias_m, numbers
    )
    known, gains, cost = appearance.known, np.zeros(6), 0.0
    if known == kernels.PAINTED:
        _, cost = kernels.color_gains(
            *on_silhouette, rendering.depth, observation.depth, bias, rendering.color, observation.color, numbers, gains
        )
    color_ratio, visible, speaking, hidden = kernels.weigh_pixels(
        *on_silhouette,
        total,
        rendering.depth,
        observation.depth,
        planes,
        bias,
        rendering.color,
        observation.color,
        known,
        gains,
        around if appearance.density is None else appearance.density,
        around,
        numbers,
        surface,
        occluder,
    )
    # Light that changes the paint a great deal is as unlikely as colours that differ from it.
    color_ratio = max(color_ratio - cost / noise.independent_colors, -kernels.MOST_LOG_RATIO)
    is_blind = speaking + hidden < HIDDEN_SPEAKING_SHARE * total and known != kernels.UNKNOWN
    calibration = COLOR_CALIBRATION if is_blind else CALIBRATION
    return Evidence(
        log_ratio=depth_ratio + color_ratio,
        depth_ratio=depth_ratio,
        color_ratio=color_ratio,
        probability=calibration.probability(depth_ratio, color_ratio),
        speaking_share=speaking / total,
        hidden_share=hidden / total,
        color_share=0.0 if known == kernels.UNKNOWN else visible / total,
        surface=surface,
        occluder=occluder,
    )


def _surroundings(
    view: Drawn, observation: Observation, diameter_px: float, numbers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Planes (4, 10) and colours (4096,) of the rings."""
    rings = RINGS_D * diameter_px
    distance = np.empty(observation.depth.shape, np.int32)
    pixels = np.empty((distance.size, 2), np.int32)
    low, high = float(rings.min()), float(rings.max())
    found = kernels.ring_pixels(view.rendering.mask, observation.window, low, high, distance, pixels)
    planes, around = np.empty((4, kernels.PLANE_NUMBERS)), np.empty(kernels.BINS**3, np.float32)
    independent_px = CORRELATED_PIXELS * (diameter_px / PIXELS_A_DIAMETER) ** 2
    kernels.surrounding_planes(observation.depth, distance, pixels, found, rings, independent_px, numbers, planes)
    kernels.color_density(observation.color, pixels, found, around)
    return planes, around
