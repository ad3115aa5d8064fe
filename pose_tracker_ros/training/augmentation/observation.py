"""What an augmentation takes and gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.camera import PinholeCamera


class Observation(NamedTuple):
    """The observed side of a pair, as a perfect camera sees it and then a real one.

    color: (R, R, 3) float32 RGB, 0..255; augmentations may leave the range, which is cut at the end.
    depth: (R, R) float32 metres, 0 = no measurement.
    mask: (R, R) bool, the visible part of the object.
    distance_m: depth of the object's centre.
    camera: the crop camera.
    """

    color: np.ndarray
    depth: np.ndarray
    mask: np.ndarray
    distance_m: float
    camera: PinholeCamera


@dataclass(frozen=True)
class Augmentation(ABC):
    """One defect of a camera or of what is known about it, drawn anew for every observation.

    Arrays of the given observation are left as they are.
    """

    probability: float = 1.0

    def __call__(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """The observation with this defect, or, with probability 1 - ``probability``, as it was."""
        return self.apply(observation, generator) if generator.random() < self.probability else observation

    @abstractmethod
    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """The observation with this defect."""


@dataclass(frozen=True)
class FirstOf(Augmentation):
    """The first of some augmentations whose own probability says yes; none when none does."""

    steps: tuple[Augmentation, ...] = ()

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        for step in self.steps:
            if generator.random() < step.probability:
                return step.apply(observation, generator)
        return observation


def augment(observation: Observation, steps: Iterable[Augmentation], generator: np.random.Generator) -> Observation:
    """The observation after all steps, in their order."""
    for step in steps:
        observation = step(observation, generator)
    return observation
