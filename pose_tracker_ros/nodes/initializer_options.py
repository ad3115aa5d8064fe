"""Every parameter of the initializer node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pose_tracker_ros.configuration import merged, option
from pose_tracker_ros.initialization.config import METHODS, HypothesesConfig
from pose_tracker_ros.nodes.image_options import ImageOptions
from pose_tracker_ros.nodes.object_options import ObjectOptions


@dataclass(frozen=True)
class InitializerOptions(ObjectOptions):
    """Parameters of :class:`pose_tracker_ros.nodes.initializer_node.InitializerNode`."""

    method: str = option("hypotheses", "How the pose is found", choices=METHODS, read_only=True)
    weights_path: str = option("", "Network weights of dense_fusion instead of the first object's own", read_only=True)
    mask_labels: tuple[int, ...] = option(
        (0,),
        "Values of the objects in masks of labels, in their order; all 0 = 1, 2, 3, ..., and of a single object every value but 0",
        minimum=-(2**31),
        maximum=2**31 - 1,
    )
    detection_classes: tuple[str, ...] = option(
        ("",), "Class ids of the objects among detections, in their order; all empty = their names, and of a single object any class"
    )
    on_request: bool = option(
        False, "Answer only the first mask after a call of ~/initialize, not every mask", read_only=True
    )
    autostart: bool = option(
        True, "Configure and activate at once; false leaves that to a lifecycle manager", read_only=True
    )
    keep_s: float = option(2.0, "How long images are kept for their mask", minimum=0.0, maximum=60.0, read_only=True)
    images: ImageOptions = merged(ImageOptions)
    hypotheses: HypothesesConfig = merged(HypothesesConfig)
    REPLACED: ClassVar[Mapping[str, str]] = {
        "mask_label": "mask_labels has one value for each of the objects",
        "detection_class": "detection_classes has one class id for each of the objects",
    }
