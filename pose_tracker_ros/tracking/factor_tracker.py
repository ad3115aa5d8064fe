"""The tracker on factors and evidence: predict, align, weigh, take or doubt.

It is to replace that of :mod:`pose_tracker_ros.tracking.tracker` and stands beside it for now.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import apply_residual, is_pose, residual_between
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering.raster import RasterRenderer
from pose_tracker_ros.tracking.alignment import Alignment, CommonErrors, Expectation, align
from pose_tracker_ros.tracking.evidence import Appearance, Evidence, weigh
from pose_tracker_ros.tracking.factors.contour import ColorStatistics
from pose_tracker_ros.tracking.motion import MotionFilter
from pose_tracker_ros.tracking.noise import NoiseModel
from pose_tracker_ros.tracking.observation import Observation, observe
from pose_tracker_ros.tracking.tracker import MAX_FRAME_GAP_S, TrackResult, TrackState
from pose_tracker_ros.tracking.view import make_view

# Of a first pose, and of one that is looked for again: a hand's breadth, and what a glance tells of turns (metres, radians).
VAGUE = np.diag([0.03**-2] * 3 + [0.3**-2] * 3)
# Share of the colours across the outline that a frame renews (of M3T: 0.2).
RENEWAL = 0.1
LARGEST_PX = 128
FEWEST_PIXELS = 20


class Attempt(NamedTuple):
    """A pose of one frame, with the evidence for it, and what was weighed."""

    alignment: Alignment
    evidence: Evidence
    observation: Observation


class FactorTracker:
    """Follows one object by geometry alone; no network, and no search beyond the last place that was sure.

    A pose is taken when the evidence says that the object is there. Else the object is expected where it was seen last.
    """

    def __init__(self, model: ObjectModel, noise: NoiseModel | None = None, lost_frames: int = 30) -> None:
        """``lost_frames``: unsupported frames in a row after which the object is lost."""
        self.model = model
        self.state = TrackState.UNINITIALISED
        self._noise = noise or NoiseModel()
        self._lost_frames = lost_frames
        self._renderer = RasterRenderer(model.mesh)

    def warm_up(self) -> None:
        """Nothing: kernels are compiled when they are imported."""

    def start(self, camera_T_object: np.ndarray) -> None:
        """Begin at a pose (4, 4) near the object's in the next frame; raises ValueError for anything but a rigid pose."""
        if not is_pose(camera_T_object):
            raise ValueError(f"expected a rigid 4x4 pose to start from, got {np.asarray(camera_T_object).tolist()}")
        self.state = TrackState.COASTING
        self._pose = np.array(camera_T_object, np.float64)
        self._motion = MotionFilter()
        self._errors = CommonErrors.unknown(self._noise)
        self._colors: ColorStatistics | None = None
        self._appearance = Appearance(self.model.mesh.has_color)
        self._stamp: float | None = None
        self._unsupported = 0

    def step(self, frame: Frame) -> TrackResult:
        """The pose in the next frame; raises RuntimeError before ``start``."""
        if self.state is TrackState.UNINITIALISED:
            raise RuntimeError("the tracker has no pose to start from; call start() with an initial pose first")
        begin = time.perf_counter()
        gap = self._frame_gap(frame)
        expected, information = self._predict(gap)
        attempt = self._attempt(frame, expected, information)
        if self._is_doubted(attempt) and self.state is TrackState.TRACKING:
            # What moved may have stopped: a jerk of the camera, a hand that lets go.
            attempt = _better(attempt, self._attempt(frame, self._pose, VAGUE))
        if self._is_doubted(attempt):
            self._doubt()
        else:
            self._take(attempt, expected, information, gap)
        self._stamp = frame.stamp
        score = 0.0 if attempt is None else attempt.evidence.probability
        seconds = {"total": time.perf_counter() - begin}
        return TrackResult(self.state, self._pose.copy(), score, self._covariance(attempt), seconds)

    def _frame_gap(self, frame: Frame) -> float:
        """Seconds since the last frame, 0 when they say nothing about the motion in between."""
        gap = 0.0 if self._stamp is None else frame.stamp - self._stamp
        return gap if 0 < gap < MAX_FRAME_GAP_S else 0.0

    def _predict(self, gap: float) -> tuple[np.ndarray, np.ndarray]:
        """Where the object is expected (4, 4), and the information (6, 6) about it."""
        if self.state is not TrackState.TRACKING or gap == 0:
            return self._pose, VAGUE
        motion, information = self._motion.predict(gap)
        return apply_residual(self._pose, motion[:3], motion[3:], self.model.center_m), information

    def _attempt(self, frame: Frame, pose: np.ndarray, information: np.ndarray) -> Attempt | None:
        """The most likely pose near an expected one, weighed; None where the object would not be seen."""
        expected = Expectation(pose, information, self._errors.predicted(self._noise), self._colors)
        found = align(frame, self.model, self._renderer, expected, self._noise, LARGEST_PX)
        view = found and make_view(frame, self._renderer, self.model, found.camera_T_object, LARGEST_PX, color=True)
        if view is None or view.rendering.mask.sum() < FEWEST_PIXELS:
            return None
        errors = found.errors.mean
        observation = observe(view, errors[:2])
        evidence = weigh(view, observation, self._appearance, self._noise, float(errors[-1]))
        return Attempt(found, evidence, observation)

    def _is_doubted(self, attempt: Attempt | None) -> bool:
        return attempt is None or not attempt.evidence.is_present

    def _take(self, attempt: Attempt, expected: np.ndarray, information: np.ndarray, gap: float) -> None:
        """Go on from a pose that the image supports, and learn from it."""
        found = attempt.alignment
        if self.state is TrackState.TRACKING and gap > 0:
            correction = np.concatenate(residual_between(expected, found.camera_T_object, self.model.center_m))
            of_image = np.linalg.inv(found.covariance) - information
            self._motion.update(correction, (of_image + of_image.T) / 2)
        else:
            self._motion.reset()
        seen = ColorStatistics.seen_in(found.view)
        self._colors = seen if self._colors is None else self._colors.renewed(seen, RENEWAL)
        self._appearance = self._appearance.learnt(attempt.observation, attempt.evidence)
        self._pose, self._errors = found.camera_T_object, found.errors
        self._unsupported = 0
        self.state = TrackState.TRACKING

    def _doubt(self) -> None:
        """Stay where the object was seen last."""
        self._motion.reset()
        self._unsupported += 1
        lost = self._unsupported >= self._lost_frames
        self.state = TrackState.LOST if lost else TrackState.COASTING

    def _covariance(self, attempt: Attempt | None) -> np.ndarray:
        if self.state is TrackState.TRACKING:
            return attempt.alignment.covariance
        return np.linalg.inv(VAGUE)


def _better(one: Attempt | None, other: Attempt | None) -> Attempt | None:
    """The attempt for which there is more evidence."""
    attempts = [attempt for attempt in (one, other) if attempt is not None]
    return max(attempts, key=lambda attempt: attempt.evidence.probability, default=None)
