"""One object, frame after frame: predict where it is, estimate where the image shows it, judge."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import apply_residual, is_pose, residual_between
from pose_tracker_ros.networks.residual import ResidualNetwork
from pose_tracker_ros.networks.weights import WeightsInfo, load_weights
from pose_tracker_ros.objects import ObjectModel, generic_weights_path
from pose_tracker_ros.rendering import Rendering
from pose_tracker_ros.tracking.color_memory import ColorMemory
from pose_tracker_ros.tracking.config import TrackerConfig
from pose_tracker_ros.tracking.estimation import NEAREST_M, Estimate, Expectation, PoseEstimator
from pose_tracker_ros.tracking.fusion import UNKNOWN_DEVIATION
from pose_tracker_ros.tracking.motion import MotionFilter

# A first pose may be far off, and so may one that the image contradicts: they get this many additional passes.
ADDITIONAL_PASSES = 3
# Below this score the polish is asked for its opinion without the network, and taken if it is better by so much.
SECOND_OPINION_SCORE, BETTER_SCORE = 0.8, 0.05
# Frames farther apart than this say nothing about the motion between them.
MAX_FRAME_GAP_S = 0.5
# While nothing is seen, the assumed velocity fades by this factor with every frame.
COASTING_FADE = 0.9


# What ``start`` sets and ``step`` changes.
_TRACK_FIELDS = (
    "state",
    "_pose",
    "_motion",
    "_stamp",
    "_supported_pose",
    "_unsupported_frames",
    "_first_frame",
)


class TrackState(enum.Enum):
    """What the tracker believes about its pose."""

    UNINITIALISED = "uninitialised"
    TRACKING = "tracking"
    COASTING = "coasting"
    LOST = "lost"


@dataclass(frozen=True)
class TrackResult:
    """The outcome of one frame.

    camera_T_object: (4, 4). score: 0..1, support of the pose by the image. covariance: (6, 6) of the
    translation (m) and rotation (rad) of the object centre in camera axes. seconds: time spent per stage.
    """

    state: TrackState
    camera_T_object: np.ndarray
    score: float
    covariance: np.ndarray
    seconds: dict[str, float]


def default_weights_path(model: ObjectModel) -> Path | None:
    """The object's own weights where there are any, else those that fit any object; None where there are neither."""
    own = model.weights_path
    return own if own is not None and own.is_file() else generic_weights_path()


