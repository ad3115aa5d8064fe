"""Objects, frame after frame: predict, align, weigh, and take or doubt what was found."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import apply_residual, rotation_angle, so3_log
from pose_tracker_ros.objects import ObjectModel, generic_weights_path
from pose_tracker_ros.rendering import Renderer, Rendering, create_renderer
from pose_tracker_ros.symmetries import nearest_equivalent, symmetry_transforms
from pose_tracker_ros.tracking.alignment import FACTORS, CommonErrors, align
from pose_tracker_ros.tracking.alignment import Expectation as AlignmentPrior
from pose_tracker_ros.tracking.budget import Budget
from pose_tracker_ros.tracking.config import TrackerConfig
from pose_tracker_ros.tracking.evidence import PRESENT_PROBABILITY, Evidence, weigh
from pose_tracker_ros.tracking.observation import Observation, observe
from pose_tracker_ros.tracking.rivals import alike_turns
from pose_tracker_ros.tracking.search import BASIN_RAD, search, turns
from pose_tracker_ros.tracking.states import TrackResult, TrackState
from pose_tracker_ros.tracking.track import Expectation, Hypothesis, SearchState, Track
from pose_tracker_ros.tracking.view import View, make_view

if TYPE_CHECKING:
    from pose_tracker_ros.networks.motion_network import MotionNetwork

# Fewer pixels than this, a spot of five by four, show nothing of an object.
FEWEST_PIXELS = 20
# A first pose is taken to be within so much of the object, diameters.
START_REACH_D = 1.0
# Other turns that a pose found elsewhere is compared with: those within three basins.
RIVALS = 27
# Log odds of an expected pose, and of one that was not expected: against any of its rivals, too.
PRESENT_LOG_ODDS = math.log(PRESENT_PROBABILITY / (1 - PRESENT_PROBABILITY))
NEEDED_LOG_ODDS = PRESENT_LOG_ODDS + math.log(1 + RIVALS)
# Networks look so often from where they led in one frame: poses 0.25 diameters and 30 degrees off are found in the second
# look at the latest (48 of frozen set bad-starts; 42 in one look, 7 without).
MOST_LOOKS = 2
# Then, 1.75 rad out, the search begins again: half a turn about any axis would take 723 tries.
LAST_TURN = 125


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
        self.config = config or TrackerConfig()
        self.models = {model.name: model for model in models}
        if len(self.models) < len(models):
            raise ValueError(f"expected objects of different names, got {', '.join(model.name for model in models)}")
        self._renderers: dict[str, Renderer] = {
            name: create_renderer(self.config.renderer, model.mesh) for name, model in self.models.items()
        }
        self._networks = dict(networks or {})
        self._symmetries = {name: symmetry_transforms(model) for name, model in self.models.items()}
        self._alike = {name: alike_turns(model) for name, model in self.models.items()}
        self._tracks: dict[str, Track] = {}
        self._budget = Budget()

    @classmethod
    def load(
        cls, models: Sequence[ObjectModel], config: TrackerConfig | None = None, weights: Mapping[str, Path] | None = None
    ) -> Tracker:
        """A tracker with the ``weights`` of some objects by name, for the others their own or those that fit any object.

        With ``network: never`` none are needed. Raises FileNotFoundError or ValueError when there are none or they are of
        another object.
        """
        config = config or TrackerConfig()
        if config.network == "never":
            return cls(models, config)
        # Takes two seconds, which nobody who does without networks should wait.
        from pose_tracker_ros.networks.motion_network import MotionNetwork, use_threads

        use_threads(config.threads)
        networks, loaded = {}, {}
        for model in models:
            path = (weights or {}).get(model.name) or default_weights_path(model)
            if path is None:
                raise FileNotFoundError(
                    f"expected network weights for object {model.name!r}; name a file, or set network to never"
                )
            if path not in loaded:
                loaded[path] = MotionNetwork.load(path, config.device)
            loaded[path].info.check_object(model.name, model.diameter_m, path)
            networks[model.name] = loaded[path]
        return cls(models, config, networks)

    @property
    def device(self) -> str:
        """Where networks run; ``none`` without any."""
        return str(next(iter(self._networks.values())).device) if self._networks else "none"

    def start(self, name: str, camera_T_object: np.ndarray, stamp: float | None = None) -> None:
        """Follow an object from a pose (4, 4) near its own in the next frame.

        Raises as :meth:`Track.starting` does, and ValueError for an object that this tracker does not know.
        """
        if name not in self.models:
            raise ValueError(f"expected one of the objects {', '.join(self.models)}, got {name!r}")
        self._tracks[name] = Track.starting(camera_T_object, self.models[name], self.config.noise, stamp)

    def start_checked(self, name: str, camera_T_object: np.ndarray, frames: Sequence[Frame]) -> TrackResult:
        """Start from a pose (4, 4) in the first of some frames and follow it to the last, which must show the object.

        Where that is not so, everything is as it was before, and the state of the result is not TRACKING.
        Raises as ``start`` does; ValueError without frames.
        """
        if not frames:
            raise ValueError("expected at least one frame to start in, got none")
        before, self._tracks = self._tracks, {}
        try:
            self.start(name, camera_T_object, frames[0].stamp)
            for frame in frames:
                result = self.step(frame)[name]
            if result.state is TrackState.TRACKING:
                before = {**before, **self._tracks}
        finally:
            self._tracks = before
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
        self.config = config

    def warm_up(self) -> None:
        """Do once, before the first frame, what is slow only once."""
        camera = PinholeCamera(64, 48, 50.0, 50.0, 32.0, 24.0)
        blank = Frame(np.zeros((48, 64, 3), np.uint8), np.zeros((48, 64), np.float32), camera, 0.0)
        before, self._tracks = self._tracks, {}
        try:
            for name, model in self.models.items():
                pose = np.eye(4)
                pose[:3, 3] = (0, 0, 4 * model.diameter_m) - model.center_m
                self.start(name, pose)
            self.step(blank)
        finally:
            self._tracks = before

    def render(self, name: str, camera: PinholeCamera, camera_T_object: np.ndarray) -> Rendering:
        """An object in a full image, for overlays."""
        return self._renderers[name].render(camera, camera_T_object)

    def step(self, frame: Frame) -> dict[str, TrackResult]:
        """Every started object in the next frame."""
        begin = time.perf_counter()
        self._budget.begin(self.config.frame_budget_ms)
        expected = {
            name: track.expected_in(frame, self.models[name], self.config.motion) for name, track in self._tracks.items()
        }
        informed = self._informed(frame, expected) if self._asks_always else {}
        found = {
            name: self._follow(frame, name, track, expected[name], informed.get(name))
            for name, track in self._tracks.items()
        }
        if self._networks:
            self._ask_where_needed(frame, expected, found)
        held = {
            name: self._evidence(frame, name, track, expected[name].camera_T_object, track.errors)
            for name, track in self._tracks.items()
            if not self._is_believed(frame, name, found[name], track.turns)
        }
        hidden = {name for name, evidence in held.items() if evidence is not None and evidence.is_hidden}
        elsewhere = [name for name in held if not (found[name] and found[name].evidence.is_hidden)]
        searches = self._search_for(frame, elsewhere, hidden)
        for name, track in self._tracks.items():
            search = searches.get(name, SearchState(track.turns, track.candidate))
            best = search.found or found[name]
            if search.found is not None or self._is_believed(frame, name, best, search.turns):
                self._tracks[name] = track.supported_by(best, frame, self.models[name])
            else:
                self._tracks[name] = track.unsupported_by(held[name], frame, self.config.lost_frames, search)
        seconds = {"total": time.perf_counter() - begin}
        return {name: track.result(seconds) for name, track in self._tracks.items()}

    def _is_believed(self, frame: Frame, name: str, found: Hypothesis | None, turns_tried: int) -> bool:
        """Whether an image shows the object there; a first pose has to be clear, or compared with its rivals.

        Others need the more the less they were expected: the object moved as it did, or jumped to one of the rivals; and
        where the expected place is hidden, it is rather by something else than by the object itself, come nearer.
        """
        if not _is_sure(found):
            return False
        track, log_odds = self._tracks[name], found.evidence.log_odds
        if track.is_new and self.config.search:
            return log_odds >= NEEDED_LOG_ODDS or turns_tried >= RIVALS
        if log_odds >= NEEDED_LOG_ODDS + PRESENT_LOG_ODDS:
            return True
        model = self.models[name]
        if log_odds + math.log((found.expected_share(model) + 1 / RIVALS) / (1 + 1 / RIVALS)) < PRESENT_LOG_ODDS:
            return False
        place = found.is_nearer(model) and self._evidence(frame, name, track, found.expected.camera_T_object, track.errors)
        return not (place and place.is_hidden)

    @property
    def _asks_always(self) -> bool:
        use = self.config.network
        return use == "always" or (use == "auto" and self.device.startswith("cuda"))

    def _informed(self, frame: Frame, expected: Mapping[str, Expectation]) -> dict[str, Expectation]:
        """What networks make of expectations, one batch for each."""
        depth_range = (self.config.min_depth_m, self.config.max_depth_m)
        informed = {}
        for network in set(self._networks.values()):
            names = [name for name in expected if self._networks.get(name) is network]
            questions = [(self.models[name], self._renderers[name], expected[name].camera_T_object) for name in names]
            opinions = self._budget.spend((id(network), len(names)), partial(network.predict, frame, questions, depth_range))
            for name, opinion in zip(names, opinions):
                informed[name] = expected[name].informed(*opinion, self.models[name])
        return informed

    def _ask_where_needed(
        self, frame: Frame, expected: Mapping[str, Expectation], found: dict[str, Hypothesis | None]
    ) -> None:
        """Ask networks about objects that geometry leaves in doubt, or less sure than a network can be.

        A network looks farther than geometry and less closely: while there is doubt it looks again from where both led.
        """
        # Asked always, it has had its look from there.
        asked = {
            name: Expectation.near(one.camera_T_object) if self._asks_always else expected[name]
            for name, one in found.items()
            if one is not None and self._is_unsure(name, one)
        }
        for _ in range(MOST_LOOKS):
            asked = self._affordable(asked)
            again = {}
            for name, informed in self._informed(frame, asked).items():
                other = self._hypothesis(frame, name, self._tracks[name], asked[name], informed)
                found[name] = max((found[name], other), key=lambda one: one.merit if one else -math.inf)
                if other is not None and not found[name].evidence.is_present:
                    again[name] = Expectation.near(other.camera_T_object)
            asked = again

    def _affordable(self, asked: Mapping[str, Expectation]) -> dict[str, Expectation]:
        """Those of whom networks can be asked in the time that is left."""
        affordable = {}
        for network in set(self._networks.values()):
            names = [name for name in asked if self._networks.get(name) is network]
            if names and self._budget.fits((id(network), len(names))):
                affordable |= {name: asked[name] for name in names}
        return affordable

    def _is_unsure(self, name: str, found: Hypothesis) -> bool:
        """Whether a network may add to what geometry found; it does not see through what hides an object."""
        network = self._networks.get(name)
        if network is None or found.evidence.is_hidden:
            return False
        pose, covariance = found.camera_T_object, np.linalg.inv(found.alignment.information)
        return not found.evidence.is_present or network.may_add(self.models[name], pose, covariance)

    def _follow(
        self, frame: Frame, name: str, track: Track, expected: Expectation, informed: Expectation | None
    ) -> Hypothesis | None:
        """The object where it is expected: if it moves on, and, if that is doubted, where it was last."""
        moved_on = self._hypothesis(frame, name, track, expected, informed)
        if not self.config.stop or expected.motion is None or _is_sure(moved_on):
            return moved_on
        if not self._budget.fits("hypothesis"):
            return moved_on
        stopped = self._hypothesis(frame, name, track, Expectation.near(track.camera_T_object))
        return max((moved_on, stopped), key=lambda one: one.evidence.probability if one else -1.0)

    def _hypothesis(
        self, frame: Frame, name: str, track: Track, expected: Expectation, informed: Expectation | None = None
    ) -> Hypothesis | None:
        """The most likely pose near an expected one, weighed; None where the object would not be seen.

        ``informed``: the expectation with what a network said.
        """
        return self._budget.spend("hypothesis", lambda: self._aligned(frame, name, track, expected, informed))

    def _aligned(
        self, frame: Frame, name: str, track: Track, expected: Expectation, informed: Expectation | None
    ) -> Hypothesis | None:
        model, renderer, config = self.models[name], self._renderers[name], self.config
        prior = informed or expected
        errors = track.errors.predicted(config.noise)
        alignment = align(
            frame,
            model,
            renderer,
            AlignmentPrior(prior.camera_T_object, prior.information, errors, track.colors),
            config.noise,
            config.resolution,
            factors=[factor for factor in FACTORS if getattr(config, factor)],
            depth_range=(config.min_depth_m, config.max_depth_m),
        )
        if alignment is None:
            return None
        drawn = alignment.view.camera_T_object if alignment.is_drawn else alignment.camera_T_object
        weighed = self._weighed(frame, name, track, drawn, alignment.errors)
        return weighed and Hypothesis(expected, alignment, *weighed)

    def _evidence(
        self, frame: Frame, name: str, track: Track, camera_T_object: np.ndarray, errors: CommonErrors
    ) -> Evidence | None:
        """What an image says about an object at a pose (4, 4); None where it would not be seen."""
        weighed = self._weighed(frame, name, track, camera_T_object, errors)
        return weighed and weighed[0]

    def _weighed(
        self, frame: Frame, name: str, track: Track, camera_T_object: np.ndarray, errors: CommonErrors
    ) -> tuple[Evidence, View, Observation] | None:
        config = self.config
        view = make_view(
            frame, self._renderers[name], self.models[name], camera_T_object, config.resolution, color=True
        )
        if view is None or np.count_nonzero(view.rendering.mask) < FEWEST_PIXELS:
            return None
        observation = observe(view, errors.mean[:2], (config.min_depth_m, config.max_depth_m))
        evidence = weigh(view, observation, track.appearance, config.noise, float(errors.mean[-1]))
        return evidence, view, observation

    def _search_for(
        self, frame: Frame, names: Sequence[str], hidden: set[str]
    ) -> dict[str, SearchState]:
        """Look elsewhere for objects, one after the other as long as there is time; those left out come first next time.

        One turn of one object is tried, and one pose weighed, however late it is: else what is lost would stay it.

        Something that is ``hidden`` where it is expected may still have jumped: its last turn is tried in one place.
        """
        if not self.config.search or not names or not frame.depth.any():
            return {}
        share = len(names)
        searches: dict[str, SearchState] = {}
        for name in sorted(names, key=lambda name: self._tracks[name].turns):
            if searches and not self._budget.fits("turn"):
                break
            turns_tried = 0 if name in hidden else max(1, self.config.search_turns // share)
            poses = 1 if name in hidden else max(1, self.config.search_poses // share)
            if self._tracks[name].is_unsearched:
                # Whoever starts waits for an answer: of all rivals, as many as there is time for.
                turns_tried, poses = RIVALS, 2 * self.config.search_poses
            needed = NEEDED_LOG_ODDS + (PRESENT_LOG_ODDS if name in hidden else 0.0)
            searches[name] = self._search(frame, name, self._tracks[name], turns_tried, poses, needed)
        return searches

    def _search(
        self, frame: Frame, name: str, track: Track, turns_tried: int, poses: int, needed: float
    ) -> SearchState:
        """Try an object's last turn and some others, at their best places and at the best pose so far, which is told, but
        found only when it has the log odds that are ``needed`` and its rivals were tried; of equivalent poses the one
        nearest to the last."""
        model = self.models[name]
        others = turns(1 + track.turns % LAST_TURN, turns_tried)
        # Places take half of the time that is left, what is weighed there the other half.
        half_s = self._budget.left_s / 2
        asked = (
            model,
            self._renderers[name],
            track.camera_T_object,
            np.concatenate([turns(0, 1), others]),
            track.colors,
            poses,
            START_REACH_D * model.diameter_m if track.is_new else math.inf,
            lambda: self._budget.fits("turn", reserve_s=half_s),
        )
        places = self._budget.spend("turn", lambda: search(frame, *asked), lambda places: places.tried)
        others, starts = others[: places.tried - 1], places.poses
        if track.candidate is not None:
            starts = [track.candidate, *_turned(track.candidate, others, model.center_m), *starts]
        tried = track.turns + len(others)
        hypotheses = []
        for pose in starts:
            if hypotheses and not self._budget.fits("hypothesis", 1 + len(self._alike[name])):
                break
            nearest = nearest_equivalent(track.camera_T_object, pose, self._symmetries[name])
            hypotheses.append(self._hypothesis(frame, name, track, Expectation.near(nearest)))
        likely = [one for one in hypotheses if one is not None and one.seen_log_odds > 0]
        best = max(likely, key=lambda one: one.merit, default=None)
        if best is None:
            return SearchState(tried)
        turned = rotation_angle(best.camera_T_object[:3, :3] @ track.camera_T_object[:3, :3].T)
        if best.seen_log_odds >= needed and (tried >= RIVALS or turned < BASIN_RAD):
            return SearchState(tried, found=self._best_of_alike(frame, name, track, best))
        known = track.camera_T_object if track.candidate is None else track.candidate
        is_same = rotation_angle(best.camera_T_object[:3, :3] @ known[:3, :3].T) < BASIN_RAD
        return SearchState(tried if is_same else 0, candidate=best.camera_T_object)

    def _best_of_alike(self, frame: Frame, name: str, track: Track, best: Hypothesis) -> Hypothesis:
        """Of the poses that the object's shape hardly tells from a pose, the best."""
        rivals = (
            self._hypothesis(frame, name, track, Expectation.near(best.camera_T_object @ turn)) for turn in self._alike[name]
        )
        return max([best, *filter(_is_sure, rivals)], key=lambda one: one.merit)

def _is_sure(found: Hypothesis | None) -> bool:
    return found is not None and found.evidence.is_present


def _turned(camera_T_object: np.ndarray, turns: np.ndarray, center_m: np.ndarray) -> list[np.ndarray]:
    """A pose (4, 4) turned in camera axes by each of ``turns`` (K, 3, 3) about the object's ``center_m`` (3,)."""
    return [apply_residual(camera_T_object, np.zeros(3), so3_log(turn), center_m) for turn in turns]
