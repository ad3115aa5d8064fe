"""Whether measured depth can be that of the object: limits that throw it away, and units that are others than thought."""

from __future__ import annotations

import cv2
import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import invert
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.tracking import Tracker

FEWEST_PIXELS = 30
# Of the object's place, the share of depth outside the limits that is worth a word.
LOST_SHARE = 0.9
# By which depth is off where units of cameras, data sets and meshes are mistaken for each other: millimetres for a fourth, fifth,
# eighth or tenth of one, for centimetres, metres and inches; and the other way round.
FACTORS_OF_UNITS = (4.0, 5.0, 8.0, 10.0, 25.4, 100.0, 1000.0)
# A first pose may be off by so much of its distance.
POSE_TOLERANCE = 0.1
# Of the root of the outline's area.
RING = 0.2
# Share of the relief that a pose which is off leaves unexplained.
UNEXPLAINED = 0.5
# Outlines depend on turns, and may be partly hidden.
FACTOR_OF_OUTLINE = 2.2


def remark_on_frame(frame: Frame, tracker: Tracker, name: str, camera_T_object: np.ndarray) -> str | None:
    """:func:`remark_at_pose` of a frame, with what the tracker's options do to its depth, for the first pose (4, 4) of an object."""
    config = tracker.config
    if config.depth == "none":
        return None
    registered = frame.registered
    camera = frame.camera if registered else frame.depth_camera
    pose = camera_T_object if registered else invert(frame.color_T_depth) @ camera_T_object
    expected = tracker.render(name, camera, pose).depth
    return remark_at_pose(frame.depth, expected, (config.min_depth_m, config.max_depth_m), "first pose")


def remark_at_pose(
    measured: np.ndarray, expected: np.ndarray, limits_m: tuple[float, float], who: str = "pose"
) -> str | None:
    """What is wrong with the depth at the object's place, in a sentence; None when nothing is, or nothing can be said.

    A wrong unit makes all distances larger by one factor, that of two units. Then what is measured has the relief of the mesh, and a
    step at its outline; what is seen where the object is not, or is hidden, goes on beyond the outline.

    Parameters: ``measured`` (H, W) metres, 0 = no measurement; ``expected`` (H, W) metres of the object drawn at its pose,
    0 = not the object; ``limits_m`` the least and the largest depth that is used; ``who`` says the expected depth.
    """
    place = (expected > 0) & (measured > 0)
    if np.count_nonzero(place) < FEWEST_PIXELS:
        return None
    depth, drawn = measured[place], expected[place]
    if _is_of_another_unit(measured, expected):
        return _unit_remark(float(np.median(depth)), float(np.median(drawn)), f"{who} and mesh say")
    low, high = limits_m
    # Where the object itself is within the limits, what is outside of them is something else.
    for outside, name, limit, word in (
        (np.maximum(depth, drawn) < low, "min_depth_m", low, "nearer"),
        (np.minimum(depth, drawn) > high, "max_depth_m", high, "farther"),
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


def _is_of_another_unit(measured: np.ndarray, expected: np.ndarray) -> bool:
    """Whether measured depth (H, W) is what is expected of the object (H, W), in another unit."""
    place = (expected > 0) & (measured > 0)
    ratio = np.log(measured[place] / expected[place])
    factor = abs(float(np.median(ratio)))
    if np.abs(np.log(FACTORS_OF_UNITS) - factor).min() > POSE_TOLERANCE:
        return False
    # As much around as within.
    reach = 2 * round(RING * np.sqrt(np.count_nonzero(expected))) + 1
    around = cv2.dilate((expected > 0).astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    return _spread(ratio) < UNEXPLAINED * _spread(np.log(measured[around & (measured > 0)]))


def _spread(values: np.ndarray) -> float:
    """How far apart most of them are; a pose that is off has its outline on what is behind."""
    low, high = np.quantile(values, (0.15, 0.85))
    return float(high - low)


def _unit_remark(measured_m: float, expected_m: float, who: str) -> str:
    return (
        f"depth says {measured_m:.2g} m where {who} {expected_m:.2g} m, a factor of {measured_m / expected_m:.2g}: "
        "is the unit of depth right (commands: --depth-unit, or --reader depth_unit=UNIT; messages: 16UC1 is millimetres, 32FC1 metres), "
        "and that of the mesh?"
    )


def _hull_area(vertices: np.ndarray) -> float:
    """Area of the convex hull, square metres."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        return float(ConvexHull(vertices.astype(np.float64)).area)
    except QhullError:  # of a flat object
        size = np.ptp(vertices, axis=0)
        return 2 * float(np.prod(np.sort(size)[-2:]))
