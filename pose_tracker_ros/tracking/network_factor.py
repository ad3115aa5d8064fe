"""The residual network as a factor: which objects it is asked about in a frame, and what its answers are worth."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from pose_tracker_ros.tracking.estimator import Estimator
from pose_tracker_ros.tracking.states import TrackState
from pose_tracker_ros.tracking.track import Expectation, Hypothesis

# Networks look so often from where they led in one frame: poses 0.25 diameters and 30 degrees off are found in the second
# look at the latest (48 of frozen set bad-starts; 42 in one look, 7 without).
MOST_LOOKS = 2


def is_asked_always(estimator: Estimator) -> bool:
    """Whether an object's network is asked in every frame, instead of where geometry leaves doubts."""
    use, network = estimator.config.network, estimator.target.network
    return network is not None and (use == "always" or (use == "auto" and network.device.startswith("cuda")))


def informed(
    estimators: Mapping[str, Estimator], expected: Mapping[str, Expectation], may_wait: bool = False
) -> dict[str, Expectation]:
    """What networks make of expectations of objects that have one, a batch for each; only while there is time, if they ``may_wait``."""
    informed = {}
    for network in {estimators[name].target.network for name in expected} - {None}:
        asked = {name: estimators[name] for name in expected if estimators[name].target.network is network}
        first, kind = next(iter(asked.values())), (id(network), len(asked))
        if may_wait and not first.budget.fits(kind):
            continue
        questions = [(one.model, one.target.renderer, expected[name].camera_T_object) for name, one in asked.items()]
        with first.budget.spent_on(kind):
            opinions = network.predict(first.frame, questions, first.config.depth_range_m)
        for (name, one), opinion in zip(asked.items(), opinions):
            informed[name] = expected[name].informed(*opinion, one.model)
    return informed


def ask_where_needed(
    estimators: Mapping[str, Estimator], expected: Mapping[str, Expectation], found: dict[str, Hypothesis | None]
) -> None:
    """Ask networks about objects that geometry leaves in doubt, or less sure than a network can be.

    A network looks farther than geometry and less closely: while there is doubt it looks again from where both led.
    """
    # Asked always, it has had its look from there.
    asked = {
        name: Expectation.near(one.camera_T_object) if is_asked_always(estimators[name]) else expected[name]
        for name, one in found.items()
        if one is not None and _is_unsure(estimators[name], one)
    }
    for _ in range(MOST_LOOKS):
        again = {}
        for name, with_opinion in informed(estimators, asked, may_wait=True).items():
            other = estimators[name].hypothesis(asked[name], with_opinion)
            found[name] = max((found[name], other), key=lambda one: one.merit if one else -math.inf)
            if other is not None and not found[name].evidence.is_present:
                again[name] = Expectation.near(other.camera_T_object)
        asked = again


def _is_unsure(estimator: Estimator, found: Hypothesis) -> bool:
    """Whether a network may add to what geometry found near a pose that was just seen, or is to start from; it does not see through what
    hides an object, and is led astray by what looks like it."""
    network, track = estimator.target.network, estimator.track
    is_near = track.is_new or track.state is TrackState.TRACKING
    if network is None or not is_near or found.evidence.is_hidden:
        return False
    if not found.evidence.is_present:
        return True
    return network.may_add(estimator.model, found.camera_T_object, np.linalg.inv(found.alignment.information))
