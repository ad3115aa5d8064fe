"""Training of DenseFusion for one object: estimator and refiner together, on scenes made on the fly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from pose_tracker_ros.configuration import option
from pose_tracker_ros.geometry_torch import so3_exp_torch
from pose_tracker_ros.networks.dense_fusion import DenseFusion, FusionInput, confidence_weighted, pose_distances
from pose_tracker_ros.networks.fusion_weights import FILE_NAME, FusionInfo, save_fusion_weights
from pose_tracker_ros.networks.losses import LossTerms
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.training.distributed import Processes, joined_processes
from pose_tracker_ros.training.loop import PROCESS_SEED_STEP, Judge, Trainee, Verdict, run_loop
from pose_tracker_ros.training.masked_crops import (
    FusionBatch,
    MaskedCropGenerator,
    MaskedCropStream,
    make_fusion_batch,
)
from pose_tracker_ros.training.options import LoopConfig
from pose_tracker_ros.training.scene import SceneConfig

# The scenes are wider and coarser than the crops that are cut from them at the mask.
SCENE_MARGIN, SCENE_RESOLUTION = 1.7, 96
# Starts of the refiner besides the estimator's poses: truth moved by up to this much.
START_TURN_RAD, START_OFFSET = math.radians(30), 0.15
REFINEMENTS = 2
NEAREST_POINTS = 64


@dataclass(frozen=True)
class FusionTrainConfig(LoopConfig):
    """Options of the training of DenseFusion."""

    steps: int = option(4000, "Optimisation steps", minimum=1)
    warmup_steps: int = option(100, "Steps over which the learning rate rises", minimum=0)
    gradient_clip: float = option(2.0, "Longest gradient that is taken as it is; 0 = any", minimum=0.0)
    average_decay: float = option(
        0.995, "Decay of the running average of the weights that is kept", minimum=0.0, maximum=0.99999
    )
    resolution: int = option(64, "Side of the crops in pixels; a multiple of 16", minimum=32, maximum=256)
    crop_margin: float = option(1.3, "Side of the crops in object diameters", minimum=1.0, maximum=3.0)
    points: int = option(96, "Points of a crop", minimum=32, maximum=2000)
    proposals: int = option(12, "Points of a crop whose proposals are trained in a step", minimum=1, maximum=2000)
    symmetry: str = option(
        "declared",
        "Loss by nearest points: for objects with declared symmetries, always or never",
        choices=("declared", "always", "never"),
    )
    confidence_weight: float = option(
        0.1, "Error, in diameters, up to which a point may be sure at the start", minimum=1e-4, maximum=1.0
    )
    final_confidence_weight: float = option(0.02, "The same at the end", minimum=1e-4, maximum=1.0)
    curriculum_steps: int = option(500, "Steps over which scenes go from clean to fully randomised", minimum=0)
    min_distance_m: float = option(0.35, "Nearest object", minimum=0.1, maximum=10.0)
    max_distance_m: float = option(1.1, "Farthest object", minimum=0.1, maximum=10.0)
    occlusion: float = option(0.5, "Share of scenes with something in front of the object", minimum=0.0, maximum=1.0)
    validation_crops: int = option(128, "Held-out crops", minimum=8)

    def scene(self) -> SceneConfig:
        """Options of the scenes."""
        return SceneConfig(
            resolution=SCENE_RESOLUTION,
            crop_margin=SCENE_MARGIN,
            min_distance_m=self.min_distance_m,
            max_distance_m=self.max_distance_m,
            occlusion=self.occlusion,
            no_depth=0.0,
        )

    def info(self, model: ObjectModel) -> FusionInfo:
        """What the weights will say of themselves."""
        declared = bool(len(model.discrete_symmetries) or model.continuous_symmetries)
        symmetric = self.symmetry == "always" or (self.symmetry == "declared" and declared)
        return FusionInfo(model.name, model.diameter_m, self.resolution, self.crop_margin, self.points, symmetric)


class FusionLoss:
    """Sum of the estimator's and the refiner's losses on a batch, and of their errors."""

    def __init__(self, model: ObjectModel, symmetric: bool, points: int = 1000) -> None:
        """``points``: points of the surface of which some are compared in every step."""
        surface = (model.sample_points(points) - model.center_m) / model.diameter_m
        self._points = torch.from_numpy(surface).float()
        self._symmetric = symmetric

    def __call__(self, network: DenseFusion, batch: FusionBatch, proposals: int, weight: float) -> torch.Tensor:
        """Loss (scalar); ``weight`` as of :func:`confidence_weighted`."""
        truth = batch.rotation, batch.translation
        chosen = torch.randint(len(self._points), (NEAREST_POINTS,))
        points = self._points[chosen].to(batch.rotation.device)
        answer = network(batch.inputs, proposals)
        with torch.autocast(batch.rotation.device.type, enabled=False):
            distance = pose_distances(answer.rotation, answer.translation, *truth, points, self._symmetric)
            # At the start all are unsure, and by the published loss alone unsure points hardly learn.
            loss = distance.mean() + confidence_weighted(distance, answer.confidence, weight)
        # The refiner's errors must not shape what the estimator sees, as in the paper's code.
        embedding = answer.embedding.detach()
        rotation, translation = self._starts(batch, *(part.detach() for part in answer.best()))
        rotation, translation = network.refine(batch.inputs.points, embedding, rotation, translation)
        with torch.autocast(batch.rotation.device.type, enabled=False):
            refined = pose_distances(rotation[:, None], translation[:, None], *truth, points, self._symmetric)
        return loss + refined.mean()

    def errors(self, rotation: torch.Tensor, translation: torch.Tensor, batch: FusionBatch) -> np.ndarray:
        """ADD or ADD-S (B,) of poses (B, 3, 3), (B, 3) in diameters."""
        points = self._points[::4].to(rotation.device)
        truth = batch.rotation, batch.translation
        return (
            pose_distances(rotation[:, None], translation[:, None], *truth, points, self._symmetric)[:, 0].cpu().numpy()
        )

    def _starts(
        self, batch: FusionBatch, rotation: torch.Tensor, translation: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The estimator's poses for every second crop, moved true poses for the others."""
        turn = torch.nn.functional.normalize(torch.randn_like(translation), dim=1) * START_TURN_RAD
        turn = turn * torch.rand(len(turn), 1, device=turn.device)
        offset = torch.randn_like(translation) * START_OFFSET / 2
        moved = torch.arange(len(turn), device=turn.device) % 2 == 0
        return (
            torch.where(moved[:, None, None], batch.rotation @ so3_exp_torch(turn), rotation),
            torch.where(moved[:, None], batch.translation + offset, translation),
        )


