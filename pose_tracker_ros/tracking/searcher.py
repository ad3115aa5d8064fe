"""Objects that are not where they were expected: turns and places are tried, some in every frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import make_pose, rotation_angle
from pose_tracker_ros.objects import ObjectModel, kind_of
from pose_tracker_ros.symmetries import nearest_equivalent, symmetry_transforms
from pose_tracker_ros.tracking.estimator import Estimator
from pose_tracker_ros.tracking.evidence import PRESENT_LOG_ODDS
from pose_tracker_ros.tracking.factors.contour import ColorStatistics
from pose_tracker_ros.tracking.keyframes import seen_side
from pose_tracker_ros.tracking.paint import paint_histogram, painted_statistics
from pose_tracker_ros.tracking.rivalry import RIVALS, TOLD_LOG_ODDS, Rivalry, turn_log_odds
from pose_tracker_ros.tracking.rivals import alike_turns
from pose_tracker_ros.tracking.search import BASIN_RAD, pose_log_density, search, turns
from pose_tracker_ros.tracking.states import TrackState
from pose_tracker_ros.tracking.track import Expectation, Hypothesis, SearchState, Track

# A first pose is taken to be within so much of the object, diameters.
START_REACH_D = 1.0
# Two of a kind whose centres are nearer than this, diameters, would be one.
ONE_PLACE_D = 0.25
# Then, 1.75 rad out, the search begins again: half a turn about any axis would take 723 tries.
LAST_TURN = 125


def surprise(found: Hypothesis, model: ObjectModel) -> float:
    """Log odds against a pose where another was expected: it moved as objects do, or is any of the rivals."""
    return -math.log((found.expected_share(model) + 1 / RIVALS) / (1 + 1 / RIVALS))


class Standing(NamedTuple):
    """A tracked pose beside its rivals: it, or the one that took its place, how it stands, whether something was compared, and how many rivals
    a doubted one was compared with so far, None for one that is not doubted or was compared with all."""

    best: Hypothesis
    rivalry: Rivalry
    has_compared: bool = False
    reconsidered: int | None = None


class Searcher:
    """Looks for objects elsewhere, each from where its last search ended."""

    def __init__(self, estimator: Estimator) -> None:
        """For the objects of an estimator; turns each in all ways that its shape may hardly tell apart."""
        self._estimator = estimator
        noise = estimator.config.noise
        alike = {name: alike_turns(model, noise) for name, model in estimator.models.items()}
        self._alike = {name: one.told for name, one in alike.items()}
        # Of poses that nothing tells apart the nearest to the last is taken, as of those that are declared to be the same.
        self._symmetries = {name: np.concatenate([symmetry_transforms(model), alike[name].untold]) for name, model in estimator.models.items()}
        self._paint = {name: paint_histogram(model, estimator.renderers[name], noise) for name, model in estimator.models.items()}

    def adopt(self, other: Searcher) -> None:
        """Take over another one's objects."""
        self._symmetries |= other._symmetries
        self._alike |= other._alike
        self._paint |= other._paint

    def remove(self, name: str) -> None:
        """Give up an object."""
        del self._symmetries[name], self._alike[name], self._paint[name]

    def search_for(
        self,
        frame: Frame,
        tracks: Mapping[str, Track],
        names: Sequence[str],
        hidden: Mapping[str, float],
        found: Mapping[str, Hypothesis | None],
    ) -> dict[str, SearchState]:
        """Look elsewhere for objects, one after the other as long as there is time; those left out come first next time.

        ``found``: the poses near where they are expected; what is less likely than they are is none.

        One turn of one object is tried, and one pose weighed, however late it is: else what is lost would stay it.

        What is ``hidden`` where it is expected, wholly (1) or by a share, is the rather there: it needs the more elsewhere, and only its last turn is
        tried, in one place, where it is wholly hidden.
        """
        if not self._estimator.config.search or not names:
            return {}
        if not frame.has_depth:
            return {name: self._turned_only(frame, name, tracks[name], found[name]) for name in names if tracks[name].is_new}
        share = len(names)
        searches: dict[str, SearchState] = {}
        for name in sorted(names, key=lambda name: tracks[name].search.turns):
            if searches and not self._estimator.budget.fits(("turn", tracks[name].is_new)):
                break
            is_hidden = hidden[name] == 1
            turns_tried = 0 if is_hidden else max(1, self._estimator.config.search_turns // share)
            poses = 1 if is_hidden else max(1, self._estimator.config.search_poses // share)
            if tracks[name].is_new:
                # Whoever starts waits for an answer: as many as all rivals, where there is time.
                turns_tried, poses = RIVALS, 2 * self._estimator.config.search_poses
            needed = (1 + hidden[name]) * PRESENT_LOG_ODDS
            least = 0.0 if found[name] is None else max(0.0, found[name].evidence.log_odds)
            taken = self.taken_by_others(name, tracks)
            searches[name] = self._search(frame, name, tracks[name], turns_tried, poses, least, needed, taken)
        return searches

    def taken_by_others(self, name: str, tracks: Mapping[str, Track]) -> list[np.ndarray]:
        """Poses (4, 4) at which others of an object's kind are tracked, where it is not: no two are in one place."""
        others = (one for other, one in tracks.items() if other != name and kind_of(other) == kind_of(name))
        return [one.camera_T_object for one in others if one.state is TrackState.TRACKING]

    def is_taken(self, name: str, camera_T_object: np.ndarray, taken: Sequence[np.ndarray]) -> bool:
        """Whether a pose (4, 4) is in the place of one of the others."""
        model = self._estimator.models[name]
        centers = [pose[:3, :3] @ model.center_m + pose[:3, 3] for pose in (camera_T_object, *taken)]
        return any(np.linalg.norm(center - centers[0]) < ONE_PLACE_D * model.diameter_m for center in centers[1:])

    def _search(
        self,
        frame: Frame,
        name: str,
        track: Track,
        turns_tried: int,
        poses: int,
        least: float,
        needed: float,
        taken: Sequence[np.ndarray] = (),
    ) -> SearchState:
        """Try an object's last turn and some others, at their best places and at the best pose so far, which is told, but
        found only when it has the log odds that are ``needed`` where it is expected and its rivals were tried; of equivalent poses the one
        nearest to the last. What has not the ``least`` log odds, or is ``taken`` by others of its kind, is nothing."""
        starts, turned = self._starts(self._without(frame, name, taken), name, track, turns_tried, poses)
        tried = track.search.turns + turned
        hypotheses = []
        for pose in starts:
            if hypotheses and not self._estimator.budget.fits("hypothesis"):
                break
            nearest = nearest_equivalent(track.camera_T_object, pose, self._symmetries[name])
            hypotheses.append(self._estimator.hypothesis(frame, name, track, Expectation.near(nearest)))
        likely = [one for one in hypotheses if one is not None and one.seen_log_odds > least]
        likely = [one for one in likely if not self.is_taken(name, one.camera_T_object, taken)]
        best = max(likely, key=lambda one: self._merit(name, track, one), default=None)
        if best is None:
            return SearchState(tried)
        is_near = self._is_same(name, track.camera_T_object, best.camera_T_object)
        expected = Expectation.near(track.camera_T_object)
        needed += surprise(best._replace(expected=expected), self._estimator.models[name])
        is_sure = best.seen_log_odds >= needed + PRESENT_LOG_ODDS
        if best.seen_log_odds >= needed and (tried >= RIVALS or is_near or is_sure or track.search.compared):
            first = track.search.compared or RIVALS
            best, rivals_tried = self._compared(frame, name, track, best, first)
            if rivals_tried == RIVALS + len(self._alike[name]):
                return SearchState(tried, found=best)
            return SearchState(tried, candidate=best.camera_T_object, compared=rivals_tried)
        known = track.camera_T_object if track.search.candidate is None else track.search.candidate
        is_same = self._is_same(name, known, best.camera_T_object)
        return SearchState(tried if is_same else 0, candidate=best.camera_T_object)

    def _turned_only(self, frame: Frame, name: str, track: Track, found: Hypothesis | None) -> SearchState:
        """Of a first pose without depth: the pose to go on from, of those near where it is taken to be and at some other turns."""
        center, pose = self._estimator.models[name].center_m, track.camera_T_object
        if track.search.candidate is not None:
            pose = track.search.candidate
        hypotheses = [found]
        for start in _turned(pose, turns(1 + track.search.turns % RIVALS, self._estimator.config.search_poses), center):
            if not self._estimator.budget.fits("hypothesis"):
                break
            hypotheses.append(self._estimator.hypothesis(frame, name, track, Expectation.near(start)))
        likely = [one for one in hypotheses if one is not None]
        best = max(likely, key=lambda one: self._merit(name, track, one), default=None)
        return SearchState(track.search.turns + len(hypotheses) - 1, candidate=best and best.camera_T_object)

    def _without(self, frame: Frame, name: str, taken: Sequence[np.ndarray]) -> Frame:
        """A frame without depth where others of an object's kind are seen."""
        if not taken or not frame.registered:
            return frame
        depth = frame.depth.copy()
        for pose in taken:
            depth[self._estimator.renderers[name].render(frame.camera, pose).mask] = 0
        return replace(frame, depth=depth)

    def _is_same(self, name: str, pose: np.ndarray, other: np.ndarray) -> bool:
        """Whether the estimator would find one of two poses (4, 4) from the other's turn, or they look the same."""
        equivalent = nearest_equivalent(pose, other, self._symmetries[name])
        return rotation_angle(equivalent[:3, :3] @ pose[:3, :3].T) < BASIN_RAD

    def likelier(self, frame: Frame, name: str, track: Track, found: Hypothesis, may_compare: bool) -> Standing:
        """The pose of a track, or a rival that is surely likelier, and how it stands; one rival is compared if it ``may``.

        Rivals are those at other turns of about the same shape that are not told yet, from every new side; what is seen from all sides
        adds up. Other turns of the shape show at once, and were compared before the pose was believed; those of a pose that is doubted are
        compared again, as many as there is time for.
        """
        if self._estimator.config.search and track.is_doubted_by(found):
            # One that has to wait for others stays doubted.
            best, tried = self._compared(frame, name, track, found, track.reconsidered) if may_compare else (found, track.reconsidered)
            rivalry = track.rivalry if best is found else None
            are_all = tried == RIVALS + len(self._alike[name])
            return Standing(best, rivalry or self._rivalry(name, track, best), may_compare, None if are_all else tried)
        standing = Standing(found, track.rivalry or self._rivalry(name, track, found))
        if not self._estimator.config.search or not may_compare:
            return standing
        rivalry, budget = standing.rivalry.seen_from(seen_side(found.camera_T_object)), self._estimator.budget
        number = rivalry.next_untold
        if number is None or not budget.fits("rival"):
            return standing
        return budget.spend("rival", lambda: self._told(frame, name, track, standing._replace(rivalry=rivalry), number))

    def _told(self, frame: Frame, name: str, track: Track, standing: Standing, number: int) -> Standing:
        """With the pose at a told turn of a number compared, which takes the place where it is surely likelier."""
        found, pose = standing.best, standing.best.camera_T_object @ self._alike[name][number]
        rival = self._estimator.rough(frame, name, track, Expectation.near(pose))
        # Most turns are told by shape at a glance.
        if rival is not None and turn_log_odds(rival.merit - found.merit) > -TOLD_LOG_ODDS:
            rival = self._near(frame, name, track, pose)
        if rival is None:
            return standing._replace(rivalry=standing.rivalry.compared(number, 0.0), has_compared=True)
        rivalry = standing.rivalry.compared(number, rival.merit - found.merit)
        if rival.evidence.is_present and rivalry.log_odds[number] > PRESENT_LOG_ODDS:
            # What was aligned with little known beforehand fits a little better than what was expected: compared with the same.
            again = self._near(frame, name, track, found.camera_T_object)
            rivalry = standing.rivalry.compared(number, rival.merit - max(found.merit, again.merit if again else found.merit))
            if rivalry.log_odds[number] > PRESENT_LOG_ODDS:
                return standing._replace(best=rival, rivalry=rivalry.taken(number), has_compared=True)
        return standing._replace(rivalry=rivalry, has_compared=True)

    def _near(self, frame: Frame, name: str, track: Track, camera_T_object: np.ndarray) -> Hypothesis | None:
        return self._estimator.hypothesis(frame, name, track, Expectation.near(camera_T_object))

    def _rivalry(self, name: str, track: Track, found: Hypothesis) -> Rivalry:
        """Of a pose that is believed anew: as likely as its turn is after the last pose."""
        poses = found.camera_T_object @ self._alike[name]
        densities = pose_log_density(poses, track.camera_T_object, self._estimator.models[name].center_m)
        return Rivalry(self._alike[name][:, :3, :3], densities - densities[:1])

    def _compared(self, frame: Frame, name: str, track: Track, found: Hypothesis, first: int) -> tuple[Hypothesis, int]:
        """The best of a pose and its rivals from the ``first`` on, as time allows, and how many of all were tried so far.

        Rivals are other turns, then those that the shape hardly tells apart. Of poses that nothing tells from the best the one nearest
        to the last is aligned in its place.
        """
        best, last = found, RIVALS + len(self._alike[name])
        for number in range(first, last):
            if number > first and not self._estimator.budget.fits("hypothesis"):
                last = number
                break
            rival = self._near(frame, name, track, self._rival(name, found.camera_T_object, number))
            if rival is None or not rival.evidence.is_present:
                continue
            if turn_log_odds(rival.merit - best.merit) + self._log_density(name, track, rival) > self._log_density(name, track, best):
                best = rival
        nearest = nearest_equivalent(track.camera_T_object, best.camera_T_object, self._symmetries[name])
        if rotation_angle(nearest[:3, :3].T @ best.camera_T_object[:3, :3]) > BASIN_RAD:
            best = self._near(frame, name, track, nearest) or best
        return best, last

    def _rival(self, name: str, camera_T_object: np.ndarray, number: int) -> np.ndarray:
        """The pose (4, 4) of a number that is compared with another pose (4, 4)."""
        if number >= RIVALS:
            return camera_T_object @ self._alike[name][number - RIVALS]
        return _turned(camera_T_object, turns(1 + number, 1), self._estimator.models[name].center_m)[0]

    def _starts(
        self, frame: Frame, name: str, track: Track, turns_tried: int, poses: int
    ) -> tuple[list[np.ndarray], int]:
        """Poses (4, 4) to align and weigh, and how many turns they are of beside the last one."""
        if track.search.compared:
            return [track.search.candidate], 0
        model, budget = self._estimator.models[name], self._estimator.budget
        # Places take half of the time that is left, what is weighed there the other half.
        half_s, first = budget.left_s / 2, track.search.turns % LAST_TURN
        # Where there is no time for two turns a frame tries one, the next.
        is_late = turns_tried > 0 and not budget.fits(("turn", track.is_new), 2, half_s)
        rotations = turns(first, 1) if is_late else np.concatenate([turns(0, 1), turns(1 + first, turns_tried)])
        asked = (
            model,
            self._estimator.renderers[name],
            track.camera_T_object,
            rotations,
            self._colors(frame, name, track),
            poses,
            START_REACH_D * model.diameter_m if track.is_new else math.inf,
            lambda: budget.fits(("turn", track.is_new), reserve_s=half_s),
        )
        places = budget.spend(("turn", track.is_new), lambda: search(frame, *asked), lambda places: places.tried)
        others, starts = rotations[0 if is_late else 1 : places.tried], places.poses
        if track.search.candidate is not None:
            starts = [track.search.candidate, *_turned(track.search.candidate, others, model.center_m), *starts]
        return starts, len(others)

    def _colors(self, frame: Frame, name: str, track: Track) -> ColorStatistics | None:
        """Those seen across the outline, before that those of the object's paint in any light."""
        if track.colors is not None or self._paint[name] is None:
            return track.colors
        return painted_statistics(self._paint[name], frame)

    def _merit(self, name: str, track: Track, found: Hypothesis) -> float:
        """How likely a pose is by what is seen and by where it was last, natural logarithm, up to a constant."""
        return found.merit + self._log_density(name, track, found)

    def _log_density(self, name: str, track: Track, found: Hypothesis) -> float:
        return pose_log_density(found.camera_T_object, track.camera_T_object, self._estimator.models[name].center_m)


def _turned(camera_T_object: np.ndarray, turns: np.ndarray, center_m: np.ndarray) -> list[np.ndarray]:
    """A pose (4, 4) turned in camera axes by each of ``turns`` (K, 3, 3) about the object's ``center_m`` (3,)."""
    center = camera_T_object[:3, :3] @ center_m + camera_T_object[:3, 3]
    rotations = turns @ camera_T_object[:3, :3]
    return [make_pose(rotation, center - rotation @ center_m) for rotation in rotations]
