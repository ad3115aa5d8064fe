"""Images with known camera poses, from which PoseNet learns: those of a sequence, and batches of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch.utils.data import IterableDataset, get_worker_info

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets.cambridge import CambridgeSequence
from pose_tracker_ros.datasets.sequence import IndexedSequence
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import invert, make_pose, quaternion_from_matrix, so3_exp, transform_points
from pose_tracker_ros.networks.posenet_crops import central_corner, random_corner, scaled_size
from pose_tracker_ros.relocalization.regressor import seen_by
from pose_tracker_ros.training.augmentation import augment
from pose_tracker_ros.training.augmentation.color import (
    BlackLevel,
    Brightness,
    ColorBlur,
    ColorNoise,
    LowerResolution,
    MotionBlur,
    Saturation,
    WhiteBalance,
)
from pose_tracker_ros.training.augmentation.observation import Augmentation, FirstOf, Observation

# Points of the scene that are kept of every image.
POINTS = 64
COLOR_DEFECTS: tuple[Augmentation, ...] = (
    Brightness(low=0.6, high=1.4),
    WhiteBalance(),
    BlackLevel(),
    Saturation(),
    LowerResolution(),
    FirstOf(steps=(MotionBlur(), ColorBlur(probability=0.3, kernels=(), sigma=(0.4, 1.2)))),
    ColorNoise(probability=1.0, max_deviation=6.0, measured_only=False),
)


class CameraView(NamedTuple):
    """An image as the network's camera sees it.

    color: (H, W, 3) uint8 RGB; map_T_camera: (4, 4); points: (POINTS, 3) float32 of what it shows, metres in the camera's
    frame, rows of zeros where fewer are known.
    """

    color: np.ndarray
    map_T_camera: np.ndarray
    points: np.ndarray


class PoseBatch(NamedTuple):
    """images: (B, 3, H, W) uint8; corners: (B, 2) int64 left, top of crops; position, quaternion, points as of PoseTruth."""

    images: torch.Tensor
    corners: torch.Tensor
    position: torch.Tensor
    quaternion: torch.Tensor
    points: torch.Tensor

    def to(self, device: torch.device | str) -> PoseBatch:
        """The same batch on a device."""
        return PoseBatch(*(part.to(device) for part in self))


def network_camera(camera: PinholeCamera, short_side: int) -> PinholeCamera:
    """The camera of images scaled so that their shorter side has that many pixels."""
    height, width = scaled_size(camera.width, camera.height, short_side)
    across, down = width / camera.width, height / camera.height
    return PinholeCamera(
        width,
        height,
        camera.fx * across,
        camera.fy * down,
        (camera.cx + 0.5) * across - 0.5,
        (camera.cy + 0.5) * down - 0.5,
    )


def read_views(sequence: IndexedSequence, positions: Sequence[int], camera: PinholeCamera) -> list[CameraView]:
    """Views of the frames at some positions by a camera, those without a pose left out."""
    generator = np.random.default_rng(0)
    views = []
    for position in positions:
        frame = sequence.read(position)
        if frame.world_T_camera is not None:
            points = _sample_points(_points_of(sequence, position, frame), generator)
            views.append(CameraView(seen_by(frame.color, frame.camera, camera), frame.world_T_camera, points))
    return views


def reference_pose(views: Sequence[CameraView]) -> np.ndarray:
    """map_T_reference (4, 4): the mean position and rotation of the cameras."""
    poses = np.stack([view.map_T_camera for view in views])
    return make_pose(Rotation.from_matrix(poses[:, :3, :3]).mean().as_matrix(), poses[:, :3, 3].mean(axis=0))


def turned(view: CameraView, camera: PinholeCamera, rotation_vector: np.ndarray) -> CameraView:
    """The view after a turn of the camera about its centre, for which no depth is needed; the image's border is continued.

    rotation_vector: (3,) radians, of the new camera's axes in those of the old one.
    """
    rotation = so3_exp(rotation_vector)
    old_from_new = camera.matrix @ rotation @ np.linalg.inv(camera.matrix)
    color = cv2.warpPerspective(
        view.color,
        old_from_new,
        (camera.width, camera.height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    old_T_new = make_pose(rotation, np.zeros(3))
    return CameraView(color, view.map_T_camera @ old_T_new, (view.points @ rotation).astype(np.float32))


@dataclass(frozen=True)
class BatchOptions:
    """camera: of the views; crop: side of square crops, 0 = none; random_crops: or central ones; color_defects: whether
    images get those of real cameras; turn_rad: standard deviation of turns of the camera about its centre;
    synthetic_share: of images that are taken from synthetic views, where there are any."""

    camera: PinholeCamera
    crop: int
    random_crops: bool
    color_defects: bool
    turn_rad: float
    synthetic_share: float


class CameraViewStream(IterableDataset):
    """Endless batches; every worker and process draws its own."""

    def __init__(
        self,
        views: Sequence[CameraView],
        synthetic: Sequence[CameraView],
        map_T_reference: np.ndarray,
        options: BatchOptions,
        batch_size: int,
        seed: int,
        first_batch: int,
    ) -> None:
        """``first_batch`` continues the seeds of an interrupted run."""
        self._views, self._synthetic, self._options = views, synthetic, options
        self._reference_T_map = invert(map_T_reference)
        self._batch_size, self._seed, self._first_batch = batch_size, seed, first_batch

    def __iter__(self) -> Iterator[PoseBatch]:
        worker = get_worker_info()
        generator = np.random.default_rng((self._seed, self._first_batch, worker.id if worker else 0))
        while True:
            yield self._batch(generator)

    def _batch(self, generator: np.random.Generator) -> PoseBatch:
        options = self._options
        share = options.synthetic_share if self._synthetic else 0.0
        size = (options.camera.height, options.camera.width)
        images, corners, views = [], [], []
        for number in self._real_numbers(generator):
            synthetic = generator.random() < share
            view = self._synthetic[generator.integers(len(self._synthetic))] if synthetic else self._views[number]
            if options.turn_rad:
                view = turned(view, options.camera, generator.normal(0, options.turn_rad, 3))
            images.append(_with_defects(view.color, generator) if options.color_defects else view.color)
            random = options.random_crops
            corners.append(
                random_corner(size, options.crop, generator) if random else central_corner(size, options.crop)
            )
            views.append(view)
        poses = self._reference_T_map @ np.stack([view.map_T_camera for view in views])
        return PoseBatch(
            torch.from_numpy(np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))),
            torch.from_numpy(np.stack(corners)),
            torch.from_numpy(poses[:, :3, 3]).float(),
            torch.from_numpy(quaternion_from_matrix(poses[:, :3, :3])).float(),
            torch.from_numpy(np.stack([view.points for view in views])),
        )

    def _real_numbers(self, generator: np.random.Generator) -> np.ndarray:
        """Numbers of views for a batch: each as often as any other, up to one."""
        count = len(self._views)
        rounds = [generator.permutation(count) for _ in range(-(-self._batch_size // count))]
        return np.concatenate(rounds)[: self._batch_size]


def _with_defects(color: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """An image (H, W, 3) uint8 as another day's light and a moving camera make it."""
    depth = np.ones(color.shape[:2], np.float32)
    observation = Observation(color.astype(np.float32), depth, depth > 0, 1.0, None)
    changed = augment(observation, COLOR_DEFECTS, generator).color
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


def _points_of(sequence: IndexedSequence, position: int, frame: Frame) -> np.ndarray:
    """Points (N, 3) of what a frame shows, in the frame of the colour camera."""
    if frame.depth.any():
        camera = frame.camera if frame.registered else frame.depth_camera
        points = camera.back_project(frame.depth)[frame.depth > 0]
        return points if frame.registered else transform_points(frame.color_T_depth, points)
    if isinstance(sequence, CambridgeSequence) and sequence.has_points:
        return transform_points(invert(frame.world_T_camera), sequence.world_points(position))
    return np.empty((0, 3))


def _sample_points(points: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """(POINTS, 3) float32 of points (N, 3) in front of the camera, filled with zeros."""
    points = points[points[:, 2] > 0]
    chosen = generator.choice(len(points), min(POINTS, len(points)), replace=False)
    sample = np.zeros((POINTS, 3), np.float32)
    sample[: len(chosen)] = points[chosen]
    return sample
