"""From a frame and a mask to the first pose, by the method of one's choice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.initialization.config import METHODS, HypothesesConfig
from pose_tracker_ros.initialization.hypotheses import HypothesisInitializer
from pose_tracker_ros.initialization.mask_alignment import MaskAlignmentConfig, align_masks
from pose_tracker_ros.initialization.mask_views import MaskView
from pose_tracker_ros.initialization.observation import InitializationError, InitialPose, Observation, observe
from pose_tracker_ros.initialization.verification import Verdict
from pose_tracker_ros.objects import ObjectModel

# Separate parts of a mask that are this large, compared to the largest, may be objects of their own.
PART_SHARE = 0.3
MOST_PARTS = 4


class Initializer(Protocol):
    """What every method offers."""

    model: ObjectModel

    def estimate(self, observation: Observation) -> InitialPose:
        """The best pose for an observation."""
        ...

    def verify(self, observation: Observation, camera_T_object: np.ndarray) -> Verdict:
        """How well a pose explains an observation."""
        ...


def create_initializer(
    method: str, model: ObjectModel, config: HypothesesConfig | None = None, weights_path: Path | None = None
) -> Initializer:
    """An initializer by name: ``hypotheses``, ``dense_fusion`` (trained for the object) or ``mask_alignment``.

    Raises ValueError for another name, and FileNotFoundError or ValueError for missing or unfitting weights.
    """
    if method == "hypotheses":
        return HypothesisInitializer(model, config)
    if method == "mask_alignment":
        return MaskAlignmentInitializer(model, config)
    if method == "dense_fusion":
        from pose_tracker_ros.initialization.dense_fusion import DenseFusionInitializer

        return DenseFusionInitializer(model, config, weights_path)
    raise ValueError(f"expected method to be one of {', '.join(METHODS)}, got {method!r}")


def initialize(initializer: Initializer, frame: Frame, mask: np.ndarray) -> InitialPose:
    """The pose of the object under a mask (height, width), bool or non-zero = object.

    A mask of several large parts may be one object behind a bar or several of its kind: all readings are tried, and
    the pose that explains the image best wins. Raises InitializationError for a mask that cannot be used, ValueError for
    depth that is not registered to colour.
    """
    frame.require_registered("initialization")
    start = time.perf_counter()
    observations = [observe(frame, part, initializer.model.diameter_m) for part in _readings(np.asarray(mask))]
    poses = [initializer.estimate(observation) for observation in observations]
    best = max(poses, key=lambda pose: pose.score)
    return replace(best, seconds=time.perf_counter() - start)


def _readings(mask: np.ndarray) -> Iterator[np.ndarray]:
    yield mask
    if mask.ndim != 2:
        return
    count, labels, statistics, _ = cv2.connectedComponentsWithStats((mask != 0).astype(np.uint8))
    areas = statistics[1:, cv2.CC_STAT_AREA]
    large = [
        label for label in np.argsort(-areas) + 1 if statistics[label, cv2.CC_STAT_AREA] >= PART_SHARE * areas.max()
    ]
    if len(large) > 1:
        for label in large[:MOST_PARTS]:
            yield labels == label


class MaskAlignmentInitializer:
    """Hypotheses whose best pose is fitted to the outline of the mask: for good masks without depth."""

    def __init__(self, model: ObjectModel, config: HypothesesConfig | None = None) -> None:
        """Renders the templates, which takes a second or two."""
        self.model = model
        self._config = MaskAlignmentConfig()
        self._hypotheses = HypothesisInitializer(model, config)

    def estimate(self, observation: Observation) -> InitialPose:
        """The pose of the hypotheses, aligned with mask and depth unless that explains the image worse."""
        start = time.perf_counter()
        pose, verdict = self._hypotheses.best(observation)
        depth = observation.depth if observation.distance_m is not None else None
        view = MaskView(observation.mask, observation.frame.camera, depth=depth)
        try:
            aligned = align_masks(self.model.mesh, [view], pose, self._config)
        except ValueError as error:
            first = self._hypotheses.judged(pose, verdict, time.perf_counter() - start)
            return replace(first, reason=first.reason or f"not aligned with the mask: {error}")
        other = self.verify(observation, aligned.camera_T_object)._replace(rivalry=verdict.rivalry)
        if other.score > verdict.score:
            pose, verdict = aligned.camera_T_object, other
        return self._hypotheses.judged(pose, verdict, time.perf_counter() - start)

    def verify(self, observation: Observation, camera_T_object: np.ndarray) -> Verdict:
        """How well a pose explains an observation."""
        return self._hypotheses.verify(observation, camera_T_object)


__all__ = ["METHODS", "InitializationError", "Initializer", "create_initializer", "initialize"]
