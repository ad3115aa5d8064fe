"""Units of depth images, as options name them."""

from __future__ import annotations

import re

import numpy as np

from pose_tracker_ros.datasets.errors import DatasetError

METRES = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6}
# What cameras and data sets without a measurement write instead of 0.
NOTHING_16_BIT = 65535
_UNIT = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)?\s*(m|cm|mm|um)?\s*")


def metres_per_unit(text: str) -> float:
    """Metres of one unit of an image: ``m``, ``mm``, ``0.1mm``, ``0.25 mm``; a number alone counts millimetres.

    Raises DatasetError for anything else.
    """
    match = _UNIT.fullmatch(str(text))
    if match is None or not any(match.groups()) or float(match.group(1) or 1) <= 0:
        raise DatasetError(f"expected depth_unit, the unit of depth images, such as mm, m, 0.1mm or 0.25mm, got {text!r}")
    return float(match.group(1) or 1) * METRES[match.group(2) or "mm"]


def depth_in_metres(image: np.ndarray, metres: float | None, metres_of_integers: float = 1e-3) -> np.ndarray:
    """Depth (H, W) float32 metres, 0 = no measurement, of an image of integers or floats.

    Parameters: ``metres`` a unit, None where nobody says so: integers then count ``metres_of_integers``, floats metres.
    """
    unit = metres if metres is not None else (1.0 if image.dtype.kind == "f" else metres_of_integers)
    depth = image.astype(np.float32) * np.float32(unit)
    if image.dtype == np.uint16:
        depth[image == NOTHING_16_BIT] = 0
    return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0))
