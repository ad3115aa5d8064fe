"""Methods that find a first pose, and the options of those that weigh hypotheses."""

from __future__ import annotations

from dataclasses import dataclass

from pose_tracker_ros.configuration import option

METHODS = ("hypotheses", "dense_fusion", "mask_alignment")


@dataclass(frozen=True)
class HypothesesConfig:
    """Options of :class:`pose_tracker_ros.initialization.hypotheses.HypothesisInitializer`."""

    subdivisions: int = option(2, "Views are the vertices of an icosahedron subdivided so often", minimum=1, maximum=3)
    in_plane: int = option(16, "Turns of every view about the optical axis", minimum=4, maximum=72)
    candidates: int = option(24, "Views that are aligned with the depth", minimum=1, maximum=500)
    finalists: int = option(5, "Aligned poses that are refined at full resolution", minimum=1, maximum=100)
    accept_score: float = option(0.7, "Poses that are less likely right are refused; a wrong one costs more than another mask", minimum=0.0, maximum=1.0)
