"""How likely a pose in a map is right, by what an image shows there."""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy.special import expit

from pose_tracker_ros.relocalization.agreement import Agreement

# Of poses that nobody has looked at: a camera is about as often elsewhere as in the map.
PRIOR_LOG_ODDS = 0.0


class Kind(NamedTuple):
    """Shares of what can be compared that agree at right poses and elsewhere, and how many have one cause in common."""

    right: float
    wrong: float
    shared: float

    def log_odds(self, same: int, other: int) -> float:
        """Of right against wrong: that of two binomial distributions."""
        evidence = same * math.log(self.right / self.wrong) + other * math.log((1 - self.right) / (1 - self.wrong))
        return evidence / self.shared


# Right poses of real frames: 0.99 and more of the depth agrees and 0.6 to 1 of the squares look the same; poses of mirrored
# images 0.15 to 0.91, images of other places 0 to 0.4.
DEPTH = Kind(right=0.97, wrong=0.7, shared=80.0)
LOOKS = Kind(right=0.8, wrong=0.3, shared=4.0)
# Features that lie within the error of where their points would be seen: on blurred and dark images up to 13 agreed with
# poses that were 6 to 16 cm off. Without any other evidence more of them are needed, for they may all be of one thing.
CHANCE_INLIERS, CHANCE_INLIERS_ALONE, INLIER_LOG_ODDS = 9, 25, 0.45


def confidence(agreed: Agreement, inliers: int, has_depth: bool) -> float:
    """Probability that a pose is right.

    Wrong poses are of several sorts: in a room of the same shape depth agrees, before the same poster looks do, and chance
    finds a few features anywhere. Each sort is refuted by the kinds of evidence that it does not share, so that the odds
    against all of them are those of the weakest kind. ``has_depth``: whether the image has depth that could be compared;
    where it has and nothing is known of its place, that tells nothing, and the odds are even.
    """
    compared = [
        kind.log_odds(same, other)
        for kind, same, other in ((DEPTH, *agreed[:2]), (LOOKS, *agreed[2:]))
        if has_depth or (kind is LOOKS and same + other)
    ]
    chance = CHANCE_INLIERS if compared else CHANCE_INLIERS_ALONE
    log_odds = PRIOR_LOG_ODDS + min([INLIER_LOG_ODDS * (inliers - chance), *compared])
    return float(expit(log_odds))
