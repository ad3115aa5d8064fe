"""How a tracked pose stands against other turns of its object, by what is seen from one side after another."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr

from pose_tracker_ros.geometry import so3_log
from pose_tracker_ros.tracking.evidence import PRESENT_LOG_ODDS
from pose_tracker_ros.tracking.keyframes import APART_RAD

# Standard deviation, from view to view, of how much likelier pixels seem to make one turn than another, natural logarithm (mustard0's
# bottle, half turns that its shape does not tell, 20 views: 5.5 about -3).
SCATTER = 5.5
# Other turns that a pose found elsewhere is compared with: those within three basins.
RIVALS = 27
# Log odds of a pose that was not expected: as of an expected one, against any of its rivals.
NEEDED_LOG_ODDS = PRESENT_LOG_ODDS + math.log(1 + RIVALS)
# Log odds at which nothing that may be seen brings a rival back.
TOLD_LOG_ODDS = 10.0


def turn_log_odds(log_ratio: float) -> float:
    """Log odds that one turn is likelier than another, where pixels seem to make it so much likelier: that what scatters is positive."""
    return float(log_ndtr(log_ratio / SCATTER) - log_ndtr(-log_ratio / SCATTER))


class Rivalry(NamedTuple):
    """How a tracked pose stands against the poses at told turns of the object.

    turns: (K, 3, 3), the first none; log_odds: (K,) of the pose at each to the tracked one, natural logarithm: what is known of the turn
    from before, and what was seen from sides far enough apart to be independent, added up; sides: (3,) each, see
    :func:`pose_tracker_ros.tracking.keyframes.seen_side`; tried: turns that were compared from the last of them.
    """

    turns: np.ndarray
    log_odds: np.ndarray
    sides: tuple[np.ndarray, ...] = ()
    tried: int = 1

    def seen_from(self, side: np.ndarray) -> Rivalry:
        """To be compared once more, if nothing was compared from a side like this (3,)."""
        if any(one @ side > math.cos(APART_RAD) for one in self.sides):
            return self
        return self._replace(sides=(*self.sides, side), tried=1)

    @property
    def next_untold(self) -> int | None:
        """The turn to compare next, None where the rest is told."""
        return next((number for number in range(self.tried, len(self.turns)) if self.log_odds[number] > -TOLD_LOG_ODDS), None)

    @property
    def is_told(self) -> bool:
        """Whether the pose is surely likelier than every other."""
        return all(one < -PRESENT_LOG_ODDS for one in self.log_odds[1:].tolist())

    def compared(self, number: int, log_ratio: float) -> Rivalry:
        """After pixels seem to make the turn of a number so much likelier, natural logarithm."""
        log_odds = self.log_odds.copy()
        log_odds[number] += turn_log_odds(log_ratio)
        return self._replace(log_odds=log_odds, tried=number + 1)

    def taken(self, number: int) -> Rivalry:
        """Of the pose at the turn of a number: what was a turn of the old pose is another one of this."""
        traces = np.einsum("kij,nij->kn", self.turns[number] @ self.turns, self.turns)
        sides = tuple(self.turns[number].T @ side for side in self.sides)
        return self._replace(log_odds=self.log_odds[traces.argmax(axis=1)] - self.log_odds[number], sides=sides)

    def spread(self, rotation: np.ndarray) -> np.ndarray:
        """What turns that may be true instead add to the covariance of one at a ``rotation`` (3, 3): (3, 3), rad^2, camera axes.

        Those that are surely less likely add nothing: normal distributions are not made of few and far ones.
        """
        odds = np.exp(np.minimum(self.log_odds, PRESENT_LOG_ODDS)) * (self.log_odds > -PRESENT_LOG_ODDS)
        turned = np.array([rotation @ so3_log(turn) for turn in self.turns]).reshape(-1, 3)
        return np.einsum("k,ki,kj->ij", odds / max(odds.sum(), 1.0), turned, turned)
