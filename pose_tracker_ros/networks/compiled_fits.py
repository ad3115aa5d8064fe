"""Where first looks led, by the compiled fits of inference: a training on a CPU needs them between its two looks."""

from __future__ import annotations

import numpy as np
import torch

from pose_tracker_ros.kernels.rigid_motion import POINT_ROWS, fit_rigid_motion, look_again, surface_points
from pose_tracker_ros.networks.crops import Crops
from pose_tracker_ros.networks.pixel_inference import PixelFit


def can_be_compiled(crops: Crops) -> bool:
    """Whether the kernels take a batch of tensors: in single precision, on the CPU."""
    return crops.rendered.device.type == "cpu" and crops.rendered.dtype == torch.float32


def led(crops: Crops, output: torch.Tensor, fit: PixelFit) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Where a first look led, without a gradient.

    Parameters: ``output`` (B, 6, rows, columns) of the head. Returns the rigid motion (B, N, 3) of the surface as of
    ``pixel_motion``, 0 off the object, and ``places`` and ``facts`` as of ``RefiningNetwork.look_again``.
    """
    batch, _, rows, columns = output.shape
    arrays = Crops(*(tensor.contiguous().numpy() for tensor in crops))
    outputs = output.detach().float().contiguous().numpy().reshape(batch, 6, -1)
    geometry = np.column_stack([arrays.intrinsics, arrays.center, arrays.diameter]).astype(np.float64)
    rigid = np.zeros((batch, 3, rows * columns), np.float32)
    places, facts = np.empty((batch, rows, columns, 2), np.float32), np.empty((batch, 9, rows * columns), np.float32)
    points, residual, information = np.empty((POINT_ROWS, rows * columns)), np.empty(6), np.empty((6, 6))
    for number in range(batch):
        one, said = (arrays.observed[number], geometry[number]), outputs[number]
        surface_points(arrays.rendered[number], geometry[number], fit.stride, fit.whole_cells, points)
        fit_rigid_motion(*one, points, said, rigid[number], fit.measures_depth, residual, information)
        limits = fit.max_translation, fit.max_rotation
        look_again(*one, points, said, residual, *limits, rigid[number], places[number], facts[number])
    rigid = torch.from_numpy(rigid).transpose(1, 2)
    return rigid, torch.from_numpy(places), torch.from_numpy(facts).view(batch, 9, rows, columns)
