"""One frame: from a pose nearby to the pose that the image shows. Crop, render, residual, compose, polish, score."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.camera import crop_camera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import apply_residual, residual_between
from pose_tracker_ros.networks.device import choose_device
from pose_tracker_ros.networks.residual import ResidualNetwork, folded_for_inference
from pose_tracker_ros.networks.weights import WeightsInfo
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import create_renderer
from pose_tracker_ros.tracking.color_memory import ColorMemory
from pose_tracker_ros.tracking.config import TrackerConfig
from pose_tracker_ros.tracking.contour import align, color_evidence, outline_of
from pose_tracker_ros.tracking.crop import Crop, cut, to_tensors
from pose_tracker_ros.tracking.depth_filling import fill_depth_holes
from pose_tracker_ros.tracking.fusion import Measurement, fuse, limited, shared_covariance, turning_slack
from pose_tracker_ros.tracking.quality import is_hidden, score
from pose_tracker_ros.tracking.refine import CORRELATED_PIXELS, polish
from pose_tracker_ros.tracking.search import search

# Crop of a tracker that runs without a network.
POLISH_CROP_MARGIN = 1.5
# Errors that all pixels of the network's prediction share: standard deviations.
NETWORK_DEVIATION_DIAMETERS = 0.04
NETWORK_DEVIATION_RAD = 0.06
# After a pass that moves the pose less than this the polish finds the rest.
SETTLED_DIAMETERS = 0.03
SETTLED_RAD = 0.05
# Objects whose turns are so many times more uncertain than a bulky one's are looked at more closely, up to so many times.
CLOSER_FROM_SLACK, CLOSEST = 2.0, 2.0
# How much of the support by depth unusual colours take away; and the support by depth that leaves no doubt.
COLOR_SHARE = 0.6
UNDOUBTED_SCORE = 0.8
# A polish that leads farther away from the network's pose than it can see has found something else.
FARTHEST_POLISH_DIAMETERS, FARTHEST_POLISH_RAD = 0.15, 0.6
# Standard deviations up to which the search for a doubted pose widens while nothing is found.
FARTHEST_SEARCH_DIAMETERS, FARTHEST_SEARCH_RAD = 0.25, 0.4
# The nearest that an object's centre may be to the camera, metres.
NEAREST_M = 0.05
# Polished poses are taken unless they agree with the image by so much less.
WORSE_SCORE = 0.05
NOTHING_KNOWN = np.zeros((6, 6))


class Expectation(NamedTuple):
    """A pose (4, 4) that is likely for other reasons than the image, and the information (6, 6) about it."""

    pose: np.ndarray
    information: np.ndarray


@dataclass(frozen=True)
class Estimate:
    """A pose (4, 4) with its score, and the information (6, 6) about it from the image, in metres and radians.

    crop: rendered near the pose; motion: (6,) from there to the pose. depth_score: support by the depth alone. hidden: whether
    something nearer covers the object.
    """

    pose: np.ndarray
    score: float
    information: np.ndarray
    depth_score: float
    crop: Crop
    motion: np.ndarray
    hidden: bool


class PoseEstimator:
    """Finds the pose of one object in single frames, near a given one.

    ``seconds``: time spent per stage since they were last cleared. ``colors``: those of the object, as far as known.
    """

    def __init__(
        self,
        model: ObjectModel,
        config: TrackerConfig,
        network: ResidualNetwork | None = None,
        info: WeightsInfo | None = None,
    ) -> None:
        """``network`` with the ``info`` of its weights, or neither for the geometric polish alone."""
        self.model = model
        self.config = config
        self.info = info
        self.device = choose_device(config.device)
        self.renderer = create_renderer(config.renderer, model.mesh)
        self.seconds: dict[str, float] = defaultdict(float)
        self._network = None if network is None else folded_for_inference(network).to(self.device)
        self._crop_side_m = (info.crop_margin if info else POLISH_CROP_MARGIN) * model.diameter_m
        self.colors = ColorMemory()
        self._slack = turning_slack(model.sample_points() - model.center_m, model.diameter_m)
        self._closer = float(np.clip(np.sqrt(np.linalg.norm(self._slack, 2)) / CLOSER_FROM_SLACK, 1.0, CLOSEST))

    @property
    def has_network(self) -> bool:
        """Whether network passes are possible."""
        return self._network is not None

    def center(self, pose: np.ndarray) -> np.ndarray:
        """Object centre (3,) of a pose (4, 4), metres in the camera frame."""
        return pose[:3, :3] @ self.model.center_m + pose[:3, 3]

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """A context whose duration is added to the ``seconds`` of a stage."""
        start = time.perf_counter()
        yield
        self.seconds[stage] += time.perf_counter() - start

    def estimate(
        self,
        frame: Frame,
        depth: np.ndarray,
        pose: np.ndarray,
        additional_passes: int = 0,
        expected: Expectation | None = None,
        with_network: bool = True,
    ) -> Estimate:
        """Render-and-compare passes of the network, then of the polish, then the score.

        Parameters: ``depth`` (H, W), that of the frame without what is not to be believed; ``pose`` (4, 4), where to start;
        ``additional_passes`` of the network; what is ``expected`` apart from the image, which moderates the polish.
        """
        information = NOTHING_KNOWN
        if with_network:
            pose, information = self._network_passes(frame, depth, pose, additional_passes)
        predicted, network = pose, information
        expected = expected or Expectation(pose, NOTHING_KNOWN)
        # What the network says alone, in case the polish goes astray.
        best: Estimate | None = None
        for number in range(self.config.polish_passes):
            crop = self._crop(frame, depth, pose, self._polish_resolution())
            if number == 0 and network.any():
                best = self._scored(pose, network, crop, np.zeros(6))
            opinion = Measurement(self._motion(pose, predicted), network)
            prior = Measurement(self._motion(pose, expected.pose), expected.information)
            motion, information = self._polish(crop, pose, opinion, prior)
            pose = self._moved(pose, motion)
            if self._is_settled(motion):
                break
        polished = self._scored(pose, information, crop, motion)
        if best is None:
            return polished
        near = self._is_within(self._motion(predicted, pose), FARTHEST_POLISH_DIAMETERS, FARTHEST_POLISH_RAD)
        return polished if near and polished.score >= best.score - WORSE_SCORE else best

    def remember(self, estimate: Estimate) -> None:
        """Take the colours of an estimate for those of the object, when depth leaves no doubt about it."""
        if estimate.depth_score >= UNDOUBTED_SCORE and self._is_settled(estimate.motion):
            with self.timed("score"):
                self.colors.remember(estimate.crop)

    def search(self, frame: Frame, depth: np.ndarray, expected: Expectation) -> np.ndarray:
        """Of many poses (4, 4) around the expected one that which depth (H, W) and colours support best."""
        crop = self._crop(frame, depth, expected.pose, self._polish_resolution())
        spread = None
        if expected.information.any():
            farthest = np.array([FARTHEST_SEARCH_DIAMETERS * self.model.diameter_m] * 3 + [FARTHEST_SEARCH_RAD] * 3)
            spread = np.minimum(np.sqrt(np.diag(np.linalg.inv(expected.information))), farthest)
        with self.timed("search"):
            return self._moved(expected.pose, search(crop, spread, self.colors.likeness(crop)))

    def _polish_resolution(self) -> int:
        return round(self._closer * self.config.polish_resolution)

    def _scored(self, pose: np.ndarray, information: np.ndarray, crop: Crop, motion: np.ndarray) -> Estimate:
        with self.timed("score"):
            of_depth = score(crop, motion)
            of_color = self.colors.support(crop, motion) if of_depth > 0 else 1.0
            hidden = of_depth == 0 and is_hidden(crop, motion)
        support = of_depth * (1 - COLOR_SHARE + COLOR_SHARE * of_color)
        return Estimate(pose, support, information, of_depth, crop, motion, hidden)

    def _motion(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Motion (6,) about the object centre from one pose (4, 4) to another."""
        return np.concatenate(residual_between(start, end, self.model.center_m))

    def _moved(self, pose: np.ndarray, motion: np.ndarray) -> np.ndarray:
        moved = apply_residual(pose, motion[:3], motion[3:], self.model.center_m)
        return moved if self.center(moved)[2] > NEAREST_M else pose

    def _slack_at(self, pose: np.ndarray) -> np.ndarray:
        """The object's turning slack (3, 3) in camera axes."""
        return pose[:3, :3] @ self._slack @ pose[:3, :3].T

    def _network_passes(
        self, frame: Frame, depth: np.ndarray, pose: np.ndarray, additional_passes: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The pose after the network's passes, and the information (6, 6) about it in metres and radians."""
        information = NOTHING_KNOWN
        passes = self.config.network_passes if self._network is not None else 0
        for _ in range(passes + additional_passes if passes else 0):
            crop = self._crop(frame, depth, pose, self.info.resolution)
            moved, information = self._network_pass(crop, pose)
            motion, pose = self._motion(pose, moved), moved
            if self._is_settled(motion):
                break
        return pose, information

    def _is_settled(self, motion: np.ndarray) -> bool:
        """Whether another pass has nothing to add after this motion (6,)."""
        return self._is_within(motion, SETTLED_DIAMETERS, SETTLED_RAD)

    def _is_within(self, motion: np.ndarray, diameters: float, radians: float) -> bool:
        far = np.linalg.norm(motion[:3]) >= diameters * self.model.diameter_m
        return not (far or np.linalg.norm(motion[3:]) >= radians)

    def _polish(self, crop: Crop, pose: np.ndarray, network: Measurement, expected: Measurement) -> Measurement:
        """What depth, outline and network say about the motion together, moderated by what was expected.

        The information is that of the image.
        """
        slack = self._slack_at(pose)
        seen = [network]
        if self.config.polish_iterations:
            prior = Measurement(*fuse(NOTHING_KNOWN, network, expected))
            with self.timed("polish"):
                seen.append(polish(crop, self.config.polish_iterations, prior, self.config.depth_bias_m, slack))
        motion, information = fuse(NOTHING_KNOWN, *seen)
        if not information.any():
            return Measurement(motion, information)
        motion, _ = fuse(NOTHING_KNOWN, *seen, expected)
        evidence = color_evidence(crop) if self.config.contour_iterations else None
        if evidence is not None:
            with self.timed("contour"):
                outline = outline_of(crop)
                for _ in range(self.config.contour_iterations):
                    aligned = align(crop, outline, evidence, motion, slack)
                    motion, _ = fuse(NOTHING_KNOWN, *seen, aligned, expected)
                _, information = fuse(NOTHING_KNOWN, *seen, aligned)
        return Measurement(motion, information)

    def _crop(self, frame: Frame, depth: np.ndarray, pose: np.ndarray, resolution: int) -> Crop:
        center = self.center(pose)
        camera = crop_camera(center, self._crop_side_m, resolution)
        with self.timed("render"):
            rendering = self.renderer.render(camera, pose)
        with self.timed("crop"):
            color_crop, depth_crop = cut(frame.color, depth, frame.camera, camera)
        return Crop(camera, rendering, color_crop, depth_crop, center, self.model.diameter_m)

    def _network_pass(self, crop: Crop, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The pose moved by the predicted residual, and the information (6, 6) about it in metres and radians."""
        if not crop.rendering.mask.any():
            return pose, NOTHING_KNOWN
        if self.info.fill_depth_holes:
            crop = crop._replace(depth=fill_depth_holes(crop.depth))
        with self.timed("network"):
            residual = self._network.predict(to_tensors([crop]).to(self.device))
            translation, rotation, information = (tensor[0].double().cpu().numpy() for tensor in residual)
        limit = self.info.max_translation * self.model.diameter_m
        moved = apply_residual(
            pose, _limited(translation, limit), _limited(rotation, self.info.max_rotation), self.model.center_m
        )
        if self.center(moved)[2] <= NEAREST_M:
            return pose, NOTHING_KNOWN
        to_metres = np.diag([1 / self.model.diameter_m] * 3 + [1.0] * 3)
        deviation = np.full(3, NETWORK_DEVIATION_DIAMETERS * self.model.diameter_m)
        shared = shared_covariance(deviation, NETWORK_DEVIATION_RAD, self._slack_at(pose))
        return moved, limited(to_metres @ information @ to_metres / CORRELATED_PIXELS, shared)


def _limited(vector: np.ndarray, length: float) -> np.ndarray:
    """The vector, shortened to at most ``length``: beyond it the network was never trained."""
    norm = np.linalg.norm(vector)
    return vector if norm <= length else vector * (length / norm)
