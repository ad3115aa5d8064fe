"""Objects, frame after frame: predict, align, weigh, and take or doubt what was found."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import make_pose
from pose_tracker_ros.networks.motion_network import MotionNetwork
from pose_tracker_ros.objects import ObjectModel, generic_weights_path
from pose_tracker_ros.rendering import Rendering
from pose_tracker_ros.tracking.config import TrackerConfig
from pose_tracker_ros.tracking.estimator import Estimator
from pose_tracker_ros.tracking.evidence import PRESENT_LOG_ODDS
from pose_tracker_ros.tracking.network_factor import NetworkFactor
from pose_tracker_ros.tracking.rivalry import NEEDED_LOG_ODDS, RIVALS
from pose_tracker_ros.tracking.searcher import Searcher, surprise
from pose_tracker_ros.tracking.states import TrackResult, TrackState
from pose_tracker_ros.tracking.track import Expectation, Hypothesis, Track

# An image that tells less of a pose, natural logarithm, shows nothing: blank ones tell up to 0.3, followed objects 3 and more without depth.
LEAST_GAIN = 1.0


def default_weights_path(model: ObjectModel) -> Path | None:
    """The object's own weights where there are any, else those that fit any object; None where there are neither."""
    own = model.weights_path
    return own if own is not None and own.is_file() else generic_weights_path()


