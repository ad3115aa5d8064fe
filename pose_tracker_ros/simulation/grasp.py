"""How a hand takes an object: where it grips, how it comes, holds and leaves, and along which path it carries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pose_tracker_ros.geometry import apply_residual, make_pose, random_unit_vector
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.simulation.grippers import FINGERS_HALF_WIDTH_M, FINGERTIP_M, LARGEST_OPENING_M, PALM_M

# Air between object and fingers together, and between object and palm, metres.
OPENING_CLEARANCE_M = 0.004
PALM_CLEARANCE_M = 0.004
# Directions tried in half a turn; of those about as narrow as the best, the first is taken.
DIRECTIONS = 360
SAME_WIDTH_M = 5e-4
SURFACE_POINTS = 4000
# Cosines that a path consists of, and frames that half a wave takes at least.
WAVES = 3
SHORTEST_SWING = 8


@dataclass(frozen=True)
class Grasp:
    """When a hand does what, in frames.

    It appears at ``reach_frame``, has the object from ``hold_frame`` to ``release_frame`` and has disappeared at
    ``gone_frame``; it comes from and goes to ``reach_m`` metres away. Frames may lie outside of the sequence: it then begins
    or ends with the hand there.
    Raises ValueError unless the frames follow each other and the distance is positive.
    """

    reach_frame: int
    hold_frame: int
    release_frame: int
    gone_frame: int
    reach_m: float = 0.35

    def __post_init__(self) -> None:
        if not self.reach_frame < self.hold_frame <= self.release_frame < self.gone_frame:
            raise ValueError(
                "expected reach_frame < hold_frame <= release_frame < gone_frame, got "
                f"{self.reach_frame}, {self.hold_frame}, {self.release_frame}, {self.gone_frame}"
            )
        if not 0 < self.reach_m < np.inf:
            raise ValueError(f"expected the hand to come from reach_m > 0 metres away, got {self.reach_m}")


def object_T_grasp(model: ObjectModel, approach: np.ndarray) -> tuple[np.ndarray, float]:
    """Pose (4, 4) of the grasp frame of :mod:`pose_tracker_ros.simulation.grippers` on an object, and the opening in metres.

    The hand comes along ``approach`` (3,), a direction of any length in the object frame, until its fingertips are at the
    object's middle or its palm at the surface. It is over the middle of the part that is then between palm and fingertips,
    or over what is nearest to it (the middle of a ring is empty), and its fingers close in the direction in which that part
    is narrowest.

    Raises ValueError for a direction without length, or when the object is too wide to be gripped from there.
    """
    approach = np.asarray(approach, dtype=np.float64)
    length = np.linalg.norm(approach)
    if approach.shape != (3,) or not 1e-9 < length < np.inf:
        raise ValueError(f"expected an approach direction (3,) of non-zero length, got {approach.tolist()}")
    forward = approach / length
    points = np.vstack([model.mesh.vertices, model.sample_points(SURFACE_POINTS)])
    depths = points @ forward
    depth = min(float(model.center_m @ forward), depths.min() - PALM_CLEARANCE_M + PALM_M)
    near = points[depths <= depth + FINGERTIP_M]
    middle = _nearest_across((near.min(axis=0) + near.max(axis=0)) / 2, near, forward)
    closing, low, high = _narrowest_direction(near - middle, forward)
    opening = high - low + OPENING_CLEARANCE_M
    if opening > LARGEST_OPENING_M:
        raise ValueError(
            f"expected {model.name!r} to be at most {LARGEST_OPENING_M - OPENING_CLEARANCE_M:.3f} m wide between fingers "
            f"that come along {approach.tolist()}, got {high - low:.3f} m; approach it from another side"
        )
    rotation = np.column_stack([closing, np.cross(forward, closing), forward])
    place = middle + (low + high) / 2 * closing
    return make_pose(rotation, place + (depth - place @ forward) * forward), opening


def _nearest_across(place: np.ndarray, points: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Of points (N, 3), that which an ``axis`` (3,) through ``place`` (3,) passes closest."""
    return points[np.argmin(np.linalg.norm(np.cross(points - place, axis), axis=1))]


