"""Every parameter of the initializer node."""

from __future__ import annotations

from dataclasses import dataclass

from pose_tracker_ros.configuration import merged, option
from pose_tracker_ros.initialization.config import METHODS, HypothesesConfig
from pose_tracker_ros.nodes.image_options import ImageOptions


@dataclass(frozen=True)
class InitializerOptions:
    """Parameters of :class:`pose_tracker_ros.nodes.initializer_node.InitializerNode`."""

    object: str = option("demo_jug", "Object to find: a name in models/ or a folder with object.yaml", read_only=True)
    mesh_path: str = option("", "Mesh file instead of the object's own", read_only=True)
    mesh_unit: str = option("", "Unit of mesh_path: m, cm, mm or inch; empty = the object's", read_only=True)
    method: str = option("hypotheses", "How the pose is found", choices=METHODS, read_only=True)
    weights_path: str = option("", "Network weights of dense_fusion instead of the object's own", read_only=True)
    mask_label: int = option(
        0, "Value of the object in a mask of labels (16UC1, 32SC1); 0 = every value but 0", minimum=-(2**31), maximum=2**31 - 1, read_only=True
    )
    detection_class: str = option("", "Class id of the object among detections; empty = any class", read_only=True)
    on_request: bool = option(
        False, "Answer only the first mask after a call of ~/initialize, not every mask", read_only=True
    )
    autostart: bool = option(
        True, "Configure and activate at once; false leaves that to a lifecycle manager", read_only=True
    )
    keep_s: float = option(2.0, "How long images are kept for their mask", minimum=0.0, maximum=60.0, read_only=True)
    images: ImageOptions = merged(ImageOptions)
    hypotheses: HypothesesConfig = merged(HypothesesConfig)
