"""Every parameter of the camera node."""

from __future__ import annotations

from dataclasses import dataclass

from pose_tracker_ros.configuration import nested, option
from pose_tracker_ros.simulation.demo_config import SimulationConfig

DEPTH_ENCODINGS = ("16UC1", "32FC1")
SIMULATION = "simulation"


@dataclass(frozen=True)
class CameraOptions:
    """Parameters of :class:`pose_tracker_ros.nodes.camera_node.CameraNode`."""

    source: str = option(SIMULATION, "Path of a sequence or recording, or 'simulation'", read_only=True)
    reader: tuple[str, ...] = option(
        ("",), "Options of the source's reader, each as name=value, such as color_topic=/left/image_raw", read_only=True
    )
    scene: str = option(
        "", "What is simulated: a scene file, SET/OBJECT/SEED of a frozen set, or '' for simulation.*", read_only=True
    )
    object: str = option("demo_jug", "Object that is simulated, and whose true pose is published", read_only=True)
    rate_hz: float = option(0.0, "Frames per second; 0 = as recorded", unit="", minimum=0.0, maximum=1000.0, read_only=True)
    loop: bool = option(False, "Begin again at the end", read_only=True)
    wait_for_subscriber_s: float = option(
        10.0, "Longest wait for a subscriber before playing", minimum=0.0, maximum=3600.0, read_only=True
    )
    prerender_frames: int = option(
        900,
        "Longest simulation that is rendered before it is played, into a temporary file of 1.8 MB a frame; 0 = none",
        minimum=0,
        maximum=1_000_000,
        read_only=True,
    )
    depth_encoding: str = option("16UC1", "Millimetres or metres", choices=DEPTH_ENCODINGS, read_only=True)
    frame_id: str = option("camera_color_optical_frame", "Frame of all images", read_only=True)
    world_frame: str = option(
        "world", "Frame in which TF has the camera where its pose is known; '' = not in TF", read_only=True
    )
    initial_offset_m: float = option(
        0.02, "How far the published first pose is off", minimum=0.0, maximum=10.0, read_only=True
    )
    initial_angle_deg: float = option(
        10.0, "How far the published first pose is turned", minimum=0.0, maximum=180.0, read_only=True
    )
    mask_every: int = option(
        0,
        "Publish the object's mask with every n-th frame; 0 = once, half a second after somebody subscribed",
        minimum=0,
        maximum=1_000_000,
        read_only=True,
    )
    autostart: bool = option(True, "Play at once", read_only=True)
    simulation: SimulationConfig = nested(SimulationConfig, "The simulated scene", read_only=True)
