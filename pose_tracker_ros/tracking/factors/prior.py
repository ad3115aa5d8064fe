"""What is known before the image is looked at."""

from __future__ import annotations

import numpy as np


class Prior:
    """A normal distribution of the state: mean (10,) and information (10, 10)."""

    def __init__(self, mean: np.ndarray, information: np.ndarray) -> None:
        self._mean = mean
        self._information = information

    def add(self, state: np.ndarray, hessian: np.ndarray, gradient: np.ndarray) -> float:
        """See :class:`pose_tracker_ros.tracking.factors.Factor`."""
        departure = state - self._mean
        pull = self._information @ departure
        hessian += self._information
        gradient += pull
        return 0.5 * float(departure @ pull)
