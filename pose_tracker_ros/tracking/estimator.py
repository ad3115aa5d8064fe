"""One object in one frame: the most likely pose near an expected one, and the evidence for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import Renderer, create_renderer
from pose_tracker_ros.tracking.alignment import (
    CLOSELY,
    COARSE_TO_FINE,
    FACTORS,
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
from pose_tracker_ros.tracking.track import Expectation, Hypothesis, Track
from pose_tracker_ros.tracking.view import View, make_view

# Fewer pixels than this, a spot of five by four, show nothing of an object.
FEWEST_PIXELS = 20


class Estimator:
    """Aligns and weighs poses of some objects, within the time of a frame.

    models, renderers: by the objects' names; config: may be replaced between frames; budget: of the frame's time.
    """

    def __init__(self, models: Sequence[ObjectModel], config: TrackerConfig) -> None:
        """Makes a renderer for each object, which takes seconds for meshes of hundreds of thousands of triangles."""
        self.models = {model.name: model for model in models}
        self.renderers: dict[str, Renderer] = {
            model.name: create_renderer(config.renderer, model.mesh) for model in models
        }
        self.config = config
        self.budget = Budget()

    def adopt(self, other: Estimator) -> None:
        """Take over another one's objects."""
        self.models |= other.models
        self.renderers |= other.renderers

    def remove(self, name: str) -> None:
        """Give up an object."""
        del self.models[name], self.renderers[name]

    def hypothesis(
        self, frame: Frame, name: str, track: Track, expected: Expectation, informed: Expectation | None = None
    ) -> Hypothesis | None:
        """The most likely pose near an expected one, weighed; None where the object would not be seen.

        ``informed``: the expectation with what a network said.
        """
        return self.budget.spend("hypothesis", lambda: self._aligned(frame, name, track, expected, informed))

    def rough(self, frame: Frame, name: str, track: Track, expected: Expectation) -> Hypothesis | None:
        """As :meth:`hypothesis`, from one coarse view: to a pixel or two, in half the time."""
        return self._aligned_by(ROUGHLY, frame, name, track, expected, expected)

    def _aligned(
        self, frame: Frame, name: str, track: Track, expected: Expectation, informed: Expectation | None
    ) -> Hypothesis | None:
        """Looked at closely first, if its motion is known; coarsely only if it is less sure than what is not expected has to be, as where the
        turn is wrong, or if depth fits less well there than it did."""
        asked = frame, name, track, expected, informed or expected
        if expected.motion is not None and track.seen.expected.motion is not None:
            found = self._aligned_by(CLOSELY, *asked)
            if found is not None and found.evidence.log_odds >= NEEDED_LOG_ODDS and found.evidence.is_steady(track.seen.evidence):
                return found
        found = self._aligned_by(COARSE_TO_FINE, *asked)
        may_have_stopped = self.config.stop and expected.motion is not None and track.is_doubted_by(found)
        return self._stopped(frame, name, track, expected, found) if may_have_stopped else found

    def _stopped(self, frame: Frame, name: str, track: Track, expected: Expectation, found: Hypothesis | None) -> Hypothesis | None:
        """What was found, or, if that is likelier, the pose near the last one: of an object that did not go on as it moved."""
        last = expected._replace(camera_T_object=track.camera_T_object, motion=replace(expected.motion, velocity=np.zeros(6)))
        stopped = self._aligned_by(COARSE_TO_FINE, frame, name, track, last, last)
        return max((one for one in (found, stopped) if one is not None), key=lambda one: one.merit, default=None)

    def _aligned_by(
        self, levels: Sequence[Level], frame: Frame, name: str, track: Track, expected: Expectation, prior: Expectation
    ) -> Hypothesis | None:
        model, renderer, config = self.models[name], self.renderers[name], self.config
        errors = track.errors.predicted(config.noise)
        alignment = align(
            frame,
            model,
            renderer,
            AlignmentPrior(
                prior.camera_T_object, prior.information, errors, track.colors, prior.fresh, track.keyframes
            ),
            config.noise,
            self._largest_px(model),
            levels,
            [factor for factor in FACTORS if getattr(config, factor)],
            (config.min_depth_m, config.max_depth_m),
        )
        if alignment is None:
            return None
        view = alignment.view.painted(renderer) if alignment.is_drawn else self._view(frame, name, alignment.camera_T_object)
        weighed = self._weighed(view, track, alignment.errors)
        return weighed and Hypothesis(expected, alignment, *weighed)

    def evidence(
        self, frame: Frame, name: str, track: Track, camera_T_object: np.ndarray, errors: CommonErrors
    ) -> Evidence | None:
        """What an image says about an object at a pose (4, 4); None where it would not be seen."""
        weighed = self._weighed(self._view(frame, name, camera_T_object), track, errors)
        return weighed and weighed[0]

    def _view(self, frame: Frame, name: str, camera_T_object: np.ndarray) -> View | None:
        model = self.models[name]
        return make_view(frame, self.renderers[name], model, camera_T_object, self._largest_px(model), color=True)

    def _weighed(self, view: View | None, track: Track, errors: CommonErrors) -> tuple[Evidence, View, Observation] | None:
        config = self.config
        if view is None or np.count_nonzero(view.rendering.mask) < FEWEST_PIXELS:
            return None
        observation = observe(view, errors.mean[:2], (config.min_depth_m, config.max_depth_m))
        evidence = weigh(view, observation, track.appearance, config.noise, float(errors.mean[-1]))
        return evidence, view, observation

    def _largest_px(self, model: ObjectModel) -> int:
        """Side of the window: twice as long for a thin object, which has no more pixels there than a ball in the other."""
        return self.config.resolution * (2 if model.is_thin else 1)
