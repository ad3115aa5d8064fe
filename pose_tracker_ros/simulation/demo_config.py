"""Options of the demo's scene, flat as ROS parameters need them."""

from __future__ import annotations

from dataclasses import dataclass

from pose_tracker_ros.configuration import option


@dataclass(frozen=True)
class SimulationConfig:
    """Options of the simulated camera. The default is the demo: hand motion, a bar in front, a blackout."""

    frames: int = option(600, "Number of frames", minimum=1, maximum=1_000_000)
    rate_hz: float = option(30.0, "Frames per second", minimum=0.1, maximum=1000.0)
    seed: int = option(0, "Seed of motion, scene and noise", minimum=0, maximum=2**31 - 1)
    speed_mm: float = option(8.9, "Mean motion from frame to frame", minimum=0.0, maximum=100.0)
    speed_deg: float = option(3.7, "Mean turn from frame to frame", minimum=0.0, maximum=30.0)
    trajectory: str = option("", "File of lines 't x y z qx qy qz qw' to follow instead of a hand-like motion")
    random_poses: bool = option(False, "Every frame shows the object at a place and a turn of its own")
    bar_width_px: int = option(
        50, "Width of a bar that sweeps across the object, in the middle of the image; 0 = none", minimum=0, maximum=640
    )
    bar_first_frame: int = option(120, "Frame in which the bar first appears", minimum=0, maximum=1_000_000)
    bar_period_frames: int = option(150, "Frames from one sweep to the next", minimum=1, maximum=1_000_000)
    bar_sweep_frames: int = option(60, "Frames that a sweep takes", minimum=1, maximum=1_000_000)
    spell_share: float = option(
        0.0, "Share of the object that something in front hides in every spell", minimum=0.0, maximum=0.9
    )
    spell_first_frame: int = option(60, "Frame in which the first spell begins", minimum=0, maximum=1_000_000)
    spell_period_frames: int = option(90, "Frames from one spell to the next", minimum=1, maximum=1_000_000)
    spell_frames: int = option(45, "Frames that a spell lasts", minimum=1, maximum=1_000_000)
    blank_first_frame: int = option(480, "First of the blank frames", minimum=0, maximum=1_000_000)
    blank_frames: int = option(5, "Number of frames without colour and depth", minimum=0, maximum=1000)
    depth_noise_mm: float = option(
        1.2, "Standard deviation of depth at 0.6 m; 0 = perfect depth", minimum=0.0, maximum=50.0
    )
    depth_bias_mm: float = option(0.0, "What all depth is too far", minimum=-50.0, maximum=50.0)
    color_noise: float = option(3.0, "Standard deviation of colour in grey levels", minimum=0.0, maximum=100.0)
