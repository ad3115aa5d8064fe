"""What the network sees: the rendered and the observed crop around the last pose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.kernels.channels import fill_observed, fill_rendered
from pose_tracker_ros.networks.crops import OBSERVED_CHANNELS, RENDERED_CHANNELS, Crops
from pose_tracker_ros.rendering import Rendering


class Crop(NamedTuple):
    """One crop pair before it becomes part of a batch.

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


def to_arrays(crops: Sequence[Crop]) -> Crops:
    """A batch of crops for the network."""
    size = crops[0].camera.height, crops[0].camera.width
    rendered = np.empty((len(crops), len(RENDERED_CHANNELS), *size), np.float32)
    observed = np.empty((len(crops), len(OBSERVED_CHANNELS), *size), np.float32)
    for number, crop in enumerate(crops):
        drawing, relative_to = crop.rendering, (crop.center[2], crop.diameter_m)
        fill_rendered(drawing.color, drawing.depth, drawing.mask, drawing.normal, *relative_to, rendered[number])
        fill_observed(crop.color, crop.depth, *relative_to, observed[number])
    return Crops(
        rendered,
        observed,
        intrinsics=np.array([[c.camera.fx, c.camera.fy, c.camera.cx, c.camera.cy] for c in crops], np.float32),
        center=np.stack([c.center for c in crops]).astype(np.float32),
        diameter=np.array([c.diameter_m for c in crops], np.float32),
    )


def to_tensors(crops: Sequence[Crop]) -> Crops:
    """The same as tensors, on the CPU."""
    import torch  # which tracking may do without

    return Crops(*(torch.from_numpy(array) for array in to_arrays(crops)))
