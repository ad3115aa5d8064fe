"""One Gauss-Newton loop for all factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.kernels import alignment
from pose_tracker_ros.tracking.factors import Factor

# A step that raises the cost is shortened to this share, so often before the state is taken to be the best.
SHORTER, TRIES = 0.3, 3
# Steps smaller than this change nothing that matters: metres, radians, pixels, metres.
SETTLED = np.array([2e-5] * 3 + [2e-4] * 3 + [0.01] * 3 + [2e-5])


class Solution(NamedTuple):
    """The most likely state (10,), its information (10, 10), and the cost there."""

    state: np.ndarray
    information: np.ndarray
    cost: float


def solve(factors: Sequence[Factor], state: np.ndarray, iterations: int) -> Solution:
    """Minimise the factors' cost from a ``state`` (10,) on, by at most so many Gauss-Newton steps that each lower it."""
    cost, hessian, gradient = _linearise(factors, state)
    step, moved = np.empty_like(state), np.empty_like(state)
    for _ in range(iterations):
        if not alignment.solve_step(hessian.copy(), gradient, step):
            break
        for _ in range(TRIES):
            alignment.move_state(state, step, moved)
            there = _linearise(factors, moved)
            if there[0] <= cost:
                break
            step *= SHORTER
        else:
            break
        state = moved.copy()
        cost, hessian, gradient = there
        if np.all(np.abs(step) < SETTLED):
            break
    return Solution(state, np.tril(hessian) + np.tril(hessian, -1).T, cost)


def _linearise(factors: Sequence[Factor], state: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    hessian, gradient = np.zeros((len(state), len(state))), np.zeros(len(state))
    cost = sum(factor.add(state, hessian, gradient) for factor in factors)
    return cost, hessian, gradient
