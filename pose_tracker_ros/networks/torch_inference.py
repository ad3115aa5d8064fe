"""Networks through torch: all architectures, on any device."""

from __future__ import annotations

import numpy as np
import torch

from pose_tracker_ros.networks.crops import Crops, Residual
from pose_tracker_ros.networks.device import choose_device
from pose_tracker_ros.networks.inference import Inference
from pose_tracker_ros.networks.looks import first_look, second_look
from pose_tracker_ros.networks.pixel_inference import Graph, PixelFit, PixelInference
from pose_tracker_ros.networks.residual import CompactNetwork, ResidualNetwork, folded_for_inference


class TorchInference:
    """A network as it is trained, on one device."""

    def __init__(self, network: ResidualNetwork, device: torch.device) -> None:
        self.device = f"{device} (torch)"
        self._network, self._torch_device = network.to(device), device

    @torch.inference_mode()
    def predict(self, crops: Crops) -> Residual:
        """See Inference."""
        residual = self._network.predict(Crops(*map(torch.from_numpy, crops)).to(self._torch_device))
        # Brought over together: every copy from a GPU waits for it.
        rows = torch.cat([part.flatten(1) for part in residual], dim=1).double().cpu().numpy()
        return Residual(rows[:, :3], rows[:, 3:6], rows[:, 6:].reshape(-1, 6, 6))


def torch_inference(network: ResidualNetwork, device: str | torch.device = "auto") -> Inference:
    """A copy of a network, ready; on a CPU what is not convolutions is compiled, as with other runtimes.

    Raises ValueError for a device that is not there.
    """
    device, network = choose_device(device), folded_for_inference(network)
    if device.type != "cpu" or not isinstance(network, CompactNetwork):
        return TorchInference(network, device)
    looks = (look and _graph(look) for look in (first_look(network), second_look(network)))
    return PixelInference(PixelFit.of(network), *looks, f"{device} (torch)")


def use_threads(count: int) -> None:
    """CPU threads of all networks of this process; 0 = as many as torch likes."""
    if count:
        torch.set_num_threads(count)


def _graph(look: torch.nn.Module) -> Graph:
    @torch.inference_mode()
    def ask(*arrays: np.ndarray) -> list[np.ndarray]:
        return [tensor.contiguous().numpy() for tensor in look(*map(torch.from_numpy, arrays))]

    return ask
