"""Options of maps and of finding the camera in them."""

from __future__ import annotations

from dataclasses import dataclass

from pose_tracker_ros.configuration import option

SELECTIONS = ("retrieval", "regression", "both")


@dataclass(frozen=True)
class MapConfig:
    """What a map keeps."""

    keyframe_m: float = option(0.1, "A frame so far from all keyframes becomes one, metres", minimum=0.0, maximum=10.0)
    keyframe_deg: float = option(8.0, "A frame turned so far against near keyframes becomes one", minimum=0.0, maximum=180.0)
    features: int = option(1000, "Most features of an image", minimum=50, maximum=10000)
    feature_width: int = option(
        320, "Features are found in images of this width; more see finer structure and take longer", minimum=160, maximum=4096
    )


@dataclass(frozen=True)
class RelocalizerConfig:
    """How a camera is found in a map."""

    selection: str = option(
        "retrieval", "What chooses keyframes: images that look alike, the regressed pose, or both", choices=SELECTIONS
    )
    keyframes: int = option(5, "Keyframes that an image is compared with", minimum=1, maximum=50)
    depth_keyframes: int = option(3, "Keyframes of these whose depth it is aligned with", minimum=1, maximum=20)
    largest_error_px: float = option(
        8.0, "Largest distance of a feature from where its point would be seen, for images 640 wide", minimum=0.5, maximum=50.0
    )
    least_confidence: float = option(0.9, "Poses that are less likely right are refused", minimum=0.0, maximum=1.0)