class Tracker:
    """Follows any number of objects; each starts from a pose that somebody knows."""

    def __init__(
        self,
        models: Sequence[ObjectModel],
        config: TrackerConfig | None = None,
        networks: Mapping[str, MotionNetwork] | None = None,
    ) -> None:
        """``networks``: of objects by name; the others do without. Raises ValueError for two objects of one name."""
        if len({model.name for model in models}) < len(models):
            raise ValueError(f"expected objects of different names, got {', '.join(model.name for model in models)}")
        self._estimator = Estimator(models, config or TrackerConfig())
        self._networks = NetworkFactor(self._estimator, networks or {})
        self._searcher = Searcher(self._estimator)
        self._tracks: dict[str, Track] = {}
        self._loaded: dict[Path, MotionNetwork] = {}

    @property
    def models(self) -> Mapping[str, ObjectModel]:
        """The objects by name."""
        return self._estimator.models

    @property
    def config(self) -> TrackerConfig:
        """The options."""
        return self._estimator.config

    @classmethod
    def load(
        cls, models: Sequence[ObjectModel], config: TrackerConfig | None = None, weights: Mapping[str, Path] | None = None
    ) -> Tracker:
        """A tracker with the ``weights`` of some objects by name, for the others their own or those that fit any object.

        With ``network: never`` none are needed. Raises FileNotFoundError or ValueError when there are none or they are of
        another object.
        """
        return cls._loading(models, config or TrackerConfig(), weights or {}, {})

    def load_others(self, models: Sequence[ObjectModel], weights: Mapping[str, Path] | None = None) -> Tracker:
        """A tracker of other objects, to be adopted: with this one's options and with the networks that it has loaded already.

        May be called while this one tracks. Parameters and errors as of :meth:`load`.
        """
        return self._loading(models, self.config, weights or {}, dict(self._loaded))

    @classmethod
    def _loading(
        cls, models: Sequence[ObjectModel], config: TrackerConfig, weights: Mapping[str, Path], loaded: dict[Path, MotionNetwork]
    ) -> Tracker:
        if config.network == "never":
            return cls(models, config)
        networks = {}
        for model in models:
            path = weights.get(model.name) or default_weights_path(model)
            if path is None:
                raise FileNotFoundError(
                    f"expected network weights for object {model.name!r}; name a file, or set network to never"
                )
            if path not in loaded:
                loaded[path] = MotionNetwork.load(path, config.device, config.runtime, config.threads)
            loaded[path].info.check_object(model.name, model.diameter_m, path)
            networks[model.name] = loaded[path]
        tracker = cls(models, config, networks)
        tracker._loaded = loaded
        return tracker

    def adopt(self, other: Tracker) -> None:
        """Follow another tracker's objects, too, which must not be used any more. Raises ValueError for names that are known."""
        known = [name for name in other.models if name in self.models]
        if known:
            raise ValueError(f"expected objects of names that are not followed yet, got {', '.join(known)}")
        self._estimator.adopt(other._estimator)
        self._networks.adopt(other._networks)
        self._searcher.adopt(other._searcher)
        self._loaded |= other._loaded
        self._tracks |= other._tracks

    def forked(self) -> Tracker:
        """Another one that goes on from here by itself; what objects are drawn and looked at with is shared, so that not both may be
        at work at once."""
        other = copy.copy(self)
        other._tracks = dict(self._tracks)
        return other

    def remove(self, name: str) -> None:
        """Know an object no more; raises KeyError for one that is not known."""
        self.stop(name)
        for part in (self._estimator, self._networks, self._searcher):
            part.remove(name)

    @property
    def device(self) -> str:
        """Where networks run, and by what; ``none`` without any."""
        return self._networks.device

    def start(self, name: str, camera_T_object: np.ndarray, stamp: float | None = None) -> None:
        """Follow an object from a pose (4, 4) near its own in the next frame.

        Raises as :meth:`Track.starting` does, and ValueError for an object that this tracker does not know.
        """
        if name not in self.models:
            raise ValueError(f"expected one of the objects {', '.join(self.models)}, got {name!r}")
        self._tracks[name] = Track.starting(camera_T_object, self.models[name], self.config.noise, stamp)

    def start_checked(self, name: str, camera_T_object: np.ndarray, frames: Sequence[Frame]) -> TrackResult:
        """Start from a pose (4, 4) in the first of some frames and follow it to the last, which must show the object.

        Where that is not so, everything is as it was before, and the state of the result is not TRACKING. Whoever asks waits
        for the answer: these frames may take longer than others.
        Raises as ``start`` does; ValueError without frames.
        """
        if not frames:
            raise ValueError("expected at least one frame to start in, got none")
        alone = self.starting(name, camera_T_object, frames[0].stamp)
        for frame in frames:
            result = alone.step(frame, budget_ms=0.0)[name]
        return self.take_over(alone, name, result)

    def starting(self, name: str, camera_T_object: np.ndarray, stamp: float | None = None) -> Tracker:
        """One that is forked from this and follows an object alone, from a pose (4, 4), until it is taken over; raises as ``start``."""
        alone = self.forked()
        alone._tracks = {}
        alone.start(name, camera_T_object, stamp)
        return alone

    def take_over(self, alone: Tracker, name: str, result: TrackResult) -> TrackResult:
        """Follow an object from where another one, that was ``starting``, has it, by its last result, if that one is sure of it.

        Where it is not, or where another object of the kind is tracked there, nothing changes, and the state of the result is not TRACKING.
        """
        if self._searcher.is_taken(name, result.camera_T_object, self._searcher.taken_by_others(name, self._tracks)):
            return replace(result, state=TrackState.SEARCHING, reason="another of its kind is tracked there")
        if result.state is TrackState.TRACKING:
            self._tracks[name] = alone._tracks[name]
        return result

    def stop(self, name: str) -> None:
        """Forget an object's pose; ``start`` begins again."""
        self._tracks.pop(name, None)

    def state(self, name: str) -> TrackState:
        """What is believed about an object."""
        track = self._tracks.get(name)
        return TrackState.UNINITIALISED if track is None else track.state

    def reconfigure(self, config: TrackerConfig) -> None:
        """Change options while tracking, but not those marked read_only, which renderers and networks were made by."""
        self._estimator.config = config

    def warm_up(self) -> None:
        """Do once, before the first frame, what is slow only once: where nothing is seen, and where each object is."""
        camera = PinholeCamera(160, 160, 400.0, 400.0, 80.0, 80.0)
        blank = Frame(np.zeros((160, 160, 3), np.uint8), np.zeros((160, 160), np.float32), camera, 0.0)
        poses = {name: make_pose(np.eye(3), (0, 0, 4 * model.diameter_m) - model.center_m) for name, model in self.models.items()}
        before, self._tracks = self._tracks, {}
        try:
            for name, pose in poses.items():
                self.start(name, pose)
            self.step(blank)
            for name, pose in poses.items():
                self._tracks = {}
                self.start(name, pose)
                shown = self.render(name, camera, pose)
                self.step(replace(blank, color=shown.color, depth=shown.depth))
        finally:
            self._tracks = before

    def render(self, name: str, camera: PinholeCamera, camera_T_object: np.ndarray) -> Rendering:
        """An object in a full image, for overlays."""
        return self._estimator.renderers[name].render(camera, camera_T_object)

    def step(self, frame: Frame, budget_ms: float | None = None) -> dict[str, TrackResult]:
        """Every started object in the next frame; ``budget_ms``: the time of this one, 0 = without a limit, None = as configured."""
        begin = time.perf_counter()
        budget_ms = self.config.frame_budget_ms if budget_ms is None else budget_ms
        if self.config.depth == "none":
            frame = frame.without_depth()
        self._estimator.budget.begin(budget_ms)
        if self.config.camera_motion:
            self._tracks = {name: track.seen_from(frame.world_T_camera) for name, track in self._tracks.items()}
        expected = {
            name: track.expected_in(frame, self.models[name], self.config.noise, self.config.motion) for name, track in self._tracks.items()
        }
        informed = self._networks.informed(frame, expected) if self._networks.is_asked_always else {}
        found = self._near(frame, expected, informed)
        tracks = {name: self._tracks[name] for name in found}
        self._networks.ask_where_needed(frame, tracks, expected, found)
        held = {
            name: self._estimator.evidence(frame, name, track, expected[name].camera_T_object, track.errors)
            for name, track in tracks.items()
            if not self._is_believed(frame, name, found[name], track.search.turns)
        }
        hidden = {name: 0.0 if one is None else 1.0 if one.is_hidden else one.hidden_share for name, one in held.items()}
        elsewhere = [name for name in held if tracks[name].is_new or not (found[name] and found[name].evidence.is_hidden)]
        searches = self._searcher.search_for(frame, self._tracks, elsewhere, hidden, found)
        is_compared = False
        # What is doubted does not wait for those that are only not told yet.
        for name, track in sorted(tracks.items(), key=lambda item: not item[1].is_doubted_by(found[item[0]])):
            search = searches.get(name, track.search)
            best = search.found or found[name]
            # Of what is doubted only a new track can have been settled by the search that found nothing else.
            if search.found or name not in held or (track.is_new and self._is_believed(frame, name, best, search.turns)):
                # One rival of one object a frame: ten unsure objects would take twice their time otherwise.
                standing = self._searcher.likelier(frame, name, track, best, not (search.found or is_compared))
                is_compared = is_compared or standing.has_compared
                # What a search found was compared with all.
                reconsidered = None if search.found else standing.reconsidered
                learning = partial(track.supported_by, standing.best, frame, self.models[name], standing.rivalry, reconsidered)
                self._tracks[name] = self._estimator.budget.spend("learning", learning)
            else:
                self._tracks[name] = track.unsupported_by(held[name], frame, self.config.lost_frames, search)
        seconds = {"total": time.perf_counter() - begin}
        return {name: track.result(seconds) for name, track in self._tracks.items()}

    def _near(
        self, frame: Frame, expected: Mapping[str, Expectation], informed: Mapping[str, Expectation]
    ) -> dict[str, Hypothesis | None]:
        """The most likely poses near where objects are expected.

        First poses but one wait for the next frame where there is no time for them; those that wait longest come first.
        """
        stamps = {name: -math.inf if track.stamp is None else track.stamp for name, track in self._tracks.items() if track.is_new}
        new = sorted(stamps, key=stamps.__getitem__)
        found: dict[str, Hypothesis | None] = {}
        budget = self._estimator.budget
        for name in [name for name in self._tracks if name not in new] + new:
            if name not in new[1:] or budget.fits("hypothesis", reserve_s=(len(found) + 1) * budget.cost_s("learning")):
                found[name] = self._estimator.hypothesis(frame, name, self._tracks[name], expected[name], informed.get(name))
        return found

    def _is_believed(self, frame: Frame, name: str, found: Hypothesis | None, turns_tried: int) -> bool:
        """Whether an image shows the object there; a first pose has to be clear, or compared with its rivals.

        Others need the more the less they were expected: the object moved as it did, or jumped to one of the rivals; and
        where the expected place is hidden, it is rather by something else than by the object itself, come nearer.
        """
        if found is None or found.evidence.is_hidden:
            return False
        track, log_odds = self._tracks[name], found.evidence.log_odds
        if track.state is not TrackState.TRACKING:
            taken = self._searcher.taken_by_others(name, self._tracks)
            if self._searcher.is_taken(name, found.camera_T_object, taken):
                return False
        # Colours alone say little in one frame, and turns cannot be compared: what was told is rather there than not, and what was just seen
        # until they say as surely that it is not as it took to see it.
        was_seen = track.state is TrackState.TRACKING
        if (was_seen or track.is_new) and found.evidence.speaking_share == 0 and not frame.has_depth and self.config.depth != "required":
            return log_odds >= (-PRESENT_LOG_ODDS if was_seen else 0.0) and found.information_gain > LEAST_GAIN
        if log_odds < PRESENT_LOG_ODDS:
            return False
        if track.is_new and self.config.search:
            return found.seen_log_odds >= NEEDED_LOG_ODDS or turns_tried >= RIVALS
        if log_odds >= NEEDED_LOG_ODDS + PRESENT_LOG_ODDS:
            return True
        model = self.models[name]
        if found.expected.is_vague(model):
            return found.seen_log_odds >= NEEDED_LOG_ODDS
        if log_odds - surprise(found, model) < PRESENT_LOG_ODDS:
            return False
        place = found.is_nearer(model) and self._estimator.evidence(frame, name, track, found.expected.camera_T_object, track.errors)
        return not (place and place.is_hidden)

