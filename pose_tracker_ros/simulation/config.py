"""Every option of a simulated scene.

Lengths of options are millimetres where their name says so, else metres. The scene's frame is that of a camera that has
not moved: x right, y down, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass

from pose_tracker_ros.configuration import items, nested, option

PATHS = ("hand", "rest", "carried", "leave", "recorded", "unrelated")
PLACES = ("air", "support")
PAINTS = ("own", "other", "target")
BOARD_MOTIONS = ("stands", "follows", "sweeps")
BOARD_COLORS = ("other", "mean", "cutout")
BOARD_SIDES = ("front", "back")
HANDS = ("hand", "gripper")
CAMERA_PATHS = ("still", "handheld", "jerks", "orbit")
SUPPORT_COLORS = ("wood", "plain", "other", "object")
MOST_FRAMES = 1_000_000


@dataclass(frozen=True)
class ObjectConfig:
    """One object and how it moves. The first object of a scene is the *target* of boards and look-alikes."""

    model: str = option("demo_jug", "Object of models/ or of the benchmark, or box, ball, cylinder")
    name: str = option("", "Name in the truth; default that of the model")
    path: str = option("hand", "How it moves; carried: by the first hand, else it rests", choices=PATHS)
    speed_mm: float = option(8.9, "Motion from frame to frame, mean (carried: at most)", minimum=0.0, maximum=100.0)
    speed_deg: float = option(3.7, "Turn from frame to frame, mean", minimum=0.0, maximum=30.0)
    trajectory: str = option("", "For path recorded: file of lines 't x y z qx qy qz qw'")
    place: str = option("air", "Where a path begins: before the camera, or flat on the support", choices=PLACES)
    offset_x: float = option(0.0, "Moved to the right by", minimum=-2.0, maximum=2.0)
    offset_y: float = option(0.0, "Moved down by", minimum=-2.0, maximum=2.0)
    offset_z: float = option(0.0, "Moved away by", minimum=-2.0, maximum=2.0)
    paint: str = option("own", "Colour: its own, another one, or the mean of the target's", choices=PAINTS)
    size: float = option(0.0, "Diameter as a multiple of the target's; 0 = as the model is", minimum=0.0, maximum=10.0)
    leave_frame: int = option(45, "For path leave: first frame of the way out", minimum=0, maximum=MOST_FRAMES)
    away_frames: int = option(30, "For path leave: frames outside of the image", minimum=1, maximum=MOST_FRAMES)


@dataclass(frozen=True)
class BoardConfig:
    """A plane before (or behind) the target during a spell."""

    first_frame: int = option(60, "Frame in which it begins to come", minimum=0, maximum=MOST_FRAMES)
    frames: int = option(30, "Frames from then on until it is gone", minimum=1, maximum=MOST_FRAMES)
    slide_frames: int = option(5, "Of these, in which it comes, and in which it goes", minimum=0, maximum=1000)
    period_frames: int = option(0, "It comes again after so many frames; 0 = once", minimum=0, maximum=MOST_FRAMES)
    motion: str = option("stands", "Whether it stands, moves with the object, or sweeps across", choices=BOARD_MOTIONS)
    size: float = option(
        1.5, "Edges as a multiple of the object's box in the image, all places of the spell", minimum=0.1, maximum=10.0
    )
    share: float = option(1.0, "Share of the object that its edge hides; 1 = all of it", minimum=0.0, maximum=1.0)
    width_m: float = option(0.04, "For motion sweeps: width of the bar", minimum=0.001, maximum=2.0)
    side: str = option("front", "Before the object, or behind it as a wall", choices=BOARD_SIDES)
    gap_m: float = option(0.05, "Distance from the object's nearest point; below 0 it cuts it", minimum=-1, maximum=1)
    tilt_deg: float = option(0.0, "Tilt against the image plane, about a random axis", minimum=0.0, maximum=60.0)
    color: str = option("other", "Another colour, the object's mean, or a cut-out of the object", choices=BOARD_COLORS)


@dataclass(frozen=True)
class HandConfig:
    """A hand or gripper that reaches in, holds the target, and lets it go."""

    kind: str = option("hand", "What holds it", choices=HANDS)
    reach_frame: int = option(15, "First frame of reaching in", minimum=0, maximum=MOST_FRAMES)
    hold_frame: int = option(30, "Frame from which it holds", minimum=1, maximum=MOST_FRAMES)
    release_frame: int = option(90, "Frame in which it lets go", minimum=2, maximum=MOST_FRAMES)
    gone_frame: int = option(105, "Frame from which it is gone", minimum=3, maximum=MOST_FRAMES)


@dataclass(frozen=True)
class CameraConfig:
    """How the camera moves."""

    path: str = option("still", "How it moves", choices=CAMERA_PATHS)
    sway_mm: float = option(1.0, "Hand-held: mean motion from frame to frame", minimum=0.0, maximum=50.0)
    sway_deg: float = option(0.15, "Hand-held: mean turn from frame to frame", minimum=0.0, maximum=10.0)
    orbit_deg: float = option(0.5, "Orbit: turn about the middle from frame to frame", minimum=0.0, maximum=10.0)
    jerk_px: float = option(80.0, "Jerks: motion of the image of one jerk", minimum=0.0, maximum=300.0)
    jerk_frames: int = option(1, "Jerks: frames that a jerk takes", minimum=1, maximum=10)
    jerk_first_frame: int = option(30, "Jerks: frame of the first", minimum=1, maximum=MOST_FRAMES)
    jerk_period_frames: int = option(30, "Jerks: frames from one to the next", minimum=1, maximum=MOST_FRAMES)


@dataclass(frozen=True)
class RoomConfig:
    """What is around: a support (a table) in a room with clutter on it."""

    support: str = option("wood", "Wood, plain grey, plain in another colour, or plain in the object's", choices=SUPPORT_COLORS)
    support_m: float = option(1.217, "Distance of the support along the first optical axis", minimum=0.2, maximum=3.0)
    support_tilt_deg: float = option(35.0, "Angle at which the first camera looks onto it", minimum=5.0, maximum=90.0)
    clutter: int = option(9, "Things that stand about on the support", minimum=0, maximum=50)


@dataclass(frozen=True)
class SensorConfig:
    """What the camera makes of the scene."""

    depth_noise_mm: float = option(
        1.2, "Standard deviation of depth at 0.6 m; 0 = perfect depth", minimum=0.0, maximum=50.0
    )
    depth_bias_mm: float = option(0.0, "What all depth is too far", minimum=-50.0, maximum=50.0)
    depth_holes: float = option(0.02, "Share of the image without depth, in patches", minimum=0.0, maximum=0.9)
    mixed_pixels: float = option(
        0.0, "Share of the pixels at depth steps that are measured between both sides", minimum=0.0, maximum=1.0
    )
    color_noise: float = option(3.0, "Standard deviation of colour in grey levels", minimum=0.0, maximum=100.0)
    color_shift_x_px: float = option(0.0, "How far colour is right of depth", minimum=-20.0, maximum=20.0)
    color_shift_y_px: float = option(0.0, "How far colour is below depth", minimum=-20.0, maximum=20.0)
    shutter: float = option(0.0, "Motion blur: share of the frame's time that it is exposed", minimum=0.0, maximum=1.0)


@dataclass(frozen=True)
class LightConfig:
    """One far-away lamp and ambient light."""

    ambient: float = option(0.55, "Share of ambient light", minimum=0.0, maximum=1.0)
    exposure: float = option(1.0, "Factor on all colours", minimum=0.1, maximum=3.0)
    flicker: float = option(0.02, "Amplitude of the exposure's waves", minimum=0.0, maximum=0.5)


@dataclass(frozen=True)
class SceneConfig:
    """A scene: the same options give the same bits."""

    frames: int = option(120, "Number of frames", minimum=1, maximum=MOST_FRAMES)
    rate_hz: float = option(30.0, "Frames per second", minimum=0.1, maximum=1000.0)
    seed: int = option(0, "Seed of everything that is random", minimum=0, maximum=2**31 - 1)
    blank_first_frame: int = option(0, "First of the blank frames", minimum=0, maximum=MOST_FRAMES)
    blank_frames: int = option(0, "Number of frames without colour and depth", minimum=0, maximum=1000)
    objects: tuple[ObjectConfig, ...] = items(ObjectConfig, (ObjectConfig(),), "Objects; the first is the target")
    boards: tuple[BoardConfig, ...] = items(BoardConfig, (), "Boards")
    hands: tuple[HandConfig, ...] = items(HandConfig, (), "Hands and grippers")
    camera: CameraConfig = nested(CameraConfig, "Camera's path")
    room: RoomConfig = nested(RoomConfig, "Surroundings")
    sensor: SensorConfig = nested(SensorConfig, "Defects of colour and depth")
    light: LightConfig = nested(LightConfig, "Light")
