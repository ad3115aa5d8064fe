"""The colours that an object's paint may have in an image, before it was seen in one."""

from __future__ import annotations

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import make_pose, so3_exp
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import Renderer
from pose_tracker_ros.tracking.factors.contour import ColorStatistics
from pose_tracker_ros.tracking.noise import NoiseModel

# The object is looked at from the six sides of a cube, drawn so large, pixels, from so far, diameters.
SIDES = so3_exp(np.pi / 2 * np.array([[0, 0, 0], [0, 1, 0], [0, 2, 0], [0, 3, 0], [1, 0, 0], [-1, 0, 0]], float))
SIDE_PX, DISTANCE_D = 32, 3.0
# In so many lights.
LIGHTS = 64
# Of what is around every so many-th pixel is counted, along rows and columns.
STEP_PX = 4


def paint_histogram(model: ObjectModel, renderer: Renderer, noise: NoiseModel) -> np.ndarray | None:
    """Shares (BINS^3,) float32 of the colours of a mesh in lights as the noise model has them; None of one without colours."""
    if not model.mesh.has_color:
        return None
    focal = SIDE_PX * DISTANCE_D
    camera = PinholeCamera(SIDE_PX, SIDE_PX, focal, focal, SIDE_PX / 2, SIDE_PX / 2)
    center = np.array([0.0, 0.0, DISTANCE_D * model.diameter_m])
    views = [renderer.render(camera, make_pose(side, center - side @ model.center_m)) for side in SIDES]
    paint = np.concatenate([view.color[view.mask] for view in views]).astype(float)
    random = np.random.default_rng(0)
    gain = 1 + noise.exposure * random.standard_normal((LIGHTS, 1, 1)) + noise.white_balance * random.standard_normal((LIGHTS, 1, 3))
    lit = gain * paint + noise.haze * random.standard_normal((LIGHTS, 1, 1)) + noise.paint * random.standard_normal((LIGHTS, *paint.shape))
    return _histogram(np.clip(lit, 0, 255).astype(np.uint8), 1)


def painted_statistics(paint: np.ndarray, frame: Frame) -> ColorStatistics:
    """Those of an object of this paint, a histogram (BINS^3,), anywhere in a frame.

    Shadows and glare take paint its colour, but hardly give it to other things: no colour speaks against the object.
    """
    return ColorStatistics(paint, np.minimum(paint, _histogram(frame.color, STEP_PX)))


def _histogram(color: np.ndarray, step: int) -> np.ndarray:
    """Shares (BINS^3,) float32 of the colours of an image (H, W, 3)."""
    size = [-(-side // step) for side in color.shape[:2]]
    return ColorStatistics.under(np.ones(size, bool), np.zeros(size, np.float32), color, 0, 0, step).inside
