"""Every option of the tracker."""

from __future__ import annotations

from dataclasses import dataclass

from pose_tracker_ros.configuration import option
from pose_tracker_ros.rendering.protocol import RENDERERS


@dataclass(frozen=True)
class TrackerConfig:
    """Options of :class:`pose_tracker_ros.tracking.Tracker`."""

    device: str = option("auto", "Device of the network: auto, cpu, cuda or cuda:N", read_only=True)
    threads: int = option(
        1,
        "CPU threads of the network, for the whole process; 0 = as many as torch likes",
        minimum=0,
        maximum=256,
        read_only=True,
    )
    renderer: str = option("raycast", "Renderer of the estimate", choices=RENDERERS, read_only=True)
    network_passes: int = option(
        2,
        "Render-and-compare passes of the residual network per frame; 0 switches the network off",
        minimum=0,
        maximum=10,
    )
    polish_iterations: int = option(
        6, "Iterations of the geometric polish per frame; 0 switches the polish off", minimum=0, maximum=50
    )
    polish_passes: int = option(
        2,
        "Most renderings per frame that polish and contour alignment look at; another after large motions",
        minimum=1,
        maximum=10,
    )
    polish_resolution: int = option(
        128, "Side of the crop that polish and contour alignment look at, pixels", minimum=32, maximum=512
    )
    contour_iterations: int = option(
        2,
        "Iterations of the contour alignment per frame, which follow the polish; 0 switches it off",
        minimum=0,
        maximum=20,
    )
    depth_bias_m: float = option(
        0.005,
        "Systematic error of the depth camera; the larger, the less the polish moves the network's pose",
        minimum=0.0,
        maximum=0.1,
    )
    min_depth_m: float = option(0.1, "Depth below this is taken for no measurement", minimum=0.0, maximum=10.0)
    max_depth_m: float = option(4.0, "Depth beyond this is taken for no measurement", minimum=0.1, maximum=100.0)
    motion_prior: float = option(
        1.0,
        "Share of the last motion that is expected again: 0 = at rest, 1 = constant velocity",
        minimum=0.0,
        maximum=1.0,
    )
    lost_score: float = option(
        0.3, "A score below this means that the pose is not supported by the image", minimum=0.0, maximum=1.0
    )
    recover_score: float = option(
        0.45, "A score above this ends coasting, or accepts a pose after loss", minimum=0.0, maximum=1.0
    )
    lost_frames: int = option(30, "Unsupported frames in a row after which the object is lost", minimum=1, maximum=1000)
    catch_up_s: float = option(
        5.0,
        "Frames are kept so long while there is no pose, so that a first pose that took its time can be followed up; 0 = none",
        minimum=0.0,
        maximum=30.0,
        read_only=True,
    )
    catch_up_frames: int = option(12, "Most of the kept frames that are followed then", minimum=1, maximum=1000)
