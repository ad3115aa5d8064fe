"""Where the camera is in a map, from one image and its depth."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.relocalization.agreement import Agreement
from pose_tracker_ros.relocalization.config import RelocalizerConfig
from pose_tracker_ros.relocalization.depth_alignment import View
from pose_tracker_ros.relocalization.features import detect
from pose_tracker_ros.relocalization.registration import Looked, Registration, find_by_features, refine_by_depth
from pose_tracker_ros.relocalization.room_map import RoomMap
from pose_tracker_ros.relocalization.surface import Surface


class Location(NamedTuple):
    """What an image says about where its camera is.

    map_T_camera: (4, 4), None where nothing was found; covariance: (6, 6) of a twist (translation in metres, then rotation
    in radians) in camera axes; inliers: features that are seen where they are in the map; confidence: probability that the
    pose is right; agreement: how far the image is what keyframes saw; keyframes: positions of those it was compared with;
    selected: (4, 4) what chose them, the regressed pose or that of the image that looks most alike; seconds: taken.
    """

    map_T_camera: np.ndarray | None
    covariance: np.ndarray | None
    inliers: int
    confidence: float
    agreement: Agreement
    keyframes: tuple[int, ...]
    selected: np.ndarray
    seconds: float

    def is_sure(self, least_confidence: float) -> bool:
        """Whether there is a pose that is right with this probability."""
        return self.map_T_camera is not None and self.confidence >= least_confidence


class Relocalizer:
    """Finds the camera in one map."""

    def __init__(
        self,
        room: RoomMap,
        config: RelocalizerConfig | None = None,
        regress: Callable[[Frame], np.ndarray] | None = None,
    ) -> None:
        """``regress`` gives map_T_camera (4, 4) of a frame; raises ValueError where the selection needs it and there is none."""
        self.room = room
        self._regress = regress
        self.reconfigure(config or RelocalizerConfig())

    def reconfigure(self, config: RelocalizerConfig) -> None:
        """Change options; raises ValueError as the constructor does."""
        if config.selection != "retrieval" and self._regress is None:
            raise ValueError(
                f"expected a regressor for selection {config.selection}, got none; train one for the map, "
                "or set selection to retrieval"
            )
        self.config = config

    def locate(self, frame: Frame) -> Location:
        """Where the camera of a frame is; raises ValueError for depth that is not registered to colour."""
        begin = time.perf_counter()
        looked = self._look(frame)
        chosen, selected = self._select(frame, looked.directions)
        found = self._register(looked, chosen)
        if found is None:
            nothing = None, None, 0, 0.0, Agreement()
            return Location(*nothing, tuple(chosen), selected, time.perf_counter() - begin)
        return Location(
            found.map_T_camera,
            np.linalg.inv(found.information),
            found.inliers,
            found.confidence,
            found.agreement,
            tuple(chosen),
            selected,
            time.perf_counter() - begin,
        )

    def _look(self, frame: Frame) -> Looked:
        options = self.room.config
        features = detect(frame.color, options.features, options.feature_width)
        return Looked(features, features.directions, Surface.of(frame), frame.camera)

    def _select(self, frame: Frame, directions: np.ndarray) -> tuple[list[int], np.ndarray]:
        """Positions of the keyframes to compare with, and the pose that chose them."""
        most = self.config.keyframes
        if self.config.selection == "retrieval":
            chosen = self.room.alike(directions, most)
            return chosen, self.room.poses[chosen[0]]
        regressed = self._regress(frame)
        chosen = self.room.near(regressed, most)
        if self.config.selection == "both":
            half = chosen[: (most + 1) // 2]
            chosen = list(dict.fromkeys([*half, *self.room.alike(directions, most)]))[:most]
        return chosen, regressed

    def _register(self, looked: Looked, chosen: list[int]) -> Registration | None:
        room = self.room
        keyframes, directions = [room.keyframes[one] for one in chosen], [room.directions(one) for one in chosen]
        found = find_by_features(looked, keyframes, directions, self.config.largest_error_px)
        if found is None:
            return None
        # Depth is compared with the keyframes of which most is seen.
        order = np.argsort(-found.inliers, kind="stable")[: self.config.depth_keyframes]
        seen = [chosen[number] for number in order if found.inliers[number]]
        views = [View(room.surface(position), room.keyframes[position].map_T_camera) for position in seen]
        return refine_by_depth(looked, found, views)
