"""A mapped room: keyframes, and which of them look like a new image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache

import numpy as np

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import rotation_angle
from pose_tracker_ros.relocalization.config import MapConfig
from pose_tracker_ros.relocalization.keyframes import Keyframe
from pose_tracker_ros.relocalization.retrieval import Vocabulary
from pose_tracker_ros.relocalization.surface import Surface

# Surfaces that are held ready, 2 MB each.
SURFACES = 128
# At this distance a keyframe shows as different a part of the room as when it is turned by a radian.
METRES_PER_RADIAN = 1.0


class RoomMap:
    """Keyframes of a room in one frame of reference.

    config: what was kept; keyframes: in the order of their recording.
    """

    def __init__(
        self,
        keyframes: Sequence[Keyframe],
        images: Callable[[int], Frame],
        config: MapConfig,
        vocabulary: Vocabulary | None = None,
        descriptions: np.ndarray | None = None,
    ) -> None:
        """``images`` gives colour and depth of the keyframe at a position; vocabulary and descriptions (K, D) are made where
        they are not given. Raises ValueError without keyframes."""
        if not keyframes:
            raise ValueError("expected at least one keyframe in a map, got none")
        self.keyframes = tuple(keyframes)
        self.config = config
        self._images = images
        self._given = vocabulary, descriptions
        self.surface = lru_cache(SURFACES)(self._surface)
        self.directions = lru_cache(SURFACES)(self._directions)

    def __len__(self) -> int:
        """Number of keyframes."""
        return len(self.keyframes)

    def image(self, position: int) -> Frame:
        """Colour and depth of a keyframe, with its pose as ``world_T_camera``."""
        return self._images(position)

    @cached_property
    def poses(self) -> np.ndarray:
        """map_T_camera (K, 4, 4) of all keyframes."""
        return np.stack([keyframe.map_T_camera for keyframe in self.keyframes])

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Typical descriptors of all keyframes."""
        given, _ = self._given
        return given or Vocabulary.of(np.vstack([keyframe.features.directions for keyframe in self.keyframes]))

    @cached_property
    def descriptions(self) -> np.ndarray:
        """Descriptions (K, D) float32 of all keyframes as :meth:`Vocabulary.describe` makes them."""
        _, given = self._given
        if given is not None:
            return given
        return np.stack([self.vocabulary.describe(keyframe.features.directions) for keyframe in self.keyframes])

    def alike(self, directions: np.ndarray, most: int) -> list[int]:
        """Positions of the keyframes that look most like an image with such descriptors (N, 128), the likest first."""
        similar = self.descriptions @ self.vocabulary.describe(directions)
        return np.argsort(-similar, kind="stable")[:most].tolist()

    def near(self, map_T_camera: np.ndarray, most: int) -> list[int]:
        """Positions of the keyframes nearest to a pose (4, 4), in metres and radians alike."""
        apart = np.linalg.norm(self.poses[:, :3, 3] - map_T_camera[:3, 3], axis=1)
        turned = rotation_angle(self.poses[:, :3, :3] @ map_T_camera[:3, :3].T)
        return np.argsort(apart + METRES_PER_RADIAN * turned, kind="stable")[:most].tolist()

    def _surface(self, position: int) -> Surface:
        return Surface.of(self.image(position))

    def _directions(self, position: int) -> np.ndarray:
        return self.keyframes[position].features.directions
