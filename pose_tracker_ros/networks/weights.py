"""Weights files: safetensors with all that the tracker must know (``weights_info``) in their metadata."""

from __future__ import annotations

from pathlib import Path

import torch

from pose_tracker_ros.networks.architectures import create_network
from pose_tracker_ros.networks.residual import ResidualNetwork
from pose_tracker_ros.networks.weights_info import FILES, WeightsInfo, read_info


def save_weights(path: Path, network: ResidualNetwork, info: WeightsInfo) -> None:
    """Write a network; convolutions in half precision, which halves the file and costs no accuracy."""
    FILES.save(path, network, info)


def load_weights(path: str | Path, device: torch.device | str = "cpu") -> tuple[ResidualNetwork, WeightsInfo]:
    """The network of a weights file, ready to predict, and what it was trained for.

    Raises as ``read_info`` does, and ValueError where network and tensors do not fit.
    """
    info = read_info(path)
    network = create_network(info.architecture, info.max_translation, info.max_rotation)
    FILES.fill(network, path)
    return network.to(device).eval(), info
