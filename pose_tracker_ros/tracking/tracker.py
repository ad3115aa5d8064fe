"""Objects, frame after frame: predict, align, weigh, and take or doubt what was found."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import make_pose, rotation_angle
from pose_tracker_ros.networks.motion_network import MotionNetwork
from pose_tracker_ros.objects import ObjectModel, default_weights_path
from pose_tracker_ros.rendering import Rendering
from pose_tracker_ros.tracking.budget import Budget
from pose_tracker_ros.tracking.config import TrackerConfig
from pose_tracker_ros.tracking.evidence import Evidence
from pose_tracker_ros.tracking.network_factor import ask_where_needed, informed, is_asked_always
from pose_tracker_ros.tracking.search import BASIN_RAD
from pose_tracker_ros.tracking.searcher import Searcher, is_taken, taken_by_others
from pose_tracker_ros.tracking.states import TrackResult, TrackState
from pose_tracker_ros.tracking.target import Target
from pose_tracker_ros.tracking.track import Expectation, Hypothesis, SearchState, Track


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
        self.config = config or TrackerConfig()
        known = networks or {}
        self._targets = {model.name: Target.of(model, self.config, known.get(model.name)) for model in models}
        self._budget = Budget()
        self._tracks: dict[str, Track] = {}
        self._loaded: dict[Path, MotionNetwork] = {}

    @property
    def models(self) -> Mapping[str, ObjectModel]:
        """The objects by name."""
        return {name: target.model for name, target in self._targets.items()}

    @classmethod
    def load(
        cls,
        models: Sequence[ObjectModel],
        config: TrackerConfig | None = None,
        weights: Mapping[str, Path] | None = None,
        loaded: Mapping[Path, MotionNetwork] | None = None,
    ) -> Tracker:
        """A tracker with the ``weights`` of some objects by name, for the others their own or those that fit any object.

        ``loaded``: networks by file that are not loaded again. With ``network: never`` none are needed. Raises FileNotFoundError or
        ValueError when there are none or they are of another object.
        """
        config, weights, loaded = config or TrackerConfig(), weights or {}, dict(loaded or {})
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

    def load_others(self, models: Sequence[ObjectModel], weights: Mapping[str, Path] | None = None) -> Tracker:
        """A tracker of other objects, to be adopted: with this one's options and with the networks that it has loaded already.

        May be called while this one tracks. Parameters and errors as of :meth:`load`.
        """
        return self.load(models, self.config, weights, self._loaded)

    def adopt(self, other: Tracker) -> None:
        """Follow another tracker's objects, too, which must not be used any more. Raises ValueError for names that are known."""
        known = [name for name in other.models if name in self.models]
        if known:
            raise ValueError(f"expected objects of names that are not followed yet, got {', '.join(known)}")
        self._targets |= other._targets
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
        del self._targets[name]

    @property
    def device(self) -> str:
        """Where networks run, and by what; ``none`` without any."""
        networks = (target.network for target in self._targets.values() if target.network)
        return next((network.device for network in networks), "none")

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
        if is_taken(self._targets[name].model, result.camera_T_object, taken_by_others(name, self._tracks)):
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
        """Change options while tracking, but not those marked read_only, which renderers and networks were made by.

        Paint's colours in other lights and turns that look alike stay as the noise model made them at first.
        """
        self.config = config

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
        return self._targets[name].renderer.render(camera, camera_T_object)

    def step(self, frame: Frame, budget_ms: float | None = None) -> dict[str, TrackResult]:
        """Every started object in the next frame; ``budget_ms``: the time of this one, 0 = without a limit, None = as configured."""
        begin = time.perf_counter()
        config = self.config
        if config.depth == "none":
            frame = frame.without_depth()
        self._budget.begin(config.frame_budget_ms if budget_ms is None else budget_ms)
        world_T_camera = frame.world_T_camera if config.camera_motion else None
        self._tracks = {name: track.seen_from(world_T_camera) for name, track in self._tracks.items()}
        searchers = {
            name: Searcher(frame, self._targets[name], track, config, self._budget, self._tracks) for name, track in self._tracks.items()
        }
        expected = {name: one.track.expected_in(frame, one.model, config.noise, config.motion) for name, one in searchers.items()}
        asked = {name: expected[name] for name, one in searchers.items() if is_asked_always(one)}
        found = self._near(searchers, expected, informed(searchers, asked))
        ask_where_needed(searchers, expected, found)
        held = {
            name: searchers[name].evidence(expected[name].camera_T_object)
            for name, best in found.items()
            if not searchers[name].is_believed(best, searchers[name].track.search.turns)
        }
        searches = self._elsewhere({name: searchers[name] for name in held}, held, found)
        is_compared = False
        # What is doubted does not wait for those that are only not told yet.
        for name in sorted(found, key=lambda name: not searchers[name].track.is_doubted_by(found[name])):
            searcher, track = searchers[name], searchers[name].track
            search = searches.get(name, track.search)
            best = search.found or found[name]
            has_rival = search.found is not None or search.candidate is not None
            if best is not None and track.is_new and name in searches and not has_rival:
                best = searcher.aligned_on(best)
            # Of what is doubted only a new track can have been settled by the search that found nothing else.
            is_settled = search.found or name not in held or (track.is_new and searcher.is_believed(best, search.turns))
            # Another of its kind may have been found there in this frame.
            if is_settled and not searcher.is_elsewhere_taken(best):
                # One rival of one object a frame: ten unsure objects would take twice their time otherwise.
                standing = searcher.likelier(best, not (search.found or is_compared))
                is_compared = is_compared or standing.has_compared
                # What a search found was compared with all.
                reconsidered = None if search.found else standing.reconsidered
                turned = standing.best.camera_T_object[:3, :3] @ best.camera_T_object[:3, :3].T
                if standing.best is not best and rotation_angle(turned) > BASIN_RAD:
                    # Views that were kept were of another turn.
                    track = replace(track, keyframes=())
                with self._budget.spent_on("learning"):
                    self._tracks[name] = track.supported_by(standing.best, frame, searcher.model, standing.rivalry, reconsidered)
            else:
                # What was believed until another was found there has evidence of its own.
                evidence = held[name] if name in held else best.evidence
                self._tracks[name] = track.unsupported_by(evidence, frame, config.lost_frames, search)
        seconds = {"total": time.perf_counter() - begin}
        return {name: track.result(seconds) for name, track in self._tracks.items()}

    def _near(
        self, searchers: Mapping[str, Searcher], expected: Mapping[str, Expectation], informed: Mapping[str, Expectation]
    ) -> dict[str, Hypothesis | None]:
        """The most likely poses near where objects are expected.

        First poses but one wait for the next frame where there is no time for them; those that wait longest come first.
        """
        stamps = {name: -math.inf if track.stamp is None else track.stamp for name, track in self._tracks.items() if track.is_new}
        new = sorted(stamps, key=stamps.__getitem__)
        found: dict[str, Hypothesis | None] = {}
        for name in [name for name in self._tracks if name not in new] + new:
            reserve_s = (len(found) + 1) * self._budget.cost_s("learning")
            if name not in new[1:] or self._budget.fits("hypothesis", reserve_s=reserve_s):
                found[name] = searchers[name].hypothesis(expected[name], informed.get(name))
        return found

    def _elsewhere(
        self, searchers: Mapping[str, Searcher], held: Mapping[str, Evidence | None], found: Mapping[str, Hypothesis | None]
    ) -> dict[str, SearchState]:
        """Look elsewhere for objects that are not believed, one after the other as long as there is time; those left out come first next time.

        One turn of one object is tried, and one pose weighed, however late it is: else what is lost would stay it. ``held``: the evidence for
        where they are expected; ``found``: the poses near that.
        """
        searched = {
            name: one for name, one in searchers.items() if one.track.is_new or not (found[name] and found[name].evidence.is_hidden)
        }
        searches: dict[str, SearchState] = {}
        for name, one in sorted(searched.items(), key=lambda item: item[1].track.search.turns) if self.config.search else ():
            if one.frame.has_depth:
                if searches and not self._budget.fits(("turn", one.track.is_new)):
                    break
                hidden = 0.0 if held[name] is None else 1.0 if held[name].is_hidden else held[name].hidden_share
                searches[name] = one.search(found[name], hidden, len(searched))
            elif one.track.is_new:
                searches[name] = one.turn_only(found[name])
        return searches
