"""Options of the training loop and of the residual network's training; those of the pairs are in :mod:`pose_tracker_ros.training.scene`."""

from __future__ import annotations

from dataclasses import dataclass

from pose_tracker_ros.configuration import option
from pose_tracker_ros.networks.architectures import NETWORKS
from pose_tracker_ros.training.optimisation import LOSSES, OPTIMIZERS, PRECISIONS, SCHEDULES


@dataclass(frozen=True)
class LoopConfig:
    """Options of the training loop, whatever it trains."""

    steps: int = option(6000, "Optimisation steps", minimum=1)
    minutes: float = option(
        0.0, "Minutes after which the run ends, with its schedule, instead of after its steps; 0 = by steps", minimum=0.0
    )
    batch_size: int = option(32, "Pairs per step, all processes together", minimum=1)
    optimizer: str = option("adamw", "Optimizer", choices=OPTIMIZERS)
    learning_rate: float = option(1.5e-3, "Peak learning rate", minimum=0.0)
    beta2: float = option(0.999, "Decay of the optimizer's mean squared gradient", minimum=0.0, maximum=0.999999)
    weight_decay: float = option(1e-4, "Weight decay", minimum=0.0)
    schedule: str = option(
        "cosine",
        "Learning rate after the warm-up: a cosine to zero, a tenth after each third of the steps, or constant",
        choices=SCHEDULES,
    )
    warmup_steps: int = option(200, "Steps over which the learning rate rises", minimum=0)
    gradient_clip: float = option(5.0, "Longest gradient that is taken as it is; 0 = any", minimum=0.0)
    precision: str = option(
        "bfloat16",
        "Number format of the network while training; float16 is for GPUs without bfloat16",
        choices=PRECISIONS,
    )
    average_decay: float = option(
        0.998,
        "Decay of the running average of the weights that is kept; 0 = the weights themselves",
        minimum=0.0,
        maximum=0.99999,
    )
    workers: int = option(1, "Processes that render pairs, for each process that trains", minimum=0, maximum=256)
    threads: int = option(1, "CPU threads of the optimisation; 0 = all", minimum=0)
    device: str = option("auto", "Device: auto, cpu, cuda or cuda:N")
    seed: int = option(0, "Seed of scenes and initial weights", minimum=0)
    log_every: int = option(50, "Steps between rows of the log", minimum=1)
    checkpoint_minutes: float = option(
        2.0, "Minutes between checkpoints: what a crash costs at most; 0 = after every step", minimum=0.0
    )
    validate_every: int = option(500, "Steps between validations", minimum=1)


@dataclass(frozen=True)
class TrainConfig(LoopConfig):
    """Options of the training of the residual network. The defaults are the recipe config/training/modern.yaml."""

    network: str = option("compact", "Architecture of the network", choices=tuple(NETWORKS))
    loss: str = option(
        "auto",
        "Loss: per-pixel motion (not for published), mse of the normalised residual, distance of surface points, or the one "
        "the network was made for",
        choices=LOSSES,
    )
    curriculum_steps: int = option(600, "Steps over which scenes go from clean to fully randomised", minimum=0)
    reuse: int = option(
        1, "How often each rendered pair is seen on average, from the second time on in another view", minimum=1
    )
    pool_pairs: int = option(4096, "Pairs kept on the device to be seen again; 1000 of 96 pixels take 0.24 GB", minimum=1)
    validation_pairs: int = option(512, "Held-out pairs", minimum=8)
    closed_loop_frames: int = option(
        60, "Frames of the rendered sequence that the network alone has to track at validations; 0 = none", minimum=0
    )
