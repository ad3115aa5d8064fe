"""Which parts of an image PoseNet looks at: 224 of 256 pixels in the paper (arXiv 1505.07427, section 3.1)."""

from __future__ import annotations

import numpy as np
import torch

# The paper's dense evaluation averages 128 crops.
DENSE_ACROSS, DENSE_DOWN = 16, 8


def scaled_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """(height, width) of an image scaled so that its shorter side has ``short_side`` pixels: 1920x1080 to 455x256."""
    factor = short_side / min(width, height)
    return round(height * factor), round(width * factor)


def central_corner(size: tuple[int, int], crop: int) -> np.ndarray:
    """Left, top (2,) int64 of the crop in the middle of an image of a size (height, width); zero for a crop of 0."""
    return _room(size, crop) // 2


def random_corner(size: tuple[int, int], crop: int, generator: np.random.Generator) -> np.ndarray:
    """Left, top (2,) int64 of a crop anywhere in the image, all places alike probable."""
    return generator.integers(0, _room(size, crop), endpoint=True)


def dense_corners(size: tuple[int, int], crop: int) -> np.ndarray:
    """Lefts, tops (128, 2) int64 of an even grid of crops that reaches all borders."""
    across, down = _room(size, crop)
    lefts = np.rint(np.linspace(0, across, DENSE_ACROSS)).astype(np.int64)
    tops = np.rint(np.linspace(0, down, DENSE_DOWN)).astype(np.int64)
    return np.stack(np.meshgrid(lefts, tops), axis=-1).reshape(-1, 2)


def cut(images: torch.Tensor, corners: torch.Tensor, crop: int) -> torch.Tensor:
    """Crops (B, C, crop, crop) of images (B, C, H, W) at corners (B, 2) left, top; whole images for a crop of 0."""
    if not crop:
        return images
    return torch.stack(
        [
            image[:, top : top + crop, left : left + crop]
            for image, (left, top) in zip(images, corners.tolist(), strict=True)
        ]
    )


def _room(size: tuple[int, int], crop: int) -> np.ndarray:
    """Pixels (2,) int64 by which a crop can be moved across and down."""
    height, width = size
    if crop > min(size):
        raise ValueError(f"expected images of at least {crop} pixels for crops of that side, got {width}x{height}")
    return np.array([width - crop, height - crop] if crop else [0, 0], dtype=np.int64)
