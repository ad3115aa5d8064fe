"""Where objects and the camera are in every frame of a scene, as poses in the scene's frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import trimesh

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import invert, make_pose, random_rotation, random_unit_vector, so3_exp, so3_log
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.simulation.config import CameraConfig, HandConfig, ObjectConfig
from pose_tracker_ros.simulation.grasp import carried_path
from pose_tracker_ros.simulation.motion import REACH_M, hand_motion, random_poses, read_trajectory_poses, waves

# Where things are that are held before the camera, metres.
MIDDLE = np.array([0.0, 0.0, 0.65])
# A hand that holds a camera: half the space it wanders in, and how far it turns.
SWAY_M, SWAY_RAD = np.array([0.05, 0.04, 0.04]), np.array([0.06, 0.06, 0.08])
# Of what leaves the image: frames on the way out and back in, and how differently it comes back.
LEAVING_FRAMES = 12
RETURN_SHIFT_M, RETURN_TURN_RAD = np.array([0.08, 0.05, 0.08]), np.radians(25.0)
# How far what is carried may be taken, and turned.
CARRY_REACH_M, CARRY_TURN_RAD = 0.15, np.radians(70.0)
# Nothing moves so far from one frame to the next; it was put elsewhere.
JUMP_M = 0.5


class PoseTrack:
    """Poses (N, 4, 4), one a frame, and those in between."""

    def __init__(self, poses: np.ndarray) -> None:
        self.poses = poses

    def __len__(self) -> int:
        return len(self.poses)

    def at(self, time: float) -> np.ndarray:
        """The pose (4, 4) at a time in frames: as given at whole ones, with constant velocity between, kept at the ends.

        Between poses farther apart than JUMP_M nothing moves: it is at the nearest.
        """
        time = float(np.clip(time, 0, len(self.poses) - 1))
        before = int(time)
        share = time - before
        if share == 0:
            return self.poses[before]
        one, other = self.poses[before], self.poses[before + 1]
        if np.linalg.norm(other[:3, 3] - one[:3, 3]) > JUMP_M:
            return one if share < 0.5 else other
        rotation = so3_exp(share * so3_log(other[:3, :3] @ one[:3, :3].T)) @ one[:3, :3]
        return make_pose(rotation, (1 - share) * one[:3, 3] + share * other[:3, 3])


def object_path(
    config: ObjectConfig,
    model: ObjectModel,
    frames: int,
    scene_T_support: np.ndarray,
    camera: PinholeCamera,
    hands: Sequence[HandConfig],
    generator: np.random.Generator,
) -> np.ndarray:
    """scene_T_object (N, 4, 4) of one object.

    Raises ValueError for a path that does not go with its place, or a trajectory file that cannot be read.
    """
    offset = np.array([config.offset_x, config.offset_y, config.offset_z])
    if config.path == "recorded":
        if not config.trajectory:
            raise ValueError("expected the option trajectory with path recorded, got none")
        return read_trajectory_poses(config.trajectory)[:frames]
    if config.path == "unrelated":
        return random_poses(frames, MIDDLE + offset, generator)
    if config.path in ("hand", "leave") and config.place != "air":
        raise ValueError(f"expected path {config.path} to begin in the air, got place {config.place}")
    speed = config.speed_mm * 1e-3, np.radians(config.speed_deg)
    if config.path == "hand":
        return about_center(hand_motion(frames, MIDDLE + offset, *speed, generator), model)
    if config.path == "leave":
        return about_center(_leaving(config, frames, MIDDLE + offset, model, camera, generator), model)
    start = _resting_pose(config, model, offset, scene_T_support, generator)
    # What nobody takes stays where it is.
    if config.path == "rest" or not hands:
        return np.tile(start, (frames, 1, 1))
    hand = hands[0]
    return carried_path(
        start,
        frames,
        hand.hold_frame,
        hand.release_frame,
        CARRY_REACH_M,
        CARRY_TURN_RAD,
        generator,
        speed_m=speed[0],
        center=model.center_m,
    )


def about_center(scene_T_center: np.ndarray, model: ObjectModel) -> np.ndarray:
    """Poses of an object whose middle, not whose origin, has the poses (N, 4, 4)."""
    return scene_T_center @ make_pose(np.eye(3), -model.center_m)


def camera_path(
    config: CameraConfig,
    camera: PinholeCamera,
    frames: int,
    middle: np.ndarray,
    up: np.ndarray,
    generator: np.random.Generator,
) -> np.ndarray:
    """scene_T_camera (N, 4, 4), the first the identity; an orbit goes around the axis ``up`` (3,) through ``middle`` (3,)."""
    if config.path == "still":
        return np.tile(np.eye(4), (frames, 1, 1))
    if config.path == "orbit":
        angles = np.radians(config.orbit_deg) * np.arange(frames)
        rotations = so3_exp(np.outer(angles, up))
        return np.stack([make_pose(rotation, middle - rotation @ middle) for rotation in rotations])
    poses = _sway(config, frames, generator)
    if config.path == "jerks":
        poses = poses @ np.stack([make_pose(turn, np.zeros(3)) for turn in _jerks(config, camera, frames, generator)])
    return poses


def lying_rotation(model: ObjectModel, generator: np.random.Generator) -> tuple[np.ndarray, float]:
    """Rotation (3, 3) in which an object lies flat with z up, turned anyhow about z, and the height of its origin, metres.

    Flat is the stable pose of least height, of those on which its convex hull comes to rest at least once in twenty throws.
    """
    hull = trimesh.convex.convex_hull(model.mesh.vertices.astype(np.float64))
    transforms, shares = trimesh.poses.compute_stable_poses(hull)
    likely = transforms[shares >= min(0.05, shares.max())]
    heights = [np.ptp(hull.vertices @ transform[2, :3]) for transform in likely]
    flat = likely[int(np.argmin(np.round(heights, 6)))]
    turn = so3_exp(np.array([0, 0, generator.uniform(0, 2 * np.pi)]))
    return turn @ flat[:3, :3], float(-(hull.vertices @ flat[2, :3]).min())


def _resting_pose(
    config: ObjectConfig, model: ObjectModel, offset: np.ndarray, scene_T_support: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    if config.place == "air":
        return make_pose(random_rotation(generator), MIDDLE + offset) @ make_pose(np.eye(3), -model.center_m)
    rotation, height = lying_rotation(model, generator)
    place = make_pose(rotation, np.zeros(3)) @ make_pose(np.eye(3), -model.center_m)
    place[:2, 3] += offset[[0, 2]]
    place[2, 3] = height
    return scene_T_support @ place


def _leaving(
    config: ObjectConfig,
    frames: int,
    middle: np.ndarray,
    model: ObjectModel,
    camera: PinholeCamera,
    generator: np.random.Generator,
) -> np.ndarray:
    """Slow motion, then out of the image to one side; back from the other one, elsewhere and turned."""
    poses = hand_motion(frames, middle, config.speed_mm * 1e-3, np.radians(config.speed_deg), generator)
    side = generator.choice([-1.0, 1.0])
    # Wherever it wanders while it is away, no part of it is in the image.
    wander = REACH_M + RETURN_SHIFT_M
    beyond = camera.width / 2 / camera.fx * (middle[2] + wander[2]) + wander[0] + 0.6 * model.diameter_m
    back = config.leave_frame + LEAVING_FRAMES + config.away_frames
    time = np.arange(frames)
    out = _ease((time - config.leave_frame) / LEAVING_FRAMES)
    home = _ease((time - back) / LEAVING_FRAMES)
    across = np.where(time < back, side * beyond * out, -side * beyond * (1 - home))
    elsewhere = generator.uniform(-RETURN_SHIFT_M, RETURN_SHIFT_M)
    turned = so3_exp(random_unit_vector(generator) * generator.uniform(0.4, 1.0) * RETURN_TURN_RAD)
    returned = time >= back - config.away_frames // 2
    poses[returned, :3, :3] = turned @ poses[returned, :3, :3]
    poses[returned, :3, 3] += elsewhere
    poses[:, 0, 3] += across
    return poses


def _ease(progress: np.ndarray) -> np.ndarray:
    """From 0 to 1 with no speed at both ends."""
    return (1 - np.cos(np.pi * np.clip(progress, 0, 1))) / 2


def _sway(config: CameraConfig, frames: int, generator: np.random.Generator) -> np.ndarray:
    """The wandering of a hand, from the identity on."""
    way = waves(frames, SWAY_M, config.sway_mm * 1e-3, generator)
    turns = waves(frames, SWAY_RAD, np.radians(config.sway_deg), generator)
    poses = np.stack([make_pose(rotation, offset) for rotation, offset in zip(so3_exp(turns), way)])
    return invert(poses[0]) @ poses


def _jerks(config: CameraConfig, camera: PinholeCamera, frames: int, generator: np.random.Generator) -> np.ndarray:
    """Turns (N, 3, 3) that take the image by ``jerk_px`` to a random side and, with the next jerk, back."""
    angle = np.arctan(config.jerk_px / camera.fx)
    time = np.arange(frames)
    turn = np.zeros((frames, 3))
    starts = range(config.jerk_first_frame, frames, config.jerk_period_frames)
    for number, start in enumerate(starts):
        if number % 2 == 0:
            direction = generator.uniform(0, 2 * np.pi)
            axis = np.array([np.cos(direction), np.sin(direction), 0.0])
        # The frame before the first of the jerk is still at rest.
        progress = np.clip((time - start + 1) / config.jerk_frames, 0, 1)
        turn += np.outer(progress, axis) * (angle if number % 2 == 0 else -angle)
    return so3_exp(turn)
