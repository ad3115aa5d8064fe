"""A relocalizer of all that lies in a map's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.relocalization.config import RelocalizerConfig
from pose_tracker_ros.relocalization.map_files import load_map
from pose_tracker_ros.relocalization.relocalizer import Relocalizer

REGRESSOR = "regressor.safetensors"


def load_relocalizer(folder: str | Path, config: RelocalizerConfig | None = None) -> Relocalizer:
    """The relocalizer of a map, with its regressor where the options ask for one.

    Raises FileNotFoundError or ValueError, in one sentence, where the folder holds no whole map or no regressor.
    """
    config = config or RelocalizerConfig()
    room = load_map(folder)
    if config.selection == "retrieval":
        return Relocalizer(room, config)
    return Relocalizer(room, config, load_regressor(folder))


def load_regressor(folder: str | Path) -> Callable[[Frame], np.ndarray]:
    """What gives map_T_camera (4, 4) of a frame by the regressor in a map's folder; raises FileNotFoundError without one."""
    path = Path(folder) / REGRESSOR
    if not path.is_file():
        raise FileNotFoundError(
            f"expected a regressor at {path}, but there is no such file; train one with pose-tracker train-relocalizer "
            "SEQUENCE --install MAP, or set selection to retrieval"
        )
    # Only who regresses waits for torch.
    from pose_tracker_ros.relocalization.regressor import Regressor

    regressor = Regressor.load(path)

    def regress(frame: Frame) -> np.ndarray:
        return regressor(frame.color, frame.camera).map_T_camera

    return regress
