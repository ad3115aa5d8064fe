"""Whether measured depth can be that of the object: limits that throw it away, and units that are others than thought."""

from __future__ import annotations

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import invert
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import create_renderer
from pose_tracker_ros.tracking import TrackerConfig

FEWEST_PIXELS = 30
# Of the object's place, the share of depth outside the limits that is worth a word.
LOST_SHARE = 0.9
# Depth that is off by less is noise, something before the object, or a pose that is off.
FACTOR_OF_POSE = 1.5
FACTOR_OF_OUTLINE = 2.2


def remark_on_frame(frame: Frame, model: ObjectModel, camera_T_object: np.ndarray, config: TrackerConfig) -> str | None:
    """:func:`remark_at_pose` of a frame, with what the tracker's options do to its depth, for a first pose (4, 4)."""
    if config.depth == "none":
        return None
    registered = frame.registered
    camera = frame.camera if registered else frame.depth_camera
    pose = camera_T_object if registered else invert(frame.color_T_depth) @ camera_T_object
    expected = create_renderer("raster", model.mesh).render(camera, pose).depth
    return remark_at_pose(frame.depth, expected, (config.min_depth_m, config.max_depth_m), "first pose")


def remark_at_pose(
    measured: np.ndarray, expected: np.ndarray, limits_m: tuple[float, float], who: str = "pose"
) -> str | None:
    """What is wrong with the depth at the object's place, in a sentence; None when nothing is, or nothing can be said.

    Parameters: ``measured`` (H, W) metres, 0 = no measurement; ``expected`` (H, W) metres of the object drawn at its pose,
    0 = not the object; ``limits_m`` the least and the largest depth that is used; ``who`` says the expected depth.
    """
    place = (expected > 0) & (measured > 0)
    if np.count_nonzero(place) < FEWEST_PIXELS:
        return None
    depth, drawn = measured[place], expected[place]
    factor = float(np.exp(np.median(np.log(depth / drawn))))
    if max(factor, 1 / factor) > FACTOR_OF_POSE:
        return _unit_remark(float(np.median(depth)), float(np.median(drawn)), f"{who} and mesh say")
    low, high = limits_m
    for outside, name, limit, word in (
        (depth < low, "min_depth_m", low, "nearer"),
        (depth > high, "max_depth_m", high, "farther"),
    ):
        if outside.mean() >= LOST_SHARE:
            return (
                f"{outside.mean():.0%} of the depth at the object's place is {word} than {name} {limit:g} (median "
                f"{np.median(depth):.3f} m) and counts as no measurement: set {name} to what your camera can measure"
            )
    return None


def remark_under_mask(depth: np.ndarray, mask: np.ndarray, camera: PinholeCamera, model: ObjectModel) -> str | None:
    """What the depth under an object's mask and the mesh's size say of each other, None when they agree roughly.

    The outline of a convex body that is turned anyhow has on average a quarter of its surface's area (Cauchy).

    Parameters: ``depth`` (H, W) metres, 0 = no measurement; ``mask`` (H, W), registered to each other.
    """
    place = (mask != 0) & (depth > 0)
    if np.count_nonzero(place) < FEWEST_PIXELS:
        return None
    outline_px = np.count_nonzero(mask)
    expected = float(np.sqrt(camera.fx * camera.fy * _hull_area(model.mesh.vertices) / 4 / outline_px))
    measured = float(np.median(depth[place]))
    if max(measured / expected, expected / measured) < FACTOR_OF_OUTLINE:
        return None
    return _unit_remark(measured, expected, "outline and mesh say")


def _unit_remark(measured_m: float, expected_m: float, who: str) -> str:
    return (
        f"depth says {measured_m:.2g} m where {who} {expected_m:.2g} m, a factor of {measured_m / expected_m:.2g}: "
        "is the unit of depth (--depth-unit, or --reader depth_unit=UNIT) right, and that of the mesh?"
    )


def _hull_area(vertices: np.ndarray) -> float:
    """Area of the convex hull, square metres."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        return float(ConvexHull(vertices.astype(np.float64)).area)
    except QhullError:  # of a flat object
        size = np.ptp(vertices, axis=0)
        return 2 * float(np.prod(np.sort(size)[-2:]))
