"""The most likely state of all factors of a view."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pose_tracker_ros.kernels import alignment
from pose_tracker_ros.tracking.factors.contour import ContourFactor
from pose_tracker_ros.tracking.factors.depth import DepthFactor
from pose_tracker_ros.tracking.factors.surface_flow import SurfaceFlowFactor


class Solution(NamedTuple):
    """The most likely state (10,), its information (10, 10), the cost there up to a constant, and what was compared."""

    state: np.ndarray
    information: np.ndarray
    cost: float
    depth: DepthFactor
    contour: ContourFactor
    flow: SurfaceFlowFactor

    def covariance(self, posterior: np.ndarray, center: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """(10, 10) of the state, see :func:`pose_tracker_ros.kernels.alignment.covariance`.

        ``posterior`` (10, 10): the information's inverse; ``center`` (3,): of the object; ``spread`` (10, 10): of the prior's gradient.
        """
        factors = tuple(self.depth), tuple(self.contour), tuple(self.flow)
        return alignment.covariance(posterior, spread, *factors, center, self.state)


def solve(
    prior: tuple[np.ndarray, np.ndarray],
    depth: DepthFactor,
    contour: ContourFactor,
    flow: SurfaceFlowFactor,
    center: np.ndarray,
    state: np.ndarray,
    iterations: int,
) -> Solution:
    """Minimise the cost from a ``state`` (10,) on by at most so many Gauss-Newton steps, about the object's ``center`` (3,).

    ``prior``: what is known apart from the view, information (10, 10) and mean (10,).
    """
    state, information = state.copy(), np.zeros((alignment.STATE, alignment.STATE))
    cost = alignment.solve(prior, tuple(depth), tuple(contour), tuple(flow), center, iterations, state, information)
    return Solution(state, information, cost, depth, contour, flow)
