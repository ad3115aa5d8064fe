"""Real sequences with true poses, to be run and scored as those of frozen sets are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from pose_tracker_ros.datasets.object_models import load_tracked_object
from pose_tracker_ros.datasets.reader_options import open_with_options
from pose_tracker_ros.datasets.sequence import FrameSequence
from pose_tracker_ros.evaluation.frozen_sets import ANGLE_DEG, OFFSET_M
from pose_tracker_ros.evaluation.track import perturbed
from pose_tracker_ros.objects import ObjectModel

# How far the first pose is off, metres and degrees.
STARTS = {"true start": (0.0, 0.0), "start off": (OFFSET_M, ANGLE_DEG)}


@dataclass(frozen=True)
class RealCase:
    """One object of a real sequence and where the tracker starts; the same attributes as :class:`SceneCase`."""

    scene: str
    group: str
    model: ObjectModel
    sequence: FrameSequence
    seed: int = 0

    @property
    def name(self) -> str:
        """Of the sequence in tables and files."""
        return f"{self.scene}, {self.group}, {self.model.name}, seed {self.seed}"

    def open(self) -> FrameSequence:
        """The sequence."""
        return self.sequence

    def first_pose(self, sequence: FrameSequence) -> np.ndarray:
        """camera_T_object (4, 4) that the tracker is given for the first frame."""
        truth = next(iter(sequence.annotations())).truth[self.model.name]
        return perturbed(self.model, truth, *STARTS[self.group], self.seed)


@dataclass(frozen=True)
class RealCases(Sequence):
    """The cases of a sequence, whose objects' models are loaded one by one."""

    sequence: FrameSequence
    names: tuple[str, ...]
    seed: int = 0

    @classmethod
    def open(
        cls, path: str | Path, reader: Sequence[str] = (), object_name: str | None = None, seed: int = 0
    ) -> RealCases:
        """Every start of one object, or of all those with a true pose in the first frame.

        Parameters: ``reader`` has the reader's options as ``name=value``; ``seed`` of the directions in which starts are
        off. Raises DatasetError as :func:`open_with_options` does, ValueError where no true pose is known.
        """
        sequence = open_with_options(Path(path), reader)
        known = sorted(next((row.truth for row in sequence.annotations()), ()))
        if not known or (object_name and object_name not in known):
            raise ValueError(
                f"expected the true pose of {object_name or 'an object'} in the first frame of {path}, which has those "
                f"of {', '.join(known) or 'none'}; name another object, or --reader object_name=NAME"
            )
        return cls(sequence, (object_name,) if object_name else tuple(known), seed)

    def __len__(self) -> int:
        """Objects times starts."""
        return len(self.names) * len(STARTS)

    def __getitem__(self, position: int) -> RealCase:
        """The case at a position; raises FileNotFoundError where there is no model of its object."""
        name, start = list(product(self.names, STARTS))[position]
        return RealCase(self.sequence.name, start, load_tracked_object(name, self.sequence), self.sequence, self.seed)
