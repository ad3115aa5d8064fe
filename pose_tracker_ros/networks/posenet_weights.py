"""Weights files of PoseNet: safetensors with what they were trained for in their metadata."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.networks.posenet import PoseNet
from pose_tracker_ros.networks.weight_files import WeightFiles

FORMAT_VERSION = 1
FILE_NAME = "posenet.safetensors"


@dataclass(frozen=True)
class PoseNetInfo:
    """What a PoseNet was trained for.

    network: one of NETWORKS; camera: width, height, fx, fy, cx, cy of the images that it takes; crop: side of the square cut
    from them, 0 for all of the image; dropout: as of PoseNet; map_T_reference: (4, 4) as nested lists, see PoseNet;
    examples: images seen in training; training: its options.
    """

    network: str
    camera: tuple[float, ...]
    crop: int
    dropout: float
    map_T_reference: tuple[tuple[float, ...], ...]
    examples: int = 0
    training: dict[str, Any] = field(default_factory=dict)
    version: int = FORMAT_VERSION

    def pinhole(self) -> PinholeCamera:
        """The camera whose images the network takes."""
        width, height, *lengths = self.camera
        return PinholeCamera(int(width), int(height), *lengths)

    def reference(self) -> np.ndarray:
        """map_T_reference (4, 4)."""
        return np.array(self.map_T_reference, dtype=np.float64)

    def make_network(self) -> PoseNet:
        """A network of this kind with new weights."""
        camera = self.pinhole()
        return PoseNet(self.network, (camera.height, camera.width), self.crop, self.dropout)


FILES = WeightFiles(
    "PoseNet",
    "pose-tracker train-relocalizer SEQUENCE",
    "pose_tracker_ros.posenet",
    FORMAT_VERSION,
    PoseNetInfo,
    half_from=3,
)


def save_posenet(path: Path, network: PoseNet, info: PoseNetInfo) -> None:
    """Write a network; convolutions and the mean image in half precision, the heads as they are: they give millimetres."""
    FILES.save(path, network, info)


def load_posenet(path: str | Path, device: torch.device | str = "cpu") -> tuple[PoseNet, PoseNetInfo]:
    """The network of a weights file, ready to predict, and what it was trained for.

    Raises FileNotFoundError when there is no file, ValueError when it is not one of ours or cut off.
    """
    info = FILES.read_info(path)
    try:
        network = info.make_network()
    except (ValueError, TypeError) as error:
        raise ValueError(f"expected PoseNet weights that name their network at {path}: {error}; train them again") from error
    FILES.fill(network, path)
    return network.to(device, memory_format=torch.channels_last).eval(), info
