"""What the network sees: the rendered and the observed crop around the last pose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.networks.crops import DEPTH_LIMIT, Crops
from pose_tracker_ros.rendering import Rendering


class Crop(NamedTuple):
    """One crop pair before it becomes tensors.

    camera: the crop camera; rendering: the object at the last pose through it; color (R, R, 3) uint8
    and depth (R, R) float32 metres: the observed image through it; center (3,) object centre in the
    camera frame; diameter_m of the object.
    """

    camera: PinholeCamera
    rendering: Rendering
    color: np.ndarray
    depth: np.ndarray
    center: np.ndarray
    diameter_m: float


def cut(
    color: np.ndarray, depth: np.ndarray, camera: PinholeCamera, crop: PinholeCamera
) -> tuple[np.ndarray, np.ndarray]:
    """The images as the crop camera sees them; black and without depth beyond the border.

    Parameters: ``color`` (H, W, 3) uint8 and ``depth`` (H, W) float32 taken by ``camera``.
    Colour is interpolated; depth is not, since a mean over an edge is the depth of nothing.
    """
    scale_x, scale_y = camera.fx / crop.fx, camera.fy / crop.fy
    image_from_crop = np.array(
        [[scale_x, 0, camera.cx - scale_x * crop.cx], [0, scale_y, camera.cy - scale_y * crop.cy]], dtype=np.float64
    )
    size = (crop.width, crop.height)
    color_crop = cv2.warpAffine(color, image_from_crop, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    depth_crop = cv2.warpAffine(depth, image_from_crop, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    return color_crop, depth_crop


def rendered_channels(rendering: Rendering, center_z: float, diameter_m: float) -> np.ndarray:
    """(8, R, R) float32 as RENDERED_CHANNELS."""
    channels = np.empty((8, *rendering.mask.shape), np.float32)
    channels[:3] = rendering.color.transpose(2, 0, 1)
    channels[3] = _relative_depth(rendering.depth, rendering.mask, center_z, diameter_m)
    channels[4] = rendering.mask
    channels[5:] = rendering.normal.transpose(2, 0, 1)
    return channels


def observed_channels(color: np.ndarray, depth: np.ndarray, center_z: float, diameter_m: float) -> np.ndarray:
    """(5, R, R) float32 as OBSERVED_CHANNELS."""
    channels = np.empty((5, *depth.shape), np.float32)
    valid = depth > 0
    channels[:3] = color.transpose(2, 0, 1)
    channels[3] = _relative_depth(depth, valid, center_z, diameter_m)
    channels[4] = valid
    return channels


def _relative_depth(depth: np.ndarray, valid: np.ndarray, center_z: float, diameter_m: float) -> np.ndarray:
    relative = np.clip((depth - np.float32(center_z)) / np.float32(diameter_m), -DEPTH_LIMIT, DEPTH_LIMIT)
    return np.where(valid, relative, np.float32(DEPTH_LIMIT))


def to_tensors(crops: Sequence[Crop]) -> Crops:
    """A batch of crops for the network, on the CPU."""
    return Crops(
        rendered=torch.from_numpy(np.stack([rendered_channels(c.rendering, c.center[2], c.diameter_m) for c in crops])),
        observed=torch.from_numpy(
            np.stack([observed_channels(c.color, c.depth, c.center[2], c.diameter_m) for c in crops])
        ),
        intrinsics=torch.tensor(
            [[c.camera.fx, c.camera.fy, c.camera.cx, c.camera.cy] for c in crops], dtype=torch.float32
        ),
        center=torch.from_numpy(np.stack([c.center for c in crops]).astype(np.float32)),
        diameter=torch.tensor([c.diameter_m for c in crops], dtype=torch.float32),
    )
