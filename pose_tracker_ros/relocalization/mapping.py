"""From images to a map, with the poses that they come with or those that odometry finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import invert, rotation_angle
from pose_tracker_ros.relocalization.config import MapConfig
from pose_tracker_ros.relocalization.keyframes import Keyframe
from pose_tracker_ros.relocalization.map_files import MapImages, save_map
from pose_tracker_ros.relocalization.odometry import Odometry
from pose_tracker_ros.relocalization.room_map import RoomMap
from pose_tracker_ros.relocalization.triangulation import with_triangulated_points


class GivenPoses:
    """Keyframes of frames that know their pose. lost: number of those that don't."""

    origin = "given"

    def __init__(self, config: MapConfig) -> None:
        self.lost = 0
        self.keyframes: list[Keyframe] = []
        self._config = config

    def add(self, frame: Frame) -> bool:
        """Whether a frame became a keyframe; raises ValueError for depth that is not registered to colour."""
        if frame.world_T_camera is None:
            self.lost += 1
            return False
        if not self._is_new(frame.world_T_camera):
            return False
        self.keyframes.append(Keyframe.of(frame, frame.world_T_camera, self._config))
        return True

    def close_loops(self) -> int:
        """Poses that are given are not bent: no loop is closed."""
        return 0

    def _is_new(self, map_T_camera: np.ndarray) -> bool:
        if not self.keyframes:
            return True
        poses = np.stack([keyframe.map_T_camera for keyframe in self.keyframes])
        between = invert(poses) @ map_T_camera
        apart = np.linalg.norm(between[:, :3, 3], axis=1)
        turned = np.degrees(rotation_angle(between[:, :3, :3]))
        return not np.any((apart < self._config.keyframe_m) & (turned < self._config.keyframe_deg))


class MapBuilder:
    """Takes frames and keeps those in a folder that show what no keyframe shows yet."""

    def __init__(self, folder: Path, config: MapConfig, poses: GivenPoses | Odometry) -> None:
        """Raises FileExistsError where the folder holds anything."""
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise FileExistsError(f"expected a new or empty folder for the map, got {folder}; name another one")
        self.poses = poses
        self._folder, self._config = folder, config
        self._images = MapImages(folder)

    def add(self, frame: Frame) -> bool:
        """Whether a frame became a keyframe; raises ValueError for depth that is not registered to colour."""
        is_new = self.poses.add(frame)
        if is_new:
            self._images.write(len(self.poses.keyframes) - 1, frame)
        return is_new

    def finish(self, source: str) -> tuple[RoomMap, int]:
        """Put poses right, write all but the images, and give the map and the number of loops that were closed.

        Raises ValueError when no frame became a keyframe.
        """
        if not self.poses.keyframes:
            raise ValueError(
                f"expected frames with known poses in {source}, got none; let odometry find them (--poses odometry), or name "
                "the fixed frame of a recording's TF (--reader world_frame=map)"
            )
        loops = self.poses.close_loops()
        keyframes = self.poses.keyframes
        if not any(np.isfinite(keyframe.points).any() for keyframe in keyframes):
            keyframes = with_triangulated_points(keyframes)
        room = RoomMap(keyframes, lambda position: self._images.read(position, keyframes[position]), self._config)
        save_map(room, self._folder, source, self.poses.origin)
        return room, loops
