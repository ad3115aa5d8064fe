"""Which augmentations a training uses."""

from __future__ import annotations

from typing import NamedTuple

from pose_tracker_ros.training.augmentation.color import (
    BlackLevel,
    Brightness,
    ColorBlur,
    ColorNoise,
    HsvJitter,
    LowerResolution,
    MotionBlur,
    Saturation,
    WhiteBalance,
)
from pose_tracker_ros.training.augmentation.depth import (
    DepthBias,
    DepthBlur,
    DepthHoles,
    DepthNoise,
    DepthQuantisation,
    EdgeDropout,
    ForegroundFattening,
    Misregistration,
    StereoNoise,
)
from pose_tracker_ros.training.augmentation.framing import CornerCover, ImageBorder, IntrinsicsJitter
from pose_tracker_ros.training.augmentation.observation import Augmentation, FirstOf
from pose_tracker_ros.training.residuals import PreviousPoseNoise


class Preset(NamedTuple):
    """Augmentations of the observed side in their order, and of the rendered pose."""

    steps: tuple[Augmentation, ...]
    previous_pose: PreviousPoseNoise | None = None


# The parameters of se(3)-TrackNet (arXiv 2007.13866), which are the classes' defaults.
PUBLISHED = Preset((HsvJitter(), Brightness(), ColorNoise(), DepthNoise(), ColorBlur(), DepthBlur(), CornerCover()))

# For real depth cameras of any kind.
ROBUST = Preset(
    (
        IntrinsicsJitter(),
        Brightness(low=0.6, high=1.4),
        WhiteBalance(),
        BlackLevel(),
        Saturation(),
        LowerResolution(),
        FirstOf(steps=(MotionBlur(), ColorBlur(probability=0.3, kernels=(), sigma=(0.4, 1.8)))),
        ColorNoise(probability=1.0, max_deviation=6.0, measured_only=False),
        Misregistration(),
        ForegroundFattening(),
        StereoNoise(),
        DepthBias(),
        DepthQuantisation(),
        EdgeDropout(),
        DepthHoles(),
        ImageBorder(),
    ),
    PreviousPoseNoise(),
)

PRESETS = {"robust": ROBUST, "published": PUBLISHED, "none": Preset(())}
