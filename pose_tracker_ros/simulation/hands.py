"""Hands and grippers of a scene: what they hold, and from where they come."""

from __future__ import annotations

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import random_unit_vector
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import Rendering
from pose_tracker_ros.rendering.raycast import RaycastRenderer
from pose_tracker_ros.simulation.config import HandConfig
from pose_tracker_ros.simulation.grasp import Grasp, hand_poses, object_T_grasp
from pose_tracker_ros.simulation.grippers import gripper_mesh, hand_mesh
from pose_tracker_ros.simulation.paths import PoseTrack

SKINS = ((236, 188, 160), (198, 140, 104), (141, 94, 66), (92, 60, 45))
# From so far away, from outside of the image, it comes.
REACH_M = 0.6
MOST_TRIES = 200
# An arm comes from the side or from before: its direction along the line of sight, and upwards.
LEAST_ALONG_SIGHT, MOST_ALONG_SIGHT, MOST_UPWARDS = 0.0, 0.7, 0.2


class Hand:
    """A hand or gripper that takes the target from a side that it fits."""

    def __init__(
        self,
        config: HandConfig,
        target: ObjectModel,
        scene_T_object: np.ndarray,
        up: np.ndarray,
        generator: np.random.Generator,
    ) -> None:
        """``scene_T_object`` (N, 4, 4): the target's way; ``up`` (3,): away from the support, which arms don't come through.

        Raises ValueError where the object can be held from no side, or for frames in another order.
        """
        grasp = Grasp(config.reach_frame, config.hold_frame, config.release_frame, config.gone_frame, REACH_M)
        held_from = scene_T_object[min(config.hold_frame, len(scene_T_object) - 1)]
        object_T_hand, opening = _find_grasp(target, held_from, up, generator)
        skin = SKINS[generator.integers(len(SKINS))]
        mesh = hand_mesh(opening, skin, generator) if config.kind == "hand" else gripper_mesh(opening)
        poses, self._there = hand_poses(scene_T_object, object_T_hand, grasp)
        self._track = PoseTrack(poses)
        self._renderer = RaycastRenderer(mesh, threads=1)

    def render(self, camera: PinholeCamera, camera_T_scene: np.ndarray, time: float) -> Rendering | None:
        """The hand at a time in frames, None while it is not there."""
        if not self._there[int(np.clip(np.rint(time), 0, len(self._there) - 1))]:
            return None
        return self._renderer.render(camera, camera_T_scene @ self._track.at(time))


def _find_grasp(
    target: ObjectModel, scene_T_object: np.ndarray, up: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, float]:
    """object_T_hand (4, 4) and opening of a grasp from a random side that an arm can come from."""
    reason: ValueError | None = None
    for _ in range(MOST_TRIES):
        approach = random_unit_vector(generator)
        if not LEAST_ALONG_SIGHT <= approach[2] <= MOST_ALONG_SIGHT or approach @ up > MOST_UPWARDS:
            continue
        try:
            return object_T_grasp(target, scene_T_object[:3, :3].T @ approach)
        except ValueError as error:
            reason = error
    raise ValueError(f"expected an object that a hand can hold, but {target.name!r} is too wide from all sides: {reason}")
