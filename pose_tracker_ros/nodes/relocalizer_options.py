"""Every parameter of the relocalizer node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pose_tracker_ros.configuration import Rule, merged, option
from pose_tracker_ros.nodes.frame_rules import frame_rule
from pose_tracker_ros.nodes.image_options import ImageOptions
from pose_tracker_ros.relocalization.config import RelocalizerConfig

CAMERA_POSES = ("map", "tf")


@dataclass(frozen=True)
class RelocalizerOptions:
    """Parameters of :class:`pose_tracker_ros.nodes.relocalizer_node.RelocalizerNode`."""

    map: str = option("", "Folder made by pose-tracker map; not needed with camera_pose tf", read_only=True)
    camera_pose: str = option(
        "map",
        "Where the camera's pose comes from: images compared with the map, or TF from map_frame to the camera (another SLAM's)",
        choices=CAMERA_POSES,
        read_only=True,
    )
    map_frame: str = option("map", "TF frame of the map", read_only=True)
    publish_tf: bool = option(
        True, "Publish the transform from map_frame to the camera, or base_frame", read_only=True
    )
    base_frame: str = option(
        "",
        "Frame that gets map_frame as its parent, such as camera_link or odom, where TF has it above the camera; '' = the camera's",
        read_only=True,
    )
    rate_hz: float = option(2.0, "Images a second that are located, at most", minimum=0.1, maximum=30.0, read_only=True)
    tf_wait_s: float = option(
        0.1, "How long an image waits for the camera's transform at its stamp", minimum=0.0, maximum=10.0, read_only=True
    )
    tracker: str = option(
        "tracker", "Name of the tracker node, in this node's namespace unless it begins with a slash", read_only=True
    )
    rest_s: float = option(
        1.0, "An object that is tracked at one place for so long rests there and is remembered", minimum=0.1, maximum=60.0, read_only=True
    )
    remember: bool = option(True, "Offer first poses of resting objects that the tracker has lost", read_only=True)
    autostart: bool = option(
        True, "Configure and activate at once; false leaves that to a lifecycle manager", read_only=True
    )
    images: ImageOptions = merged(ImageOptions)
    relocalizer: RelocalizerConfig = merged(RelocalizerConfig)
    RULES: ClassVar[tuple[Rule, ...]] = (frame_rule("map_frame"), frame_rule("base_frame"))
