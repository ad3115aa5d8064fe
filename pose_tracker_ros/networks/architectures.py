"""The architectures that a network can be made of, by name."""

from __future__ import annotations

from pose_tracker_ros.networks.matching import MatchingNetwork
from pose_tracker_ros.networks.refining import RefiningNetwork
from pose_tracker_ros.networks.residual import CompactNetwork, PublishedNetwork, ResidualNetwork

NETWORKS: dict[str, type[ResidualNetwork]] = {
    "compact": CompactNetwork,
    "matching": MatchingNetwork,
    "refining": RefiningNetwork,
    "published": PublishedNetwork,
}


def create_network(architecture: str, max_translation: float, max_rotation: float) -> ResidualNetwork:
    """A network with random weights.

    Parameters: ``max_translation`` in object diameters, ``max_rotation`` in radians: the normalisers.
    Raises ValueError for an unknown architecture.
    """
    if architecture not in NETWORKS:
        raise ValueError(f"expected network to be one of {', '.join(NETWORKS)}, got {architecture!r}")
    return NETWORKS[architecture](max_translation, max_rotation)
