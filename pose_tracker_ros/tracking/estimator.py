"""One object in one frame: the most likely pose near an expected one, and the evidence for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.tracking.alignment import (
    CLOSELY,
    COARSE_TO_FINE,
    FACTORS,
    FEWEST_PIXELS,
    ROUGHLY,
    AlignmentPrior,
    CommonErrors,
    Level,
    align,
)
from pose_tracker_ros.tracking.budget import Budget
from pose_tracker_ros.tracking.config import TrackerConfig
from pose_tracker_ros.tracking.evidence import Evidence, weigh
from pose_tracker_ros.tracking.observation import Observation, observe
from pose_tracker_ros.tracking.rivalry import NEEDED_LOG_ODDS
from pose_tracker_ros.tracking.target import Target
from pose_tracker_ros.tracking.track import Expectation, Hypothesis, Track
from pose_tracker_ros.tracking.view import View, make_view


@dataclass(frozen=True)
class Estimator:
    """Aligns and weighs poses of an object in a frame, before which its ``track`` is known, within the frame's time."""

    frame: Frame
    target: Target
    track: Track
    config: TrackerConfig
    budget: Budget

    @property
    def model(self) -> ObjectModel:
        """The object."""
        return self.target.model

    def hypothesis(self, expected: Expectation, informed: Expectation | None = None) -> Hypothesis | None:
        """The most likely pose near an expected one, weighed; None where the object would not be seen.

        ``informed``: the expectation with what a network said.
        """
        with self.budget.spent_on("hypothesis"):
            return self._aligned(expected, informed or expected)

    def near(self, camera_T_object: np.ndarray) -> Hypothesis | None:
        """As :meth:`hypothesis`, somewhere about a pose (4, 4)."""
        return self.hypothesis(Expectation.near(camera_T_object))

    def aligned_on(self, found: Hypothesis) -> Hypothesis:
        """A first pose, or the one that is found from there on, if the image does not show the object at the first and that is likelier.

        What begins far off is not aligned at once. Without depth the next frame goes on from it.
        """
        if found.evidence.is_present or not self.frame.has_depth or not self.budget.fits("hypothesis"):
            return found
        again = self.near(found.camera_T_object)
        return found if again is None or again.merit < found.merit else again._replace(expected=found.expected)

    def roughly_near(self, camera_T_object: np.ndarray) -> Hypothesis | None:
        """As :meth:`near`, from one coarse view: to a pixel or two, in half the time."""
        expected = Expectation.near(camera_T_object)
        return self._aligned_by(ROUGHLY, expected, expected)

    def evidence(self, camera_T_object: np.ndarray) -> Evidence | None:
        """What the image says about a pose (4, 4); None where the object would not be seen."""
        weighed = self._weighed(self._view(camera_T_object), self.track.errors)
        return weighed and weighed[0]

    def _aligned(self, expected: Expectation, prior: Expectation) -> Hypothesis | None:
        """Looked at closely first, if its motion is known; coarsely only if it is less sure than what is not expected has to be, as where the
        turn is wrong, or if depth fits less well there than it did."""
        if expected.motion is not None and self.track.seen.expected.motion is not None:
            found = self._aligned_by(CLOSELY, expected, prior)
            if found is not None and found.evidence.log_odds >= NEEDED_LOG_ODDS and found.evidence.is_steady(self.track.seen.evidence):
                return found
        found = self._aligned_by(COARSE_TO_FINE, expected, prior)
        may_have_stopped = self.config.stop and expected.motion is not None and self.track.is_doubted_by(found)
        return self._stopped(expected, found) if may_have_stopped else found

    def _stopped(self, expected: Expectation, found: Hypothesis | None) -> Hypothesis | None:
        """What was found, or, if that is likelier, the pose near the last one: of an object that did not go on as it moved."""
        last = expected._replace(camera_T_object=self.track.camera_T_object, motion=replace(expected.motion, velocity=np.zeros(6)))
        stopped = self._aligned_by(COARSE_TO_FINE, last, last)
        return max((one for one in (found, stopped) if one is not None), key=lambda one: one.merit, default=None)

    def _aligned_by(self, levels: Sequence[Level], expected: Expectation, prior: Expectation) -> Hypothesis | None:
        track, config = self.track, self.config
        known = track.errors.predicted(config.noise), track.colors, prior.fresh, track.keyframes
        before = AlignmentPrior(prior.camera_T_object, prior.information, *known)
        drawn = self.frame, self.model, self.target.renderer
        factors = [factor for factor in FACTORS if getattr(config, factor)]
        alignment = align(*drawn, before, config.noise, self._largest_px, levels, factors, config.depth_range_m)
        if alignment is None:
            return None
        view = alignment.view.painted(self.target.renderer) if alignment.is_drawn else self._view(alignment.camera_T_object)
        weighed = self._weighed(view, alignment.errors)
        return weighed and Hypothesis(expected, alignment, *weighed)

    def _view(self, camera_T_object: np.ndarray) -> View | None:
        return make_view(self.frame, self.target.renderer, self.model, camera_T_object, self._largest_px, color=True)

    def _weighed(self, view: View | None, errors: CommonErrors) -> tuple[Evidence, View, Observation] | None:
        if view is None:
            return None
        observation = observe(view, errors.mean[:2], self.config.depth_range_m)
        left, top, right, bottom = observation.window
        if np.count_nonzero(view.rendering.mask[top:bottom, left:right]) < FEWEST_PIXELS:
            return None
        evidence = weigh(view, observation, self.track.appearance, self.config.noise, float(errors.mean[-1]))
        return evidence, view, observation

    @property
    def _largest_px(self) -> int:
        """Side of the window: twice as long for a thin object, which has no more pixels there than a ball in the other."""
        return self.config.resolution * (2 if self.model.is_thin else 1)
