"""A network that predicts the motion of pixels, asked without torch: convolutions by any runtime, compiled fits between."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.kernels.rigid_motion import POINT_ROWS, fit_rigid_motion, look_again, surface_points
from pose_tracker_ros.networks.crops import Crops, Residual

# Arrays in, float32 and contiguous, and arrays out, which need not outlive the next call.
Graph = Callable[..., list[np.ndarray]]


class PixelFit(NamedTuple):
    """How motion of pixels becomes that of an object; the first three as of ``CompactNetwork``, the others as of ``WeightsInfo``."""

    stride: int
    whole_cells: bool
    measures_depth: bool
    max_translation: float
    max_rotation: float

    @classmethod
    def of(cls, network: object) -> PixelFit:
        """That of a network."""
        return cls(*(getattr(network, name) for name in cls._fields))


class PixelInference:
    """Asks about one crop after the other: on a CPU batches are hardly quicker, and say the same to a bit."""

    def __init__(self, fit: PixelFit, first: Graph, second: Graph | None, device: str = "cpu") -> None:
        """``first``, ``second``: the looks of :mod:`pose_tracker_ros.networks.looks`."""
        self.device = device
        self.first, self.second, self._fit = first, second, fit

    def predict(self, crops: Crops) -> Residual:
        """See Inference."""
        residuals, information = np.empty((len(crops.rendered), 6)), np.empty((len(crops.rendered), 6, 6))
        for number, (residual, precision) in enumerate(zip(residuals, information)):
            self._predict_one(Crops(*(array[number : number + 1] for array in crops)), residual, precision)
        return Residual(residuals[:, :3], residuals[:, 3:], information)

    def _predict_one(self, crop: Crops, residual: np.ndarray, information: np.ndarray) -> None:
        fit, cells = self._fit, crop.rendered.shape[-1] // self._fit.stride
        geometry = np.concatenate([crop.intrinsics[0], crop.center[0], crop.diameter]).astype(np.float64)
        points = np.empty((POINT_ROWS, cells * cells))
        surface_points(crop.rendered[0], geometry, fit.stride, fit.whole_cells, points)
        observed, rigid = crop.observed[0], np.zeros((3, cells * cells), np.float32)
        output, *seen = self.first(crop.rendered, crop.observed)
        output = output.reshape(6, -1)
        fit_rigid_motion(observed, geometry, points, output, rigid, fit.measures_depth, residual, information)
        if self.second is None:
            return
        places, facts = np.empty((1, cells, cells, 2), np.float32), np.empty((1, 9, cells, cells), np.float32)
        limits = fit.max_translation, fit.max_rotation
        look_again(observed, geometry, points, output, residual, *limits, rigid, places[0], facts.reshape(9, -1))
        (output,) = self.second(*seen, places, facts)
        output = output.reshape(6, -1)
        fit_rigid_motion(observed, geometry, points, output, rigid, fit.measures_depth, residual, information)
