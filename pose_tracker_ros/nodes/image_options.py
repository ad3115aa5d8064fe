"""Parameters of nodes that listen to a camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pose_tracker_ros.configuration import Rule, option
from pose_tracker_ros.intrinsics import DISTORTION
from pose_tracker_ros.nodes.frame_rules import frame_rule

DEPTH_CAMERAS = ("auto", "registered")
COLOR_TRANSPORTS = ("raw", "compressed")
DEPTH_TRANSPORTS = ("raw", "compressedDepth", "compressed")


@dataclass(frozen=True)
class ImageOptions:
    """How images come, and what they are."""

    sync_slop: float = option(
        0.02, "Largest difference of the stamps of colour, depth and mask", unit="s", minimum=0.0, maximum=10.0, read_only=True
    )
    queue_size: int = option(10, "Images that wait for their partner", minimum=1, maximum=1000, read_only=True)
    reliable: bool = option(False, "Have lost images sent again; needs a camera that publishes reliably", read_only=True)
    distortion: str = option(
        "auto",
        "Images of cameras with distortion coefficients: undistort, all are raw; rectified, P holds for all; refuse, raw ones are "
        "an error; auto, those whose topic says rect are rectified, others undistorted",
        choices=DISTORTION,
        read_only=True,
    )
    depth_camera: str = option(
        "auto",
        "Depth images: registered, their pixels are colour's whatever they say; auto, they are where frame and CameraInfo are "
        "colour's, else the depth camera's own CameraInfo and TF tell where they are",
        choices=DEPTH_CAMERAS,
        read_only=True,
    )
    camera_frame: str = option("", "Frame of colour images whose driver names none", read_only=True)
    color_transport: str = option(
        "raw", "How colour comes: compressed, on its topic with /compressed after it", choices=COLOR_TRANSPORTS, read_only=True
    )
    depth_transport: str = option(
        "raw",
        "How depth comes: compressedDepth or compressed, on its topic with that after it",
        choices=DEPTH_TRANSPORTS,
        read_only=True,
    )
    RULES: ClassVar[tuple[Rule, ...]] = (frame_rule("camera_frame"),)
