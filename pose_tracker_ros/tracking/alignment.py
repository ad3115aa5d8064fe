"""From an expected pose to the most likely one: the estimator's loop over views, coarse to fine."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.kernels.alignment import (
    BIAS,
    OFFSET,
    SHIFT,
    STATE,
    TURN,
    is_known,
    move_state,
    moved_pose,
)
from pose_tracker_ros.kernels.filtering import inverse
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import Renderer
from pose_tracker_ros.tracking.factors.contour import ColorStatistics, ContourFactor
from pose_tracker_ros.tracking.factors.depth import DepthFactor
from pose_tracker_ros.tracking.factors.surface_flow import FollowedPoints, SurfaceFlowFactor
from pose_tracker_ros.tracking.keyframes import Keyframe, keyframe_for
from pose_tracker_ros.tracking.noise import NoiseModel
from pose_tracker_ros.tracking.observation import ANY_DEPTH_M
from pose_tracker_ros.tracking.solver import Solution, solve
from pose_tracker_ros.tracking.view import View, make_view

COMMON = slice(SHIFT, STATE)
IS_COMMON = np.arange(STATE) >= SHIFT
FACTORS = ("point_to_plane", "contour", "surface_flow")
# Fewer pixels than this, a spot of five by four, show nothing of an object.
FEWEST_PIXELS = 20
# No residual of depth is compared more closely than this, metres: five deviations of depth at 0.6 m.
LEAST_LIMIT_M = 0.006


@dataclass(frozen=True)
class Level:
    """How closely a view is compared: Tukey's limit of depth in diameters, length of a line's segment in pixels of the
    image, Gauss-Newton steps, and the motion, pixels of the view, below which what is seen closely needs no other view."""

    depth_limit: float
    segment_px: float
    iterations: int
    settled_px: float = 0.0


# Reach of depth: M3T searches 7 to 4 cm around objects of 15 to 20 cm; its lines are 7 to 2 px a segment.
ROUGHLY = (Level(0.08, 5.0, 4),)
FINE = Level(0.03, 1.0, 4, settled_px=1.0)
COARSE_TO_FINE = (*ROUGHLY, FINE, FINE)
# An object that moved less than this at most since it was rendered would be rendered the same, pixels of the view.
SETTLED_PX = 0.5
# What is seen closely from so far is aligned as well as from nearer (medians of ADD within 0.02 mm); it is drawn where it was found, as what
# would be learnt from where it was expected finds less well what comes out from behind something.
CLOSELY = (replace(FINE, settled_px=1.5),) * 2
# Points are followed where that can halve a deviation.
WORTH = 2.0


class CommonErrors(NamedTuple):
    """What many pixels are off by together: mean (4,) and covariance (4, 4) of the colour image's shift (2) and the
    outline's offset, pixels, and of the depth camera's bias, metres."""

    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def unknown(cls, noise: NoiseModel) -> CommonErrors:
        """As before any image."""
        return cls(noise.mean_of_common, noise.covariance_of_common)

    def predicted(self, noise: NoiseModel) -> CommonErrors:
        """A frame later: the shift has moved a little, the blur is much the same, and the bias is what any frame's is.

        Carried on, the evidence of frames whose errors are the same would count as many times as there are frames: the offset
        stays as uncertain as it was.
        """
        return CommonErrors(*(new + kept * (old - new) for new, old, kept in zip(CommonErrors.unknown(noise), self, noise.kept_of_common)))


class AlignmentPrior(NamedTuple):
    """What is known before a frame: pose (4, 4) and information (6, 6) about it, twist about the object's centre in
    camera axes, translation first; the common errors; the colours, None before any frame; the share of the frame that is new
    evidence; and earlier views."""

    camera_T_object: np.ndarray
    information: np.ndarray
    errors: CommonErrors
    colors: ColorStatistics | None
    fresh: float = 1.0
    keyframes: tuple[Keyframe, ...] = ()


class Alignment(NamedTuple):
    """The most likely pose (4, 4), the information (6, 6) that it was weighed with, its covariance (6, 6), the common errors,
    the last view with its solution, and how much likelier the outline is there than anywhere, natural logarithm, 0 where depth tells."""

    camera_T_object: np.ndarray
    information: np.ndarray
    covariance: np.ndarray
    errors: CommonErrors
    view: View
    solution: Solution
    outline_ratio: float

    @property
    def is_drawn(self) -> bool:
        """Whether the last view shows the object where it is, to half a pixel."""
        return _moved_px(self.view, self.solution.state) < SETTLED_PX


def align(
    frame: Frame,
    model: ObjectModel,
    renderer: Renderer,
    expected: AlignmentPrior,
    noise: NoiseModel,
    largest_px: int = 128,
    levels: tuple[Level, ...] = COARSE_TO_FINE,
    factors: Collection[str] = FACTORS,
    depth_range: tuple[float, float] = ANY_DEPTH_M,
) -> Alignment | None:
    """The pose in a frame; None where nothing of the object would be seen.

    ``largest_px``: side of a view; ``factors``: those to use beside the prior; ``depth_range``: of depths to believe, metres.
    """
    pose, object_colors, followed = expected.camera_T_object, None, FollowedPoints.none()
    # The motion from the expectation to a view, the state there before it is compared, and what that was expected to be.
    motion, at_rest = np.zeros(STATE), np.concatenate([np.zeros(SHIFT), expected.errors.mean])
    mean, prior_information = at_rest, _information(expected)
    is_followed = "surface_flow" in factors and model.has_marks
    for number, level in enumerate(levels, 1):
        view = make_view(frame, renderer, model, pose, largest_px)
        if view is None or np.count_nonzero(view.rendering.mask) < FEWEST_PIXELS:
            return None
        if object_colors is None:
            object_colors = (expected.colors or ColorStatistics.seen_in(view)).posterior()
        limit_m = max(level.depth_limit * model.diameter_m, LEAST_LIMIT_M)
        depth = DepthFactor.of(view, noise, limit_m, depth_range, "point_to_plane" in factors)
        covers = (at_rest[SHIFT:OFFSET], depth_range, limit_m)
        contour = ContourFactor.of(view, object_colors, noise, level.segment_px, *covers, "contour" in factors)
        flow = SurfaceFlowFactor.of(followed, view, noise)
        solution = solve((prior_information, mean - motion), depth, contour, flow, view.center, at_rest, level.iterations)
        move_state(motion, solution.state, state := np.empty(STATE))
        at_rest = np.where(IS_COMMON, state, 0.0)
        motion = state - at_rest
        pose = moved_pose(expected.camera_T_object, motion, model.center_m)
        if number == 1 < len(levels) and is_followed and _is_open(view, solution.information, WORTH * noise.flow_common_px):
            followed = FollowedPoints.in_view(view.painted(renderer), keyframe_for(expected.keyframes, view), noise)
            if len(followed.points):
                # They tell in the next view what this one left open.
                continue
        if _moved_px(view, solution.state) < level.settled_px:
            break
    posterior = inverse(solution.information)
    covariance = solution.covariance(posterior, view.center, _spread(prior_information, expected.fresh, noise))
    errors = CommonErrors(solution.state[COMMON], posterior[COMMON, COMMON])
    information = inverse(posterior[:SHIFT, :SHIFT])
    outline_ratio = 0.0 if frame.has_depth else contour.log_ratio(view.center, solution.state, level.segment_px)
    return Alignment(pose, information, covariance[:SHIFT, :SHIFT], errors, view, solution, outline_ratio)


def _spread(information: np.ndarray, fresh: float, noise: NoiseModel) -> np.ndarray:
    """Of the prior's gradient (10, 10): its information, but for a camera that is less accurate than the bias's prior says, and
    for a motion that counts more than that."""
    spread = information.copy()
    spread[:SHIFT, :SHIFT] /= fresh
    spread[BIAS, BIAS] *= spread[BIAS, BIAS] * noise.depth_accuracy**2
    return spread


def _information(expected: AlignmentPrior) -> np.ndarray:
    """(10, 10), about the state before the frame, as it counts beside all that the frame seems to say."""
    information = np.zeros((STATE, STATE))
    information[:SHIFT, :SHIFT] = expected.information / expected.fresh
    information[COMMON, COMMON] = inverse(expected.errors.covariance)
    return information


def _moved_px(view: View, state: np.ndarray) -> float:
    """How far at most the surface moved in a view by the motion of a state (10,)."""
    motion = state.tolist()
    moved_m = math.hypot(*motion[:TURN]) + view.diameter_m / 2 * math.hypot(*motion[TURN:SHIFT])
    return moved_m * view.camera.fx / view.center[2]


def _is_open(view: View, information: np.ndarray, limit_px: float) -> bool:
    """Whether some motion of the surface in a view is known with a larger deviation than a limit, pixels of the image, by the state's
    information (10, 10)."""
    scale = view.frame.camera.fx / view.center[2] / limit_px
    return not is_known(information, scale**2, (scale * view.diameter_m / 2) ** 2)
