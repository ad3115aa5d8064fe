"""Objects that are not where they were expected: turns and places are tried, some in every frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import make_pose, rotation_angle
from pose_tracker_ros.objects import ObjectModel, kind_of
from pose_tracker_ros.symmetries import nearest_equivalent
from pose_tracker_ros.tracking.estimator import Estimator
from pose_tracker_ros.tracking.evidence import PRESENT_LOG_ODDS
from pose_tracker_ros.tracking.factors.contour import ColorStatistics
from pose_tracker_ros.tracking.keyframes import seen_side
from pose_tracker_ros.tracking.paint import painted_statistics
from pose_tracker_ros.tracking.rivalry import NEEDED_LOG_ODDS, RIVALS, TOLD_LOG_ODDS, Rivalry, turn_log_odds
from pose_tracker_ros.tracking.search import BASIN_RAD, Places, pose_log_density, turns
from pose_tracker_ros.tracking.states import TrackState
from pose_tracker_ros.tracking.track import Expectation, Hypothesis, SearchState, Track

# A first pose is taken to be within so much of the object, diameters.
START_REACH_D = 1.0
# Two of a kind whose centres are nearer than this, diameters, would be one.
ONE_PLACE_D = 0.25
# Then, 1.75 rad out, the search begins again: half a turn about any axis would take 723 tries.
LAST_TURN = 125
# An image that tells less of a pose, natural logarithm, shows nothing: blank ones tell up to 0.3, followed objects 3 and more without depth.
LEAST_GAIN = 1.0


class Standing(NamedTuple):
    """A tracked pose beside its rivals: it, or the one that took its place, how it stands, whether something was compared, and how many rivals
    a doubted one was compared with so far, None for one that is not doubted or was compared with all."""

    best: Hypothesis
    rivalry: Rivalry
    has_compared: bool = False
    reconsidered: int | None = None


def taken_by_others(name: str, tracks: Mapping[str, Track]) -> list[np.ndarray]:
    """Poses (4, 4) at which others of an object's kind are tracked, where it is not: no two are in one place."""
    others = (one for other, one in tracks.items() if other != name and kind_of(other) == kind_of(name))
    return [one.camera_T_object for one in others if one.state is TrackState.TRACKING]


def is_taken(model: ObjectModel, camera_T_object: np.ndarray, taken: Sequence[np.ndarray]) -> bool:
    """Whether a pose (4, 4) is in the place of one of the ``taken``, those of others of an object's kind."""
    centers = [pose[:3, :3] @ model.center_m + pose[:3, 3] for pose in (camera_T_object, *taken)]
    return any(np.linalg.norm(center - centers[0]) < ONE_PLACE_D * model.diameter_m for center in centers[1:])


