"""The first pose by trying all: templates rank thousands of views, the best are aligned and verified.

Nothing is learnt and nothing but the mesh is needed. Every comparison of templates with the observation is
a product of matrices, so that thousands of views at many offsets take a fraction of a second.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import apply_residual, make_pose, rotation_angle, rotation_towards
from pose_tracker_ros.initialization.config import HypothesesConfig
from pose_tracker_ros.initialization.look_alikes import LookAlikes
from pose_tracker_ros.initialization.observation import InitialPose, Observation
from pose_tracker_ros.initialization.template_ranking import Patch, Ranking
from pose_tracker_ros.initialization.templates import MARGIN, SIZE, make_templates
from pose_tracker_ros.initialization.verification import MASK_BLEED_PX, PATTERN, Verdict, Verifier
from pose_tracker_ros.kernels.distance import distance_around
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering.raster import RasterRenderer
from pose_tracker_ros.tracking.alignment import COARSE_TO_FINE, AlignmentPrior, CommonErrors, Level, align
from pose_tracker_ros.tracking.factors.contour import ColorStatistics
from pose_tracker_ros.tracking.noise import NoiseModel

# Of a view that looked like the object: what the grids of views and offsets leave open, diameters and radians.
VIEW_DEVIATION_D, VIEW_DEVIATION_RAD = 0.1, 0.3
# Sides of views, pixels.
COARSE_PX, FINE_PX = 64, 128
# Views are farther off than a tracked pose: depth reaches farther.
COARSE = (Level(0.15, 5.0, 4), Level(0.08, 5.0, 4))
# Between poses that explain the image, what their residuals cost decides too, as of so many independent pixels.
RESIDUAL_PIXELS = 120
# Poses within so many degrees are one.
SAME_VIEW_DEG, SAME_POSE_DEG = 15, 8
# Finalists are aligned so often again.
MOST_REPEATS = 3
# Turns that are tried to match the paint, so many times each, on so many of the aligned poses.
SEARCH_STEPS_DEG = (8.0, 3.0)
MAX_SEARCH_STEPS, MAX_SEARCHED = 3, 3


class Aligned(NamedTuple):
    """A pose (4, 4) that was aligned, with its verdict, and what its residuals cost a pixel (natural logarithm)."""

    camera_T_object: np.ndarray
    verdict: Verdict
    residual: float

    @property
    def merit(self) -> float:
        """By which poses are ranked, natural logarithm."""
        return self.verdict.log_odds - RESIDUAL_PIXELS * self.residual


class HypothesisInitializer:
    """Finds the pose of one object from a mask and, where there is one, a depth image."""

    def __init__(self, model: ObjectModel, config: HypothesesConfig | None = None) -> None:
        """Renders the templates, which takes a second or two."""
        self._prepare(model, config or HypothesesConfig())
        self._templates = make_templates(model, self.config.subdivisions, self.config.in_plane)
        self._ranking = Ranking(self._templates, model.mesh.has_color)

    def _prepare(self, model: ObjectModel, config: HypothesesConfig) -> None:
        """What aligns and verifies poses, wherever they come from."""
        self.model, self.config = model, config
        self._noise = NoiseModel()
        self._renderer = RasterRenderer(model.mesh)
        self._verifier = Verifier(model, self._renderer, self._noise)
        self._look_alikes = LookAlikes(model)
        deviations = [VIEW_DEVIATION_D * model.diameter_m] * 3 + [VIEW_DEVIATION_RAD] * 3
        self._information = np.diag(np.power(deviations, -2.0))

    def estimate(self, observation: Observation) -> InitialPose:
        """The best pose, and whether it explains the observation well enough to be trusted."""
        start = time.perf_counter()
        return self.judged(*self.best(observation), time.perf_counter() - start)

    def best(self, observation: Observation) -> tuple[np.ndarray, Verdict]:
        """The most likely pose (4, 4) and its verdict, less likely by as much as its rivals explain the observation, too."""
        near, colors = _near_mask(observation), _colors(observation)
        best, *others = sorted(self._finalists(observation, near, colors), key=lambda item: -item.merit)
        turned = best.camera_T_object @ self._look_alikes.turns
        others += [self._settled(observation, near, pose, colors) for pose in turned]
        poses = [best, *self._rivals(best, others)]
        odds = self._odds(observation, poses)
        likeliest = int(np.argmax(odds))
        rivalry = float(np.exp(odds - odds[likeliest]).sum()) - 1
        return poses[likeliest].camera_T_object, poses[likeliest].verdict._replace(rivalry=rivalry)

    def _rivals(self, best: Aligned, others: list[Aligned]) -> list[Aligned]:
        """Those of the others that are other answers than the best pose and one another, the best of each kind."""
        kept = [best]
        for other in sorted(others, key=lambda item: -item.merit):
            if all(self._look_alikes.are_apart(pose.camera_T_object, other.camera_T_object) for pose in kept):
                kept.append(other)
        return kept[1:]

    def _odds(self, observation: Observation, poses: list[Aligned]) -> np.ndarray:
        """Log odds (K,) of poses against the first: geometry and colours of each, and paint where both are seen."""
        first, *others = poses
        paint = self._verifier.compare_paint(
            observation, first.camera_T_object, [other.camera_T_object for other in others], FINE_PX
        )
        apart = [pose.merit - PATTERN * pose.verdict.pattern for pose in poses]
        return np.array(apart) - apart[0] + np.concatenate([[0.0], paint])

    def judged(self, pose: np.ndarray, verdict: Verdict, seconds: float) -> InitialPose:
        """A pose with its verdict as the answer, accepted when its probability is high enough."""
        accepted = verdict.score >= self.config.accept_score
        return InitialPose(pose, verdict.score, accepted, "" if accepted else self._reason(verdict), seconds)

    def verify(self, observation: Observation, camera_T_object: np.ndarray) -> Verdict:
        """How well any pose explains the observation."""
        return self._verifier.verify(observation, camera_T_object, FINE_PX)

    def _reason(self, verdict: Verdict) -> str:
        advice = f"is the mask on {self.model.name!r}?"
        if verdict.is_ambiguous:
            advice = f"show another side of {self.model.name!r}, or declare its symmetry"
        return (
            f"the best pose is right with a probability of {verdict.score:.2f} where {self.config.accept_score} is needed: "
            f"{verdict.doubt}; {advice}"
        )

    def _finalists(self, observation: Observation, near: Frame, colors: ColorStatistics) -> list[Aligned]:
        """The best poses that differ, aligned as well as can be in a frame with depth ``near`` the mask alone."""
        aligned = [self._aligned(observation, near, pose, colors, COARSE) for pose in self._candidates(observation)]
        aligned.sort(key=lambda item: -item.verdict.log_odds)
        poses = _different((item.camera_T_object for item in aligned), self.config.finalists, SAME_POSE_DEG)
        if self.model.mesh.has_color:
            poses[:MAX_SEARCHED] = [self._turned(observation, pose) for pose in poses[:MAX_SEARCHED]]
        return [self._settled(observation, near, pose, colors) for pose in poses]

    def _settled(self, observation: Observation, frame: Frame, pose: np.ndarray, colors: ColorStatistics) -> Aligned:
        """The pose aligned again and again, as long as that explains the image better."""
        best = self._aligned(observation, frame, pose, colors, COARSE_TO_FINE)
        for _ in range(MOST_REPEATS):
            again = self._aligned(observation, frame, best.camera_T_object, colors, COARSE_TO_FINE)
            if again.merit <= best.merit:
                break
            best = again
        return best

    def _aligned(
        self,
        observation: Observation,
        frame: Frame,
        pose: np.ndarray,
        colors: ColorStatistics,
        levels: tuple[Level, ...],
    ) -> Aligned:
        """The most likely pose near one in a ``frame`` with the object's depth alone."""
        largest_px = COARSE_PX if levels is COARSE else FINE_PX
        expected = AlignmentPrior(pose, self._information, CommonErrors.unknown(self._noise), colors)
        found = align(frame, self.model, self._renderer, expected, self._noise, largest_px, levels)
        if found is None:
            return Aligned(pose, self._verifier.verify(observation, pose, largest_px), math.inf)
        verdict = self._verifier.verify(observation, found.camera_T_object, largest_px, float(found.errors.mean[-1]))
        return Aligned(found.camera_T_object, verdict, found.solution.cost / found.view.rendering.mask.sum())

    def _turned(self, observation: Observation, pose: np.ndarray) -> np.ndarray:
        """The pose turned in smaller and smaller steps while that explains the image better.

        Depth and outline of round things don't tell how far they are turned, but their paint does.
        """
        best = self._verifier.verify(observation, pose, COARSE_PX).log_odds
        for step_deg in SEARCH_STEPS_DEG:
            for _ in range(MAX_SEARCH_STEPS):
                turns = np.radians(step_deg) * np.vstack([np.eye(3), -np.eye(3)]) @ pose[:3, :3].T
                tried = [apply_residual(pose, np.zeros(3), turn, self.model.center_m) for turn in turns]
                odds = [self._verifier.verify(observation, other, COARSE_PX).log_odds for other in tried]
                number = int(np.argmax(odds))
                if odds[number] <= best:
                    break
                pose, best = tried[number], odds[number]
        return pose

    def _candidates(self, observation: Observation) -> list[np.ndarray]:
        """The best-ranked poses that differ from one another."""
        return _different(self._ranked(observation), self.config.candidates, SAME_VIEW_DEG)

    def _ranked(self, observation: Observation) -> Iterator[np.ndarray]:
        """Poses of all templates, best first."""
        distance = self._center_distance(observation)
        patch = Patch.cut(observation, distance, self.model.diameter_m)
        score, shift, depth_offset = self._ranking.rank(patch)
        camera = observation.frame.camera
        ray = np.append((observation.middle - [camera.cx, camera.cy]) / [camera.fx, camera.fy], 1.0)
        for index in np.argsort(-score):
            # Where the middle of the visible part was found, then from there to the object's centre, in diameters.
            place = patch.offset(shift[index]) + self._templates.offsets[index]
            z = distance + depth_offset[index] * self.model.diameter_m
            center = ray * z + np.array([*place, 0.0]) * self.model.diameter_m
            rotation = rotation_towards(center) @ self._templates.rotations[index]
            yield make_pose(rotation, center - rotation @ self.model.center_m)

    def _center_distance(self, observation: Observation) -> float:
        if observation.distance_m is not None:
            # The middle of an object lies behind its surface.
            return observation.distance_m + 0.25 * self.model.diameter_m
        share = float(np.median(self._templates.mask.sum(axis=1))) * (MARGIN / SIZE) ** 2
        return float(observation.frame.camera.fx * self.model.diameter_m * np.sqrt(share / observation.mask.sum()))


