"""What a file of weights says of its network, read without the network itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pose_tracker_ros.networks.calibration import CORRELATED_CELLS
from pose_tracker_ros.networks.crops import OBSERVED_CHANNELS, RENDERED_CHANNELS
from pose_tracker_ros.networks.weight_files import WeightFiles
from pose_tracker_ros.objects import kind_of

FORMAT_VERSION = 1
DIAMETER_TOLERANCE = 0.02


@dataclass(frozen=True)
class WeightsInfo:
    """What a network was trained for.

    objects: name -> diameter in metres, empty for a network that fits any object; architecture: key of NETWORKS; resolution: crop side in pixels;
    crop_margin: crop side in diameters; max_translation (diameters) and max_rotation (radians):
    normalisers of the residual; pairs: training pairs seen; fill_depth_holes: whether small holes of observed depth are
    to be filled, as they were in training; correlated_cells, correlated_cells_without_depth: calibration of its deviations
    by held-out crops with and without depth, see ``calibration``; training: options of scenes and training by name, empty
    in files older than that.
    """

    objects: Mapping[str, float]
    architecture: str
    resolution: int
    crop_margin: float
    max_translation: float
    max_rotation: float
    pairs: int = 0
    fill_depth_holes: bool = False
    correlated_cells: float = CORRELATED_CELLS
    correlated_cells_without_depth: float = CORRELATED_CELLS
    training: Mapping[str, Any] = field(default_factory=dict)
    rendered_channels: tuple[str, ...] = RENDERED_CHANNELS
    observed_channels: tuple[str, ...] = OBSERVED_CHANNELS
    version: int = FORMAT_VERSION

    def check_object(self, name: str, diameter_m: float, path: Path) -> None:
        """Raises ValueError unless the weights were trained for this object (an instance has its kind's), or for any."""
        if not self.objects:
            return
        name = kind_of(name)
        trained = self.objects.get(name)
        if trained is None:
            raise ValueError(
                f"expected weights of object {name!r}, but {path} was trained for {', '.join(self.objects)}; "
                f"name other weights or train: pose-tracker train {name}"
            )
        if abs(trained - diameter_m) > DIAMETER_TOLERANCE * trained:
            raise ValueError(
                f"expected a mesh of {trained:.4f} m diameter as the weights {path} were trained with, got one of "
                f"{diameter_m:.4f} m; check mesh and mesh_unit of {name!r}, or train again"
            )


FILES = WeightFiles("network", "pose-tracker train OBJECT", "pose_tracker_ros", FORMAT_VERSION, WeightsInfo)


def read_info(path: str | Path) -> WeightsInfo:
    """What the network of a weights file was trained for.

    Raises FileNotFoundError when there is no file, ValueError when it is not one of ours or cut off.
    """
    info = FILES.read_info(path)
    if (tuple(info.rendered_channels), tuple(info.observed_channels)) != (RENDERED_CHANNELS, OBSERVED_CHANNELS):
        raise ValueError(f"the weights {path} expect other image channels than this version makes; train them again")
    return info
