"""Sources of evidence about one object's motion, each an object that adds to the normal equations."""

from typing import Protocol

import numpy as np


class Factor(Protocol):
    """One term of the posterior; see :mod:`pose_tracker_ros.kernels.alignment` for the state."""

    def add(self, state: np.ndarray, hessian: np.ndarray, gradient: np.ndarray) -> float:
        """Add to ``hessian`` (10, 10) and ``gradient`` (10,) of the cost at ``state`` (10,), and return the cost."""
        ...
