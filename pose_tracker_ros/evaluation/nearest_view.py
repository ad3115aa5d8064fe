"""The baseline of camera pose regression: the pose of the known image that is nearest."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pose_tracker_ros.geometry import rotation_angle

# Images are compared at this size (width, height), in grey levels.
SIZE = (32, 24)
# As far apart as this, cameras see as different things as when they are turned by a radian.
METRES_PER_RADIAN = 1.0


class NearestView:
    """Known images (H, W, 3) uint8 RGB and their poses map_T_camera (4, 4)."""

    def __init__(self, images: Sequence[np.ndarray], poses: Sequence[np.ndarray]) -> None:
        self._thumbnails = np.stack([_thumbnail(image) for image in images])
        self._poses = np.stack(poses)

    def by_look(self, image: np.ndarray) -> np.ndarray:
        """The pose (4, 4) of the image that correlates most with this one."""
        return self._poses[np.argmax(self._thumbnails @ _thumbnail(image))]

    def by_pose(self, map_T_camera: np.ndarray) -> np.ndarray:
        """The pose (4, 4) nearest to the true one, in metres and radians alike: the most that any retrieval can give."""
        apart = np.linalg.norm(self._poses[:, :3, 3] - map_T_camera[:3, 3], axis=1)
        angle = rotation_angle(self._poses[:, :3, :3] @ map_T_camera[:3, :3].T)
        return self._poses[np.argmin(apart + METRES_PER_RADIAN * angle)]


def _thumbnail(image: np.ndarray) -> np.ndarray:
    """A small image as a vector of mean 0 and length 1."""
    small = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), SIZE, interpolation=cv2.INTER_AREA).astype(np.float32)
    small = (small - small.mean()).ravel()
    return small / max(float(np.linalg.norm(small)), 1e-6)
