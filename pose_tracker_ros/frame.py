"""One RGB-D image with everything that is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import invert, is_pose


@dataclass(frozen=True)
class Frame:
    """A colour and a depth image of one moment, registered to each other unless the depth has its own camera.

    color: (height, width, 3) uint8 RGB; this and depth are copied unless they are in C order.
    depth: (height, width) float32 metres, 0 = no measurement, never NaN; of the depth camera's size where it has one.
    camera: intrinsics of the colour image, and of the depth image unless that has its own camera.
    stamp: seconds.
    index: number of the frame in its sequence, as the data set counts.
    truth: object name -> camera_T_object (4, 4), where it is known.
    masks: object name -> visible mask (height, width) bool, where it is known.
    depth_camera: intrinsics of a depth image that is not registered to the colour image, else None.
    color_T_depth: (4, 4), takes points of the depth camera to the colour camera; None where depth is registered.
    world_T_camera: (4, 4) pose of the colour camera in the scene's frame, where it is known.
    visibility: object name -> visible share 0..1 of the object's silhouette, what is outside the image counted
        as not visible, where it is known.
    """

    color: np.ndarray
    depth: np.ndarray
    camera: PinholeCamera
    stamp: float
    index: int = 0
    truth: Mapping[str, np.ndarray] = field(default_factory=dict)
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    depth_camera: PinholeCamera | None = None
    color_T_depth: np.ndarray | None = None
    world_T_camera: np.ndarray | None = None
    visibility: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_geometry()
        # Once, not where they are looked at: of those in C order none is copied.
        for name in ("color", "depth"):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name)))
        size = (self.camera.height, self.camera.width)
        if self.color.shape != (*size, 3) or self.color.dtype != np.uint8:
            raise ValueError(
                f"expected colour of {size[1]}x{size[0]} uint8 RGB as the camera says, "
                f"got {self.color.dtype} of shape {self.color.shape}"
            )
        if not self.registered:
            size = (self.depth_camera.height, self.depth_camera.width)
        if self.depth.shape != size or self.depth.dtype != np.float32:
            where = "registered to the colour image" if self.registered else "as the depth camera says"
            raise ValueError(
                f"expected depth of {size[1]}x{size[0]} float32 metres, {where}, "
                f"got {self.depth.dtype} of shape {self.depth.shape}"
            )

    @property
    def registered(self) -> bool:
        """True when every depth pixel is that of the colour pixel at the same place."""
        return self.depth_camera is None

    @cached_property
    def has_depth(self) -> bool:
        """Whether anything was measured; a look at some pixels tells most often."""
        return bool(self.depth[::32, ::32].any() or self.depth.any())

    @cached_property
    def depth_T_color(self) -> np.ndarray:
        """(4, 4), takes points of the colour camera to the depth camera."""
        return np.eye(4) if self.color_T_depth is None else np.ascontiguousarray(invert(self.color_T_depth))

    def without_depth(self) -> Frame:
        """The same with no measurement of depth anywhere."""
        nowhere = np.zeros(self.color.shape[:2], np.float32)
        return replace(self, depth=nowhere, depth_camera=None, color_T_depth=None)

    def require_registered(self, user: str) -> None:
        """Raises ValueError on behalf of a ``user`` of frames that cannot do with a depth camera of its own."""
        if not self.registered:
            apart = np.linalg.norm(self.color_T_depth[:3, 3])
            raise ValueError(
                f"expected depth registered to the colour image for {user}, got the image of a depth camera of its own "
                f"({self.depth_camera.width}x{self.depth_camera.height}, {apart:.3f} m from the colour camera); register "
                "it first, e.g. with the aligned depth of the camera's driver or ROS 2's depth_image_proc"
            )

    def _check_geometry(self) -> None:
        if (self.depth_camera is None) != (self.color_T_depth is None):
            given = "color_T_depth" if self.depth_camera is None else "depth_camera"
            raise ValueError(
                "expected depth_camera and color_T_depth together, for depth that is not registered to colour, or "
                f"neither, got {given} alone; give both"
            )
        for name in ("color_T_depth", "world_T_camera"):
            pose = getattr(self, name)
            if pose is not None and not is_pose(pose):
                raise ValueError(f"expected {name} as a finite rigid 4x4 transform, got {np.asarray(pose).tolist()}")
