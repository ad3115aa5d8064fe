"""Poses of a camera that nobody knows: each image against keyframes, then all keyframes at once."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import open3d as o3d

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import invert, rotation_angle
from pose_tracker_ros.relocalization.config import MapConfig, RelocalizerConfig
from pose_tracker_ros.relocalization.features import detect
from pose_tracker_ros.relocalization.keyframes import Keyframe, feature_points
from pose_tracker_ros.relocalization.registration import Known, Looked, Registration, register
from pose_tracker_ros.relocalization.retrieval import Vocabulary
from pose_tracker_ros.relocalization.surface import Surface

# An image is compared with so many keyframes before the newest one, and where that fails with so many that look alike.
RECENT, ALIKE = 3, 5
# Keyframes so far apart in the order of recording are a loop; so many that look alike are tried for each.
LOOP_GAP, LOOPS = 5, 3
# Poses of the odometry are right with this probability, those that close loops with that one: a wrong loop bends everything.
LEAST_ODOMETRY, LEAST_LOOP = 0.5, 0.99
# Edges of loops that are farther from the rest than this, metres, are taken for wrong (of Choi et al., CVPR 2015).
LOOP_REACH_M = 0.03
PRUNED_BELOW = 0.25


class Edge(NamedTuple):
    """``first_T_second`` (4, 4) between two keyframes and its ``information`` (6, 6) of a twist in axes of the second."""

    first: int
    second: int
    first_T_second: np.ndarray
    information: np.ndarray
    is_loop: bool


class Odometry:
    """Follows a camera from its first image on, which is the frame of the map.

    lost: number of images whose pose was not found.
    """

    origin = "odometry"

    def __init__(self, config: MapConfig) -> None:
        self.lost = 0
        self.edges: list[Edge] = []
        self._config = config
        self._largest_error_px = RelocalizerConfig().largest_error_px
        self._known: list[Known] = []

    @property
    def keyframes(self) -> list[Keyframe]:
        """In the order of their recording."""
        return [one.keyframe for one in self._known]

    def add(self, frame: Frame) -> bool:
        """Whether a frame became a keyframe; raises ValueError for depth that is not registered to colour."""
        features = detect(frame.color, self._config.features, self._config.feature_width)
        looked = Looked(features, features.directions, Surface.of(frame), frame.camera)
        if not self._known:
            self._keep(frame, looked, np.eye(4))
            return True
        found = self._follow(looked)
        if found is None:
            self.lost += 1
            return False
        newest = len(self._known) - 1
        between = invert(self._known[newest].keyframe.map_T_camera) @ found.map_T_camera
        turned = np.degrees(rotation_angle(between[:3, :3]))
        if np.linalg.norm(between[:3, 3]) < self._config.keyframe_m and turned < self._config.keyframe_deg:
            return False
        self._keep(frame, looked, found.map_T_camera)
        self.edges.append(Edge(newest, newest + 1, between, found.information, False))
        return True

    def close_loops(self) -> int:
        """Compare keyframes that look alike and put all poses right at once; gives the number of loops.

        Poses are those that agree best with all edges (Open3D's pose graph; loops that don't fit are pruned).
        """
        vocabulary = Vocabulary.of(np.vstack([one.directions for one in self._known]))
        descriptions = np.stack([vocabulary.describe(one.directions) for one in self._known])
        similar = descriptions @ descriptions.T
        loops = []
        for second in range(LOOP_GAP, len(self._known)):
            earlier = similar[second, : second - LOOP_GAP + 1]
            for first in np.argsort(-earlier, kind="stable")[:LOOPS].tolist():
                loops += self._loop(first, second)
        self.edges += loops
        if loops:
            poses = optimised([one.keyframe.map_T_camera for one in self._known], self.edges)
            self._known = [
                one._replace(keyframe=replace(one.keyframe, map_T_camera=pose)) for one, pose in zip(self._known, poses)
            ]
        return len(loops)

    def _follow(self, looked: Looked) -> Registration | None:
        """Where an image is against the newest keyframes, else against those that look alike."""
        found = register(looked, self._known[-RECENT:][::-1], self._largest_error_px)
        if found is not None and found.confidence >= LEAST_ODOMETRY:
            return found
        alike = sorted(self._known, key=lambda one: -_likeness(looked.directions, one.directions))[:ALIKE]
        found = register(looked, alike, self._largest_error_px)
        return found if found is not None and found.confidence >= LEAST_ODOMETRY else None

    def _keep(self, frame: Frame, looked: Looked, map_T_camera: np.ndarray) -> None:
        points = feature_points(looked.features, frame)
        keyframe = Keyframe(frame.index, frame.stamp, map_T_camera, frame.camera, looked.features, points)
        self._known.append(Known(keyframe, looked.directions, looked.surface))

    def _loop(self, first: int, second: int) -> list[Edge]:
        one, other = self._known[first], self._known[second]
        alone = one._replace(keyframe=replace(one.keyframe, map_T_camera=np.eye(4)))
        looked = Looked(other.keyframe.features, other.directions, other.surface, other.keyframe.camera)
        found = register(looked, [alone], self._largest_error_px)
        if found is None or found.confidence < LEAST_LOOP:
            return []
        return [Edge(first, second, found.map_T_camera, found.information, True)]


def optimised(poses: list[np.ndarray], edges: list[Edge]) -> list[np.ndarray]:
    """Poses (4, 4) of keyframes that agree best with all edges; the first stays."""
    registration = o3d.pipelines.registration
    graph = registration.PoseGraph()
    graph.nodes.extend(registration.PoseGraphNode(pose) for pose in poses)
    # Open3D's twists have the rotation first.
    order = [3, 4, 5, 0, 1, 2]
    for edge in edges:
        information = edge.information[np.ix_(order, order)]
        graph.edges.append(
            registration.PoseGraphEdge(edge.second, edge.first, edge.first_T_second, information, edge.is_loop)
        )
    registration.global_optimization(
        graph,
        registration.GlobalOptimizationLevenbergMarquardt(),
        registration.GlobalOptimizationConvergenceCriteria(),
        registration.GlobalOptimizationOption(LOOP_REACH_M, PRUNED_BELOW, 1.0, 0),
    )
    first = poses[0] @ invert(np.asarray(graph.nodes[0].pose))
    return [first @ np.asarray(node.pose) for node in graph.nodes]


def _likeness(directions: np.ndarray, others: np.ndarray) -> float:
    """How much two images have in common: the mean over features of the nearest one's likeness."""
    if not len(directions) or not len(others):
        return 0.0
    return float((directions @ others.T).max(axis=1).mean())
