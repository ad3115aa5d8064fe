"""Weights files of DenseFusion: safetensors with what they were trained for in their metadata."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pose_tracker_ros.networks.dense_fusion import IMAGE_CHANNELS, DenseFusion
from pose_tracker_ros.networks.weights_info import DIAMETER_TOLERANCE

FORMAT_VERSION = 1
METADATA_KEY = "pose_tracker_ros.dense_fusion"
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


def save_fusion_weights(path: Path, network: DenseFusion, info: FusionInfo) -> None:
    """Write a network; matrices in half precision, which halves the file and costs no accuracy."""
    tensors = {
        name: (tensor.half() if tensor.dim() > 1 else tensor).detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
    }
    temporary = path.with_suffix(".partial")
    save_file(tensors, temporary, metadata={METADATA_KEY: json.dumps(asdict(info))})
    temporary.replace(path)


def load_fusion_weights(path: str | Path, device: torch.device | str = "cpu") -> tuple[DenseFusion, FusionInfo]:
    """The network of a weights file, ready to propose poses, and what it was trained for.

    Raises FileNotFoundError when there is no file, ValueError when it is not one of ours or cut off.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"expected DenseFusion weights at {path}, but there is no such file; "
            "train them: pose-tracker train-initializer OBJECT"
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(METADATA_KEY, "null"))
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise ValueError(
            f"expected complete safetensors weights at {path}: {error}; copy or train them again"
        ) from error
    if not isinstance(metadata, dict) or metadata.get("version") != FORMAT_VERSION:
        raise ValueError(
            f"expected DenseFusion weights of this package in format {FORMAT_VERSION} at {path}; train them: "
            "pose-tracker train-initializer OBJECT"
        )
    network = DenseFusion()
    try:
        info = FusionInfo(**metadata)
        state = network.state_dict()
        network.load_state_dict({name: value.to(state[name].dtype) for name, value in tensors.items()})
    except (RuntimeError, KeyError, TypeError) as error:
        raise ValueError(
            f"the weights {path} do not fit this version's DenseFusion: {error}; train them again"
        ) from error
    if tuple(info.image_channels) != IMAGE_CHANNELS:
        raise ValueError(f"the weights {path} expect other image channels than this version makes; train them again")
    return network.to(device).eval(), info
