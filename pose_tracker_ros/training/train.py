"""The training loop: render, predict, compare, step; resumes where it stopped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
import yaml
from rich.progress import Progress
from torch.utils.data import IterableDataset

from pose_tracker_ros.networks.architectures import create_network
from pose_tracker_ros.networks.residual import ResidualNetwork
from pose_tracker_ros.networks.weights import load_weights, save_weights
from pose_tracker_ros.networks.weights_info import WeightsInfo
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.training.checkpoints import Checkpoint, Interrupted, disk_errors, interruptible, prepare_folder
from pose_tracker_ros.training.distributed import Processes, ShareOfBatches, joined_processes
from pose_tracker_ros.training.logs import Pace, TrainingLog, progress_bar
from pose_tracker_ros.training.optimisation import (
    TrainingLoss,
    autocast,
    learning_rate,
    make_optimizer,
    running_average,
    set_learning_rate,
)
from pose_tracker_ros.training.options import TrainConfig
from pose_tracker_ros.training.pairs import PairStream, loader, worker_errors
from pose_tracker_ros.training.scene import SceneConfig
from pose_tracker_ros.training.stored_pairs import StoredPairs
from pose_tracker_ros.training.validation import ClosedLoop, HeldOutPairs

WEIGHTS_NAME = "residual.safetensors"
CHECKPOINT_NAME = "checkpoint.pt"
OPTIONS_NAME = "options.yaml"
LOG_COLUMNS = (
    "loss", "learning_rate", "pairs_per_s", "waiting", "translation_left", "rotation_left", "add_auc", "times_lost"
)  # fmt: skip
# Seeds of processes lie so far apart.
PROCESS_SEED_STEP = 1_000_003


def train(
    models: Sequence[ObjectModel],
    scene: SceneConfig,
    config: TrainConfig,
    output: Path,
    initial_weights: Path | None = None,
    dataset: Path | None = None,
) -> Path:
    """Train a network for the given objects and write ``output`` / residual.safetensors; returns its path.

    The weights are those of the best validation. A run that finds its own checkpoint in ``output`` goes on from there.
    ``dataset``: pairs on disk, written by :func:`pose_tracker_ros.training.stored_pairs.write_pairs` with the same scene,
    instead of a fresh stream. Started by torchrun, several processes share every batch.

    Raises Interrupted after SIGINT or SIGTERM, with all saved; FloatingPointError when the loss diverges; ValueError
    for options that don't fit together; OSError for a folder that cannot be written, a full disk, or dead workers.
    """
    with joined_processes(config.device) as processes, disk_errors(output):
        device = processes.device
        torch.set_num_threads(config.threads or torch.get_num_threads())
        torch.manual_seed(config.seed)
        info = WeightsInfo(
            objects={} if scene.random_shapes else {model.name: model.diameter_m for model in models},
            architecture=config.network,
            resolution=scene.resolution,
            crop_margin=scene.crop_margin,
            max_translation=scene.max_translation,
            max_rotation=math.radians(scene.max_rotation_deg),
            fill_depth_holes=scene.fill_depth_holes,
            # A folder of this machine is nothing to pass on with the weights.
            training={**asdict(scene), "backgrounds": Path(scene.backgrounds).name, **asdict(config)},
        )
        network = _initial_network(info, initial_weights).to(device, memory_format=torch.channels_last)
        step_loss = TrainingLoss(network, config.loss)
        average = running_average(network, config.average_decay)
        optimizer = make_optimizer(network, config.optimizer, config.learning_rate, config.beta2, config.weight_decay)
        scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "float16")
        parts = {"network": network, "average": average, "optimizer": optimizer, "scaler": scaler}
        checkpoint = Checkpoint(output / CHECKPOINT_NAME, parts, config.checkpoint_minutes)
        first_step = checkpoint.restore(processes.from_first(checkpoint.read()), device)
        if first_step >= config.steps and not (output / WEIGHTS_NAME).is_file() and processes.is_first:
            raise ValueError(
                f"the run in {output} is finished, but its {WEIGHTS_NAME} is gone; set steps above {first_step} to go on, "
                "or remove the folder to start over"
            )
        stream = _stream(models, scene, config, first_step, dataset, processes)
        report = None
        if processes.is_first:
            prepare_folder(output, network)
            options = {**asdict(scene), **asdict(config)}
            (output / OPTIONS_NAME).write_text(yaml.safe_dump(options, sort_keys=False))
            report = Report(models, scene, config, info, output, checkpoint, device)
            if first_step == 0 and initial_weights is None:
                network.set_statistics(report.held_out.batches[0].to(device).crops)
        step_loss = processes.together(step_loss)

        batches = iter(loader(stream, config.workers))
        pace = Pace()
        with (
            progress_bar(disable=not processes.is_first) as progress,
            TrainingLog(output, LOG_COLUMNS, first_step, disable=not processes.is_first) as log,
            interruptible() as interruption,
            worker_errors(),
        ):
            bar = progress.add_task("training", total=config.steps, completed=first_step, status="")
            for step in range(first_step, config.steps):
                rate = learning_rate(step, config.steps, config.learning_rate, config.warmup_steps, config.schedule)
                set_learning_rate(optimizer, rate)
                with pace.waiting():
                    batch = next(batches).to(device)
                network.train()
                with autocast(device, config.precision):
                    terms = step_loss(*batch)
                asked_to_stop = torch.tensor(float(interruption.signal > 0), device=device)
                sums = processes.sum(torch.stack([terms.total, terms.weight, asked_to_stop]))
                optimizer.zero_grad(set_to_none=True)
                # Gradients are averaged over the processes, but the loss is the sum of all terms by the sum of all weights.
                scaler.scale(terms.total * processes.size / sums[1]).backward()
                scaler.unscale_(optimizer)
                if config.gradient_clip:
                    torch.nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
                scaler.step(optimizer)
                scaler.update()
                average.update_parameters(network)

                # Read so late, since a GPU has to finish first.
                total, weight, stop = sums.tolist()
                if not math.isfinite(total):
                    raise FloatingPointError(
                        f"the loss became {total} at step {step}; start again, which goes on from the last checkpoint, with "
                        "a lower learning_rate"
                    )
                done = step + 1
                pace.add(config.batch_size, total / weight)
                progress.update(bar, advance=1, status=str(pace))
                if report:
                    # Rows come before checkpoints: what a resumed run does not do again is in the log.
                    if done % config.validate_every == 0 or done == config.steps:
                        log.write(
                            done, **pace.row(), learning_rate=rate, **report.validate(done, average.module, progress)
                        )
                        checkpoint.save(done)
                        pace.restart()
                    else:
                        if done % config.log_every == 0:
                            log.write(done, **pace.row(), learning_rate=rate)
                        checkpoint.save_when_due(done)
                if stop and done < config.steps:
                    if report:
                        checkpoint.save(done)
                    raise Interrupted(done, interruption.signal)
    return output / WEIGHTS_NAME


class Report:
    """What the first process finds out at validations, says, and writes."""

    def __init__(
        self,
        models: Sequence[ObjectModel],
        scene: SceneConfig,
        config: TrainConfig,
        info: WeightsInfo,
        output: Path,
        checkpoint: Checkpoint,
        device: torch.device,
    ) -> None:
        """Renders what networks are validated with."""
        self.held_out = HeldOutPairs(models, scene, config)
        self._closed_loop = ClosedLoop(models, config, device) if config.closed_loop_frames else None
        self._info, self._batch_size, self._device = info, config.batch_size, device
        self._output, self._checkpoint = output, checkpoint

    def validate(self, step: int, network: ResidualNetwork, progress: Progress) -> dict[str, float]:
        """Numbers for the log. Saves the weights when they are the best so far."""
        errors = self.held_out.errors(network, self._device)
        row = {"translation_left": errors.translation, "rotation_left": errors.rotation}
        text = f"left of the residual: translation {errors.translation:.1%}, rotation {errors.rotation:.1%}"
        if self._closed_loop:
            score = self._closed_loop.score(network, self._info)
            row |= {"add_auc": score.add_auc, "times_lost": score.times_lost}
            text += f"; alone in a sequence: ADD AUC {100 * score.add_auc:.1f}, lost {score.times_lost} times"
        if not errors.mean >= self._checkpoint.facts.get("best", math.inf):
            self._checkpoint.facts["best"] = errors.mean
            info = replace(self._info, pairs=step * self._batch_size)
            save_weights(self._output / WEIGHTS_NAME, network, info)
            text += "; the best so far"
        task = progress.tasks[0]
        left = "" if task.time_remaining is None else f", {task.time_remaining / 60:.0f} min left"
        progress.console.print(f"step {step} ({task.fields['status']}{left}): {text}", soft_wrap=True, highlight=False)
        return row


def _stream(
    models: Sequence[ObjectModel],
    scene: SceneConfig,
    config: TrainConfig,
    first_step: int,
    dataset: Path | None,
    processes: Processes,
) -> IterableDataset:
    """This process's share of the batches from ``first_step`` on."""
    share = processes.share_of(config.batch_size)
    if dataset is None:
        seed = config.seed + PROCESS_SEED_STEP * processes.rank
        return PairStream(models, scene, share, seed, first_step, config.curriculum_steps)
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
    stored_size = stored.index["pairs"] // len(stored)
    if stored_size != config.batch_size:
        raise ValueError(
            f"the data set {dataset} has batches of {stored_size} pairs, not {config.batch_size}; set batch_size={stored_size}"
        )
    return ShareOfBatches(stored, processes)


def _initial_network(info: WeightsInfo, initial_weights: Path | None) -> ResidualNetwork:
    """A new network, or one with the weights of a file; what these lack, as ``refining`` has more than ``matching``, is new."""
    network = create_network(info.architecture, info.max_translation, info.max_rotation)
    if initial_weights is None:
        return network
    initial, initial_info = load_weights(initial_weights)
    for name in ("resolution", "crop_margin", "max_translation", "max_rotation"):
        if getattr(initial_info, name) != getattr(info, name):
            raise ValueError(
                f"expected initial weights with {name} {getattr(info, name)}, but {initial_weights} has "
                f"{getattr(initial_info, name)}"
            )
    if not isinstance(network, type(initial)):
        raise ValueError(
            f"expected initial weights with architecture {info.architecture}, but {initial_weights} has "
            f"{initial_info.architecture}"
        )
    network.load_state_dict({**network.state_dict(), **initial.state_dict()})
    return network
