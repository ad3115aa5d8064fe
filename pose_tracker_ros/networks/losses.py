"""Training losses of residual networks.

Every loss is a sum and the weight it has to be divided by, so that processes that each see a share of a batch can
add theirs up and take exactly the step that one process would take with the whole batch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from pose_tracker_ros.geometry_torch import so3_exp_torch
from pose_tracker_ros.kernels.rigid_motion import MOTION_SCALE
from pose_tracker_ros.networks.crops import Crops, Residual
from pose_tracker_ros.networks.rigid_fit import motion_of, surface_points

# Every so many pixels of the rendering give a point for the point-matching loss, across and down.
POINT_STRIDE = 4


class LossTerms(NamedTuple):
    """A loss (scalar) over a batch is ``total / weight``, both scalars."""

    total: torch.Tensor
    weight: torch.Tensor

    def mean(self) -> torch.Tensor:
        """The loss of this batch alone."""
        return self.total / self.weight


def squared_error(
    predicted: Residual,
    diameter: torch.Tensor,
    translation: torch.Tensor,
    rotation: torch.Tensor,
    max_translation: float,
    max_rotation: float,
) -> LossTerms:
    """Mean squared error of the normalised residual, translation and rotation weighted 1:1 (arXiv 2007.13866).

    Parameters: true ``translation`` (B, 3) metres and ``rotation`` (B, 3) radians; ``diameter`` (B,) metres; the
    normalisers ``max_translation`` in diameters and ``max_rotation`` in radians.
    """
    translation_error = (predicted.translation - translation) / (max_translation * diameter[:, None])
    rotation_error = (predicted.rotation - rotation) / max_rotation
    errors = translation_error.square().mean(dim=1) + rotation_error.square().mean(dim=1)
    return LossTerms(errors.sum(), errors.new_tensor(float(len(errors))))


def point_distance(predicted: Residual, crops: Crops, translation: torch.Tensor, rotation: torch.Tensor) -> LossTerms:
    """Mean distance, in diameters, of surface points under the predicted and the true residual: ADD as a loss.

    It weighs translation against rotation as they move the surface, by one unit and without a factor to tune. The points
    are those of the rendering: they come with every batch, also of objects that nobody sampled points on, and they are
    the ones that the crop shows. Every pair weighs the same, however many pixels its object covers.

    Parameters: true ``translation`` (B, 3) metres and ``rotation`` (B, 3) radians.
    """
    with torch.autocast(translation.device.type, enabled=False):
        _, points, mask = surface_points(crops, POINT_STRIDE)
        estimated = _moved(points, predicted.translation, predicted.rotation, crops.diameter)
        true = _moved(points, translation, rotation, crops.diameter)
        distances = (estimated - true).norm(dim=-1) * mask
        errors = distances.sum(dim=1) / mask.sum(dim=1).clamp(min=1)
    return LossTerms(errors.sum(), errors.new_tensor(float(len(errors))))


class TrueMotion(NamedTuple):
    """Of rendered pixels: where they went, (B, N, 3) as of ``pixel_motion``, and whether the object is there (B, N, 1)."""

    motion: torch.Tensor
    mask: torch.Tensor

    @classmethod
    def of(
        cls, crops: Crops, translation: torch.Tensor, rotation: torch.Tensor, stride: int, whole_cells: bool = False
    ) -> TrueMotion:
        """Under the true ``translation`` (B, 3) metres and ``rotation`` (B, 3) radians, at the points of ``surface_points``."""
        # In half precision they would be off by up to a quarter of a pixel.
        with torch.autocast(crops.rendered.device.type, enabled=False):
            points = surface_points(crops, stride, whole_cells)
            return cls(motion_of(crops, points, translation, rotation), points.mask[..., None])


def pixel_likelihood(motion: torch.Tensor, log_deviation: torch.Tensor, true: TrueMotion) -> LossTerms:
    """Absolute error plus negative log-likelihood of a Laplace distribution, per rendered pixel.

    Pixels that are hidden in the observation count too: rigidity tells where they are, and the predicted
    deviation how far to trust it.

    Parameters: ``motion`` (B, N, 3) at the same points, and its ``log_deviation`` (B, N, 3) relative to MOTION_SCALE.
    """
    with torch.autocast(motion.device.type, enabled=False):
        error = (motion.float() - true.motion).abs().clamp(max=10 * MOTION_SCALE) / MOTION_SCALE
        log_deviation = log_deviation.float()
        likelihood = error * torch.exp(-log_deviation) + log_deviation
        total = ((error + 0.5 * likelihood) * true.mask).sum()
    return LossTerms(total, (3 * true.mask.sum()).clamp(min=1).to(total.dtype))


def _moved(
    points: torch.Tensor, translation: torch.Tensor, rotation: torch.Tensor, diameter: torch.Tensor
) -> torch.Tensor:
    """Centre-relative points (B, N, 3) in diameters after a residual."""
    return points @ so3_exp_torch(rotation).transpose(1, 2) + (translation / diameter[:, None])[:, None]