def train_dense_fusion(model: ObjectModel, config: FusionTrainConfig, output: Path) -> Path:
    """Train DenseFusion for an object and write ``output`` / dense_fusion.safetensors; returns its path.

    Started by torchrun, several processes share every batch.
    Resumes, and raises, as :func:`pose_tracker_ros.training.loop.run_loop`.
    """
    with joined_processes(config.device) as processes:
        return run_loop(lambda: FusionTrainee(model, config, processes), config, {}, output, processes)


class FusionStep(nn.Module):
    """DenseFusion with its loss as a module, so that its forward pass can be shared by several processes."""

    def __init__(self, network: DenseFusion, loss_of: FusionLoss, config: FusionTrainConfig) -> None:
        super().__init__()
        self.network, self.weight = network, config.confidence_weight
        self._loss_of, self._proposals = loss_of, config.proposals

    def forward(self, inputs: FusionInput, rotation: torch.Tensor, translation: torch.Tensor) -> LossTerms:
        """Parameters: the parts of a :class:`FusionBatch`."""
        batch = FusionBatch(inputs, rotation, translation)
        count = rotation.new_tensor(float(len(rotation)))
        return LossTerms(self._loss_of(self.network, batch, self._proposals, self.weight) * count, count)


class FusionTrainee(Trainee):
    """See :class:`pose_tracker_ros.training.loop.Trainee`."""

    weights_name = FILE_NAME
    columns = ("estimated", "refined", "right")

    def __init__(self, model: ObjectModel, config: FusionTrainConfig, processes: Processes) -> None:
        self._model, self._config, self._processes = model, config, processes
        self._info = config.info(model)
        self._loss_of = FusionLoss(model, self._info.symmetric)
        self.network = DenseFusion()
        self.step = FusionStep(self.network, self._loss_of, config)

    def stream(self, first_step: int) -> MaskedCropStream:
        """See :class:`Trainee`."""
        config, share = self._config, self._processes.share_of(self._config.batch_size)
        seed = config.seed + PROCESS_SEED_STEP * self._processes.rank
        return MaskedCropStream(
            self._model, config.scene(), self._info, share, seed, first_step, config.curriculum_steps
        )

    def begin(self, share: float) -> None:
        """How sure points may be goes from the first to the final weight in equal ratios."""
        config = self._config
        self.step.weight = config.confidence_weight ** (1 - share) * config.final_confidence_weight**share

    def judge(self) -> FusionJudge:
        """See :class:`Trainee`."""
        batches = _validation_batches(self._model, self._config.scene(), self._info, self._config)
        return FusionJudge(self._loss_of, batches, self._info, self._processes.device)


