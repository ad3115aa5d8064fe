"""From an expected pose to the most likely one: the estimator's loop over views, coarse to fine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import apply_residual, residual_between
from pose_tracker_ros.kernels.alignment import SHIFT, STATE
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering.raster import RasterRenderer
from pose_tracker_ros.tracking.factors import Factor
from pose_tracker_ros.tracking.factors.contour import ColorStatistics, ContourFactor, find_outline
from pose_tracker_ros.tracking.factors.depth import DepthFactor
from pose_tracker_ros.tracking.factors.prior import Prior
from pose_tracker_ros.tracking.noise import NoiseModel
from pose_tracker_ros.tracking.solver import Solution, solve
from pose_tracker_ros.tracking.view import View, make_view

COMMON = slice(SHIFT, STATE)
FEWEST_PIXELS = 20
# No residual of depth is compared more closely than this, metres.
LEAST_LIMIT_M = 0.006


@dataclass(frozen=True)
class Level:
    """How closely a view is compared: Tukey's limit of depth in diameters, length of a line's segment in pixels of the
    image, and Gauss-Newton steps."""

    depth_limit: float
    segment_px: float
    iterations: int


# Reach of depth: M3T searches 7 to 4 cm around objects of 15 to 20 cm; its lines are 7 to 2 px a segment.
COARSE_TO_FINE = (Level(0.08, 5.0, 3), Level(0.04, 2.0, 3), Level(0.03, 1.0, 3))


class CommonErrors(NamedTuple):
    """What many pixels are off by together: mean (4,) and covariance (4, 4) of the colour image's shift (2) and the
    outline's offset, pixels, and of the depth camera's bias, metres."""

    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def unknown(cls, noise: NoiseModel) -> CommonErrors:
        """As before any image."""
        deviations = [noise.color_shift_px] * 2 + [noise.outline_offset_px, noise.depth_bias]
        # A deviation of zero is a value that is known, not one that divides by zero.
        return cls(np.array([0, 0, noise.outline_offset_mean_px, 0]), np.diag(np.maximum(deviations, 1e-6) ** 2))

    def predicted(self, noise: NoiseModel) -> CommonErrors:
        """A frame later: the shift has moved a little; offsets and bias are what any frame's are.

        Carried on, the evidence of frames whose errors are the same would count as many times as there are frames.
        """
        fresh = CommonErrors.unknown(noise)
        mean, covariance = fresh.mean.copy(), fresh.covariance.copy()
        kept = noise.shift_kept
        mean[:2] = kept * self.mean[:2]
        covariance[:2, :2] = kept**2 * self.covariance[:2, :2] + (1 - kept**2) * fresh.covariance[:2, :2]
        return CommonErrors(mean, covariance)


class Expectation(NamedTuple):
    """What is known before a frame: pose (4, 4) and information (6, 6) about it, twist about the object's centre in
    camera axes, translation first; the common errors, and the colours, None before any frame."""

    camera_T_object: np.ndarray
    information: np.ndarray
    errors: CommonErrors
    colors: ColorStatistics | None


class Alignment(NamedTuple):
    """The most likely pose (4, 4), its covariance (6, 6), the common errors, and the last view with its solution."""

    camera_T_object: np.ndarray
    covariance: np.ndarray
    errors: CommonErrors
    view: View
    solution: Solution


def align(
    frame: Frame,
    model: ObjectModel,
    renderer: RasterRenderer,
    expected: Expectation,
    noise: NoiseModel,
    largest_px: int = 128,
    levels: tuple[Level, ...] = COARSE_TO_FINE,
) -> Alignment | None:
    """The pose in a frame; None where nothing of the object would be seen."""
    pose, errors, found = expected.camera_T_object, expected.errors.mean, None
    for level in levels:
        view = make_view(frame, renderer, model, pose, largest_px)
        if view is None or view.rendering.mask.sum() < FEWEST_PIXELS:
            return None
        solution = solve(_factors(view, model, expected, errors, noise, level), _state(errors), level.iterations)
        pose = apply_residual(pose, solution.state[:3], solution.state[3:6], model.center_m)
        errors, found = solution.state[COMMON], (view, solution)
    view, solution = found
    covariance = np.linalg.inv(solution.information)
    return Alignment(
        pose, covariance[:6, :6], CommonErrors(errors, covariance[COMMON, COMMON]), view, solution
    )


def _factors(
    view: View, model: ObjectModel, expected: Expectation, errors: np.ndarray, noise: NoiseModel, level: Level
) -> list[Factor]:
    """The posterior's terms at a view: prior, depth, and the outline in the colour image."""
    depth_limit = max(level.depth_limit * model.diameter_m, LEAST_LIMIT_M)
    outline = find_outline(view, noise.contour_lines, errors[:2], depth_limit)
    colors = expected.colors or ColorStatistics.seen_in(view)
    return [
        _prior(view, model, expected),
        DepthFactor(view, noise, depth_limit),
        ContourFactor(view, outline, colors, noise, level.segment_px),
    ]


def _prior(view: View, model: ObjectModel, expected: Expectation) -> Prior:
    mean, information = np.zeros(STATE), np.zeros((STATE, STATE))
    mean[:6] = np.concatenate(residual_between(view.camera_T_object, expected.camera_T_object, model.center_m))
    mean[COMMON] = expected.errors.mean
    information[:6, :6] = expected.information
    information[COMMON, COMMON] = np.linalg.inv(expected.errors.covariance)
    return Prior(mean, information)


def _state(errors: np.ndarray) -> np.ndarray:
    state = np.zeros(STATE)
    state[COMMON] = errors
    return state
