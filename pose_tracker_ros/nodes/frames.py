"""Frames of a camera's messages: pixels, intrinsics, and where the depth camera is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets.image_messages import calibration_from_info
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.intrinsics import ImageGeometry, Intrinsics, is_same_camera
from pose_tracker_ros.nodes.image_options import ImageOptions
from pose_tracker_ros.nodes.images import color_image, depth_image
from pose_tracker_ros.nodes.messages import seconds

# Transforms are rounded when they are published.
SAME_PLACE = 1e-4


class RgbdMessages(NamedTuple):
    """Colour and depth of about the same time, None where there is none, and the CameraInfo of each, where there is one."""

    color: Image | CompressedImage
    depth: Image | CompressedImage | None
    info: CameraInfo
    depth_info: CameraInfo | None = None


class FrameMaker:
    """Makes frames of messages; keeps what is made once for a camera."""

    def __init__(
        self, options: ImageOptions, topics: tuple[str, str], color_T_depth: Callable[[str, str], np.ndarray]
    ) -> None:
        """``topics`` of colour and depth, whose names may tell that images are rectified; ``color_T_depth``: gives the transform
        (4, 4) between two frames, or raises ValueError."""
        self._options, self._topics, self._color_T_depth = options, topics, color_T_depth
        self._of_color, self._of_depth = Intrinsics(), Intrinsics()
        self._geometry_of_color: ImageGeometry | None = None
        self._refusal_of_depth: str | None = None

    def frame(self, received: RgbdMessages) -> Frame:
        """The frame of what belongs together; without depth there is no measurement anywhere.

        Raises ValueError, in one sentence, for encodings, sizes or intrinsics that don't fit, and for depth of another frame
        that nothing tells the place of; while depth is refused, for colour alone, too, which would be followed otherwise wherever
        its depth came late.
        """
        color = color_image(received.color)
        geometry = self._geometry(self._of_color, received.info, color, self._topics[0])
        self._geometry_of_color = geometry
        fields = {"color": geometry.color(color), "camera": geometry.camera, "stamp": seconds(received.color.header.stamp)}
        if received.depth is None:
            if self._refusal_of_depth is not None:
                raise ValueError(self._refusal_of_depth)
            return Frame(depth=np.zeros(color.shape[:2], np.float32), **fields)
        try:
            fields |= self._of_depth_message(received, geometry)
        except ValueError as error:
            self._refusal_of_depth = str(error)
            raise
        self._refusal_of_depth = None
        return Frame(**fields)

    def forget_depth(self) -> None:
        """Depth comes no more: why it was refused concerns colour no longer."""
        self._refusal_of_depth = None

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """A mask (H, W) that was made of the colour image as it came, in the pixels of the last frame.

        Raises ValueError for one of another size than the image.
        """
        camera = self._geometry_of_color.camera
        if mask.shape != (camera.height, camera.width):
            raise ValueError(
                f"expected a mask as large as the colour image, {camera.width}x{camera.height}, got {mask.shape[1]}x{mask.shape[0]}"
            )
        return self._geometry_of_color.labels(mask)

    def box(self, corners: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of what they enclose in the colour image as it came, in the pixels of the last frame."""
        left, top, right, bottom = corners
        moved = self._geometry_of_color.points(np.array([[x, y] for x in (left, right) for y in (top, bottom)]))
        return (*moved.min(axis=0).tolist(), *moved.max(axis=0).tolist())

    def _of_depth_message(self, received: RgbdMessages, of_color: ImageGeometry) -> dict[str, Any]:
        """A frame's fields that are of depth."""
        depth = depth_image(received.depth)
        of_depth, color_T_depth = self._depth_camera(received, of_color, depth)
        fields = {"depth": of_depth.labels(depth)}
        if color_T_depth is not None:
            fields |= {"depth_camera": of_depth.camera, "color_T_depth": color_T_depth}
        return fields

    def _geometry(self, intrinsics: Intrinsics, info: CameraInfo, image: np.ndarray, topic: str) -> ImageGeometry:
        size = (image.shape[1], image.shape[0])
        return intrinsics.geometry(calibration_from_info(info), size, topic, self._options.distortion)

    def _depth_camera(
        self, received: RgbdMessages, of_color: ImageGeometry, depth: np.ndarray
    ) -> tuple[ImageGeometry, np.ndarray | None]:
        """The depth image's geometry and its camera's place, None where its pixels are colour's."""
        color_frame, depth_frame = received.color.header.frame_id, received.depth.header.frame_id
        is_elsewhere = bool(color_frame and depth_frame) and color_frame != depth_frame
        if self._options.depth_camera == "registered" or (received.depth_info is None and not is_elsewhere):
            _require_size_of_color(depth, of_color.camera)
            return of_color, None
        if received.depth_info is None:
            raise ValueError(
                f"expected depth in colour's frame {color_frame!r}, or the depth camera's CameraInfo on ~/depth/camera_info and its "
                f"place in TF, got depth in {depth_frame!r} on {self._topics[1]} and no CameraInfo of it; remap ~/depth/camera_info, "
                "subscribe to registered depth (realsense: align_depth.enable:=true), or set depth_camera to registered if its "
                "pixels are colour's"
            )
        of_depth = self._geometry(self._of_depth, received.depth_info, depth, self._topics[1])
        color_T_depth = self._place(color_frame, depth_frame) if is_elsewhere else np.eye(4)
        is_registered = is_same_camera(of_depth.camera, of_color.camera) and np.abs(color_T_depth - np.eye(4)).max() < SAME_PLACE
        return of_depth, None if is_registered else color_T_depth

    def _place(self, color_frame: str, depth_frame: str) -> np.ndarray:
        try:
            return self._color_T_depth(color_frame, depth_frame)
        except ValueError as error:
            raise ValueError(
                f"expected TF between depth in {depth_frame!r} and colour in {color_frame!r}: {error}; publish it (realsense: "
                "publish_tf:=true), subscribe to registered depth, or set depth_camera to registered if its pixels are colour's"
            ) from error


def _require_size_of_color(depth: np.ndarray, camera: PinholeCamera) -> None:
    height, width = depth.shape
    if (width, height) != (camera.width, camera.height):
        raise ValueError(
            f"expected depth of the colour image's size {camera.width}x{camera.height}, got {width}x{height}; register depth "
            "to colour (realsense: align_depth.enable:=true, others: depth_image_proc register), or remap ~/depth/camera_info "
            "so that it is taken with its own intrinsics"
        )

