"""One object between two frames: what is known of it, and how a frame changes that."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import invert, is_pose, residual_between
from pose_tracker_ros.kernels.alignment import moved_pose, twist_between
from pose_tracker_ros.kernels.filtering import inverse
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.symmetries import turned_least, with_unseen_turns
from pose_tracker_ros.tracking.alignment import LEAST_LIMIT_M, Alignment, CommonErrors
from pose_tracker_ros.tracking.evidence import PRESENT_LOG_ODDS, Appearance, Evidence
from pose_tracker_ros.tracking.factors.contour import ColorStatistics
from pose_tracker_ros.tracking.keyframes import Keyframe, with_view
from pose_tracker_ros.tracking.motion import Motion
from pose_tracker_ros.tracking.noise import NoiseModel
from pose_tracker_ros.tracking.observation import Observation, changed_since
from pose_tracker_ros.tracking.rivalry import Rivalry
from pose_tracker_ros.tracking.states import TrackResult, TrackState
from pose_tracker_ros.tracking.view import View

# Of a first pose, and of one that is looked for again, deviations (metres, radians): inside a hand's breadth, and what a glance
# tells of turns.
VAGUE_M, VAGUE_RAD = 0.03, 0.3
VAGUE = np.diag([VAGUE_M**-2] * 3 + [VAGUE_RAD**-2] * 3)
# After frames so far apart, seconds, a motion may have left the estimator's reach, 0.08 diameters of depth: where an object is expected with a
# larger deviation than this, diameters.
MISSED_S, VAGUE_D = 0.2, 0.25
# Frames farther apart than this, seconds, say nothing about the motion between them.
MAX_FRAME_GAP_S = 0.5
# The same image again is worth next to nothing, not nothing.
LEAST_FRESH = 1e-6
# Share of the colours across the outline that a frame renews (of M3T: 0.2).
RENEWAL = 0.1


class Expectation(NamedTuple):
    """Where an object is expected in a frame: pose (4, 4), information (6, 6) about it, the motion that says so, the share of
    the image that is new evidence, see :meth:`Hypothesis.fresh_share`, and the seconds since the frame before."""

    camera_T_object: np.ndarray
    information: np.ndarray
    motion: Motion | None = None
    fresh: float = 1.0
    gap_s: float = 0.0

    @classmethod
    def near(cls, camera_T_object: np.ndarray) -> Expectation:
        """Somewhere about a pose (4, 4)."""
        return cls(camera_T_object, VAGUE)

    def is_vague(self, model: ObjectModel) -> bool:
        """Whether frames were missed, and the motion leaves open where the object is, farther than the estimator looks."""
        if self.motion is None or self.gap_s <= MISSED_S:
            return False
        deviation_m = math.sqrt(np.linalg.eigvalsh(self.motion.pose[:3, :3])[-1])
        return deviation_m > VAGUE_D * model.diameter_m

    def informed(self, motion: np.ndarray, information: np.ndarray, model: ObjectModel) -> Expectation:
        """With an opinion about the motion (6,) since the expected pose, of ``information`` (6, 6).

        The product of two normal distributions of twists about one pose, whose turns are taken to add up.
        """
        both = self.information / self.fresh + information
        twist = np.linalg.solve(both, information @ motion)
        pose = moved_pose(self.camera_T_object, twist, model.center_m)
        return Expectation(pose, both, self.motion, gap_s=self.gap_s)


class Hypothesis(NamedTuple):
    """A pose of one frame, where it was expected, the evidence for it, and what was weighed."""

    expected: Expectation
    alignment: Alignment
    evidence: Evidence
    view: View
    observation: Observation

    @property
    def camera_T_object(self) -> np.ndarray:
        """(4, 4)."""
        return self.alignment.camera_T_object

    def expected_share(self, model: ObjectModel) -> float:
        """Share of motions that go at least as far from where the object was expected: of chi squared with six degrees."""
        twist = np.concatenate(residual_between(self.expected.camera_T_object, self.camera_T_object, model.center_m))
        half = float(twist @ self.expected.information @ twist) / 2
        return math.exp(-half) * (1 + half + half**2 / 2)

    @property
    def information_gain(self) -> float:
        """What the image tells of a pose of which hardly anything is known, natural logarithm of the volumes before and after."""
        of_image = self.alignment.information - self.expected.information / self.expected.fresh
        return (np.linalg.slogdet(VAGUE + of_image)[1] - np.linalg.slogdet(VAGUE)[1]) / 2

    def is_nearer(self, model: ObjectModel) -> bool:
        """Whether it came so much nearer than expected that it may be something that hides the object."""
        poses = self.expected.camera_T_object, self.camera_T_object
        expected_m, found_m = (pose[2, :3] @ model.center_m + pose[2, 3] for pose in poses)
        return expected_m - found_m > LEAST_LIMIT_M

    def fresh_share(self, frame: Frame, noise: NoiseModel) -> float:
        """What the next frame is worth beside this one, as a share of one whose errors are all its own.

        Of errors of which k last it is (1 - k) / (1 + k) (Thiébaux and Zwiers, Journal of Climate and Applied Meteorology 1984),
        and the rest shows in what pixels change by, in depth or colour: 2 (1 - k) of the variance that residuals show, which of an exact mesh
        is less than that of a scan. Those of depth stand for both. 1 where nothing is seen in both.
        """
        changed = changed_since(self.view, self.observation, frame, self.alignment.errors.mean[:2], noise)
        fresh = min(1.0, changed / max(self.alignment.solution.depth.shown_share, LEAST_FRESH))
        return max(fresh / (2 - fresh), LEAST_FRESH)

    @property
    def seen_log_odds(self) -> float:
        """Log odds of presence as far as the object is seen."""
        return -math.inf if self.evidence.is_hidden else self.evidence.seen_log_odds

    @property
    def merit(self) -> float:
        """By which poses of one object are compared: how much likelier they make what is seen, natural logarithm.

        Pixels tell of the shape by depth; without it the outline does.
        """
        return self.evidence.log_likelihood + self.alignment.outline_ratio

    def log_ratio(self, other: Hypothesis) -> float:
        """As the difference of merits, natural logarithm, of poses without depth that may cover places of very different size.

        Colours are weighed by a mean over what a pose covers: one that covers a piece of the object alone would be the likeliest.
        """
        mine, others = (np.count_nonzero(one.view.rendering.mask) / one.view.camera.fx**2 for one in (self, other))
        by_color = self.evidence.log_likelihood * mine - other.evidence.log_likelihood * others
        return by_color / max(mine, others) + self.alignment.outline_ratio - other.alignment.outline_ratio


class SearchState(NamedTuple):
    """How far a search is: turns that were tried since the object was seen, the best pose (4, 4) so far while others are still
    to be compared with it, the one that is found, and how many rivals the candidate was compared with."""

    turns: int = 0
    candidate: np.ndarray | None = None
    found: Hypothesis | None = None
    compared: int = 0


@dataclass(frozen=True)
class Track:
    """What is known of one object after a frame.

    state, reason, covariance, score: see :class:`TrackResult`; camera_T_object: (4, 4), the last supported pose, at first the
    one to start from; errors: of the camera; appearance: the object's colours; colors: those across the outline, None before
    the first supported frame; keyframes: views of its sides; motion: how the object goes on; seen: what the last frame showed,
    None unless it supported it; stamp: of the last frame, s; unsupported: frames that contradicted the pose since it was last supported; search:
    how far it is; rivalry: how the pose stands to others, None while it is not tracked; usual: log odds at which the object was
    seen lately, with depth, None before that; reconsidered: rivals that a pose that is doubted, or not
    sure without depth, was compared with; world_T_camera: (4, 4) in the last frame,
    None where it is not known.
    """

    state: TrackState
    reason: str
    camera_T_object: np.ndarray
    covariance: np.ndarray
    errors: CommonErrors
    appearance: Appearance
    colors: ColorStatistics | None = None
    keyframes: tuple[Keyframe, ...] = ()
    motion: Motion = field(default_factory=Motion)
    seen: Hypothesis | None = None
    stamp: float | None = None
    score: float = 0.0
    unsupported: int = 0
    search: SearchState = SearchState()
    rivalry: Rivalry | None = None
    usual: float | None = None
    reconsidered: int = 0
    world_T_camera: np.ndarray | None = None

    @classmethod
    def starting(
        cls, camera_T_object: np.ndarray, model: ObjectModel, noise: NoiseModel, stamp: float | None = None
    ) -> Track:
        """At a pose (4, 4) near the object's in the next frame.

        Raises ValueError for a matrix that is no rigid transform, or an object behind the camera.
        """
        if not is_pose(camera_T_object):
            raise ValueError(
                f"expected an initial pose as a finite rigid 4x4 transform, got {np.asarray(camera_T_object).tolist()}"
            )
        pose = np.array(camera_T_object, np.float64)
        distance = float(pose[2, :3] @ model.center_m + pose[2, 3])
        if distance <= 0:
            raise ValueError(
                f"expected the object in front of the camera (optical frame, z forward), got a first pose at z = "
                f"{distance:.3f} m; check the frame of the initial pose"
            )
        return cls(
            state=TrackState.SEARCHING,
            reason="a first pose that no image has confirmed yet",
            camera_T_object=pose,
            covariance=np.linalg.inv(VAGUE),
            errors=CommonErrors.unknown(noise),
            appearance=Appearance(model.mesh.has_color),
            stamp=stamp,
        )

    @property
    def is_new(self) -> bool:
        """Whether no frame has supported it yet."""
        return self.colors is None

    def is_doubted_by(self, found: Hypothesis | None) -> bool:
        """Whether the object is much less surely seen than usually, as with a wrong turn; where depth was measured, as that makes most of it."""
        if self.usual is None or (found is not None and found.evidence.speaking_share == 0):
            return False
        return found is None or found.evidence.log_odds < self.usual - PRESENT_LOG_ODDS

    def seen_from(self, world_T_camera: np.ndarray | None) -> Track:
        """As a camera sees it that has moved, when both of its poses (4, 4) are known: what rests in the world stays there.

        Velocities are then those in the world, in the camera's axes.
        """
        before = self.world_T_camera
        if world_T_camera is before:
            return self
        if world_T_camera is None or before is None or np.array_equal(world_T_camera, before):
            return replace(self, world_T_camera=world_T_camera)
        now_T_before = invert(world_T_camera) @ before
        candidate = self.search.candidate
        return replace(
            self,
            camera_T_object=now_T_before @ self.camera_T_object,
            motion=self.motion.turned(now_T_before[:3, :3]),
            search=self.search._replace(candidate=None if candidate is None else now_T_before @ candidate),
            world_T_camera=world_T_camera,
        )

    def expected_in(self, frame: Frame, model: ObjectModel, noise: NoiseModel, moving: bool) -> Expectation:
        """Where the object is in a frame, if it moves on, or, not ``moving``, stays about where it was."""
        gap = 0.0 if self.stamp is None else frame.stamp - self.stamp
        if self.is_new and self.search.candidate is not None and not frame.has_depth:
            return Expectation.near(self.search.candidate)
        fresh = 1.0 if self.seen is None else self.seen.fresh_share(frame, noise)
        # Of another image a stamp that was seen before tells no time.
        if gap == 0 and fresh > LEAST_FRESH and self.seen is not None:
            return Expectation(self.camera_T_object, VAGUE, fresh=fresh)
        if not moving or self.state is not TrackState.TRACKING or not 0 <= gap < MAX_FRAME_GAP_S:
            return Expectation.near(self.camera_T_object)
        motion = self.motion.predicted(gap)
        # In the same image again nothing has moved.
        twist = gap * motion.velocity if fresh > LEAST_FRESH else np.zeros(6)
        pose = moved_pose(self.camera_T_object, twist, model.center_m)
        return Expectation(pose, inverse(motion.pose), motion, fresh, gap)

    def supported_by(self, found: Hypothesis, frame: Frame, model: ObjectModel, rivalry: Rivalry | None = None, reconsidered: int | None = None) -> Track:
        """After a frame that shows the object where a hypothesis says, which stands to its rivals so; learns from it.

        ``reconsidered``: with how many rivals it was compared so far, None if it is not to be compared with others.
        """
        alignment, expected = found.alignment, found.expected
        pose = turned_least(self.camera_T_object, alignment.camera_T_object, model)
        correction, of_image = np.zeros(6), expected.fresh * alignment.information - expected.information
        if expected.motion is not None:
            correction = twist_between(expected.camera_T_object, pose, model.center_m)
        # Of what was not expected the image tells the pose, but not the velocity.
        motion = (expected.motion or Motion()).corrected(correction, of_image)
        seen = ColorStatistics.seen_in(found.view)
        is_told, covariance = rivalry is None or rivalry.is_told, with_unseen_turns(alignment.covariance, model, pose)
        if not is_told:
            covariance = covariance.copy()
            covariance[3:, 3:] += rivalry.spread(pose[:3, :3])
        return Track(
            state=TrackState.TRACKING,
            reason="seen" if is_told else "seen, but its turn is not told yet",
            camera_T_object=pose,
            covariance=covariance,
            errors=alignment.errors,
            appearance=self.appearance.learnt(found.observation, found.evidence),
            colors=seen if self.colors is None else self.colors.renewed(seen, RENEWAL),
            keyframes=with_view(self.keyframes, found.view, found.evidence.surface) if model.has_marks else (),
            motion=motion,
            seen=found,
            stamp=frame.stamp,
            score=found.evidence.probability,
            rivalry=rivalry,
            usual=self._usual_after(found) if reconsidered is None else self.usual,
            reconsidered=reconsidered or 0,
            world_T_camera=self.world_T_camera,
        )

    def _usual_after(self, found: Hypothesis) -> float | None:
        """Log odds at which the object is seen lately; of a pose that was doubted, and is not any more, its own."""
        log_odds = found.evidence.log_odds
        if found.evidence.speaking_share == 0:
            return self.usual
        if self.usual is None or self.is_doubted_by(found):
            return log_odds
        return self.usual + RENEWAL * (log_odds - self.usual)

    def unsupported_by(
        self, evidence: Evidence | None, frame: Frame, lost_frames: int, search: SearchState
    ) -> Track:
        """After a frame that shows the object neither near where it is expected nor surely elsewhere.

        ``evidence``: for the expected pose, None where it would not be seen.
        """
        state, reason = _doubt(evidence, frame)
        if self.is_new and evidence is not None and evidence.is_present:
            state, reason = TrackState.SEARCHING, "a first pose that is still compared with others"
        unsupported = self.unsupported + (state is TrackState.SEARCHING)
        if self.state is TrackState.LOST or unsupported >= lost_frames:
            state = TrackState.LOST
        return replace(
            self,
            state=state,
            reason=reason,
            covariance=np.linalg.inv(VAGUE),
            motion=Motion(),
            seen=None,
            stamp=frame.stamp,
            score=0.0 if evidence is None else evidence.probability,
            unsupported=unsupported,
            search=search,
            rivalry=None,
            reconsidered=0,
        )

    def result(self, seconds: dict[str, float]) -> TrackResult:
        """What is said of the object after a frame that took ``seconds``."""
        is_candidate = self.state is TrackState.SEARCHING and self.search.candidate is not None
        pose = self.search.candidate if is_candidate else self.camera_T_object
        return TrackResult(self.state, self.reason, pose.copy(), self.covariance, self.score, self.errors, seconds)


def _doubt(evidence: Evidence | None, frame: Frame) -> tuple[TrackState, str]:
    """What a frame says that does not show the object where it is expected."""
    if evidence is None:
        return TrackState.SEARCHING, "left the image"
    if evidence.is_hidden:
        return TrackState.OCCLUDED, "hidden by something nearer"
    # What colours are sure of is not believed either where depth is required.
    if (evidence.is_undecided and not frame.has_depth) or (evidence.is_present and evidence.speaking_share == 0):
        return TrackState.OCCLUDED, "no depth, and colours alone do not tell"
    if evidence.is_undecided:
        return TrackState.OCCLUDED, "cannot be told from what is around"
    by_color = evidence.color_ratio < evidence.depth_ratio
    return TrackState.SEARCHING, f"contradicted by {'colour' if by_color else 'depth'}"
