"""Weights files of PoseNet: safetensors with what they were trained for in their metadata."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.networks.posenet import PoseNet

FORMAT_VERSION = 1
METADATA_KEY = "pose_tracker_ros.posenet"
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


def save_posenet(path: Path, network: PoseNet, info: PoseNetInfo) -> None:
    """Write a network; convolutions and the mean image in half precision, the heads as they are: they give millimetres."""
    tensors = {
        name: (tensor.half() if tensor.dim() > 2 else tensor).detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
    }
    temporary = path.with_suffix(".partial")
    save_file(tensors, temporary, metadata={METADATA_KEY: json.dumps(asdict(info))})
    temporary.replace(path)


def load_posenet(path: str | Path, device: torch.device | str = "cpu") -> tuple[PoseNet, PoseNetInfo]:
    """The network of a weights file, ready to predict, and what it was trained for.

    Raises FileNotFoundError when there is no file, ValueError when it is not one of ours or cut off.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"expected PoseNet weights at {path}, but there is no such file; train them: pose-tracker train-relocalizer"
        )
    try:
        with safe_open(path, framework="np") as file:
            metadata = json.loads((file.metadata() or {}).get(METADATA_KEY, "null"))
        if not isinstance(metadata, dict) or metadata.get("version") != FORMAT_VERSION:
            raise ValueError(f"it has no entry {METADATA_KEY} of version {FORMAT_VERSION}")
        info = PoseNetInfo(**metadata)
        network = info.make_network()
        state = network.state_dict()
        network.load_state_dict({name: value.to(state[name].dtype) for name, value in load_file(path).items()})
    except (SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"expected complete PoseNet weights of this package at {path}: {error}; copy or train them again"
        ) from error
    return network.to(device, memory_format=torch.channels_last).eval(), info
