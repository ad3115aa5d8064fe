"""The first pose from DenseFusion: a network proposes poses, which are then aligned and verified as any other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from pose_tracker_ros.configuration import option
from pose_tracker_ros.geometry import so3_exp
from pose_tracker_ros.initialization.config import HypothesesConfig
from pose_tracker_ros.initialization.fusion_input import make_input, stack_inputs, turned_input
from pose_tracker_ros.initialization.hypotheses import HypothesisInitializer
from pose_tracker_ros.initialization.observation import Observation
from pose_tracker_ros.networks.fusion_weights import FILE_NAME, load_fusion_weights
from pose_tracker_ros.objects import ObjectModel

# Proposals closer to one another than this are the same pose.
SAME_POSE_RAD = np.radians(15)
# Of all points' proposals only the most confident are told apart and refined.
CONSIDERED = 60


@dataclass(frozen=True)
class DenseFusionConfig(HypothesesConfig):
    """Options of :class:`DenseFusionInitializer`; views and turns of the templates are not used."""

    candidates: int = option(8, "Different proposals that are aligned with the depth", minimum=1, maximum=100)
    finalists: int = option(3, "Aligned poses that are refined at full resolution", minimum=1, maximum=100)
    points: int = option(320, "Points of the object that propose a pose", minimum=32, maximum=4000)
    refinements: int = option(2, "Passes of the refinement network", minimum=0, maximum=10)
    turns: int = option(4, "Quarter turns of the crop in which the network looks at it", minimum=1, maximum=4)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: layers this small gain little by more, and wait a second for cores that others use."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class Proposal(NamedTuple):
    """A pose (4, 4) camera_T_object of the network alone, with its confidence 0..1."""

    camera_T_object: np.ndarray
    confidence: float


class DenseFusionInitializer(HypothesisInitializer):
    """Finds the pose of the object its weights were trained for, from a mask and depth."""

    def __init__(
        self, model: ObjectModel, config: HypothesesConfig | None = None, weights_path: str | Path | None = None
    ) -> None:
        """Of options that are not DenseFusion's own, what is accepted and how many finalists there are are used.

        Parameters: ``weights_path``, default dense_fusion.safetensors in the object's folder.
        Raises FileNotFoundError without weights, ValueError for weights that are incomplete or of another object.
        """
        # Not the base class's constructor, which renders the templates that the network replaces.
        if config is not None and not isinstance(config, DenseFusionConfig):
            config = DenseFusionConfig(finalists=config.finalists, accept_score=config.accept_score)
        self._prepare(model, config or DenseFusionConfig())
        path = _default_path(model) if weights_path is None else Path(weights_path)
        self._network, self.info = load_fusion_weights(path)
        self.info.check_object(model.name, model.diameter_m, path)

    @torch.inference_mode()
    @one_thread()
    def propose(self, observation: Observation, count: int | None = None) -> list[Proposal]:
        """The ``count`` most confident proposals that differ, refined, best first; default ``config.candidates``.

        Raises InitializationError without depth or with too few points on the object.
        """
        config, info = self.config, self.info
        first = make_input(
            observation, info.diameter_m, self.model.center_m, info.resolution, info.crop_margin, config.points
        )
        samples = [turned_input(first, quarters) for quarters in range(config.turns)]
        inputs = stack_inputs(samples)
        answer = self._network(inputs)
        order = answer.confidence.flatten().argsort(descending=True, stable=True)[:CONSIDERED]
        turn, point = order // config.points, order % config.points
        rotation, translation = answer.rotation[turn, point], answer.translation[turn, point]
        confidence = answer.confidence[turn, point].sigmoid()
        kept = self._different(rotation, turn, config.candidates if count is None else count)
        turn, rotation, translation = turn[kept], rotation[kept], translation[kept]
        for _ in range(config.refinements):
            rotation, translation = self._network.refine(
                inputs.points[turn], answer.embedding[turn], rotation, translation
            )
        frames = [samples[int(index)].frame for index in turn]
        poses = zip(frames, rotation.double().numpy(), translation.double().numpy())
        return [
            Proposal(frame.pose_to_camera(turned, moved), float(sure))
            for (frame, turned, moved), sure in zip(poses, confidence[kept])
        ]

    def _candidates(self, observation: Observation) -> list[np.ndarray]:
        """What is aligned and verified: the network's proposals."""
        return [proposal.camera_T_object for proposal in self.propose(observation)]

    @staticmethod
    def _different(rotation: torch.Tensor, turn: torch.Tensor, count: int) -> list[int]:
        """Indices of the first ``count`` proposals that differ, turns of the crop taken back."""
        quarters = so3_exp(np.outer(np.arange(4) * np.pi / 2, [0.0, 0.0, 1.0]))
        turned_back = quarters[turn.numpy()] @ rotation.numpy()
        cosine = (np.einsum("aij,bij->ab", turned_back, turned_back) - 1) / 2
        kept: list[int] = []
        for index in range(len(rotation)):
            if len(kept) == count:
                break
            if not kept or cosine[index, kept].max() < np.cos(SAME_POSE_RAD):
                kept.append(index)
        return kept


def _default_path(model: ObjectModel) -> Path:
    if model.folder is None:
        raise FileNotFoundError(
            f"expected weights of DenseFusion for {model.name!r}, which has no folder of its own; name them: weights_path"
        )
    return model.folder / FILE_NAME
