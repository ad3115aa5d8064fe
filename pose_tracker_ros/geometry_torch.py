"""Rotations on torch tensors, with gradients; apart from geometry, which robots without networks need, too."""

from __future__ import annotations

import torch


def so3_exp_torch(rotation_vector: torch.Tensor) -> torch.Tensor:
    """Rotation matrices (..., 3, 3) of rotation vectors (..., 3) by Rodrigues' formula; differentiable, also at zero."""
    angle = (rotation_vector.square().sum(-1) + 1e-16).sqrt()[..., None, None]
    hat = hat_torch(rotation_vector)
    half_sine = torch.sin(angle / 2) / angle
    return (
        torch.eye(3, dtype=hat.dtype, device=hat.device) + torch.sin(angle) / angle * hat + 2 * half_sine**2 * hat @ hat
    )


def hat_torch(vector: torch.Tensor) -> torch.Tensor:
    """Skew-symmetric matrices (..., 3, 3) with ``hat(a) @ b = a x b`` of vectors (..., 3)."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).reshape(*vector.shape, 3)
