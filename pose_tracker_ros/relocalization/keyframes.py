"""What a map keeps of one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.relocalization.config import MapConfig
from pose_tracker_ros.relocalization.features import Features, detect


@dataclass(frozen=True)
class Keyframe:
    """An image of a map.

    number: of the frame in its sequence; stamp: seconds; map_T_camera: (4, 4);
    features: pixels of the colour image and descriptors; points: (N, 3) float32 metres of the features in the camera's
    frame, NaN where their depth is not known; camera: intrinsics of the image.
    """

    number: int
    stamp: float
    map_T_camera: np.ndarray
    camera: PinholeCamera
    features: Features
    points: np.ndarray

    @classmethod
    def of(cls, frame: Frame, map_T_camera: np.ndarray, config: MapConfig) -> Keyframe:
        """Of a frame at a pose (4, 4); raises ValueError for depth that is not registered to colour."""
        frame.require_registered("mapping")
        features = detect(frame.color, config.features, config.feature_width)
        return cls(frame.index, frame.stamp, map_T_camera, frame.camera, features, feature_points(features, frame))


def feature_points(features: Features, frame: Frame) -> np.ndarray:
    """Points (N, 3) float32 of features in the frame of the camera, NaN where depth was not measured."""
    columns = np.rint(features.pixels[:, 0]).astype(int).clip(0, frame.camera.width - 1)
    rows = np.rint(features.pixels[:, 1]).astype(int).clip(0, frame.camera.height - 1)
    depth = frame.depth[rows, columns]
    depth = np.where(depth > 0, depth, np.nan)
    rays = np.column_stack(
        [
            (features.pixels[:, 0] - frame.camera.cx) / frame.camera.fx,
            (features.pixels[:, 1] - frame.camera.cy) / frame.camera.fy,
            np.ones(len(features)),
        ]
    )
    return (rays * depth[:, None]).astype(np.float32)
