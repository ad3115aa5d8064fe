"""Weights files: safetensors with all that the tracker must know (``weights_info``) in their metadata."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from pose_tracker_ros.networks.architectures import create_network
from pose_tracker_ros.networks.residual import ResidualNetwork
from pose_tracker_ros.networks.weights_info import METADATA_KEY, WeightsInfo, read_info


def save_weights(path: Path, network: ResidualNetwork, info: WeightsInfo) -> None:
    """Write a network; convolutions in half precision, which halves the file and costs no accuracy."""
    tensors = {
        name: (tensor.half() if tensor.dim() > 1 else tensor).detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
    }
    temporary = path.with_suffix(".partial")
    save_file(tensors, temporary, metadata={METADATA_KEY: json.dumps(asdict(info))})
    temporary.replace(path)


def load_weights(path: str | Path, device: torch.device | str = "cpu") -> tuple[ResidualNetwork, WeightsInfo]:
    """The network of a weights file, ready to predict, and what it was trained for.

    Raises as ``read_info`` does, and ValueError where network and tensors do not fit.
    """
    info = read_info(path)
    tensors = {name: tensor.float() for name, tensor in load_file(path).items()}
    network = create_network(info.architecture, info.max_translation, info.max_rotation)
    try:
        state = network.state_dict()
        network.load_state_dict({name: value.to(state[name].dtype) for name, value in tensors.items()})
    except (RuntimeError, KeyError) as error:
        raise ValueError(
            f"the weights {path} do not fit the network {info.architecture!r} they name: {error}"
        ) from error
    return network.to(device).eval(), info
