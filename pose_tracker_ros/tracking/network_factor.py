"""The residual network as a factor: which objects it is asked about in a frame, and what its answers are worth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import numpy as np

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.networks.motion_network import MotionNetwork
from pose_tracker_ros.tracking.estimator import Estimator
from pose_tracker_ros.tracking.states import TrackState
from pose_tracker_ros.tracking.track import Expectation, Hypothesis, Track

# Networks look so often from where they led in one frame: poses 0.25 diameters and 30 degrees off are found in the second
# look at the latest (48 of frozen set bad-starts; 42 in one look, 7 without).
MOST_LOOKS = 2


class NetworkFactor:
    """Networks of some objects, by name; the others do without."""

    def __init__(self, estimator: Estimator, networks: Mapping[str, MotionNetwork]) -> None:
        """With an estimator that has all of these objects."""
        self._estimator, self._networks = estimator, dict(networks)

    def adopt(self, other: NetworkFactor) -> None:
        """Take over another one's networks."""
        self._networks |= other._networks

    def remove(self, name: str) -> None:
        """Give up an object's network, where it has one."""
        self._networks.pop(name, None)

    @property
    def device(self) -> str:
        """Where networks run, and by what; ``none`` without any."""
        return next(iter(self._networks.values())).device if self._networks else "none"

    @property
    def is_asked_always(self) -> bool:
        """About every object in every frame, instead of where geometry leaves doubts."""
        use = self._estimator.config.network
        return use == "always" or (use == "auto" and self.device.startswith("cuda"))

    def informed(self, frame: Frame, expected: Mapping[str, Expectation]) -> dict[str, Expectation]:
        """What networks make of expectations, one batch for each."""
        depth_range = (self._estimator.config.min_depth_m, self._estimator.config.max_depth_m)
        informed = {}
        for network in set(self._networks.values()):
            names = [name for name in expected if self._networks.get(name) is network]
            if not names:
                continue
            known = self._estimator.models, self._estimator.renderers
            questions = [(*(of[name] for of in known), expected[name].camera_T_object) for name in names]
            ask = partial(network.predict, frame, questions, depth_range)
            opinions = self._estimator.budget.spend((id(network), len(names)), ask)
            for name, opinion in zip(names, opinions):
                informed[name] = expected[name].informed(*opinion, self._estimator.models[name])
        return informed

    def ask_where_needed(
        self,
        frame: Frame,
        tracks: Mapping[str, Track],
        expected: Mapping[str, Expectation],
        found: dict[str, Hypothesis | None],
    ) -> None:
        """Ask networks about objects that geometry leaves in doubt, or less sure than a network can be.

        A network looks farther than geometry and less closely: while there is doubt it looks again from where both led.
        """
        # Asked always, it has had its look from there.
        asked = {
            name: Expectation.near(one.camera_T_object) if self.is_asked_always else expected[name]
            for name, one in found.items()
            if one is not None and self._is_unsure(name, tracks[name], one)
        }
        for _ in range(MOST_LOOKS):
            asked = self._affordable(asked)
            again = {}
            for name, informed in self.informed(frame, asked).items():
                other = self._estimator.hypothesis(frame, name, tracks[name], asked[name], informed)
                found[name] = max((found[name], other), key=lambda one: one.merit if one else -math.inf)
                if other is not None and not found[name].evidence.is_present:
                    again[name] = Expectation.near(other.camera_T_object)
            asked = again

    def _affordable(self, asked: Mapping[str, Expectation]) -> dict[str, Expectation]:
        """Those of whom networks can be asked in the time that is left."""
        affordable = {}
        for network in set(self._networks.values()):
            names = [name for name in asked if self._networks.get(name) is network]
            if names and self._estimator.budget.fits((id(network), len(names))):
                affordable |= {name: asked[name] for name in names}
        return affordable

    def _is_unsure(self, name: str, track: Track, found: Hypothesis) -> bool:
        """Whether a network may add to what geometry found near a pose that was just seen, or is to start from; it does not see through
        what hides an object, and is led astray by what looks like it."""
        network, is_near = self._networks.get(name), track.is_new or track.state is TrackState.TRACKING
        if network is None or not is_near or found.evidence.is_hidden:
            return False
        if not found.evidence.is_present:
            return True
        covariance = np.linalg.inv(found.alignment.information)
        return network.may_add(self._estimator.models[name], found.camera_T_object, covariance)