def _narrowest_direction(points: np.ndarray, axis: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Unit vector (3,) across ``axis`` (3,) along which points (N, 3) extend least, and the range of these points.

    Only points that are between fingers about the origin count; the origin has to be one of them.
    """
    first = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    first /= np.linalg.norm(first)
    angles = np.arange(DIRECTIONS)[:, None] * np.pi / DIRECTIONS
    directions = np.cos(angles) * first + np.sin(angles) * np.cross(axis, first)
    along = directions @ points.T
    between = np.abs(np.cross(axis, directions) @ points.T) <= FINGERS_HALF_WIDTH_M
    low = np.where(between, along, np.inf).min(axis=1)
    high = np.where(between, along, -np.inf).max(axis=1)
    widths = high - low
    best = int(np.argmax(widths <= widths.min() + SAME_WIDTH_M))
    return directions[best], float(low[best]), float(high[best])


def hand_poses(world_T_object: np.ndarray, object_T_grasp: np.ndarray, grasp: Grasp) -> tuple[np.ndarray, np.ndarray]:
    """Poses world_T_hand (N, 4, 4) and in which frames (N,) bool the hand is there, for object poses (N, 4, 4).

    The hand comes along its approach, z of ``object_T_grasp`` (4, 4), to where the object is at ``hold_frame``, moves with
    it, and goes back along its approach from where the object is at ``release_frame``; the object should rest before and
    after. Coming and going begin and end slowly. In frames without a hand its pose is the nearest one with it.
    """
    last = len(world_T_object) - 1
    frames = np.arange(len(world_T_object))
    object_frame = np.clip(np.clip(frames, grasp.hold_frame, grasp.release_frame), 0, last)
    coming = _eased((grasp.hold_frame - frames) / (grasp.hold_frame - grasp.reach_frame))
    going = _eased((frames - grasp.release_frame) / (grasp.gone_frame - grasp.release_frame))
    grasp_T_hand = np.tile(np.eye(4), (len(frames), 1, 1))
    grasp_T_hand[:, 2, 3] = -grasp.reach_m * (coming + going)
    visible = (frames >= grasp.reach_frame) & (frames < grasp.gone_frame)
    return world_T_object[object_frame] @ object_T_grasp @ grasp_T_hand, visible


def _eased(progress: np.ndarray) -> np.ndarray:
    """0 to 1 for progress 0 to 1, without speed at both ends and beyond them."""
    return (1 - np.cos(np.pi * np.clip(progress, 0, 1))) / 2


def carried_path(
    start: np.ndarray,
    frames: int,
    hold_frame: int,
    release_frame: int,
    reach_m: float,
    turn_rad: float,
    generator: np.random.Generator,
    *,
    speed_m: float = 0.01,
    center: np.ndarray | None = None,
) -> np.ndarray:
    """Poses world_T_object (frames, 4, 4) of an object that rests at ``start`` (4, 4), is carried, and rests where it was put.

    Between the two frames it moves by sums of cosines, without speed at both ends: its centre up to ``reach_m`` metres from
    where it was, and at most ``speed_m`` metres from frame to frame; it turns up to ``turn_rad`` about one random axis.

    Parameters: ``center`` (3,) metres in the object frame, about which it is turned; default the origin.
    Raises ValueError unless hold_frame < release_frame and the bounds are positive.
    """
    if not hold_frame < release_frame:
        raise ValueError(f"expected hold_frame < release_frame, got {hold_frame} and {release_frame}")
    if not (reach_m > 0 and speed_m > 0 and turn_rad >= 0):
        raise ValueError(
            f"expected reach_m > 0, speed_m > 0 and turn_rad >= 0, got {reach_m}, {speed_m} and {turn_rad}"
        )
    duration = release_frame - hold_frame
    curve, turning = _Swinging.draw(3, generator), _Swinging.draw(1, generator)
    swings = _fastest_swings(curve, duration, reach_m, speed_m)
    way = reach_m * curve.sample(duration, swings)
    way *= min(1.0, speed_m / _peak_speed(way))
    turn = turn_rad * turning.sample(duration, swings) * random_unit_vector(generator)
    since = np.clip(np.arange(frames) - hold_frame, 0, duration)
    return np.stack([apply_residual(start, way[index], turn[index], center) for index in since])


@dataclass(frozen=True)
class _Swinging:
    """Sums of cosines from zero, at rest at both ends: ``rates`` and ``weights`` (WAVES, dimensions)."""

    rates: np.ndarray
    weights: np.ndarray

    @classmethod
    def draw(cls, dimensions: int, generator: np.random.Generator) -> _Swinging:
        rates = generator.uniform(0.3, 1.0, (WAVES, dimensions))
        return cls(rates, generator.uniform(0.3, 1.0, rates.shape) * generator.choice([-1, 1], (1, dimensions)))

    def sample(self, duration: int, swings: int) -> np.ndarray:
        """The curve (duration + 1, dimensions) of at most ``swings`` half waves, whose farthest place is at distance one."""
        half_waves = np.maximum(1, np.rint(self.rates * swings))
        progress = np.linspace(0, 1, duration + 1)[:, None, None]
        curve = (self.weights * (1 - np.cos(np.pi * half_waves * progress))).sum(axis=1)
        return curve / np.linalg.norm(curve, axis=1).max()


def _fastest_swings(curve: _Swinging, duration: int, reach_m: float, speed_m: float) -> int:
    """How many half waves make a curve that fills ``reach_m`` as fast as ``speed_m`` a frame allows, at least one."""
    for swings in range(2, duration // SHORTEST_SWING + 1):
        if reach_m * _peak_speed(curve.sample(duration, swings)) > speed_m:
            return swings - 1
    return max(1, duration // SHORTEST_SWING)


def _peak_speed(curve: np.ndarray) -> float:
    """Longest step from frame to frame of a curve (N, dimensions)."""
    return float(np.linalg.norm(np.diff(curve, axis=0), axis=1).max())
