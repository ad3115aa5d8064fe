"""What is known of one object before any image: how it is drawn, and which of its poses look alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pose_tracker_ros.networks.motion_network import MotionNetwork
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import Renderer, create_renderer
from pose_tracker_ros.symmetries import symmetry_transforms
from pose_tracker_ros.tracking.config import TrackerConfig
from pose_tracker_ros.tracking.paint import paint_histogram
from pose_tracker_ros.tracking.rivals import alike_turns


@dataclass(frozen=True)
class Target:
    """An object to follow.

    same (S, 4, 4): its motions after which nothing tells it from before, the first none; alike (K, 4, 4): those, turns that its
    shape hardly tells, after which paint or details may, the first none, or none at all; paint: see :func:`paint_histogram`; network: None
    does without.
    """

    model: ObjectModel
    renderer: Renderer
    same: np.ndarray
    alike: np.ndarray
    paint: np.ndarray | None
    network: MotionNetwork | None

    @classmethod
    def of(cls, model: ObjectModel, config: TrackerConfig, network: MotionNetwork | None = None) -> Target:
        """Made ready to be drawn, which takes seconds for meshes of hundreds of thousands of triangles."""
        renderer, alike = create_renderer(config.renderer, model.mesh), alike_turns(model, config.noise)
        same = np.concatenate([symmetry_transforms(model), alike.untold])
        return cls(model, renderer, same, alike.told, paint_histogram(model, renderer, config.noise), network)
