"""Where the networks run."""

from __future__ import annotations

import torch


def choose_device(name: str) -> torch.device:
    """The torch device of a name; ``auto`` takes a GPU when there is one.

    Raises ValueError for a device that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"expected device auto, cpu, cuda or cuda:N, got {name!r}") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {name!r} asked for, but {torch.cuda.device_count()} CUDA devices are here; use device cpu"
        )
    return device
