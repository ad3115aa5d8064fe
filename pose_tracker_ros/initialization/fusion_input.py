"""What DenseFusion sees of an observation: a masked crop and points, in units of the object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch

from pose_tracker_ros.camera import PinholeCamera, crop_camera
from pose_tracker_ros.geometry import make_pose, rotation_towards, so3_exp
from pose_tracker_ros.initialization.observation import InitializationError, Observation, view_of
from pose_tracker_ros.networks.dense_fusion import FusionInput

MIN_POINTS = 30
# From the middle of what is seen of an object to its centre, in diameters.
MIDDLE_BEHIND_SURFACE = 0.25


@dataclass(frozen=True)
class InputFrame:
    """The frame of the network's points: as if the camera looked straight at the object, lengths in diameters.

    camera_R_view: (3, 3) rotation from that frame to the camera's; origin_m: (3,) its origin in the camera's frame.
    An object looks the same wherever it is in the image when it is turned with its viewing ray.
    """

    camera_R_view: np.ndarray
    origin_m: np.ndarray
    diameter_m: float
    center_m: np.ndarray

    def pose_to_camera(self, rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
        """camera_T_object (4, 4) of a pose of the network, (3, 3) and (3,) in diameters."""
        turned = self.camera_R_view @ rotation
        center = self.origin_m + self.camera_R_view @ translation * self.diameter_m
        return make_pose(turned, center - turned @ self.center_m)

    def pose_from_camera(self, camera_T_object: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The inverse of :meth:`pose_to_camera`."""
        rotation = camera_T_object[:3, :3]
        center = rotation @ self.center_m + camera_T_object[:3, 3]
        return self.camera_R_view.T @ rotation, self.camera_R_view.T @ (center - self.origin_m) / self.diameter_m

    def turned(self, quarters: int) -> InputFrame:
        """The frame turned by so many right angles about its line of sight, as :func:`turned_input` turns the crop."""
        turn = so3_exp(np.array([0.0, 0.0, quarters * np.pi / 2]))
        return InputFrame(self.camera_R_view @ turn, self.origin_m, self.diameter_m, self.center_m)


class PointSample(NamedTuple):
    """Numpy form of one FusionInput: image (5, R, R), points (N, 3), choose (N,), and the crop's camera."""

    image: np.ndarray
    points: np.ndarray
    choose: np.ndarray
    frame: InputFrame
    camera: PinholeCamera


def make_input(
    observation: Observation,
    diameter_m: float,
    center_m: np.ndarray,
    resolution: int,
    margin: float,
    count: int,
    generator: np.random.Generator | None = None,
) -> PointSample:
    """Crop and points of an observation.

    Parameters: ``center_m`` (3,) of the object in its frame; ``margin`` crop side in diameters; ``count`` points, taken
    at random with a ``generator`` and evenly over the mask without; repeated in turn where there are fewer.
    Raises InitializationError without depth or with too few pixels that have it.
    """
    if observation.distance_m is None:
        raise InitializationError(
            "expected depth within the mask, got none; DenseFusion needs it, the method hypotheses does not"
        )
    intrinsics = observation.frame.camera
    ray = np.array([*(observation.middle - [intrinsics.cx, intrinsics.cy]) / [intrinsics.fx, intrinsics.fy], 1.0])
    origin = ray * (observation.distance_m + MIDDLE_BEHIND_SURFACE * diameter_m)
    camera = crop_camera(origin, margin * diameter_m, resolution)
    view = view_of(observation, camera)
    measured = view.mask & (view.depth > 0) & (np.abs(view.depth - observation.distance_m) < diameter_m)
    pixels = np.flatnonzero(measured)
    if len(pixels) < MIN_POINTS:
        raise InitializationError(
            f"expected at least {MIN_POINTS} points on the object in a crop of {resolution} pixels, got {len(pixels)}; "
            "is the mask on the object, and does the depth belong to it?"
        )
    choose = _chosen(pixels, count, generator)
    frame = InputFrame(rotation_towards(origin), origin, diameter_m, center_m)
    points = (camera.rays() * view.depth[..., None]).reshape(-1, 3)[choose].astype(np.float64)
    # Averaged over 2x2 pixels of a finer crop: picking single pixels of a large image would be noise.
    color = view_of(observation, crop_camera(origin, margin * diameter_m, 2 * resolution)).color
    color = cv2.resize(color, (resolution, resolution), interpolation=cv2.INTER_AREA).astype(np.float32)
    color[~view.mask] = 0
    relative = np.where(measured, (view.depth - origin[2]) / diameter_m, 0)
    image = np.dstack([color, view.mask, relative]).astype(np.float32).transpose(2, 0, 1)
    points = (points - origin) @ frame.camera_R_view / diameter_m
    return PointSample(image, points.astype(np.float32), choose, frame, camera)


def turned_input(sample: PointSample, quarters: int) -> PointSample:
    """The same as a camera would see it that is turned by so many right angles about its line of sight."""
    resolution = sample.image.shape[-1]
    # Image x is towards the right and y downwards: numpy's rot90 turns what is seen from x towards -y, as it
    # looks to a camera that is itself turned from x towards y.
    image = np.ascontiguousarray(np.rot90(sample.image, quarters, axes=(1, 2)))
    places = np.rot90(np.arange(resolution**2).reshape(resolution, resolution), quarters).ravel()
    moved = np.empty_like(places)
    moved[places] = np.arange(len(places))
    frame = sample.frame.turned(quarters)
    points = sample.points @ (sample.frame.camera_R_view.T @ frame.camera_R_view)
    return PointSample(image, points.astype(np.float32), moved[sample.choose], frame, sample.camera)


def stack_inputs(samples: list[PointSample]) -> FusionInput:
    """Samples of equal sizes as a batch of tensors."""
    return FusionInput(
        torch.from_numpy(np.stack([sample.image for sample in samples])),
        torch.from_numpy(np.stack([sample.points for sample in samples])),
        torch.from_numpy(np.stack([sample.choose for sample in samples])).long(),
    )


def _chosen(pixels: np.ndarray, count: int, generator: np.random.Generator | None) -> np.ndarray:
    if len(pixels) <= count:
        return np.resize(pixels, count)
    if generator is None:
        return pixels[np.linspace(0, len(pixels) - 1, count).round().astype(int)]
    return generator.choice(pixels, count, replace=False)
