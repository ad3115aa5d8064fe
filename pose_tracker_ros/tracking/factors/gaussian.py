"""What is known of the motion apart from the view that is aligned: before the frame, or by a network."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Gaussian(NamedTuple):
    """A normal distribution of the state: information (10, 10), and pull (10,), that times its mean."""

    information: np.ndarray
    pull: np.ndarray

    @classmethod
    def of(cls, mean: np.ndarray, information: np.ndarray) -> Gaussian:
        """By mean (10,) and information (10, 10)."""
        return cls(information, information @ mean)
