"""Depth motion as measured: what the camera sees at the place where a rendered pixel went."""

from __future__ import annotations

import torch
from torch.nn import functional

from pose_tracker_ros.kernels.rigid_motion import GATE_DEVIATIONS, MEASURED_DEVIATION
from pose_tracker_ros.networks.crops import Crops


def with_measured_depth(
    crops: Crops, pixels: torch.Tensor, points: torch.Tensor, motion: torch.Tensor, deviation: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Predicted motion and deviation, (B, N, 3) each, with the observed depth at the predicted places taken in.

    A network that compares images place by place has to shift one by the motion that it is about to predict before it
    can subtract depths; done here, it need not be learnt. Prediction and measurement are averaged by their variances.

    Parameters: ``pixels`` (B, N, 2) and ``points`` (B, N, 3) of ``surface_points``; ``motion`` as of ``pixel_motion``,
    ``deviation`` its standard deviation in the same units.
    """
    depth, valid = observed_depth(crops, pixels, motion)
    measured = depth - points[..., 2]
    predicted, variance = motion[..., 2], deviation[..., 2] ** 2
    limit = GATE_DEVIATIONS * (variance + MEASURED_DEVIATION**2).sqrt()
    believed = valid & ((measured - predicted).abs() < limit)
    weight = believed / MEASURED_DEVIATION**2
    precision = 1 / variance + weight
    fused = (predicted / variance + weight * measured) / precision
    return (
        torch.cat([motion[..., :2], fused[..., None]], dim=-1),
        torch.cat([deviation[..., :2], precision[..., None].rsqrt()], dim=-1),
    )


def observed_depth(crops: Crops, pixels: torch.Tensor, motion: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Observed depth (B, N), diameters from the centre, where ``pixels`` (B, N, 2) went, and whether there is one (B, N)."""
    width = crops.rendered.shape[-1]
    places = (pixels + motion[..., :2] * width + 0.5) / width * 2 - 1
    observed = functional.grid_sample(crops.observed[:, 3:5], places[:, None], mode="nearest", align_corners=False)
    depth, valid = observed[:, :, 0].unbind(1)
    return depth, valid > 0.5
