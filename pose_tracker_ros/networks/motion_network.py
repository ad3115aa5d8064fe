"""A trained network's word on how objects moved: batches of crops in, normal distributions out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.camera import crop_camera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.networks.calibration import PLACE_DEVIATION_D, joint_information
from pose_tracker_ros.networks.crop import Crop, cut, to_arrays
from pose_tracker_ros.networks.depth_filling import fill_depth_holes
from pose_tracker_ros.networks.inference import Inference, load_inference
from pose_tracker_ros.networks.weights_info import WeightsInfo
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import Renderer
from pose_tracker_ros.symmetries import observable_directions

# No surface is nearer to an axis through the centre, diameters: a rod about its own.
LEAST_LEVER_D = 0.0125
NEAREST_M = 0.05


class Opinion(NamedTuple):
    """Motion (6,) of an object since a pose, translation of its centre (m) before the rotation vector about it (rad), in
    camera axes, and the information (6, 6) about it; none where it is zero."""

    motion: np.ndarray
    information: np.ndarray


# Whether an object, drawn by a renderer, is at a pose (4, 4).
Question = tuple[ObjectModel, Renderer, np.ndarray]


class MotionNetwork:
    """A residual network that is ready to be asked; ``info`` is that of its weights."""

    def __init__(self, inference: Inference, info: WeightsInfo) -> None:
        self._inference, self.info = inference, info

    @classmethod
    def load(cls, path: Path, device: str = "auto", runtime: str = "auto", threads: int = 1) -> MotionNetwork:
        """The network of a file of weights; parameters and errors as of ``load_inference``."""
        return cls(*load_inference(path, device, runtime, threads))

    @property
    def device(self) -> str:
        """Where it runs, and by what."""
        return self._inference.device

    def predict(self, frame: Frame, questions: Sequence[Question], depth_range: tuple[float, float]) -> list[Opinion]:
        """One batch of answers; depths (m) outside of ``depth_range`` are not believed."""
        crops = [self._crop(frame, question, depth_range) for question in questions]
        seen = [number for number, crop in enumerate(crops) if crop is not None]
        opinions = [Opinion(np.zeros(6), np.zeros((6, 6)))] * len(questions)
        if seen:
            residual = self._inference.predict(to_arrays([crops[number] for number in seen]))
            for number, *parts in zip(seen, *residual):
                opinions[number] = self._opinion(questions[number], crops[number].depth, *parts)
        return opinions

    def may_add(self, model: ObjectModel, camera_T_object: np.ndarray, covariance: np.ndarray) -> bool:
        """Whether a prediction can tell more than what is known of a pose (4, 4) with its covariance (6, 6).

        It can where it is surer of some direction, at its best, than that: of the turn of a can that only its print shows,
        say. Elsewhere it is outvoted whatever it says. Turns that no image can tell do not count.
        """
        seen = observable_directions(model, camera_T_object)
        less = seen.T @ (shared_covariance(model, camera_T_object) - covariance) @ seen
        return bool(np.linalg.eigvalsh(less)[0] < 0)

    def _crop(self, frame: Frame, question: Question, depth_range: tuple[float, float]) -> Crop | None:
        """What the network sees; None where the object would not be seen."""
        model, renderer, pose = question
        center = pose[:3, :3] @ model.center_m + pose[:3, 3]
        if center[2] < NEAREST_M:
            return None
        camera = crop_camera(center, self.info.crop_margin * model.diameter_m, self.info.resolution)
        rendering = renderer.render(camera, pose)
        if not rendering.mask.any():
            return None
        # The network compares pixel by pixel: depth of another camera is none.
        depth = frame.depth if frame.registered else np.zeros(frame.color.shape[:2], np.float32)
        color, depth = cut(frame.color, depth, frame.camera, camera)
        depth[(depth < depth_range[0]) | (depth > depth_range[1])] = 0
        if self.info.fill_depth_holes:
            depth = fill_depth_holes(depth)
        return Crop(camera, rendering, color, depth, center, model.diameter_m)

    def _opinion(
        self,
        question: Question,
        depth: np.ndarray,
        translation: np.ndarray,
        turn: np.ndarray,
        information: np.ndarray,
    ) -> Opinion:
        model, _, pose = question
        limit_m = self.info.max_translation * model.diameter_m
        motion = np.concatenate([_limited(translation, limit_m), _limited(turn, self.info.max_rotation)])
        of_pixels = information_in_metres(information, model.diameter_m)
        cells = self.info.correlated_cells if depth.any() else self.info.correlated_cells_without_depth
        return Opinion(motion, joint_information(of_pixels, shared_covariance(model, pose), cells))


def information_in_metres(information: np.ndarray, diameter_m: float) -> np.ndarray:
    """Information (6, 6) of a ``Residual``, whose translation is in diameters, as one in metres."""
    to_metres = np.diag([1 / diameter_m] * 3 + [1.0] * 3)
    return to_metres @ information @ to_metres


def shared_covariance(model: ObjectModel, camera_T_object: np.ndarray) -> np.ndarray:
    """Covariance (6, 6) of the errors that all pixels of a prediction have in common, at a pose (4, 4).

    Errors in place turn an object the farther, the nearer its surface is to the axis: a rod about its own by much.
    """
    moments, diameter_m = model.surface_moments, model.diameter_m
    levers = (np.trace(moments) + (LEAST_LEVER_D * diameter_m) ** 2) * np.eye(3) - moments
    rotation = camera_T_object[:3, :3]
    covariance = np.eye(6)
    covariance[3:, 3:] = rotation @ np.linalg.inv(levers) @ rotation.T
    return (PLACE_DEVIATION_D * diameter_m) ** 2 * covariance


def _limited(vector: np.ndarray, length: float) -> np.ndarray:
    """The vector, shortened to at most ``length``: beyond it the network was never trained."""
    norm = np.linalg.norm(vector)
    return vector if norm <= length else vector * (length / norm)
