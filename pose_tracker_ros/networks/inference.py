"""How a network's residuals are computed: one interface, and torch or OpenVINO behind it."""

from __future__ import annotations

import ctypes
import logging
from functools import cache
from pathlib import Path
from typing import Protocol

from pose_tracker_ros.networks.crops import Crops, Residual
from pose_tracker_ros.networks.weights_info import WeightsInfo, read_info

logger = logging.getLogger(__name__)

# Of networks whose answer is the motion of pixels; the published one has nothing between its convolutions and its answer.
EXPORTED = ("compact", "matching", "refining")


class Inference(Protocol):
    """A network ready to be asked.

    device: where it runs, and by what.
    """

    device: str

    def predict(self, crops: Crops) -> Residual:
        """Residuals of a batch, arrays in float64, of arrays in float32."""
        ...


def load_inference(
    path: Path, device: str = "auto", runtime: str = "auto", threads: int = 1
) -> tuple[Inference, WeightsInfo]:
    """The network of a file of weights, and what it was trained for.

    Parameters: ``device`` as of ``choose_device``; ``runtime`` one of RUNTIMES: auto is the fastest that this machine has, on
    a CPU in the order of RUNTIMES; ``threads`` of a CPU, 0 = as many as the runtime likes.
    Raises FileNotFoundError or ValueError for what are no weights, ValueError for a runtime that cannot run them.
    """
    info = read_info(path)
    reason = _why_no_openvino(info, device, runtime)
    if reason is None:
        from pose_tracker_ros.networks.openvino_inference import load_openvino

        return load_openvino(path, info, runtime, threads), info
    if runtime not in ("auto", "torch"):
        raise ValueError(f"expected a network that runtime {runtime} can run, but {reason}; set runtime to auto or torch")
    if reason == _missing_openvino():
        _say_once(f"networks run through torch, which takes several times as long: {reason}")
    # Takes two seconds, which nobody who does without torch should wait.
    from pose_tracker_ros.networks.torch_inference import torch_inference, use_threads
    from pose_tracker_ros.networks.weights import load_weights

    use_threads(threads)
    network, _ = load_weights(path)
    return torch_inference(network, device), info


def _why_no_openvino(info: WeightsInfo, device: str, runtime: str) -> str | None:
    """Why OpenVINO does not run a network; None where it does."""
    if runtime == "torch":
        return "torch is asked for"
    if info.architecture not in EXPORTED:
        return f"networks {info.architecture!r} run through torch alone"
    if device.startswith("cuda") or (device == "auto" and runtime == "auto" and _has_cuda()):
        return "GPUs are torch's"
    if device not in ("auto", "cpu"):
        return f"device {device!r} is none of its"
    return _missing_openvino()


@cache
def _missing_openvino() -> str | None:
    """Why there is no OpenVINO here; None where there is."""
    from pose_tracker_ros.networks.openvino_inference import import_openvino

    try:
        import_openvino()
    except ImportError as error:
        return f"OpenVINO cannot be imported ({error}); pip install openvino"
    return None


@cache
def _say_once(sentence: str) -> None:
    logger.warning(sentence)


@cache
def _has_cuda() -> bool:
    """Whether torch finds a GPU; it is not even loaded where there is no driver of one."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    import torch

    return torch.cuda.is_available()
