"""How good a network is: on pairs it was not trained with, and on its own in a rendered sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch

from pose_tracker_ros.evaluation.metrics import auc_exact
from pose_tracker_ros.evaluation.protocol import ScoredObject, evaluate_track, summarize
from pose_tracker_ros.evaluation.trajectory import PoseEstimate
from pose_tracker_ros.geometry import apply_residual, transform_points
from pose_tracker_ros.networks.calibration import calibrated_cells
from pose_tracker_ros.networks.motion_network import MotionNetwork, information_in_metres, shared_covariance
from pose_tracker_ros.networks.residual import ResidualNetwork
from pose_tracker_ros.networks.torch_inference import torch_inference
from pose_tracker_ros.networks.weights_info import WeightsInfo
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import Renderer, create_renderer
from pose_tracker_ros.simulation.demo import simulate
from pose_tracker_ros.simulation.demo_config import SimulationConfig
from pose_tracker_ros.simulation.scene import SceneSequence
from pose_tracker_ros.tracking import TrackerConfig
from pose_tracker_ros.training.options import TrainConfig
from pose_tracker_ros.training.pairs import batch_of
from pose_tracker_ros.training.scene import PairGenerator, SceneConfig
from pose_tracker_ros.training.shapes import random_object

# Validation must not see what training sees, whatever its seed.
SEED_OFFSET = 987_654_321
BATCH_SIZE = 64
# So often a frame the network is asked, each time about the pose that it gave before.
PASSES = 2
# Objects that follow a sequence for a network that fits any object.
SHAPES = 2


@dataclass(frozen=True)
class HeldOutErrors:
    """Median errors on held-out pairs, as shares of the median true lengths: what is left of the residual."""

    translation: float
    rotation: float

    @property
    def mean(self) -> float:
        """By which the best weights are chosen."""
        return (self.translation + self.rotation) / 2


@dataclass(frozen=True)
class ClosedLoopScore:
    """Of all sequences together: area 0..1 under the ADD curve up to 0.1 m, ADD-S for symmetric objects; times lost."""

    add_auc: float
    times_lost: int


@dataclass(frozen=True)
class Validation:
    """How good a network is on held-out pairs, and the calibration of its deviations as of ``WeightsInfo``."""

    errors: HeldOutErrors
    correlated_cells: float
    correlated_cells_without_depth: float


class HeldOutPairs:
    """Pairs of the same objects and kind of scenes, from another seed."""

    def __init__(self, models: Sequence[ObjectModel], scene: SceneConfig, config: TrainConfig) -> None:
        """Renders the pairs, which takes as long as training with them."""
        generator = PairGenerator(models, scene, seed=config.seed + SEED_OFFSET)
        count = max(1, config.validation_pairs // BATCH_SIZE)
        pairs = [[generator.sample() for _ in range(BATCH_SIZE)] for _ in range(count)]
        self.batches = [batch_of(batch) for batch in pairs]
        every = list(chain.from_iterable(pairs))
        self._truth = np.array([np.concatenate([pair.translation, pair.rotation]) for pair in every])
        self._shared = np.array([shared_covariance(pair.model, pair.camera_T_object) for pair in every])
        self._has_depth = np.array([pair.crop.depth.any() for pair in every])
        self._diameters_m = [pair.model.diameter_m for pair in every]

    @torch.inference_mode()
    def validate(self, network: ResidualNetwork, device: torch.device) -> Validation:
        """A network, which is left in evaluation mode."""
        network.eval()
        answers = [network.predict(batch.to(device).crops) for batch in self.batches]
        translation, rotation, information = (torch.cat(part).double().cpu().numpy() for part in zip(*answers))
        errors = np.hstack([translation, rotation]) - self._truth
        of_pixels = np.array([information_in_metres(one, size) for one, size in zip(information, self._diameters_m)])
        cells = [
            calibrated_cells(errors[chosen], of_pixels[chosen], self._shared[chosen])
            for chosen in (self._has_depth, ~self._has_depth)
        ]
        return Validation(_left_over(errors, self._truth), *cells)


def _left_over(errors: np.ndarray, truth: np.ndarray) -> HeldOutErrors:
    """Errors (N, 6) beside true residuals (N, 6)."""
    shares = (
        np.median(np.linalg.norm(errors[:, part], axis=1)) / np.median(np.linalg.norm(truth[:, part], axis=1))
        for part in (slice(0, 3), slice(3, 6))
    )
    return HeldOutErrors(*map(float, shares))


class ClosedLoop:
    """Rendered sequences through which the network must carry its own errors from frame to frame.

    It does so alone, from the last pose, as se(3)-TrackNet does (Wen et al., IROS 2020): what the tracker knows besides
    would hide what the network has not learnt.
    """

    def __init__(self, models: Sequence[ObjectModel], config: TrainConfig, device: torch.device) -> None:
        """A sequence of ``config.closed_loop_frames`` for each object, or for procedural shapes without objects."""
        generator = np.random.default_rng(config.seed + SEED_OFFSET)
        models = models or [random_object(generator) for _ in range(SHAPES)]
        frames = config.closed_loop_frames
        simulation = SimulationConfig(
            frames=frames,
            seed=config.seed,
            bar_first_frame=frames // 3,
            bar_sweep_frames=max(1, frames // 3),
            blank_frames=0,
        )
        self._sequences = [simulate(model, simulation) for model in models]
        self._objects = [ScoredObject.from_model(model) for model in models]
        self._renderers = [create_renderer("raster", model.mesh) for model in models]
        self._device = str(device)

    def score(self, network: ResidualNetwork, info: WeightsInfo) -> ClosedLoopScore:
        """Tracks all sequences from their true first poses."""
        asked = MotionNetwork(torch_inference(network, self._device), info)
        tracks = [
            evaluate_track(_led(asked, sequence, renderer), sequence.annotations(), scored)
            for sequence, renderer, scored in zip(self._sequences, self._renderers, self._objects)
        ]
        areas = [auc_exact(track.adds if track.symmetric else track.add) for track in tracks]
        return ClosedLoopScore(float(np.mean(areas)), summarize(tracks, "closed loop").losses)


def _led(network: MotionNetwork, sequence: SceneSequence, renderer: Renderer) -> Iterator[PoseEstimate]:
    """Where the network leads an object from its first true pose on; ends when it leads it behind the camera."""
    config, model = TrackerConfig(), sequence.target
    pose = sequence.annotation(0).truth[model.name]
    for frame in sequence:
        for _ in range(PASSES):
            (opinion,) = network.predict(frame, [(model, renderer, pose)], (config.min_depth_m, config.max_depth_m))
            pose = apply_residual(pose, opinion.motion[:3], opinion.motion[3:], model.center_m)
            if transform_points(pose, model.center_m)[2] < config.min_depth_m:
                return
        yield PoseEstimate(frame.stamp, frame.index, pose)
