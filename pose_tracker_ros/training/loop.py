"""The training loop of all networks: predict, compare, step; resumes where it stopped."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import torch
import yaml
from rich.progress import Progress
from torch import nn
from torch.utils.data import IterableDataset

from pose_tracker_ros.training.checkpoints import (
    Checkpoint,
    Interrupted,
    Stateful,
    disk_errors,
    interruptible,
    prepare_folder,
)
from pose_tracker_ros.training.distributed import Processes
from pose_tracker_ros.training.duration import Duration
from pose_tracker_ros.training.feed import Feed
from pose_tracker_ros.training.logs import Pace, TrainingLog, progress_bar
from pose_tracker_ros.training.optimisation import (
    autocast,
    learning_rate,
    make_optimizer,
    running_average,
    set_learning_rate,
)
from pose_tracker_ros.training.options import LoopConfig
from pose_tracker_ros.training.pairs import loaded, loader, worker_errors

CHECKPOINT_NAME = "checkpoint.pt"
OPTIONS_NAME = "options.yaml"
LOG_COLUMNS = ("loss", "learning_rate", "pairs_per_s", "waiting")
# Seeds of processes lie so far apart.
PROCESS_SEED_STEP = 1_000_003


@dataclass(frozen=True)
class Verdict:
    """What a validation found: numbers for the log and a text for people.

    error: by which the best weights are chosen; None where the last ones are the ones to keep.
    """

    row: Mapping[str, float]
    text: str
    error: float | None = None


class Judge(ABC):
    """What the first process validates networks with, and how it writes them."""

    @abstractmethod
    def validate(self, network: nn.Module) -> Verdict:
        """How good a network is; it may be left in evaluation mode."""

    @abstractmethod
    def save(self, path: Path, network: nn.Module, examples: int) -> None:
        """Write the weights of a network that was trained with so many examples."""


class Trainee(ABC):
    """A network with all that makes its training different from another's.

    weights_name: of the file in the run's folder. columns: of the log, which validations fill.
    network: what is trained; step: a module around it, which takes the parts of a batch and gives LossTerms.
    parts: what else of the step has a state that checkpoints must keep.
    """

    weights_name: ClassVar[str]
    columns: ClassVar[Sequence[str]]
    network: nn.Module
    step: nn.Module
    parts: Mapping[str, Stateful] = MappingProxyType({})

    @abstractmethod
    def stream(self, first_step: int) -> IterableDataset:
        """Batches, named tuples with a method ``to(device)``: this process's shares of them, from ``first_step`` on."""

    def batches(self, loaded: Iterator[Any], device: torch.device) -> Iterator[Any]:
        """What the stream gave as batches on a device."""
        return (batch.to(device) for batch in loaded)

    @abstractmethod
    def judge(self) -> Judge:
        """Called once, in the first process."""

    def begin(self, share: float) -> None:  # noqa: B027 -- most have nothing to do
        """Called before every step; ``share`` 0..1 of the run is done."""

    def start_from_scratch(self, judge: Judge) -> None:  # noqa: B027 -- most have nothing to do
        """Called in the first process before the first step of all."""


