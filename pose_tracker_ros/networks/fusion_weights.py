"""Weights files of DenseFusion: safetensors with what they were trained for in their metadata."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from pose_tracker_ros.networks.dense_fusion import IMAGE_CHANNELS, DenseFusion
from pose_tracker_ros.networks.weight_files import WeightFiles
from pose_tracker_ros.networks.weights_info import DIAMETER_TOLERANCE

FORMAT_VERSION = 1
FILE_NAME = "dense_fusion.safetensors"


@dataclass(frozen=True)
class FusionInfo:
    """What a DenseFusion network was trained for.

    object_name and diameter_m: of the one object it knows; resolution: crop side in pixels; crop_margin: crop side in
    diameters; points: points of each crop; symmetric: trained with ADD-S; examples: crops seen in training.
    """

    object_name: str
    diameter_m: float
    resolution: int
    crop_margin: float
    points: int
    symmetric: bool
    examples: int = 0
    image_channels: tuple[str, ...] = IMAGE_CHANNELS
    version: int = FORMAT_VERSION

    def check_object(self, name: str, diameter_m: float, path: Path) -> None:
        """Raises ValueError unless the weights were trained for this object."""
        if self.object_name != name:
            raise ValueError(
                f"expected weights of object {name!r}, but {path} was trained for {self.object_name!r}; "
                f"name other weights or train: pose-tracker train-initializer {name}"
            )
        if abs(self.diameter_m - diameter_m) > DIAMETER_TOLERANCE * self.diameter_m:
            raise ValueError(
                f"expected a mesh of {self.diameter_m:.4f} m diameter as the weights {path} were trained with, got one "
                f"of {diameter_m:.4f} m; check mesh and mesh_unit of {name!r}, or train again"
            )


FILES = WeightFiles(
    "DenseFusion", "pose-tracker train-initializer OBJECT", "pose_tracker_ros.dense_fusion", FORMAT_VERSION, FusionInfo
)


def save_fusion_weights(path: Path, network: DenseFusion, info: FusionInfo) -> None:
    """Write a network; matrices in half precision, which halves the file and costs no accuracy."""
    FILES.save(path, network, info)


def load_fusion_weights(path: str | Path, device: torch.device | str = "cpu") -> tuple[DenseFusion, FusionInfo]:
    """The network of a weights file, ready to propose poses, and what it was trained for.

    Raises FileNotFoundError when there is no file, ValueError when it is not one of ours or cut off.
    """
    info = FILES.read_info(path)
    network = DenseFusion()
    FILES.fill(network, path)
    if tuple(info.image_channels) != IMAGE_CHANNELS:
        raise ValueError(f"the weights {path} expect other image channels than this version makes; train them again")
    return network.to(device).eval(), info
