"""Defects of the depth image. Defaults are the published parameters (arXiv 2007.13866) where there are any."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pose_tracker_ros.training.augmentation.observation import Augmentation, Observation

# Lengths in pixels are given for crops of this resolution and grow with it.
REFERENCE_PX = 128
# Stereo noise grows with the square of the distance; deviations are given for this one.
REFERENCE_M = 0.6
# Stands for no measurement where the nearest depth is looked for.
FAR_M = 100.0


@dataclass(frozen=True)
class DepthNoise(Augmentation):
    """Independent Gaussian noise of a random standard deviation in metres."""

    probability: float = 0.5
    max_deviation_m: float = 0.005

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        noise = generator.standard_normal(observation.depth.shape, np.float32)
        noise *= np.float32(generator.uniform(0, self.max_deviation_m))
        return _with_depth(observation, observation.depth + noise)


@dataclass(frozen=True)
class DepthBlur(Augmentation):
    """Gaussian blur among the measured pixels; parameters as of ColorBlur."""

    probability: float = 0.4
    kernels: tuple[int, ...] = (3, 5, 7)
    sigma: tuple[float, float] = (2.0, 2.0)

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        size = int(generator.choice(self.kernels)) if self.kernels else 0
        sigma = generator.uniform(*self.sigma)
        weight = cv2.GaussianBlur((observation.depth > 0).astype(np.float32), (size, size), sigma)
        blurred = cv2.GaussianBlur(observation.depth, (size, size), sigma)
        return _with_depth(observation, blurred / np.maximum(weight, np.float32(1e-6)))


@dataclass(frozen=True)
class StereoNoise(Augmentation):
    """Noise that neighbouring pixels share and that grows with the square of the distance.

    ``max_deviation_m`` at 0.6 m; ``cell_px``: range of the distance between independent values.
    """

    max_deviation_m: float = 0.004
    cell_px: tuple[float, float] = (1.0, 6.0)

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        size = observation.depth.shape[0]
        growth = max(observation.distance_m, REFERENCE_M / 2) ** 2 / REFERENCE_M**2
        deviation = generator.uniform(0, self.max_deviation_m) * growth
        cells = max(2, int(size / generator.uniform(*self.cell_px)))
        noise = generator.standard_normal((cells, cells), np.float32) * np.float32(deviation)
        return _with_depth(observation, observation.depth + cv2.resize(noise, (size, size)))


@dataclass(frozen=True)
class DepthBias(Augmentation):
    """All depth too far or too near by a normally distributed length, for most cameras by more than for some.

    Depth of a calibrated RealSense is up to a centimetre off where colour says the object is.
    """

    deviation_m: float = 0.008
    calibrated_deviation_m: float = 0.001
    calibrated_share: float = 0.3

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        calibrated = generator.random() < self.calibrated_share
        deviation = self.calibrated_deviation_m if calibrated else self.deviation_m
        return _with_depth(observation, observation.depth + np.float32(generator.normal(0, deviation)))


@dataclass(frozen=True)
class DepthQuantisation(Augmentation):
    """Depth in multiples of a random step; ``step_m``: range in metres."""

    probability: float = 0.3
    step_m: tuple[float, float] = (0.0005, 0.004)

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        step = np.float32(generator.uniform(*self.step_m))
        return _with_depth(observation, np.rint(observation.depth / step) * step)


@dataclass(frozen=True)
class Misregistration(Augmentation):
    """Depth shifted against colour: they are not taken at the same moment, nor from the same place.

    ``deviation_px``: standard deviation along each image axis for crops of 128 pixels.
    """

    probability: float = 0.7
    deviation_px: float = 3.5

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        depth = observation.depth
        x, y = generator.normal(0, self.deviation_px, 2) * depth.shape[0] / REFERENCE_PX
        matrix = np.array([[1, 0, x], [0, 1, y]])
        shifted = cv2.warpAffine(
            depth, matrix, depth.shape[::-1], flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
        )
        return observation._replace(depth=shifted)


@dataclass(frozen=True)
class ForegroundFattening(Augmentation):
    """A stereo matcher gives the depth of the foreground to pixels around it; ``kernels``: sizes in pixels."""

    probability: float = 0.4
    kernels: tuple[int, ...] = (3, 5)

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        size = int(generator.choice(self.kernels))
        far = np.where(observation.depth > 0, observation.depth, np.float32(FAR_M))
        nearest = cv2.erode(far, np.ones((size, size), np.uint8))
        nearest[nearest == np.float32(FAR_M)] = 0
        return observation._replace(depth=nearest)


@dataclass(frozen=True)
class EdgeDropout(Augmentation):
    """No measurement beside depth steps, on a random part of them.

    ``step_m``: range of the smallest step that counts; ``max_width``: pixels by which the gaps are widened at most;
    ``share``: part of the image in which edges are lost.
    """

    probability: float = 0.6
    step_m: tuple[float, float] = (0.01, 0.05)
    max_width: int = 2
    share: float = 0.5

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        depth, kernel = observation.depth, np.ones((3, 3), np.uint8)
        spread = cv2.dilate(depth, kernel) - cv2.erode(depth, kernel)
        edges = ((spread > generator.uniform(*self.step_m)) & (depth > 0)).astype(np.uint8)
        edges = cv2.dilate(edges, kernel, iterations=int(generator.integers(0, self.max_width + 1)))
        lost = (edges > 0) & blobs(len(depth), self.share, generator)
        return observation._replace(depth=np.where(lost, np.float32(0), depth))


@dataclass(frozen=True)
class DepthHoles(Augmentation):
    """No measurement in smooth blobs; ``max_level`` as of :func:`blobs`: 0.25 loses 8 % of the image on average."""

    probability: float = 0.6
    max_level: float = 0.25

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        lost = blobs(len(observation.depth), generator.uniform(0, self.max_level), generator)
        return observation._replace(depth=np.where(lost, np.float32(0), observation.depth))


@dataclass(frozen=True)
class NoDepth(Augmentation):
    """No measurement at all."""

    probability: float = 0.02

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        return observation._replace(depth=np.zeros_like(observation.depth))


def blobs(size: int, level: float, generator: np.random.Generator) -> np.ndarray:
    """A random mask (size, size) bool of smooth blobs, where noise that is 0..1 at random points lies below ``level``.

    Between the points the noise is interpolated, so it is seldom near 0 or 1: 0.5 is half of the image, 0.25 less than a fifth.
    """
    cells = int(generator.integers(4, 40))
    noise = cv2.resize(generator.random((cells, cells), dtype=np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    return noise < level


def _with_depth(observation: Observation, depth: np.ndarray) -> Observation:
    """The observation with new depth where there was a measurement; depth at or behind the camera is none."""
    return observation._replace(depth=np.where(observation.depth > 0, np.maximum(depth, np.float32(0)), np.float32(0)))