def run_loop(
    make: Callable[[], Trainee], config: LoopConfig, options: Mapping[str, Any], output: Path, processes: Processes
) -> Path:
    """Train what ``make`` makes once the seed is set, and write its weights to ``output``; returns their path.

    The weights are those of the best validation. A run that finds its own checkpoint in ``output`` goes on from there.
    Several ``processes`` share every batch. ``options`` go into the folder, for people and for the next run.

    Raises Interrupted after SIGINT or SIGTERM, with all saved; FloatingPointError when the loss diverges; ValueError
    for options that don't fit together; OSError for a folder that cannot be written, a full disk, or dead workers.
    """
    device, started = processes.device, Duration(config.steps, config.minutes)
    # Batches are all of one size: worth trying which convolutions are the fastest.
    torch.backends.cudnn.benchmark = True
    torch.set_num_threads(config.threads or torch.get_num_threads())
    torch.manual_seed(config.seed)
    with disk_errors(output):
        trainee = make()
        network = trainee.network.to(device, memory_format=torch.channels_last)
        step_loss = trainee.step.to(device)
        average = running_average(network, config.average_decay)
        optimizer = make_optimizer(step_loss, config.optimizer, config.learning_rate, config.beta2, config.weight_decay)
        scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "float16")
        parts = {"network": network, "average": average, "optimizer": optimizer, "scaler": scaler, **trainee.parts}
        checkpoint = Checkpoint(output / CHECKPOINT_NAME, parts, config.checkpoint_minutes)
        first_step = checkpoint.restore(processes.from_first(checkpoint.read()), device)
        duration = started.after(checkpoint.facts.get("seconds", 0.0))
        weights = output / trainee.weights_name
        if duration.is_over(first_step) and not weights.is_file() and processes.is_first:
            raise ValueError(
                f"the run in {output} is finished, but its {weights.name} is gone; set {duration.longer(first_step)} to go "
                "on, or remove the folder to start over"
            )
        stream = trainee.stream(first_step)
        report = None
        if processes.is_first:
            prepare_folder(output, network)
            (output / OPTIONS_NAME).write_text(yaml.safe_dump({**options, **asdict(config)}, sort_keys=False))
            report = _Report(trainee.judge(), weights, checkpoint, config.batch_size)
            if first_step == 0:
                trainee.start_from_scratch(report.judge)
        step_loss = processes.together(step_loss)

        pace = Pace()
        with (
            progress_bar(disable=not processes.is_first) as progress,
            TrainingLog(output, (*LOG_COLUMNS, *trainee.columns), first_step, disable=not processes.is_first) as log,
            interruptible() as interruption,
            worker_errors(),
            loaded(loader(stream, config.workers, pinned=device.type == "cuda")) as batches,
        ):
            feed = Feed(trainee.batches(batches, device), device)
            done, steps = first_step, duration.expected_steps(first_step)
            bar = progress.add_task("training", total=steps, completed=done, status="")
            while not duration.is_over(done):
                trainee.begin(duration.share(done))
                rate = learning_rate(done, steps, config.learning_rate, config.warmup_steps, config.schedule)
                set_learning_rate(optimizer, rate)
                with pace.waiting():
                    batch = feed.take()
                step_loss.train()
                with autocast(device, config.precision):
                    terms = step_loss(*batch)
                asked_to_stop = float(interruption.signal > 0)
                seconds = duration.clock() if processes.is_first else 0.0
                facts = torch.tensor([asked_to_stop, seconds], pin_memory=device.type == "cuda")
                facts = facts.to(device, terms.total.dtype, non_blocking=True)
                sums = processes.sum(torch.cat([torch.stack([terms.total, terms.weight]), facts]))
                optimizer.zero_grad(set_to_none=True)
                # Gradients are averaged over the processes, but the loss is the sum of all terms by the sum of all weights.
                scaler.scale(terms.total * processes.size / sums[1]).backward()
                scaler.unscale_(optimizer)
                if config.gradient_clip:
                    torch.nn.utils.clip_grad_norm_(step_loss.parameters(), config.gradient_clip)
                scaler.step(optimizer)
                scaler.update()
                average.update_parameters(network)

                with pace.waiting():
                    feed.prepare()
                # Read so late, since a GPU has to finish first.
                total, weight, stop, duration.seconds = sums.tolist()
                if not math.isfinite(total):
                    raise FloatingPointError(
                        f"the loss became {total} at step {done}; start again, which goes on from the last checkpoint, with "
                        "a lower learning_rate"
                    )
                done += 1
                checkpoint.facts["seconds"], steps = duration.seconds, duration.expected_steps(done)
                over = duration.is_over(done)
                pace.add(config.batch_size, total / weight)
                progress.update(bar, completed=done, total=steps, status=str(pace))
                if report:
                    # Rows come before checkpoints: what a resumed run does not do again is in the log.
                    if done % config.validate_every == 0 or over:
                        log.write(
                            done, **pace.row(), learning_rate=rate, **report.validate(done, average.module, progress)
                        )
                        checkpoint.save(done)
                        pace.restart()
                    else:
                        if done % config.log_every == 0:
                            log.write(done, **pace.row(), learning_rate=rate)
                        checkpoint.save_when_due(done)
                if stop and not over:
                    if report:
                        checkpoint.save(done)
                    raise Interrupted(done, interruption.signal)
    return weights


class _Report:
    """What the first process finds out at validations, says, and writes."""

    def __init__(self, judge: Judge, weights: Path, checkpoint: Checkpoint, batch_size: int) -> None:
        self.judge = judge
        self._weights, self._checkpoint, self._batch_size = weights, checkpoint, batch_size

    def validate(self, step: int, network: nn.Module, progress: Progress) -> dict[str, float]:
        """Numbers for the log. Saves the weights when they are the best so far, or the last where that counts."""
        verdict = self.judge.validate(network)
        text = verdict.text
        if verdict.error is None or not verdict.error >= self._checkpoint.facts.get("best", math.inf):
            self.judge.save(self._weights, network, step * self._batch_size)
            if verdict.error is not None:
                self._checkpoint.facts["best"] = verdict.error
                text += "; the best so far"
        task = progress.tasks[0]
        left = "" if task.time_remaining is None else f", {task.time_remaining / 60:.0f} min left"
        progress.console.print(f"step {step} ({task.fields['status']}{left}): {text}", soft_wrap=True, highlight=False)
        return dict(verdict.row)
