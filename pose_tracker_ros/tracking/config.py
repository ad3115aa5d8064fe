"""Every option of the tracker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pose_tracker_ros.configuration import Rule, below, nested, option
from pose_tracker_ros.networks.runtimes import RUNTIMES
from pose_tracker_ros.rendering.protocol import RENDERERS
from pose_tracker_ros.tracking.noise import NoiseModel

DEPTH_USES = ("required", "used", "none")
NETWORK_USES = ("auto", "always", "when_needed", "never")
# Options for recorded frames, which wait: without a clock the same frames have the same result. And where a simulation or a
# data set says how the camera moved, that is truth, which trackers that are compared have to do without.
OFFLINE = {"frame_budget_ms": 0.0, "camera_motion": False}


@dataclass(frozen=True)
class TrackerConfig:
    """Options of :class:`pose_tracker_ros.tracking.Tracker`; those of yes or no are ingredients to compare without."""

    network: str = option(
        "auto",
        "When the residual network is asked: on every frame, where geometry is unsure, or never; auto = always on a GPU, "
        "when_needed on a CPU",
        choices=NETWORK_USES,
        read_only=True,
    )
    device: str = option("auto", "Device of the network: auto, cpu, cuda or cuda:N", read_only=True)
    runtime: str = option(
        "auto",
        "What runs the network: torch, which has all devices and networks, or OpenVINO on a CPU, rounded to bfloat16 or not; "
        "auto = OpenVINO on a CPU where it is installed, rounded where the processor has instructions for that",
        choices=RUNTIMES,
        read_only=True,
    )
    threads: int = option(
        1,
        "CPU threads of the network, for the whole process; 0 = as many as the runtime likes",
        minimum=0,
        maximum=256,
        read_only=True,
    )
    renderer: str = option("raster", "Renderer of the estimate", choices=RENDERERS, read_only=True)
    resolution: int = option(128, "Largest side of the window that is looked at; of thin objects twice that", unit="px", minimum=32, maximum=512)
    depth: str = option(
        "used",
        "Depth images: required, a pose without them is not believed and colours alone are no frame; used, colours go on alone "
        "where they are missing; none, there are none, or they are not looked at",
        choices=DEPTH_USES,
        read_only=True,
    )
    point_to_plane: bool = option(True, "Lay the surface on measured depth")
    contour: bool = option(True, "Use the outline: where colours show that the object ends")
    surface_flow: bool = option(True, "Follow points of the surface, from the mesh's paint or from earlier views, by optical flow")
    motion: bool = option(True, "Expect what moves to move on; false = to stay where it is")
    stop: bool = option(True, "Where a pose is doubted that moves on, look also where it was: it may have stopped")
    camera_motion: bool = option(
        True, "Expect what the camera's own motion makes of poses, where frames tell it (nodes: with a target_frame, from TF)"
    )
    search: bool = option(True, "Look elsewhere for an object that is not where it is expected")
    search_turns: int = option(4, "Turns that a frame tries, of all objects that are searched for together", minimum=1, maximum=100)
    search_poses: int = option(4, "Poses that a frame weighs, of all objects that are searched for together", minimum=1, maximum=100)
    frame_budget_ms: float = option(
        33.0, "Time of a frame: searches and looks of a network that would not fit are left to the next one; 0 = without limit", minimum=0.0, maximum=1e4
    )
    lost_frames: int = option(30, "Frames in which an object is searched for in vain until it is lost", minimum=1, maximum=1000)
    min_depth_m: float = option(0.1, "Depth below this is taken for no measurement", minimum=0.0, maximum=10.0)
    max_depth_m: float = option(4.0, "Depth beyond this is taken for no measurement", minimum=0.1, maximum=100.0)
    catch_up_s: float = option(
        5.0,
        "Frames are kept so long while there is no pose, so that a first pose that took its time can be followed up; 0 = none",
        minimum=0.0,
        maximum=30.0,
        read_only=True,
    )
    catch_up_frames: int = option(12, "Most of the kept frames in which a first pose is followed up", minimum=1, maximum=1000)
    noise: NoiseModel = nested(NoiseModel, "How far images and models are off")
    RULES: ClassVar[tuple[Rule, ...]] = (below("min_depth_m", "max_depth_m"),)
    REPLACED: ClassVar[Mapping[str, str]] = {
        "network_passes": "network says when the network is asked; instead of 0 set network to never",
        "polish_iterations": "steps end by themselves; instead of 0 set point_to_plane to false",
        "polish_passes": "views are looked at from coarse to fine",
        "polish_resolution": "set resolution",
        "contour_iterations": "steps end by themselves; instead of 0 set contour to false",
        "depth_bias_m": "set noise.depth_bias, a standard deviation about a bias that is estimated",
        "motion_prior": "motion is estimated; instead of 0 set motion to false",
        "lost_score": "the score is a probability, and tracking needs 0.9",
        "recover_score": "the score is a probability, and tracking needs 0.9",
    }

    @property
    def depth_range_m(self) -> tuple[float, float]:
        """Of depths that are believed."""
        return self.min_depth_m, self.max_depth_m
