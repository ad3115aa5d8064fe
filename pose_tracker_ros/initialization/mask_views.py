"""Masks of one object from calibrated cameras, checked and cut to crops of one size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import invert, is_pose

SMALLEST_MASK_PX = 20
FULL_SHARE = 0.999


@dataclass(frozen=True)
class MaskView:
    """What one rectified camera saw of the object.

    mask: (H, W) bool. camera: its intrinsics. camera_T_reference: (4, 4), from the frame in which the pose is
    wanted to this camera's; None for the reference camera itself. depth: (H, W) metres, 0 = none, or None.
    visible: (H, W) bool, False where the mask says nothing, as behind a gripper; None for everywhere.
    """

    mask: np.ndarray
    camera: PinholeCamera
    camera_T_reference: np.ndarray | None = None
    depth: np.ndarray | None = None
    visible: np.ndarray | None = None

    @property
    def pose(self) -> np.ndarray:
        """camera_T_reference, the identity for the reference camera."""
        return np.eye(4) if self.camera_T_reference is None else np.asarray(self.camera_T_reference, np.float64)

    @cached_property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, width and height of the mask in pixels."""
        return cv2.boundingRect(np.ascontiguousarray(self.mask).view(np.uint8))

    @cached_property
    def area_px(self) -> int:
        """Pixels of the mask."""
        return int(self.mask.sum())

    @cached_property
    def centroid_px(self) -> np.ndarray:
        """Mean pixel (2,) of the mask."""
        rows, columns = np.nonzero(self.mask)
        return np.array([columns.mean(), rows.mean()])


def check_views(views: Sequence[MaskView], diameter_m: float) -> None:
    """Raise ValueError for the first view that can't be used, or views that no single object can explain."""
    if not views:
        raise ValueError("expected at least one mask, got none")
    for number, view in enumerate(views):
        _check_view(view, f"view {number}")
    for number, view in enumerate(views[1:], start=1):
        for other_number, other in enumerate(views[:number]):
            gap = _gap_between_rays(other, view)
            # The object's middle is within half a diameter of both masks' central rays.
            if gap > diameter_m:
                raise ValueError(
                    f"views {other_number} and {number} contradict each other: the lines of sight through the "
                    f"middles of their masks pass {gap:.3f} m apart, but the object measures {diameter_m:.3f} m; check "
                    "the relative camera pose (metres, camera_T_reference) and that the masks are of one object"
                )


def _check_view(view: MaskView, name: str) -> None:
    size = (view.camera.height, view.camera.width)
    for kind, image in (("mask", view.mask), ("depth", view.depth), ("visible", view.visible)):
        if image is not None and image.shape != size:
            got = "x".join(str(length) for length in image.shape[::-1])
            raise ValueError(
                f"expected the {kind} image of {name} to be {size[1]}x{size[0]} like its camera, got {got}; give the "
                "intrinsics that belong to this image size"
            )
    if view.mask.dtype != np.bool_ or (view.visible is not None and view.visible.dtype != np.bool_):
        raise ValueError(f"expected masks of bool in {name}, got {view.mask.dtype}; compare labels with the object's")
    if view.depth is not None and not (np.all(np.isfinite(view.depth)) and np.all(view.depth >= 0)):
        raise ValueError(
            f"expected finite depth in metres in {name}, 0 where there is none, got NaN or negative values"
        )
    if not is_pose(view.pose):
        raise ValueError(f"expected camera_T_reference of {name} to be a rigid 4x4 transform, got {view.pose.tolist()}")
    if view.area_px < SMALLEST_MASK_PX:
        found = "an empty mask" if view.area_px == 0 else f"{view.area_px} pixels"
        raise ValueError(
            f"expected a mask of at least {SMALLEST_MASK_PX} pixels in {name}, got {found}; is the object in the image "
            "and its label the one that was asked for?"
        )
    if view.area_px > FULL_SHARE * view.mask.size:
        raise ValueError(
            f"expected the outline of the object in the mask of {name}, but the mask fills the whole image"
        )


def _gap_between_rays(one: MaskView, other: MaskView) -> float:
    """Distance in metres between the lines of sight through two masks' middles."""
    origins, directions = [], []
    for view in (one, other):
        reference_T_camera = invert(view.pose)
        pixel = (view.centroid_px - (view.camera.cx, view.camera.cy)) / (view.camera.fx, view.camera.fy)
        direction = reference_T_camera[:3, :3] @ np.append(pixel, 1.0)
        directions.append(direction / np.linalg.norm(direction))
        origins.append(reference_T_camera[:3, 3])
    between = origins[1] - origins[0]
    normal = np.cross(*directions)
    length = np.linalg.norm(normal)
    if length < 1e-6:
        return float(np.linalg.norm(between - between @ directions[0] * directions[0]))
    # Where the lines come nearest to each other must also be in front of both cameras.
    along = np.linalg.lstsq(np.column_stack([directions[0], -directions[1]]), between, rcond=None)[0]
    if np.any(along < 0) and length > 0.05:
        return float("inf")
    return float(abs(between @ normal) / length)