class Tracker:
    """Follows one object through RGB-D frames from a given first pose.

    Its state is the last pose, the velocity, and for how many frames the image has not supported the pose.
    """

    def __init__(
        self,
        model: ObjectModel,
        config: TrackerConfig | None = None,
        network: ResidualNetwork | None = None,
        info: WeightsInfo | None = None,
    ) -> None:
        """``network`` with the ``info`` of its weights, or neither for a tracker with the geometric polish alone."""
        self.model = model
        self.config = config or TrackerConfig()
        self.info = info
        if self.config.threads:
            torch.set_num_threads(self.config.threads)
        self._estimator = PoseEstimator(model, self.config, network, info)
        self._motion = MotionFilter()
        self.stop()

    @property
    def device(self) -> torch.device:
        """Where the network runs."""
        return self._estimator.device

    @classmethod
    def load(cls, model: ObjectModel, config: TrackerConfig | None = None, weights_path: Path | None = None) -> Tracker:
        """A tracker with the weights of a file, else the object's own, else those that fit any object.

        With ``network_passes`` 0 no weights are needed.
        Raises FileNotFoundError or ValueError when there are none or they are of another object.
        """
        config = config or TrackerConfig()
        if config.network_passes == 0 and weights_path is None:
            return cls(model, config)
        path = Path(weights_path) if weights_path else default_weights_path(model)
        if path is None:
            raise FileNotFoundError(
                f"expected network weights for object {model.name!r}; name a file, or set network_passes to 0"
            )
        network, info = load_weights(path)
        info.check_object(model.name, model.diameter_m, path)
        return cls(model, config, network, info)

    def start(self, camera_T_object: np.ndarray, stamp: float | None = None) -> None:
        """Track from this pose (4, 4) on, at rest.

        Raises ValueError for a matrix that is no rigid transform or a pose behind the camera.
        """
        if not is_pose(camera_T_object):
            raise ValueError(
                f"expected an initial pose as a finite rigid 4x4 transform, got {np.asarray(camera_T_object).tolist()}"
            )
        if self._estimator.center(camera_T_object)[2] <= 0:
            raise ValueError(
                f"expected the object in front of the camera (optical frame, z forward), got a first pose at z = "
                f"{self._estimator.center(camera_T_object)[2]:.3f} m; check the frame of the initial pose"
            )
        self.state = TrackState.TRACKING
        self._pose = np.array(camera_T_object, dtype=np.float64)
        self._motion = MotionFilter()
        self._estimator.colors = ColorMemory()
        self._stamp = stamp
        self._supported_pose = self._pose
        self._unsupported_frames = 0
        self._first_frame = True

    def start_checked(self, camera_T_object: np.ndarray, frames: Sequence[Frame]) -> TrackResult:
        """Start from a pose (4, 4) in the first of some frames and follow it to the last, which must support it.

        When the last frame contradicts the pose, the tracker is as it was before, and ``state`` of the result is
        not TRACKING. Raises as ``start`` does; ValueError without frames.
        """
        if not frames:
            raise ValueError("expected at least one frame to start in, got none")
        before = {name: getattr(self, name, None) for name in _TRACK_FIELDS}
        colors = self._estimator.colors
        self.start(camera_T_object, frames[0].stamp)
        for frame in frames:
            result = self.step(frame)
        if result.state is not TrackState.TRACKING:
            for name, value in before.items():
                setattr(self, name, value)
            self._estimator.colors = colors
        return result

    def warm_up(self) -> None:
        """Run network and renderer once, so that the first frame does not wait for what is set up lazily."""
        pose = np.eye(4)
        pose[:3, 3] = (0, 0, 4 * self.model.diameter_m) - self.model.center_m
        camera = PinholeCamera(64, 48, 50.0, 50.0, 32.0, 24.0)
        blank = Frame(np.zeros((48, 64, 3), np.uint8), np.zeros((48, 64), np.float32), camera, 0.0)
        self.start(pose)
        self.step(blank)
        self.stop()

    def stop(self) -> None:
        """Forget the pose; ``start`` begins again."""
        self.state = TrackState.UNINITIALISED

    def reconfigure(self, config: TrackerConfig) -> None:
        """Change options while tracking; those marked read_only keep their effect until a new tracker is made."""
        if config.network_passes > 0 and not self._estimator.has_network:
            raise ValueError("network_passes was 0 at the start, so no network is loaded; start again with it above 0")
        self.config = self._estimator.config = config

    def step(self, frame: Frame) -> TrackResult:
        """The pose in the next frame.

        Raises RuntimeError before ``start``, ValueError for depth that is not registered to colour.
        """
        frame.require_registered("tracking")
        if self.state is TrackState.UNINITIALISED:
            raise RuntimeError("the tracker has no pose to start from; call start() with an initial pose first")
        self._estimator.seconds.clear()
        with self._estimator.timed("total"), torch.inference_mode():
            frame_gap = self._frame_gap(frame)
            expected = self._predict(frame_gap)
            depth = self._usable_depth(frame.depth)
            if self._first_frame:
                estimate = self._estimator.estimate(frame, depth, expected.pose, ADDITIONAL_PASSES)
            else:
                estimate = self._estimator.estimate(frame, depth, expected.pose, 0, expected)
                doubted = estimate.score < SECOND_OPINION_SCORE and depth.any() and not estimate.hidden
                if doubted and self._estimator.has_network:
                    without = self._estimator.estimate(frame, depth, expected.pose, 0, expected, with_network=False)
                    if without.score > estimate.score + BETTER_SCORE:
                        estimate = without
            # Without any depth, or behind something, no other start would be supported, either.
            if estimate.score < self.config.recover_score and depth.any() and not estimate.hidden:
                other = self._search(frame, depth, estimate.pose, expected)
                # To be believed, a pose that was not expected needs more than one that was.
                if other.score >= self.config.recover_score:
                    estimate = other
            self._judge(estimate, expected.pose, frame_gap)
            self._stamp = frame.stamp
            self._first_frame = False
        return TrackResult(
            self.state, self._pose.copy(), estimate.score, self._covariance(estimate), dict(self._estimator.seconds)
        )

    def render(self, camera: PinholeCamera, camera_T_object: np.ndarray) -> Rendering:
        """The object in a full image, for overlays."""
        return self._estimator.renderer.render(camera, camera_T_object)

    def _frame_gap(self, frame: Frame) -> float:
        """Seconds since the last frame, 0 when they say nothing about the motion in between."""
        gap = 0.0 if self._stamp is None else frame.stamp - self._stamp
        return gap if 0 < gap < MAX_FRAME_GAP_S else 0.0

    def _predict(self, frame_gap: float) -> Expectation:
        """Where the object is expected, and how surely; without times nothing is known of its motion."""
        if frame_gap == 0:
            self._motion.reset()
            return Expectation(self._pose, np.zeros((6, 6)))
        motion, information = self._motion.predict(frame_gap, self.config.motion_prior)
        predicted = apply_residual(self._pose, motion[:3], motion[3:], self.model.center_m)
        return Expectation(predicted if self._estimator.center(predicted)[2] > NEAREST_M else self._pose, information)

    def _search(self, frame: Frame, depth: np.ndarray, doubted: np.ndarray, expected: Expectation) -> Estimate:
        """The best estimate from other starts than the expected pose (4, 4), which led to a doubted one (4, 4)."""
        starts = (doubted, self._supported_pose, self._estimator.search(frame, depth, expected))
        estimates = (self._estimator.estimate(frame, depth, start, ADDITIONAL_PASSES) for start in starts)
        return max(estimates, key=lambda estimate: estimate.score)

    def _usable_depth(self, depth: np.ndarray) -> np.ndarray:
        usable = (depth >= self.config.min_depth_m) & (depth <= self.config.max_depth_m)
        return np.where(usable, depth, np.float32(0))

    def _judge(self, estimate: Estimate, predicted: np.ndarray, frame_gap: float) -> None:
        """Take the estimate when the image supports it, otherwise go on as before, in the end give up."""
        needed = self.config.lost_score if self.state is TrackState.TRACKING else self.config.recover_score
        if estimate.score >= needed:
            if self.state is TrackState.TRACKING and not self._first_frame and frame_gap > 0:
                correction = np.concatenate(residual_between(predicted, estimate.pose, self.model.center_m))
                self._motion.update(correction, estimate.information)
            else:
                self._motion.reset()
            self._estimator.remember(estimate)
            self._pose = self._supported_pose = estimate.pose
            self._unsupported_frames = 0
            self.state = TrackState.TRACKING
            return
        self._unsupported_frames += 1
        if self.state is not TrackState.LOST:
            self.state = TrackState.COASTING
            self._pose = predicted
            self._motion.fade(COASTING_FADE)
        if self._unsupported_frames >= self.config.lost_frames:
            self.state = TrackState.LOST

    def _covariance(self, estimate: Estimate) -> np.ndarray:
        unknown = np.diag(UNKNOWN_DEVIATION**-2)
        if self.state is not TrackState.TRACKING:
            return np.linalg.inv(unknown)
        return np.linalg.inv(estimate.information + unknown)
