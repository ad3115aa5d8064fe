"""Every parameter of the tracker node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pose_tracker_ros.configuration import Rule, merged, option
from pose_tracker_ros.nodes.frame_rules import frame_rule
from pose_tracker_ros.nodes.image_options import ImageOptions
from pose_tracker_ros.nodes.object_options import ObjectOptions
from pose_tracker_ros.tracking.config import TrackerConfig


@dataclass(frozen=True)
class TrackerOptions(ObjectOptions):
    """Parameters of :class:`pose_tracker_ros.nodes.tracker_node.TrackerNode`."""

    weights_path: str = option("", "Network weights instead of the first object's own", read_only=True)
    kernel_cache: str = option(
        "",
        "Folder for compiled kernels and exported networks; empty = that of POSE_TRACKER_KERNEL_CACHE, else one in the user's cache",
        read_only=True,
    )
    object_frame: str = option("", "TF frame of the first object; empty = its name", read_only=True)
    target_frame: str = option(
        "",
        "Fixed frame in which poses are also published, and below which TF has the objects; empty = none",
        read_only=True,
    )
    tf_wait_s: float = option(
        0.03,
        "How long an image waits for the camera's transform to target_frame at its stamp",
        minimum=0.0,
        maximum=10.0,
        read_only=True,
    )
    publish_tf: bool = option(True, "Publish the transforms from camera, or target_frame, to objects", read_only=True)
    images: ImageOptions = merged(ImageOptions)
    initial_pose: tuple[float, ...] = option(
        (0.0,) * 7,
        "First pose x y z qx qy qz qw of the first object in the camera frame; all zero = wait for a message",
        read_only=True,
    )
    autostart: bool = option(
        True, "Configure and activate at once; false leaves that to a lifecycle manager", read_only=True
    )
    tracking: TrackerConfig = merged(TrackerConfig)
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            ("initial_pose",),
            lambda options: len(options.initial_pose) == 7,
            "initial_pose to be 7 numbers x y z qx qy qz qw",
        ),
        Rule(
            ("initial_pose",),
            lambda options: not any(options.initial_pose[:3]) or any(options.initial_pose[3:]),
            "initial_pose to have a quaternion qx qy qz qw of some length, as 0 0 0 1 for no turn",
        ),
        frame_rule("object_frame"),
        frame_rule("target_frame"),
        Rule(
            ("object_frame", "target_frame"),
            lambda options: not options.object_frame or options.object_frame != options.target_frame,
            "object_frame and target_frame to be two frames",
        ),
    )
