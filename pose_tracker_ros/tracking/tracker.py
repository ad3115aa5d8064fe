"""One object, frame after frame: predict, crop, render, residual, compose, polish, judge."""

from __future__ import annotations

import enum
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pose_tracker_ros.camera import PinholeCamera, crop_camera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import apply_residual, is_pose, residual_between
from pose_tracker_ros.networks.device import choose_device
from pose_tracker_ros.networks.residual import ResidualNetwork, folded_for_inference
from pose_tracker_ros.networks.weights import WeightsInfo, load_weights
from pose_tracker_ros.objects import ObjectModel, generic_weights_path
from pose_tracker_ros.rendering import Rendering, create_renderer
from pose_tracker_ros.tracking.config import TrackerConfig
from pose_tracker_ros.tracking.contour import align, color_evidence, outline_of
from pose_tracker_ros.tracking.crop import Crop, cut, to_tensors
from pose_tracker_ros.tracking.depth_filling import fill_depth_holes
from pose_tracker_ros.tracking.fusion import UNKNOWN_DEVIATION, Measurement, fuse, limited
from pose_tracker_ros.tracking.quality import score
from pose_tracker_ros.tracking.refine import CORRELATED_PIXELS, polish

# Crop of a tracker that runs without a network.
POLISH_CROP_MARGIN = 1.5
# A first pose may be far off, and so may one that the image contradicts: they get this many additional passes.
ADDITIONAL_PASSES = 3
# Errors that all pixels of the network's prediction share: standard deviations.
NETWORK_DEVIATION_DIAMETERS = 0.04
NETWORK_DEVIATION_RAD = 0.06
# After a pass that moves the pose less than this the polish finds the rest.
SETTLED_DIAMETERS = 0.03
SETTLED_RAD = 0.05
# Frames farther apart than this say nothing about the motion between them.
MAX_FRAME_GAP_S = 0.5
# While nothing is seen, the assumed velocity fades by this factor with every frame.
COASTING_FADE = 0.9


