"""Crops whose surface is known in closed form, for the tests of networks."""

import torch

from pose_tracker_ros.networks.crops import Crops

RESOLUTION = 64


def dome_crops(batch=2):
    """Crops of a tilted dome off the optical axis, with random observations."""
    generator = torch.Generator().manual_seed(0)
    row, column = torch.meshgrid(*[torch.linspace(-1, 1, RESOLUTION)] * 2, indexing="ij")
    radius = row**2 + column**2
    rendered = torch.zeros(batch, 8, RESOLUTION, RESOLUTION)
    rendered[:, 3] = torch.where(radius < 0.5, radius - 0.5 + 0.2 * column, torch.tensor(2.0))
    rendered[:, 4] = (radius < 0.5).float()
    observed = torch.rand(batch, 5, RESOLUTION, RESOLUTION, generator=generator)
    center = torch.tensor([[0.05, 0.1, 0.6]]).repeat(batch, 1)
    focal = RESOLUTION * 0.6 / (0.15 * 1.5)
    middle = (RESOLUTION - 1) / 2
    intrinsics = torch.tensor([[focal, focal, middle - focal * 0.05 / 0.6, middle - focal * 0.1 / 0.6]]).repeat(
        batch, 1
    )
    return Crops(rendered, observed, intrinsics, center, torch.full((batch,), 0.15))


def random_residual(batch=2):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, 3, generator=generator) * 0.01, torch.randn(batch, 3, generator=generator) * 0.15
