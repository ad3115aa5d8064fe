"""Training of DenseFusion for one object: estimator and refiner together, on scenes made on the fly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch

from pose_tracker_ros.configuration import option
from pose_tracker_ros.geometry_torch import so3_exp_torch
from pose_tracker_ros.networks.dense_fusion import DenseFusion, confidence_weighted, pose_distances
from pose_tracker_ros.networks.device import choose_device
from pose_tracker_ros.networks.fusion_weights import FILE_NAME, FusionInfo, save_fusion_weights
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.training.checkpoints import Checkpoint, Interrupted, disk_errors, interruptible, prepare_folder
from pose_tracker_ros.training.logs import Pace, TrainingLog, progress_bar
from pose_tracker_ros.training.masked_crops import (
    FusionBatch,
    MaskedCropGenerator,
    MaskedCropStream,
    make_fusion_batch,
)
from pose_tracker_ros.training.optimisation import learning_rate, running_average, set_learning_rate
from pose_tracker_ros.training.pairs import loader, worker_errors
from pose_tracker_ros.training.scene import SceneConfig

# The scenes are wider and coarser than the crops that are cut from them at the mask.
SCENE_MARGIN, SCENE_RESOLUTION = 1.7, 96
# Starts of the refiner besides the estimator's poses: truth moved by up to this much.
START_TURN_RAD, START_OFFSET = math.radians(30), 0.15
REFINEMENTS = 2
NEAREST_POINTS = 64


@dataclass(frozen=True)
class FusionTrainConfig:
    """Options of the training of DenseFusion."""

    steps: int = option(4000, "Optimisation steps", minimum=1)
    batch_size: int = option(32, "Crops per step", minimum=1)
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
    learning_rate: float = option(1.5e-3, "Peak learning rate of AdamW, after the warm-up, then a cosine to zero")
    warmup_steps: int = option(100, "Steps over which the learning rate rises", minimum=0)
    weight_decay: float = option(1e-4, "Weight decay of AdamW", minimum=0.0)
    curriculum_steps: int = option(500, "Steps over which scenes go from clean to fully randomised", minimum=0)
    average_decay: float = option(
        0.995, "Decay of the running average of the weights that is kept", minimum=0.0, maximum=0.99999
    )
    min_distance_m: float = option(0.35, "Nearest object", minimum=0.1, maximum=10.0)
    max_distance_m: float = option(1.1, "Farthest object", minimum=0.1, maximum=10.0)
    occlusion: float = option(0.5, "Share of scenes with something in front of the object", minimum=0.0, maximum=1.0)
    workers: int = option(1, "Processes that make scenes", minimum=0, maximum=256)
    threads: int = option(1, "CPU threads of the optimisation; 0 = all", minimum=0)
    device: str = option("auto", "Device: auto, cpu, cuda or cuda:N")
    seed: int = option(0, "Seed of scenes and initial weights", minimum=0)
    validate_every: int = option(500, "Steps between validations on held-out scenes", minimum=1)
    checkpoint_minutes: float = option(
        2.0, "Minutes between checkpoints: what a crash costs at most; 0 = after every step", minimum=0.0
    )
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

    A run that finds its own checkpoint in ``output`` goes on from there.
    Raises Interrupted after SIGINT or SIGTERM, with all saved; FloatingPointError when the loss diverges; ValueError for
    a checkpoint that does not fit; OSError for a folder that cannot be written, a full disk, or dead workers.
    """
    device = choose_device(config.device)
    torch.set_num_threads(config.threads or torch.get_num_threads())
    torch.manual_seed(config.seed)
    info, scene = config.info(model), config.scene()
    loss_of = FusionLoss(model, info.symmetric)
    network = DenseFusion().to(device, memory_format=torch.channels_last)
    prepare_folder(output, network)
    average = running_average(network, config.average_decay)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    parts = {"network": network, "average": average, "optimizer": optimizer}
    checkpoint = Checkpoint(output / "checkpoint.pt", parts, config.checkpoint_minutes)
    first_step = checkpoint.restore(checkpoint.read(), device)
    held_out = _validation_batches(model, scene, info, config)

    stream = MaskedCropStream(model, scene, info, config.batch_size, config.seed, first_step, config.curriculum_steps)
    batches = iter(loader(stream, config.workers))
    pace = Pace()
    columns = ("loss", "pairs_per_s", "waiting", *(item.name for item in fields(ValidationErrors)))
    with (
        disk_errors(output),
        progress_bar() as progress,
        TrainingLog(output, columns, first_step) as log,
        interruptible() as interruption,
        worker_errors(),
    ):
        bar = progress.add_task("training", total=config.steps, completed=first_step, status="")
        for step in range(first_step, config.steps):
            set_learning_rate(optimizer, learning_rate(step, config.steps, config.learning_rate, config.warmup_steps))
            with pace.waiting():
                batch: FusionBatch = next(batches).to(device)
            network.train()
            with torch.autocast(device.type, dtype=torch.bfloat16):
                loss = loss_of(network, batch, config.proposals, _confidence_weight(config, step))
            if not torch.isfinite(loss):
                raise FloatingPointError(
                    f"the loss became {loss.item()} at step {step}; start again, which goes on from the last checkpoint, with "
                    "a lower learning_rate"
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            optimizer.step()
            average.update_parameters(network)

            done = step + 1
            pace.add(config.batch_size, loss.item())
            progress.update(bar, advance=1, status=str(pace))
            checkpoint.save_when_due(done)
            if done == config.steps or done % config.validate_every == 0:
                row = pace.row()
                errors = validate(average.module, loss_of, held_out, device)
                log.write(done, **row, **asdict(errors))
                progress.console.print(
                    f"step {done}: loss {row['loss']:.4f}, {'ADD-S' if info.symmetric else 'ADD'} in diameters: "
                    f"median {errors.estimated:.3f}, refined {errors.refined:.3f}; below a tenth {errors.right:.0%}"
                )
                save_fusion_weights(
                    output / FILE_NAME, average.module, replace(info, examples=done * config.batch_size)
                )
                checkpoint.save(done)
                pace.restart()
            if interruption.signal and done < config.steps:
                checkpoint.save(done)
                raise Interrupted(done, interruption.signal)
    return output / FILE_NAME


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


def _confidence_weight(config: FusionTrainConfig, step: int) -> float:
    """From the first to the final weight in equal ratios."""
    done = step / config.steps
    return config.confidence_weight ** (1 - done) * config.final_confidence_weight**done
