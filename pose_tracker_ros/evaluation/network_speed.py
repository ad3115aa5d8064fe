"""How long a network takes by each runtime, and how much of that its convolutions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import make_pose, so3_exp
from pose_tracker_ros.networks.inference import load_inference
from pose_tracker_ros.networks.motion_network import MotionNetwork
from pose_tracker_ros.networks.pixel_inference import PixelInference
from pose_tracker_ros.networks.runtimes import RUNTIMES
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.rendering.raster import RasterRenderer

CAMERA = PinholeCamera(640, 480, 600.0, 600.0, 320.0, 240.0)
CENTER_M, WALL_M = np.array([0.1, 0.05, 0.6]), 1.2
TURN, MOVED = np.array([0.4, -0.7, 0.3]), np.array([0.45, -0.7, 0.25])
# Passes that are thrown away, and that are counted.
FIRST_PASSES, PASSES = 10, 200


class NetworkTimes(NamedTuple):
    """CPU milliseconds: of the convolutions, from crops to residuals, and of all from an image to an opinion."""

    device: str
    convolutions: float
    network: float
    whole: float


def network_times(path: Path) -> Iterator[NetworkTimes]:
    """Of a network asked about the jug, by every runtime that this machine has, one thread."""
    for runtime in RUNTIMES[1:]:
        try:
            inference, info = load_inference(path, "cpu", runtime)
        except ValueError:
            continue
        if isinstance(inference, PixelInference):
            yield _times(inference, MotionNetwork(inference, info))


def _times(inference: PixelInference, network: MotionNetwork) -> NetworkTimes:
    model = load_object("demo_jug")
    renderer = RasterRenderer(model.mesh)
    pose, expected = (make_pose(so3_exp(turn), CENTER_M - so3_exp(turn) @ model.center_m) for turn in (TURN, MOVED))
    drawn = renderer.render(CAMERA, pose)
    frame = Frame(drawn.color, np.where(drawn.mask, drawn.depth, np.float32(WALL_M)), CAMERA, 0.0)
    spent = {"convolutions": 0.0, "network": 0.0, "whole": 0.0}
    inference.first, inference.second = (
        look and _clocked(look, spent, "convolutions") for look in (inference.first, inference.second)
    )
    inference.predict = _clocked(inference.predict, spent, "network")
    ask = _clocked(network.predict, spent, "whole")
    rows = []
    for _ in range(FIRST_PASSES + PASSES):
        spent.update(dict.fromkeys(spent, 0.0))
        ask(frame, [(model, renderer, expected)], (0.1, 4.0))
        rows.append(tuple(spent.values()))
    return NetworkTimes(network.device, *1e3 * np.quantile(rows[FIRST_PASSES:], 0.25, axis=0))


def _clocked(action: Callable[..., Any], spent: dict[str, float], part: str) -> Callable[..., Any]:
    """The same, with its CPU time added up, which is less than time where other programs run."""

    def clocked(*arguments: Any) -> Any:
        begin = time.process_time()
        result = action(*arguments)
        spent[part] += time.process_time() - begin
        return result

    return clocked
