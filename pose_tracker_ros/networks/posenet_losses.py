"""Losses of camera pose regression: the weighted one of PoseNet and the two that followed it.

Kendall et al., ICCV 2015 (arXiv 1505.07427); Kendall and Cipolla, CVPR 2017 (arXiv 1704.00390).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from pose_tracker_ros.networks.losses import LossTerms
from pose_tracker_ros.networks.posenet import CameraPoses

LOSSES = ("beta", "learned", "geometric")
AUXILIARY_WEIGHT = 0.3
# Logarithms of the variances at the start (arXiv 1704.00390, section 4).
FIRST_LOG_VARIANCES = (0.0, -3.0)
# Points nearer to the predicted camera than this count as behind it.
NEAREST_M = 0.1


class PoseTruth(NamedTuple):
    """position (B, 3), quaternion (B, 4) as of CameraPoses; points: (B, N, 3) of the scene that the camera sees, metres in
    its own frame, zero where there are fewer."""

    position: torch.Tensor
    quaternion: torch.Tensor
    points: torch.Tensor


def pose_distances(poses: CameraPoses, truth: PoseTruth, norm: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """Norms (B,) of the errors of position in metres, and of the unit quaternion up to its sign."""
    signs = torch.where((poses.quaternion.detach() * truth.quaternion).sum(dim=1, keepdim=True) < 0, -1.0, 1.0)
    return (
        torch.linalg.vector_norm(poses.position - truth.position, norm, dim=1),
        torch.linalg.vector_norm(poses.quaternion - signs * truth.quaternion, norm, dim=1),
    )


def beta_loss(poses: CameraPoses, truth: PoseTruth, beta: float) -> torch.Tensor:
    """(B,): position error plus ``beta`` times that of the quaternion (arXiv 1505.07427, equation 1)."""
    position, quaternion = pose_distances(poses, truth)
    return position + beta * quaternion


def learned_loss(poses: CameraPoses, truth: PoseTruth, log_variances: torch.Tensor) -> torch.Tensor:
    """(B,): ``L exp(-s) + s`` of position and of quaternion, with L the sum of absolute errors (arXiv 1704.00390, equation 6).

    log_variances: s (2,), which are learnt; it is least at s = ln L, and may be negative.
    """
    distances = torch.stack(pose_distances(poses, truth, norm=1), dim=1)
    return (distances * torch.exp(-log_variances) + log_variances).sum(dim=1)


def reprojection_loss(
    poses: CameraPoses, truth: PoseTruth, focal_px: tuple[float, float], largest_px: float
) -> torch.Tensor:
    """(B,): mean over the points of |du| + |dv| between where the true and the predicted camera see them, in pixels.

    Points behind the predicted camera, or farther off than ``largest_px``, count as that far off, without a gradient
    (arXiv 1704.00390, equation 8).
    """
    true_rotation, rotation = rotation_of(truth.quaternion), rotation_of(poses.quaternion)
    offset = (truth.position - poses.position)[:, None]
    # Row vectors: R^T x is x @ R.
    seen = (truth.points @ true_rotation.transpose(1, 2) + offset) @ rotation
    known = truth.points[..., 2] > 0
    visible = known & (seen[..., 2] > NEAREST_M)
    true_pixels = _projected(truth.points, known, focal_px)
    distance = (_projected(seen, visible, focal_px) - true_pixels).abs().sum(dim=-1)
    distance = torch.where(visible, distance.clamp(max=largest_px), largest_px)
    return torch.where(known, distance, 0.0).sum(dim=1) / known.sum(dim=1).clamp(min=1)


def rotation_of(quaternion: torch.Tensor) -> torch.Tensor:
    """Rotation matrices (B, 3, 3) of unit quaternions (B, 4) x, y, z, w; differentiable."""
    x, y, z, w = quaternion.unbind(-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


class PoseLoss(nn.Module):
    """One of LOSSES over all heads, the auxiliary ones with weight 0.3.

    ``geometric`` does not converge from scratch: as long as ``begun`` is False it is ``learned``.
    """

    def __init__(self, name: str, beta: float, focal_px: tuple[float, float], largest_px: float) -> None:
        """``focal_px`` and ``largest_px`` as of :func:`reprojection_loss`."""
        super().__init__()
        self.name, self.beta, self.begun = name, beta, False
        self._focal_px, self._largest_px = focal_px, largest_px
        self.log_variances = nn.Parameter(torch.tensor(FIRST_LOG_VARIANCES)) if name != "beta" else None

    def forward(self, poses: tuple[CameraPoses, ...], truth: PoseTruth) -> LossTerms:
        """``poses`` as of :meth:`PoseNet.forward`."""
        final, *auxiliary = (self._of_head(head, truth).sum() for head in poses)
        return LossTerms(
            final + AUXILIARY_WEIGHT * sum(auxiliary), truth.position.new_tensor(float(len(truth.position)))
        )

    def _of_head(self, poses: CameraPoses, truth: PoseTruth) -> torch.Tensor:
        if self.name == "beta":
            return beta_loss(poses, truth, self.beta)
        if self.name == "geometric" and self.begun:
            # The learned weights rest; a gradient of zero keeps all processes in step.
            return reprojection_loss(poses, truth, self._focal_px, self._largest_px) + 0 * self.log_variances.sum()
        return learned_loss(poses, truth, self.log_variances)


def _projected(points: torch.Tensor, valid: torch.Tensor, focal_px: tuple[float, float]) -> torch.Tensor:
    """Pixels (..., 2) from the principal point; zero where points are not valid, with no gradient there."""
    depth = torch.where(valid, points[..., 2], 1.0)
    return torch.where(valid[..., None], points[..., :2] / depth[..., None], 0.0) * points.new_tensor(focal_px)
