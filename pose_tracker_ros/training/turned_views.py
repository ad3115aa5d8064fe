"""The same pair seen by a camera that is turned about its axis, or in a mirror: as true as the pair, and new to a network."""

from __future__ import annotations

from collections.abc import Callable

import torch

from pose_tracker_ros.networks.crops import Crops
from pose_tracker_ros.training.pairs import Batch

QUARTERS = 4
# Channels of the rendering that are vectors: its normals.
NORMALS = slice(5, 8)


def turned(batch: Batch, quarters: int) -> Batch:
    """Pairs with square crops as seen by cameras turned by so many quarters about their optical axes."""
    for _ in range(quarters % QUARTERS):
        batch = _quarter(batch)
    return batch


def mirrored(batch: Batch) -> Batch:
    """Pairs with left and right exchanged. Print becomes mirror writing: nothing for a network of particular objects."""
    crops = batch.crops
    fx, fy, cx, cy = crops.intrinsics.unbind(1)
    crops = Crops(
        rendered=_with_normals(crops.rendered.flip(-1), _across),
        observed=crops.observed.flip(-1),
        intrinsics=torch.stack([fx, fy, crops.rendered.shape[-1] - 1 - cx, cy], dim=1),
        center=_across(crops.center),
        diameter=crops.diameter,
    )
    # In a mirror all but the turn about the mirror's normal goes the other way round.
    return Batch(crops, _across(batch.translation), -_across(batch.rotation))


def _quarter(batch: Batch) -> Batch:
    """Pixel (u, v) goes to (v, width - 1 - u)."""
    crops = batch.crops
    fx, fy, cx, cy = crops.intrinsics.unbind(1)
    crops = Crops(
        rendered=_with_normals(crops.rendered.rot90(1, (-2, -1)), _about),
        observed=crops.observed.rot90(1, (-2, -1)),
        intrinsics=torch.stack([fy, fx, cy, crops.rendered.shape[-1] - 1 - cx], dim=1),
        center=_about(crops.center),
        diameter=crops.diameter,
    )
    return Batch(crops, _about(batch.translation), _about(batch.rotation))


def _across(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors, their axes in dimension 1, with x the other way."""
    x, y, z = vectors.unbind(1)
    return torch.stack([-x, y, z], dim=1)


def _about(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors, their axes in dimension 1, turned by a quarter about z."""
    x, y, z = vectors.unbind(1)
    return torch.stack([y, -x, z], dim=1)


def _with_normals(rendered: torch.Tensor, move: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Renderings with moved normals."""
    return torch.cat([rendered[:, : NORMALS.start], move(rendered[:, NORMALS])], dim=1)