def _different(poses: Iterable[np.ndarray], count: int, degrees: float) -> list[np.ndarray]:
    """The first ``count`` poses whose rotations differ by more than an angle from those before them."""
    chosen: list[np.ndarray] = []
    for pose in poses:
        rotations = np.array([other[:3, :3] for other in chosen]).reshape(-1, 3, 3)
        turned = rotation_angle(pose[:3, :3] @ rotations.transpose(0, 2, 1))
        if turned.min(initial=np.inf) > np.radians(degrees):
            chosen.append(pose)
        if len(chosen) == count:
            break
    return chosen


def _near_mask(observation: Observation) -> Frame:
    """The frame with depth that may be the object's alone."""
    kernel = np.ones((2 * MASK_BLEED_PX + 1,) * 2, np.uint8)
    near = cv2.dilate(observation.mask.astype(np.uint8), kernel)
    return replace(observation.frame, depth=np.where(near, observation.frame.depth, np.float32(0)))


def _colors(observation: Observation) -> ColorStatistics:
    """Colours of what is under the mask, and of what is around it."""
    stride = max(1, round(np.sqrt(observation.mask.sum()) / COARSE_PX))
    mask = np.ascontiguousarray(observation.mask[::stride, ::stride])
    return ColorStatistics.under(mask, distance_around(mask), observation.frame.color, 0, 0, stride)
