"""What is known of the motion apart from the view that is aligned: before the frame, or by a network."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pose_tracker_ros.kernels.alignment import STATE


class Gaussian(NamedTuple):
    """A normal distribution of the state: information (10, 10), and pull (10,), that times its mean."""

    information: np.ndarray
    pull: np.ndarray

    @classmethod
    def of(cls, mean: np.ndarray, information: np.ndarray) -> Gaussian:
        """By mean (n,) and information (n, n) of the first n entries; nothing is known of the others."""
        known = len(mean)
        whole, pull = np.zeros((STATE, STATE)), np.zeros(STATE)
        whole[:known, :known] = information
        pull[:known] = information @ mean
        return cls(whole, pull)

    def times(self, other: Gaussian) -> Gaussian:
        """What two independent sources say together."""
        return Gaussian(self.information + other.information, self.pull + other.pull)