@dataclass(frozen=True)
class CropLevel:
    """V views at one resolution, as tensors.

    target: (V, S, S) covered share 0..1. known: (V, S, S) 1 where the mask says something, else 0.
    intrinsics: (V, 4) fx, fy, cx, cy. camera_T_reference: (V, 4, 4).
    points: (V, S, S, 3) measured points in the camera frame, z = 0 where there is no depth on the object.
    """

    size: int
    target: torch.Tensor
    known: torch.Tensor
    intrinsics: torch.Tensor
    camera_T_reference: torch.Tensor
    points: torch.Tensor

    @property
    def has_depth(self) -> bool:
        """True when some view measured depth on the object."""
        return bool((self.points[..., 2] > 0).any())

    @property
    def residuals(self) -> int:
        """How many pieces of outline, a pixel long, and measured points there are."""
        mask = self.target > 0.5
        outline = (mask[:, 1:] != mask[:, :-1]).sum() + (mask[..., 1:] != mask[..., :-1]).sum()
        return int(outline + (self.points[..., 2] > 0).sum())


def crop_windows(views: Sequence[MaskView], margin: float, size: int) -> list[tuple[int, int, int]]:
    """Left, top and side in pixels of a square around each mask, never smaller than ``size``; it may leave the image."""
    windows = []
    for view in views:
        left, top, width, height = view.box
        side = max(int(np.ceil(max(width, height) * (1 + 2 * margin))), size)
        windows.append((left + (width - side) // 2, top + (height - side) // 2, side))
    return windows


def crop_level(
    views: Sequence[MaskView], windows: Sequence[tuple[int, int, int]], size: int, device: str = "cpu"
) -> CropLevel:
    """The windows of all views reduced to ``size`` x ``size`` pixels by area, in float32."""
    target, known, intrinsics, points = [], [], [], []
    for view, (left, top, side) in zip(views, windows):
        seen = np.ones(view.mask.shape, bool) if view.visible is None else view.visible
        target.append(_reduced(view.mask, left, top, side, size))
        known.append(_reduced(seen, left, top, side, size) > 0.99)
        scale, camera = size / side, view.camera
        intrinsics.append(
            [
                camera.fx * scale,
                camera.fy * scale,
                (camera.cx - left + 0.5) * scale - 0.5,
                (camera.cy - top + 0.5) * scale - 0.5,
            ]
        )
        points.append(_measured_points(view, left, top, side, size, target[-1] > 0.99))
    poses = np.stack([view.pose for view in views])
    arrays = (np.stack(target), np.stack(known), np.array(intrinsics), poses, np.stack(points))
    return CropLevel(size, *(torch.as_tensor(array, dtype=torch.float32, device=device) for array in arrays))


def _reduced(image: np.ndarray, left: int, top: int, side: int, size: int) -> np.ndarray:
    """Square window of a boolean image, zero outside of it, averaged down to (size, size) float32."""
    window = np.zeros((side, side), np.float32)
    rows = slice(max(top, 0), min(top + side, image.shape[0]))
    columns = slice(max(left, 0), min(left + side, image.shape[1]))
    window[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = image[rows, columns]
    return cv2.resize(window, (size, size), interpolation=cv2.INTER_AREA)


def _measured_points(view: MaskView, left: int, top: int, side: int, size: int, inside: np.ndarray) -> np.ndarray:
    """Points (size, size, 3) of the depth pixels nearest to the crop's, zero where there are none on the object."""
    points = np.zeros((size, size, 3), np.float32)
    if view.depth is None:
        return points
    offsets = np.rint((np.arange(size) + 0.5) * side / size - 0.5).astype(int)
    rows, columns = np.meshgrid(top + offsets, left + offsets, indexing="ij")
    inside = inside & (rows >= 0) & (rows < view.mask.shape[0]) & (columns >= 0) & (columns < view.mask.shape[1])
    depth = view.depth[rows[inside], columns[inside]]
    camera = view.camera
    # The ray is that of the depth pixel itself, which is not exactly at the crop pixel's centre.
    points[inside] = np.column_stack(
        [
            (columns[inside] - camera.cx) / camera.fx * depth,
            (rows[inside] - camera.cy) / camera.fy * depth,
            depth,
        ]
    )
    return points