class FusionJudge(Judge):
    """Errors on held-out crops."""

    def __init__(
        self, loss_of: FusionLoss, batches: Sequence[FusionBatch], info: FusionInfo, device: torch.device
    ) -> None:
        self._loss_of, self._batches, self._info, self._device = loss_of, batches, info, device

    def validate(self, network: DenseFusion) -> Verdict:
        """See :class:`Judge`; the last weights are kept."""
        errors = validate(network, self._loss_of, self._batches, self._device)
        name = "ADD-S" if self._info.symmetric else "ADD"
        return Verdict(
            asdict(errors),
            f"{name} in diameters: median {errors.estimated:.3f}, refined {errors.refined:.3f}; "
            f"below a tenth {errors.right:.0%}",
        )

    def save(self, path: Path, network: DenseFusion, examples: int) -> None:
        """See :class:`Judge`."""
        save_fusion_weights(path, network, replace(self._info, examples=examples))


@dataclass(frozen=True)
class ValidationErrors:
    """Median ADD(-S) in diameters of the most confident poses and of the same refined; share of these below 0.1."""

    estimated: float
    refined: float
    right: float


@torch.inference_mode()
def validate(
    network: DenseFusion, loss_of: FusionLoss, batches: Sequence[FusionBatch], device: torch.device
) -> ValidationErrors:
    """Errors on held-out crops."""
    network.eval()
    estimated, refined = [], []
    for batch in batches:
        batch = batch.to(device)
        answer = network(batch.inputs)
        rotation, translation = answer.best()
        estimated.append(loss_of.errors(rotation, translation, batch))
        for _ in range(REFINEMENTS):
            rotation, translation = network.refine(batch.inputs.points, answer.embedding, rotation, translation)
        refined.append(loss_of.errors(rotation, translation, batch))
    errors = np.concatenate(refined)
    return ValidationErrors(
        float(np.median(np.concatenate(estimated))), float(np.median(errors)), float(np.mean(errors < 0.1))
    )


def _validation_batches(
    model: ObjectModel, scene: SceneConfig, info: FusionInfo, config: FusionTrainConfig
) -> list[FusionBatch]:
    generator = MaskedCropGenerator(model, scene, info, seed=config.seed + 987_654_321, images=30)
    size = min(64, config.validation_crops)
    return [make_fusion_batch(generator, size) for _ in range(config.validation_crops // size)]
