"""The camera's pose in a map from one colour image, regressed by a PoseNet."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import make_pose, matrix_from_quaternion, so3_log
from pose_tracker_ros.networks.device import choose_device
from pose_tracker_ros.networks.posenet import CameraPoses, PoseNet, mean_pose
from pose_tracker_ros.networks.posenet_crops import central_corner, dense_corners
from pose_tracker_ros.networks.posenet_weights import PoseNetInfo, load_posenet


class Regressed(NamedTuple):
    """map_T_camera: (4, 4); covariance: (6, 6) of a twist (translation in metres, then rotation in radians) in camera
    axes, None where the network was asked once."""

    map_T_camera: np.ndarray
    covariance: np.ndarray | None


class Regressor:
    """A PoseNet with the map's frame and the camera that it was trained with."""

    def __init__(
        self, network: PoseNet, info: PoseNetInfo, dense: bool = False, samples: int = 0, device: str = "cpu"
    ) -> None:
        """``dense``: the mean of 128 crops, as in the paper. ``samples``: so many answers with dropout, whose mean and spread
        are the pose and its covariance (Kendall and Cipolla, ICRA 2016, arXiv 1509.05909).

        Raises ValueError for dense crops of a network that takes whole images, or fewer samples than a covariance needs.
        """
        if dense and not info.crop:
            raise ValueError(
                f"expected a network that takes crops for dense evaluation, got {info.network} of whole images"
            )
        if samples and (samples < 2 or not info.dropout):
            raise ValueError(
                f"expected at least 2 samples of a network trained with dropout for a covariance, got {samples} and "
                f"dropout {info.dropout}"
            )
        self._device = choose_device(device)
        self._network, self.info = network.to(self._device).eval(), info
        self._camera, self._reference = info.pinhole(), info.reference()
        size = (self._camera.height, self._camera.width)
        self._corners = dense_corners(size, info.crop) if dense else central_corner(size, info.crop)[None]
        self._samples = samples

    @classmethod
    def load(cls, path: str | Path, dense: bool = False, samples: int = 0, device: str = "cpu") -> Regressor:
        """The regressor of a weights file; raises as :func:`load_posenet` and the constructor."""
        return cls(*load_posenet(path), dense=dense, samples=samples, device=device)

    def __call__(self, color: np.ndarray, camera: PinholeCamera) -> Regressed:
        """Pose of the camera that took an image (H, W, 3) uint8 RGB with these intrinsics."""
        image = seen_by(color, camera, self._camera)
        # Every crop as often as there are samples, so that a step of that many goes once through all crops.
        corners = torch.from_numpy(np.repeat(self._corners, max(1, self._samples), axis=0)).to(self._device)
        with torch.inference_mode():
            images = torch.from_numpy(image).to(self._device).permute(2, 0, 1)[None]
            prepared = self._network.prepare(images.expand(len(corners), -1, -1, -1), corners)
            self._network.dropout.train(self._samples > 0)
            answers = self._network(prepared)[0]
            mean = mean_pose(answers)
        pose = reference_T_cameras(mean)[0]
        covariance = None
        if self._samples:
            of_samples = [
                mean_pose(CameraPoses(*(part[start :: self._samples] for part in answers)))
                for start in range(self._samples)
            ]
            poses = [reference_T_cameras(sample)[0] for sample in of_samples]
            covariance = np.cov(np.stack([_twist(pose, other) for other in poses]), rowvar=False)
        return Regressed(self._reference @ pose, covariance)


def reference_T_cameras(poses: CameraPoses) -> np.ndarray:
    """Poses (B, 4, 4) of what a network says."""
    positions, quaternions = (part.double().cpu().numpy() for part in poses)
    rotations = matrix_from_quaternion(quaternions)
    return np.stack([make_pose(rotation, position) for rotation, position in zip(rotations, positions)])


def seen_by(color: np.ndarray, camera: PinholeCamera, other: PinholeCamera) -> np.ndarray:
    """The image (H, W, 3) that another camera at the same place sees, black where the first one does not look."""
    factor = other.fx / camera.fx
    if factor < 1:
        color = cv2.resize(color, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        across, down = color.shape[1] / camera.width, color.shape[0] / camera.height
        camera = PinholeCamera(
            color.shape[1],
            color.shape[0],
            camera.fx * across,
            camera.fy * down,
            (camera.cx + 0.5) * across - 0.5,
            (camera.cy + 0.5) * down - 0.5,
        )
    if camera == other:
        return color
    to_first = camera.matrix @ np.linalg.inv(other.matrix)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(color, to_first[:2], (other.width, other.height), flags=flags)


def _twist(pose: np.ndarray, other: np.ndarray) -> np.ndarray:
    """From one pose to another (6,), in the axes of the first."""
    rotation = pose[:3, :3].T
    return np.concatenate([rotation @ (other[:3, 3] - pose[:3, 3]), so3_log(rotation @ other[:3, :3])])