# What ``start`` sets and ``step`` changes.
_TRACK_FIELDS = (
    "state",
    "_pose",
    "_velocity",
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


@dataclass(frozen=True)
class Estimate:
    """A pose (4, 4) with its score and information (6, 6) in metres and radians."""

    pose: np.ndarray
    score: float
    information: np.ndarray


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
        self.device = choose_device(self.config.device)
        if self.config.threads:
            torch.set_num_threads(self.config.threads)
        self._network = None if network is None else folded_for_inference(network).to(self.device)
        self._renderer = create_renderer(self.config.renderer, model.mesh)
        self._crop_side_m = (info.crop_margin if info else POLISH_CROP_MARGIN) * model.diameter_m
        self._seconds: dict[str, float] = defaultdict(float)
        self.stop()

    @classmethod
    def load(cls, model: ObjectModel, config: TrackerConfig | None = None, weights_path: Path | None = None) -> Tracker:
        """A tracker with the weights of a file, else the object's own, else those that fit any object.

        With ``network_passes`` 0 no weights are needed.
        Raises FileNotFoundError or ValueError when there are none or they are of another object.
        """
        config = config or TrackerConfig()
        if config.network_passes == 0 and weights_path is None:
            return cls(model, config)
        path = Path(weights_path) if weights_path else model.weights_path
        if not weights_path and (path is None or not path.is_file()):
            path = generic_weights_path()
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
        if self._center(camera_T_object)[2] <= 0:
            raise ValueError(
                f"expected the object in front of the camera (optical frame, z forward), got a first pose at z = "
                f"{self._center(camera_T_object)[2]:.3f} m; check the frame of the initial pose"
            )
        self.state = TrackState.TRACKING
        self._pose = np.array(camera_T_object, dtype=np.float64)
        self._velocity = np.zeros(6)
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
        self.start(camera_T_object, frames[0].stamp)
        for frame in frames:
            result = self.step(frame)
        if result.state is not TrackState.TRACKING:
            for name, value in before.items():
                setattr(self, name, value)
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
        if config.network_passes > 0 and self._network is None:
            raise ValueError("network_passes was 0 at the start, so no network is loaded; start again with it above 0")
        self.config = config

    def step(self, frame: Frame) -> TrackResult:
        """The pose in the next frame.

        Raises RuntimeError before ``start``.
        """
        if self.state is TrackState.UNINITIALISED:
            raise RuntimeError("the tracker has no pose to start from; call start() with an initial pose first")
        self._seconds.clear()
        with self._timed("total"), torch.inference_mode():
            frame_gap = self._frame_gap(frame)
            predicted = self._predict(frame_gap)
            depth = self._usable_depth(frame.depth)
            estimate = self._estimate(frame, depth, predicted, ADDITIONAL_PASSES if self._first_frame else 0)
            # Without any depth no other start would be supported, either.
            if estimate.score < self.config.recover_score and depth.any():
                starts = (estimate.pose, self._supported_pose)
                others = (self._estimate(frame, depth, start, ADDITIONAL_PASSES) for start in starts)
                estimate = max(estimate, *others, key=lambda candidate: candidate.score)
            self._judge(estimate, predicted, frame_gap)
            self._stamp = frame.stamp
            self._first_frame = False
        return TrackResult(
            self.state, self._pose.copy(), estimate.score, self._covariance(estimate), dict(self._seconds)
        )

    def render(self, camera: PinholeCamera, camera_T_object: np.ndarray) -> Rendering:
        """The object in a full image, for overlays."""
        return self._renderer.render(camera, camera_T_object)

    def _frame_gap(self, frame: Frame) -> float:
        """Seconds since the last frame, 0 when they say nothing about the motion in between."""
        gap = 0.0 if self._stamp is None else frame.stamp - self._stamp
        return gap if 0 < gap < MAX_FRAME_GAP_S else 0.0

    def _predict(self, frame_gap: float) -> np.ndarray:
        motion = self.config.motion_prior * self._velocity * frame_gap
        predicted = apply_residual(self._pose, motion[:3], motion[3:], self.model.center_m)
        return predicted if self._center(predicted)[2] > 0.05 else self._pose

    def _usable_depth(self, depth: np.ndarray) -> np.ndarray:
        usable = (depth >= self.config.min_depth_m) & (depth <= self.config.max_depth_m)
        return np.where(usable, depth, np.float32(0))

    def _estimate(self, frame: Frame, depth: np.ndarray, pose: np.ndarray, additional_passes: int) -> Estimate:
        """Render-and-compare passes of the network, then of the polish, then the score."""
        pose, prior = self._network_passes(frame, depth, pose, additional_passes)
        predicted = pose
        for _ in range(self.config.polish_passes):
            crop = self._crop(frame, depth, pose, self.config.polish_resolution)
            opinion = Measurement(np.concatenate(residual_between(pose, predicted, self.model.center_m)), prior)
            motion, information = self._polish(crop, opinion)
            pose = apply_residual(pose, motion[:3], motion[3:], self.model.center_m)
            if self._is_settled(motion):
                break
        with self._timed("score"):
            agreement = score(crop, motion)
        return Estimate(pose, agreement, information)

    def _network_passes(
        self, frame: Frame, depth: np.ndarray, pose: np.ndarray, additional_passes: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The pose after the network's passes, and the information (6, 6) about it in metres and radians."""
        information = np.zeros((6, 6))
        passes = self.config.network_passes if self._network is not None else 0
        for _ in range(passes + additional_passes if passes else 0):
            crop = self._crop(frame, depth, pose, self.info.resolution)
            moved, information = self._network_pass(crop, pose)
            motion, pose = np.concatenate(residual_between(pose, moved, self.model.center_m)), moved
            if self._is_settled(motion):
                break
        return pose, information

    def _is_settled(self, motion: np.ndarray) -> bool:
        """Whether another pass has nothing to add after this motion (6,)."""
        return bool(
            np.linalg.norm(motion[:3]) < SETTLED_DIAMETERS * self.model.diameter_m
            and np.linalg.norm(motion[3:]) < SETTLED_RAD
        )

    def _polish(self, crop: Crop, opinion: Measurement) -> tuple[np.ndarray, np.ndarray]:
        """Motion (6,) and information (6, 6) of depth and outline together with the network's ``opinion``."""
        measurements = [opinion]
        if self.config.polish_iterations:
            with self._timed("polish"):
                polished = polish(crop, self.config.polish_iterations, opinion.information, self.config.depth_bias_m)
            measurements.append(polished)
        motion, information = fuse(np.zeros((6, 6)), *measurements)
        if self.config.contour_iterations:
            with self._timed("contour"):
                motion, information = self._align_contour(crop, measurements, motion, information)
        return motion, information

    def _align_contour(
        self,
        crop: Crop,
        measurements: list[Measurement],
        motion: np.ndarray,
        information: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Motion and information with what the outline in the colour image adds to the other measurements."""
        evidence = color_evidence(crop)
        if evidence is None:
            return motion, information
        outline = outline_of(crop)
        for _ in range(self.config.contour_iterations):
            motion, information = fuse(np.zeros((6, 6)), *measurements, align(crop, outline, evidence, motion))
        return motion, information

    def _crop(self, frame: Frame, depth: np.ndarray, pose: np.ndarray, resolution: int) -> Crop:
        center = self._center(pose)
        camera = crop_camera(center, self._crop_side_m, resolution)
        with self._timed("render"):
            rendering = self._renderer.render(camera, pose)
        with self._timed("crop"):
            color_crop, depth_crop = cut(frame.color, depth, frame.camera, camera)
        return Crop(camera, rendering, color_crop, depth_crop, center, self.model.diameter_m)

    def _network_pass(self, crop: Crop, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The pose moved by the predicted residual, and the information (6, 6) about it in metres and radians."""
        if not crop.rendering.mask.any():
            return pose, np.zeros((6, 6))
        if self.info.fill_depth_holes:
            crop = crop._replace(depth=fill_depth_holes(crop.depth))
        with self._timed("network"):
            residual = self._network.predict(to_tensors([crop]).to(self.device))
            translation, rotation, information = (tensor[0].double().cpu().numpy() for tensor in residual)
        limit = self.info.max_translation * self.model.diameter_m
        moved = apply_residual(
            pose, _limited(translation, limit), _limited(rotation, self.info.max_rotation), self.model.center_m
        )
        if self._center(moved)[2] <= 0.05:
            return pose, np.zeros((6, 6))
        to_metres = np.diag([1 / self.model.diameter_m] * 3 + [1.0] * 3)
        deviation = np.array([NETWORK_DEVIATION_DIAMETERS * self.model.diameter_m] * 3 + [NETWORK_DEVIATION_RAD] * 3)
        return moved, limited(to_metres @ information @ to_metres / CORRELATED_PIXELS, deviation)

    def _judge(self, estimate: Estimate, predicted: np.ndarray, frame_gap: float) -> None:
        """Take the estimate when the image supports it, otherwise go on as before, in the end give up."""
        needed = self.config.lost_score if self.state is TrackState.TRACKING else self.config.recover_score
        if estimate.score >= needed:
            moved = np.concatenate(residual_between(self._pose, estimate.pose, self.model.center_m))
            steady = self.state is TrackState.TRACKING and not self._first_frame and frame_gap > 0
            self._velocity = moved / frame_gap if steady else np.zeros(6)
            self._pose = self._supported_pose = estimate.pose
            self._unsupported_frames = 0
            self.state = TrackState.TRACKING
            return
        self._unsupported_frames += 1
        if self.state is not TrackState.LOST:
            self.state = TrackState.COASTING
            self._pose = predicted
            self._velocity = self._velocity * COASTING_FADE
        if self._unsupported_frames >= self.config.lost_frames:
            self.state = TrackState.LOST

    def _covariance(self, estimate: Estimate) -> np.ndarray:
        unknown = np.diag(UNKNOWN_DEVIATION**-2)
        if self.state is not TrackState.TRACKING:
            return np.linalg.inv(unknown)
        return np.linalg.inv(estimate.information + unknown)

    def _center(self, pose: np.ndarray) -> np.ndarray:
        return pose[:3, :3] @ self.model.center_m + pose[:3, 3]

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._seconds[stage] += time.perf_counter() - start


def _limited(vector: np.ndarray, length: float) -> np.ndarray:
    """The vector, shortened to at most ``length``: beyond it the network was never trained."""
    norm = np.linalg.norm(vector)
    return vector if norm <= length else vector * (length / norm)
