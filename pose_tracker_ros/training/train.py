"""Training of the residual network on pairs of a rendered and an observed crop."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch.utils.data import IterableDataset

from pose_tracker_ros.networks.architectures import create_network
from pose_tracker_ros.networks.residual import CompactNetwork, ResidualNetwork
from pose_tracker_ros.networks.weights import load_weights, save_weights
from pose_tracker_ros.networks.weights_info import WeightsInfo
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.training.distributed import Processes, ShareOfBatches, joined_processes
from pose_tracker_ros.training.loop import CHECKPOINT_NAME, PROCESS_SEED_STEP, Judge, Trainee, Verdict, run_loop
from pose_tracker_ros.training.optimisation import TrainingLoss
from pose_tracker_ros.training.options import TrainConfig
from pose_tracker_ros.training.pairs import Batch, PairStream
from pose_tracker_ros.training.reuse import PairPool, chunk_size, joined, reused
from pose_tracker_ros.training.scene import SceneConfig
from pose_tracker_ros.training.stored_pairs import StoredPairs
from pose_tracker_ros.training.validation import ClosedLoop, HeldOutPairs

__all__ = ["CHECKPOINT_NAME", "WEIGHTS_NAME", "TrainConfig", "train"]
WEIGHTS_NAME = "residual.safetensors"


def train(
    models: Sequence[ObjectModel],
    scene: SceneConfig,
    config: TrainConfig,
    output: Path,
    initial_weights: Path | None = None,
    dataset: Path | None = None,
) -> Path:
    """Train a network for the given objects and write ``output`` / residual.safetensors; returns its path.

    ``dataset``: pairs on disk, written by :func:`pose_tracker_ros.training.stored_pairs.write_pairs` with the same scene,
    instead of a fresh stream. Started by torchrun, several processes share every batch.
    Resumes, and raises, as :func:`pose_tracker_ros.training.loop.run_loop`.
    """
    with joined_processes(config.device) as processes:

        def make() -> ResidualTrainee:
            return ResidualTrainee(models, scene, config, initial_weights, dataset, processes)

        return run_loop(make, config, asdict(scene), output, processes)


class ResidualTrainee(Trainee):
    """See :class:`pose_tracker_ros.training.loop.Trainee`."""

    weights_name = WEIGHTS_NAME
    columns = ("translation_left", "rotation_left", "add_auc", "times_lost")

    def __init__(
        self,
        models: Sequence[ObjectModel],
        scene: SceneConfig,
        config: TrainConfig,
        initial_weights: Path | None,
        dataset: Path | None,
        processes: Processes,
    ) -> None:
        self._models, self._scene, self._config = models, scene, config
        self._initial_weights, self._dataset, self._processes = initial_weights, dataset, processes
        self._info = WeightsInfo(
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
        self.network = _initial_network(self._info, initial_weights)
        self.step = TrainingLoss(self.network, config.loss)

    def stream(self, first_step: int) -> IterableDataset:
        """See :class:`Trainee`."""
        return _stream(self._models, self._scene, self._config, first_step, self._dataset, self._processes)

    def batches(self, loaded: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
        """Whole ones of what workers hand over, with pairs that are seen again."""
        config, processes = self._config, self._processes
        # In half precision, as they are kept.
        batches = joined((part.moved(device) for part in loaded), _fresh_pairs(config, processes))
        if config.reuse > 1:
            seed = config.seed + PROCESS_SEED_STEP * processes.rank
            # Mirrored print is nothing to learn for particular objects.
            pool = PairPool(config.pool_pairs, self._scene.random_shapes == 1, seed, device)
            batches = reused(batches, config.reuse, pool)
        return (batch.to(device) for batch in batches)

    def judge(self) -> ResidualJudge:
        """See :class:`Trainee`."""
        return ResidualJudge(self._models, self._scene, self._config, self._info, self._processes.device)

    def start_from_scratch(self, judge: ResidualJudge) -> None:
        """The network's normalisers are those of pairs that it has not seen, unless it comes with some."""
        if self._initial_weights is None:
            self.network.set_statistics(judge.held_out.batches[0].to(self._processes.device).crops)


# Of the deviations, by validations, as weights keep it.
CALIBRATIONS = ("correlated_cells", "correlated_cells_without_depth")


class ResidualJudge(Judge):
    """Errors on held-out pairs, and what the network alone does in rendered sequences."""

    def __init__(
        self,
        models: Sequence[ObjectModel],
        scene: SceneConfig,
        config: TrainConfig,
        info: WeightsInfo,
        device: torch.device,
    ) -> None:
        """Renders what networks are validated with."""
        self.held_out = HeldOutPairs(models, scene, config)
        self._closed_loop = ClosedLoop(models, config, device) if config.closed_loop_frames else None
        self._info, self._device = info, device

    def validate(self, network: ResidualNetwork) -> Verdict:
        """See :class:`Judge`."""
        self._validation = self.held_out.validate(network, self._device)
        errors = self._validation.errors
        row = {"translation_left": errors.translation, "rotation_left": errors.rotation}
        text = f"left of the residual: translation {errors.translation:.1%}, rotation {errors.rotation:.1%}"
        if self._closed_loop:
            score = self._closed_loop.score(network, self._info)
            row |= {"add_auc": score.add_auc, "times_lost": score.times_lost}
            text += f"; alone in a sequence: ADD AUC {100 * score.add_auc:.1f}, lost {score.times_lost} times"
        return Verdict(row, text, errors.mean)

    def save(self, path: Path, network: ResidualNetwork, examples: int) -> None:
        """See :class:`Judge`; with the calibration by the last validation."""
        calibration = {name: getattr(self._validation, name) for name in CALIBRATIONS}
        save_weights(path, network, replace(self._info, pairs=examples, **calibration))


def _fresh_pairs(config: TrainConfig, processes: Processes) -> int:
    """Pairs of a step that this process has not seen before. Raises ValueError where that is no whole number."""
    share = processes.share_of(config.batch_size)
    if share % config.reuse:
        raise ValueError(
            f"expected a batch of which every {config.reuse}th pair is new (reuse={config.reuse}), got {share} pairs; "
            f"set batch_size to a multiple of {config.reuse * processes.size}"
        )
    if config.reuse > 1 and config.pool_pairs < share:
        raise ValueError(f"expected pool_pairs for at least a batch of {share}, got {config.pool_pairs}")
    return share // config.reuse


def _stream(
    models: Sequence[ObjectModel],
    scene: SceneConfig,
    config: TrainConfig,
    first_step: int,
    dataset: Path | None,
    processes: Processes,
) -> IterableDataset:
    """This process's share of the batches from ``first_step`` on."""
    fresh = _fresh_pairs(config, processes)
    if dataset is None:
        seed = config.seed + PROCESS_SEED_STEP * processes.rank
        chunk = chunk_size(fresh)
        chunks = fresh // chunk
        return PairStream(models, scene, chunk, seed, first_step * chunks, config.curriculum_steps * chunks)
    if config.reuse > 1:
        raise ValueError("expected reuse=1 with a data set on disk, which is seen again at its end anyway")
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
    # The motion of pixels is learnt in units of its own, so that such a network can learn to look farther.
    normalisers = () if isinstance(network, CompactNetwork) else ("max_translation", "max_rotation")
    for name in ("resolution", "crop_margin", *normalisers):
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
