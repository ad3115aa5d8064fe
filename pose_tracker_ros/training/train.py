"""The training loop: render, predict, compare, step; resumes where it stopped."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pose_tracker_ros.configuration import option
from pose_tracker_ros.networks.device import choose_device
from pose_tracker_ros.networks.residual import NETWORKS, ResidualNetwork, create_network
from pose_tracker_ros.networks.weights import WeightsInfo, load_weights, save_weights
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.training.pairs import Batch, PairStream, loader, make_batch
from pose_tracker_ros.training.scene import PairGenerator, SceneConfig
from pose_tracker_ros.training.stored_pairs import StoredPairs


@dataclass(frozen=True)
class TrainConfig:
    """Options of the training loop."""

    network: str = option("compact", "Architecture of the network", choices=tuple(NETWORKS))
    steps: int = option(6000, "Optimisation steps", minimum=1)
    batch_size: int = option(32, "Pairs per step", minimum=1)
    learning_rate: float = option(
        1.5e-3, "Peak learning rate of AdamW, reached after the warm-up, then a cosine to zero"
    )
    warmup_steps: int = option(200, "Steps over which the learning rate rises", minimum=0)
    weight_decay: float = option(1e-4, "Weight decay of AdamW", minimum=0.0)
    curriculum_steps: int = option(600, "Steps over which scenes go from clean to fully randomised", minimum=0)
    average_decay: float = option(
        0.998, "Decay of the running average of the weights that is kept", minimum=0.0, maximum=0.99999
    )
    workers: int = option(1, "Processes that render pairs", minimum=0, maximum=256)
    threads: int = option(1, "CPU threads of the optimisation; 0 = all", minimum=0)
    device: str = option("auto", "Device: auto, cpu, cuda or cuda:N")
    seed: int = option(0, "Seed of scenes and initial weights", minimum=0)
    validate_every: int = option(500, "Steps between validations on held-out pairs", minimum=1)
    checkpoint_every: int = option(250, "Steps between checkpoints", minimum=1)
    validation_pairs: int = option(512, "Held-out pairs", minimum=8)


def train(
    models: Sequence[ObjectModel],
    scene: SceneConfig,
    config: TrainConfig,
    output: Path,
    initial_weights: Path | None = None,
    dataset: Path | None = None,
) -> Path:
    """Train a network for the given objects and write ``output`` / residual.safetensors; returns its path.

    A run that finds its own checkpoint in ``output`` goes on from there. ``dataset``: pairs on disk, written by
    :func:`pose_tracker_ros.training.stored_pairs.write_pairs` with the same scene, instead of a fresh stream.
    Raises FloatingPointError when the loss diverges, ValueError for options that don't fit together.
    """
    output.mkdir(parents=True, exist_ok=True)
    device = choose_device(config.device)
    torch.set_num_threads(config.threads or torch.get_num_threads())
    torch.manual_seed(config.seed)
    info = WeightsInfo(
        objects={} if scene.random_shapes else {model.name: model.diameter_m for model in models},
        architecture=config.network,
        resolution=scene.resolution,
        crop_margin=scene.crop_margin,
        max_translation=scene.max_translation,
        max_rotation=math.radians(scene.max_rotation_deg),
    )
    held_out = _validation_batches(models, scene, config)
    network = _initial_network(info, held_out[0], initial_weights).to(device, memory_format=torch.channels_last)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.average_decay), use_buffers=True
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    checkpoint = output / "checkpoint.pt"
    first_step = resume(checkpoint, network, average, optimizer, device)

    stream = _stream(models, scene, config, first_step, dataset)
    batches = iter(loader(stream, config.workers))
    running_loss = None
    with progress_bar() as progress, (output / "log.csv").open("a", newline="") as log_file:
        log = csv.writer(log_file)
        bar = progress.add_task("training", total=config.steps, completed=first_step, status="")
        for step in range(first_step, config.steps):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, config.steps, config.learning_rate, config.warmup_steps)
            batch: Batch = next(batches).to(device)
            network.train()
            with torch.autocast(device.type, dtype=torch.bfloat16):
                loss = network.loss(*batch)
            if not torch.isfinite(loss):
                raise FloatingPointError(
                    f"the loss became {loss.item()} at step {step}; start again from the last checkpoint with a lower learning_rate"
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            average.update_parameters(network)

            running_loss = loss.item() if running_loss is None else 0.98 * running_loss + 0.02 * loss.item()
            progress.update(bar, advance=1, status=f"loss {running_loss:.4f}")
            last = step + 1 == config.steps
            if last or (step + 1) % config.checkpoint_every == 0:
                save_checkpoint(checkpoint, step + 1, network, average, optimizer)
            if last or (step + 1) % config.validate_every == 0:
                errors = validate(average.module, held_out, device)
                log.writerow([step + 1, time.time(), f"{running_loss:.5f}", *(f"{value:.5f}" for value in errors)])
                log_file.flush()
                progress.console.print(
                    f"step {step + 1}: loss {running_loss:.4f}, left of the residual: "
                    f"translation {errors[0]:.1%}, rotation {errors[1]:.1%}"
                )
                pairs = (step + 1) * config.batch_size
                save_weights(
                    output / "residual.safetensors", average.module, WeightsInfo(**{**vars(info), "pairs": pairs})
                )
    return output / "residual.safetensors"


@torch.inference_mode()
def validate(network: ResidualNetwork, batches: Sequence[Batch], device: torch.device) -> tuple[float, float]:
    """Median error of translation and of rotation on held-out pairs, as shares of their median true lengths."""
    network.eval()
    errors: list[np.ndarray] = []
    lengths: list[np.ndarray] = []
    for batch in batches:
        batch = batch.to(device)
        residual = network.predict(batch.crops)
        errors.append(
            torch.stack(
                [
                    (residual.translation - batch.translation).norm(dim=1),
                    (residual.rotation - batch.rotation).norm(dim=1),
                ]
            )
            .cpu()
            .numpy()
        )
        lengths.append(torch.stack([batch.translation.norm(dim=1), batch.rotation.norm(dim=1)]).cpu().numpy())
    shares = np.median(np.hstack(errors), axis=1) / np.median(np.hstack(lengths), axis=1)
    return float(shares[0]), float(shares[1])


def _stream(
    models: Sequence[ObjectModel], scene: SceneConfig, config: TrainConfig, first_step: int, dataset: Path | None
) -> PairStream | StoredPairs:
    if dataset is None:
        return PairStream(models, scene, config.batch_size, config.seed, first_step, config.curriculum_steps)
    stored = StoredPairs(dataset, first_step)
    differing = [key for key, value in vars(scene).items() if getattr(stored.scene, key) != value]
    if differing:
        raise ValueError(
            f"the data set {dataset} was rendered with other options ({', '.join(differing)}); give the same ones, or "
            "render it again"
        )
    if set(stored.index["objects"]) != {model.name for model in models}:
        raise ValueError(
            f"the data set {dataset} shows {', '.join(stored.index['objects']) or 'procedural shapes'}, not "
            f"{', '.join(model.name for model in models) or 'procedural shapes alone'}; render it for these objects"
        )
    return stored


def _validation_batches(models: Sequence[ObjectModel], scene: SceneConfig, config: TrainConfig) -> list[Batch]:
    generator = PairGenerator(models, scene, seed=config.seed + 987_654_321)
    return [make_batch(generator, 64) for _ in range(max(1, config.validation_pairs // 64))]


def _initial_network(info: WeightsInfo, batch: Batch, initial_weights: Path | None) -> ResidualNetwork:
    if initial_weights is None:
        network = create_network(info.architecture, info.max_translation, info.max_rotation)
        network.set_statistics(batch.to("cpu").crops)
        return network
    network, initial = load_weights(initial_weights)
    for name in ("architecture", "resolution", "crop_margin", "max_translation", "max_rotation"):
        if getattr(initial, name) != getattr(info, name):
            raise ValueError(
                f"expected initial weights with {name} {getattr(info, name)}, but {initial_weights} has {getattr(initial, name)}"
            )
    return network


def learning_rate(step: int, steps: int, peak: float, warmup_steps: int) -> float:
    """Rising to ``peak`` over the warm-up, then a cosine that ends with zero after ``steps``."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(1, steps - warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * done))


def save_checkpoint(
    path: Path, step: int, network: torch.nn.Module, average: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Write all that :func:`resume` needs, whole or not at all."""
    temporary = path.with_suffix(".partial")
    torch.save(
        {
            "step": step,
            "network": network.state_dict(),
            "average": average.state_dict(),
            "optimizer": optimizer.state_dict(),
        },
        temporary,
    )
    temporary.replace(path)


def resume(
    path: Path,
    network: torch.nn.Module,
    average: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
) -> int:
    """Load a checkpoint if there is one; returns the step to go on with.

    Raises ValueError for a checkpoint of another network.
    """
    if not path.is_file():
        return 0
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, KeyError, EOFError) as error:
        raise ValueError(
            f"the checkpoint {path} does not fit this training: {error}; remove it to start over"
        ) from error
    return int(state["step"])


def progress_bar() -> Progress:
    """A bar with the step, a ``status`` and the time left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
