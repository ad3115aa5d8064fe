"""Defects of the colour image. Defaults are the published parameters (arXiv 2007.13866) where there are any."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from pose_tracker_ros.training.augmentation.observation import Augmentation, Observation

# Normally distributed numbers that noise is cut from, as drawing them takes longer than all that is done to a colour image
# besides: enough for several images of any size.
NOISE_TABLE = 1 << 22


@dataclass(frozen=True)
class HsvJitter(Augmentation):
    """Hue, saturation and value moved, each with the probability, where depth was measured.

    Limits are in OpenCV's 8-bit units: hue in steps of 2 degrees, saturation and value in 1/255.
    """

    probability: float = 0.5
    hue: float = 15.0
    saturation: float = 15.0
    value: float = 15.0

    def __call__(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation; the probability holds for each channel."""
        chosen = generator.random(3) < self.probability
        if not chosen.any():
            return observation
        return self._moved(observation, np.where(chosen, self._offsets(generator), 0))

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """All three channels moved."""
        return self._moved(observation, self._offsets(generator))

    def _offsets(self, generator: np.random.Generator) -> np.ndarray:
        return generator.uniform(-1, 1, 3) * (self.hue, self.saturation, self.value)

    @staticmethod
    def _moved(observation: Observation, offsets: np.ndarray) -> Observation:
        scaled = np.clip(observation.color, 0, 255) * np.float32(1 / 255)
        hsv = cv2.cvtColor(scaled, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0] + np.float32(2 * offsets[0])) % np.float32(360)
        hsv[..., 1:] = np.clip(hsv[..., 1:] + (offsets[1:] / 255).astype(np.float32), 0, 1)
        color = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * np.float32(255)
        return observation._replace(color=_where(observation.depth > 0, color, observation.color))


@dataclass(frozen=True)
class Brightness(Augmentation):
    """All colours times one factor."""

    low: float = 0.5
    high: float = 1.5

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        return observation._replace(color=observation.color * np.float32(generator.uniform(self.low, self.high)))


@dataclass(frozen=True)
class BlackLevel(Augmentation):
    """A constant added to all colours, 0..255."""

    offset: float = 15.0

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        return observation._replace(color=observation.color + np.float32(generator.uniform(-self.offset, self.offset)))


@dataclass(frozen=True)
class WhiteBalance(Augmentation):
    """Each colour channel times its own factor."""

    low: float = 0.85
    high: float = 1.15

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        return observation._replace(
            color=observation.color * generator.uniform(self.low, self.high, 3).astype(np.float32)
        )


@dataclass(frozen=True)
class Saturation(Augmentation):
    """Colours nearer to their grey (factor below 1) or farther from it."""

    probability: float = 0.3
    low: float = 0.3
    high: float = 1.5

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        factor = generator.uniform(self.low, self.high)
        # One product with a 3x3 matrix: the factor on the diagonal, the rest of it from the mean of the channels.
        matrix = np.full((3, 3), (1 - factor) / 3, np.float32) + np.float32(factor) * np.eye(3, dtype=np.float32)
        return observation._replace(color=cv2.transform(observation.color, matrix))


@dataclass(frozen=True)
class ColorNoise(Augmentation):
    """Independent Gaussian noise of a random standard deviation, 0..255, in all channels."""

    probability: float = 0.5
    max_deviation: float = 2.0
    measured_only: bool = True

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation; with ``measured_only`` where depth was measured."""
        deviation = np.float32(generator.uniform(0, self.max_deviation))
        noise = deviation * _standard_normal(observation.color.shape, generator)
        if self.measured_only:
            noise *= (observation.depth > 0)[..., None]
        noise += observation.color
        return observation._replace(color=noise)


@dataclass(frozen=True)
class ColorBlur(Augmentation):
    """Gaussian blur; ``kernels``: sizes to choose from, none for as large as sigma needs; ``sigma``: range in pixels."""

    probability: float = 0.4
    kernels: tuple[int, ...] = (3, 5, 7)
    sigma: tuple[float, float] = (2.0, 2.0)

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        size = int(generator.choice(self.kernels)) if self.kernels else 0
        return observation._replace(
            color=cv2.GaussianBlur(observation.color, (size, size), generator.uniform(*self.sigma))
        )


@dataclass(frozen=True)
class MotionBlur(Augmentation):
    """Blur along a line in a random direction; ``length``: range in pixels, both ends included."""

    probability: float = 0.3
    length: tuple[int, int] = (3, 9)

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        length = int(generator.integers(self.length[0], self.length[1] + 1))
        kernel = line_kernel(length, generator.uniform(0, np.pi))
        return observation._replace(color=cv2.filter2D(observation.color, -1, kernel))


@dataclass(frozen=True)
class LowerResolution(Augmentation):
    """As if seen with fewer pixels: shrunk by a random factor and enlarged again."""

    probability: float = 0.4
    low: float = 0.35
    high: float = 1.0

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        height, width = observation.depth.shape
        factor = generator.uniform(self.low, self.high)
        size = max(1, int(width * factor)), max(1, int(height * factor))
        small = cv2.resize(observation.color, size, interpolation=cv2.INTER_AREA)
        return observation._replace(color=cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))


def line_kernel(length: int, angle: float) -> np.ndarray:
    """A kernel (length, length) float32 of sum 1 that blurs along a line; ``angle`` in radians from the image's rows."""
    kernel = np.zeros((length, length), np.float32)
    middle = (length - 1) / 2
    offset = middle * np.array([np.cos(angle), np.sin(angle)])
    start, stop = np.rint(middle - offset).astype(int), np.rint(middle + offset).astype(int)
    cv2.line(kernel, start.tolist(), stop.tolist(), 1.0)
    return kernel / kernel.sum()


@cache
def _noise_table() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(NOISE_TABLE, np.float32)


def _standard_normal(shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Independent numbers of an array; from one call to the next they may be the same ones, elsewhere in it."""
    size = int(np.prod(shape))
    start = int(generator.integers(NOISE_TABLE - size + 1))
    return _noise_table()[start : start + size].reshape(shape)


def _where(mask: np.ndarray, color: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    return np.where(mask[..., None], color, otherwise)