@dataclass(frozen=True)
class Searcher(Estimator):
    """Looks for an object elsewhere, from where its last search ended; ``tracks``: of all objects, by name."""

    tracks: Mapping[str, Track]

    @property
    def _taken(self) -> list[np.ndarray]:
        return taken_by_others(self.model.name, self.tracks)

    def is_elsewhere_taken(self, found: Hypothesis) -> bool:
        """Whether a pose of what is not tracked yet is in the place of another of its kind."""
        is_tracked = self.track.state is TrackState.TRACKING
        return not is_tracked and is_taken(self.model, found.camera_T_object, self._taken)

    def is_believed(self, found: Hypothesis | None, turns_tried: int) -> bool:
        """Whether the image shows the object there; a first pose has to be clear, or compared with its rivals.

        Others need the more the less they were expected: the object moved as it did, or jumped to one of the rivals; and
        where the expected place is hidden, it is rather by something else than by the object itself, come nearer.
        """
        if found is None or found.evidence.is_hidden:
            return False
        track, log_odds = self.track, found.evidence.log_odds
        was_seen, has_depth = track.state is TrackState.TRACKING, found.evidence.speaking_share > 0
        if self.is_elsewhere_taken(found) or (self.config.depth == "required" and not has_depth):
            return False
        # Colours alone say little in one frame, and turns cannot be compared: what was told is rather there than not, and what was just seen
        # until they say as surely that it is not as it took to see it.
        by_color = not has_depth and not self.frame.has_depth
        if by_color and (was_seen or track.is_new):
            return log_odds >= (-PRESENT_LOG_ODDS if was_seen else 0.0) and found.information_gain > LEAST_GAIN
        if log_odds < PRESENT_LOG_ODDS:
            return False
        if track.is_new and self.config.search:
            return found.seen_log_odds >= NEEDED_LOG_ODDS or turns_tried >= RIVALS
        if log_odds >= NEEDED_LOG_ODDS + PRESENT_LOG_ODDS:
            return True
        if found.expected.is_vague(self.model):
            return found.seen_log_odds >= NEEDED_LOG_ODDS
        if log_odds - self._surprise(found) < PRESENT_LOG_ODDS:
            return False
        place = found.is_nearer(self.model) and self.evidence(found.expected.camera_T_object)
        return not (place and place.is_hidden)

    def search(self, found: Hypothesis | None, hidden: float, share: int) -> SearchState:
        """Try an object's last turn and some others, at their best places and at the best pose so far, which is told, but
        found only when it has the log odds that it needs where it is expected and its rivals were tried; of equivalent poses the one
        nearest to the last.

        ``found``: the pose near where it is expected; what is less likely, or in the place of others of its kind, is none. ``share``: of how
        many objects that are searched for. What is ``hidden`` where it is expected, wholly (1) or by a share, is the rather there: it needs
        the more elsewhere, and only its last turn is tried, in one place, where it is wholly hidden.
        """
        state, config = self.track.search, self.config
        count, poses = (max(1, most // share) for most in (config.search_turns, config.search_poses))
        if self.track.is_new:
            # Whoever starts waits for an answer: as many as all rivals, where there is time.
            count, poses = RIVALS, 2 * config.search_poses
        elif hidden == 1:
            count, poses = 0, 1
        starts, turned = self._starts(count, poses)
        tried = state.turns + turned
        least = 0.0 if found is None else max(0.0, found.evidence.log_odds)
        equivalents = (nearest_equivalent(self.track.camera_T_object, pose, self.target.same) for pose in starts)
        likely = [one for one in self._found_near(equivalents, 1) if one is not None and one.seen_log_odds > least]
        taken = self._taken
        likely = [one for one in likely if not is_taken(self.model, one.camera_T_object, taken)]
        best = max(likely, key=self._merit, default=None)
        if best is None:
            return SearchState(tried)
        needed = (1 + hidden) * PRESENT_LOG_ODDS + self._surprise(best._replace(expected=Expectation.near(self.track.camera_T_object)))
        is_settled = tried >= RIVALS or self._is_same(self.track.camera_T_object, best)
        enough = needed if is_settled else needed + PRESENT_LOG_ODDS
        # After as many turns as there are rivals it may be one that the shape hardly tells from the right one, though it is only present.
        is_next = state.compared or tried // RIVALS > state.turns // RIVALS
        if best.seen_log_odds >= (PRESENT_LOG_ODDS if is_next else enough):
            best, compared = self._compared(best, state.compared or RIVALS)
            if compared < self._all_rivals:
                return SearchState(tried, candidate=best.camera_T_object, compared=compared)
            if best.seen_log_odds >= needed:
                return SearchState(tried, found=best)
        known = self.track.camera_T_object if state.candidate is None else state.candidate
        return SearchState(tried if self._is_same(known, best) else 0, candidate=best.camera_T_object)

    def turn_only(self, found: Hypothesis | None) -> SearchState:
        """Of a first pose without depth: the pose to go on from, of those near where it is taken to be and at some other turns."""
        state, pose = self.track.search, self.track.camera_T_object
        others = turns(1 + state.turns % RIVALS, self.config.search_poses)
        hypotheses = [found, *self._found_near(self._turned(pose if state.candidate is None else state.candidate, others))]
        best = max((one for one in hypotheses if one is not None), key=self._merit, default=None)
        return SearchState(state.turns + len(hypotheses) - 1, candidate=best and best.camera_T_object)

    def likelier(self, found: Hypothesis, may_compare: bool) -> Standing:
        """The pose of a track, or a rival that is surely likelier, and how it stands; one rival is compared if it ``may``.

        Rivals are those at other turns of about the same shape that are not told yet, from every new side; what is seen from all sides
        adds up. Other turns of the shape show at once, and were compared before the pose was believed; those of a pose that is doubted are
        compared again, as many as there is time for.
        """
        track = self.track
        if self.config.search and found.evidence.speaking_share == 0 and not found.evidence.is_present:
            return self._held_or_likelier(found, may_compare)
        if self.config.search and track.is_doubted_by(found):
            # One that has to wait for others stays doubted.
            best, tried = self._compared(found, track.reconsidered) if may_compare else (found, track.reconsidered)
            rivalry = track.rivalry if best is found else None
            return Standing(best, rivalry or self._rivalry(best), may_compare, None if tried == self._all_rivals else tried)
        standing = Standing(found, track.rivalry or self._rivalry(found))
        if not self.config.search or not may_compare:
            return standing
        rivalry = standing.rivalry.seen_from(seen_side(found.camera_T_object, found.view.center))
        if rivalry.next_untold is None or not self.budget.fits("rival"):
            return standing
        with self.budget.spent_on("rival"):
            return self._told(found, rivalry, rivalry.next_untold)

    def _held_or_likelier(self, found: Hypothesis, may_compare: bool) -> Standing:
        """A pose that colours alone would not have found, but that is believed as it was there before; or a rival that is surely likelier.

        As right poses are held for long, too, some are compared in a frame, in turn.
        """
        best, tried = found, self.track.reconsidered
        numbers = range(tried, min(tried + self.config.search_poses, self._all_rivals)) if may_compare else ()
        rivals = (self._rival(found.camera_T_object, number) for number in numbers)
        for rival in self._found_near(nearest_equivalent(self.track.camera_T_object, one, self.target.same) for one in rivals):
            tried += 1
            if rival is None or not self.is_believed(rival, RIVALS):
                continue
            needed = PRESENT_LOG_ODDS if best is found else 0.0
            if rival.log_ratio(best) + self._log_density(rival) - self._log_density(best) > needed:
                best = rival
        rivalry = self.track.rivalry if best is found else None
        return Standing(best, rivalry or self._rivalry(best), may_compare, tried % self._all_rivals)

    def _told(self, found: Hypothesis, rivalry: Rivalry, number: int) -> Standing:
        """With the pose at a told turn of a number compared, which takes the place where it is surely likelier."""
        pose = found.camera_T_object @ self.target.alike[number]
        rival = self.roughly_near(pose)
        # Most turns are told by what is known of them and a glance.
        if rival is not None and rivalry.compared(number, rival.merit - found.merit).log_odds[number] > -TOLD_LOG_ODDS:
            rival = self.near(pose)
        if rival is None:
            return Standing(found, rivalry.compared(number, 0.0), True)
        after = rivalry.compared(number, rival.merit - found.merit)
        if rival.evidence.is_present and after.log_odds[number] > PRESENT_LOG_ODDS:
            # What was aligned with little known beforehand fits a little better than what was expected: compared with the same.
            again = self.near(found.camera_T_object)
            after = rivalry.compared(number, rival.merit - max(found.merit, again.merit if again else found.merit))
            if after.log_odds[number] > PRESENT_LOG_ODDS:
                return Standing(rival, after.taken(number), True)
        return Standing(found, after, True)

    def _compared(self, found: Hypothesis, first: int) -> tuple[Hypothesis, int]:
        """The best of a pose and its rivals from the ``first`` on, as time allows, and how many of all were tried so far.

        Of poses that nothing tells from the best the one nearest to the last is aligned in its place.
        """
        best, tried = found, first
        for rival in self._found_near((self._rival(found.camera_T_object, number) for number in range(first, self._all_rivals)), 1):
            tried += 1
            if rival is None or not rival.evidence.is_present:
                continue
            if turn_log_odds(rival.merit - best.merit) + self._log_density(rival) > self._log_density(best):
                best = rival
        nearest = nearest_equivalent(self.track.camera_T_object, best.camera_T_object, self.target.same)
        if rotation_angle(nearest[:3, :3].T @ best.camera_T_object[:3, :3]) > BASIN_RAD:
            best = self.near(nearest) or best
        return best, tried

    @property
    def _all_rivals(self) -> int:
        """Other turns, then those that the shape hardly tells apart, of which the first is the pose itself, aligned with less known beforehand."""
        return RIVALS + len(self.target.alike)

    def _rival(self, camera_T_object: np.ndarray, number: int) -> np.ndarray:
        """The pose (4, 4) of a number that is compared with another pose (4, 4)."""
        if number >= RIVALS:
            return camera_T_object @ self.target.alike[number - RIVALS]
        return self._turned(camera_T_object, turns(1 + number, 1))[0]

    def _rivalry(self, found: Hypothesis) -> Rivalry:
        """Of a pose that is believed anew: as likely as its turn is after the last pose."""
        alike = self.target.alike
        densities = pose_log_density(found.camera_T_object @ alike, self.track.camera_T_object, self.model.center_m)
        return Rivalry(alike[:, :3, :3], densities - densities[:1])

    def _starts(self, count: int, poses: int) -> tuple[list[np.ndarray], int]:
        """Poses (4, 4) to align and weigh, and how many turns they are of beside the last one: ``count``, where there is time."""
        state, budget, kind = self.track.search, self.budget, ("turn", self.track.is_new)
        if state.compared:
            return [state.candidate], 0
        # Places take half of the time that is left, what is weighed there the other half.
        half_s, first = budget.left_s / 2, state.turns % LAST_TURN
        # Where there is no time for two turns a frame tries one, the next.
        is_late = count > 0 and not budget.fits(kind, 2, half_s)
        rotations = turns(first, 1) if is_late else np.concatenate([turns(0, 1), turns(1 + first, count)])
        reach_m = START_REACH_D * self.model.diameter_m if self.track.is_new else math.inf
        asked = self.model, self.target.renderer, self.track.camera_T_object, self._colors(), reach_m
        places, rated, tried = Places(self._without_taken(), *asked), [], 0
        for rotation in rotations:
            if tried and not budget.fits(kind, reserve_s=half_s):
                break
            with budget.spent_on(kind):
                rated += places.best(rotation, poses)
            tried += 1
        starts = [pose for _, pose in sorted(rated, key=lambda one: -one[0])[:poses]]
        others = rotations[0 if is_late else 1 : tried]
        if state.candidate is not None:
            starts = [state.candidate, *self._turned(state.candidate, others), *starts]
        return starts, len(others)

    def _without_taken(self) -> Frame:
        """The frame without depth where others of the object's kind are seen."""
        taken = self._taken
        if not taken or not self.frame.registered:
            return self.frame
        depth = self.frame.depth.copy()
        for pose in taken:
            depth[self.target.renderer.render(self.frame.camera, pose).mask] = 0
        return replace(self.frame, depth=depth)

    def _colors(self) -> ColorStatistics | None:
        """Those seen across the outline, before that those of the object's paint in any light."""
        if self.track.colors is not None or self.target.paint is None:
            return self.track.colors
        return painted_statistics(self.target.paint, self.frame)

    def _found_near(self, poses: Iterable[np.ndarray], least: int = 0) -> Iterator[Hypothesis | None]:
        """What is near poses (4, 4), of as many as there is time for, and of ``least`` at any rate."""
        for number, pose in enumerate(poses):
            if number >= least and not self.budget.fits("hypothesis"):
                return
            yield self.near(pose)

    def _turned(self, camera_T_object: np.ndarray, turns: np.ndarray) -> list[np.ndarray]:
        """A pose (4, 4) turned in camera axes by each of ``turns`` (K, 3, 3) about the object's centre."""
        center_m = self.model.center_m
        center = camera_T_object[:3, :3] @ center_m + camera_T_object[:3, 3]
        rotations = turns @ camera_T_object[:3, :3]
        return [make_pose(rotation, center - rotation @ center_m) for rotation in rotations]

    def _is_same(self, camera_T_object: np.ndarray, found: Hypothesis) -> bool:
        """Whether the estimator would find a pose (4, 4) from the other's turn, or they look the same."""
        equivalent = nearest_equivalent(camera_T_object, found.camera_T_object, self.target.same)
        return rotation_angle(equivalent[:3, :3] @ camera_T_object[:3, :3].T) < BASIN_RAD

    def _surprise(self, found: Hypothesis) -> float:
        """Log odds against a pose where another was expected: it moved as objects do, or is any of the rivals."""
        return -math.log((found.expected_share(self.model) + 1 / RIVALS) / (1 + 1 / RIVALS))

    def _merit(self, found: Hypothesis) -> float:
        """How likely a pose is by what is seen and by where it was last, natural logarithm, up to a constant."""
        return found.merit + self._log_density(found)

    def _log_density(self, found: Hypothesis) -> float:
        return pose_log_density(found.camera_T_object, self.track.camera_T_object, self.model.center_m)
