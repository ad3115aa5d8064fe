"""The first pose by trying all: templates rank thousands of views, the best are aligned and verified.

Nothing is learnt and nothing but the mesh is needed. Every comparison of templates with the observation is
a product of matrices, so that thousands of views at many offsets take a fraction of a second.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import cv2
import numpy as np

from pose_tracker_ros.camera import PinholeCamera, crop_camera
from pose_tracker_ros.configuration import option
from pose_tracker_ros.geometry import apply_residual, make_pose, rotation_angle, so3_exp
from pose_tracker_ros.initialization.observation import InitialPose, Observation
from pose_tracker_ros.initialization.templates import MARGIN, SIZE, Templates, make_templates
from pose_tracker_ros.initialization.verification import Verdict, View, verify, view_of
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import Rendering
from pose_tracker_ros.rendering.raycast import RaycastRenderer
from pose_tracker_ros.tracking.contour import align, color_evidence, outline_of
from pose_tracker_ros.tracking.crop import Crop
from pose_tracker_ros.tracking.fusion import Measurement, fuse
from pose_tracker_ros.tracking.refine import polish

# Offsets, in template pixels, at which every template is compared with the mask: an occluder moves its middle.
SHIFTS = (-6, -3, 0, 3, 6)
DEPTH_DEVIATION = 0.06
CROP_MARGIN = 1.6
# How far a view may be moved by one alignment, for lack of better knowledge.
ALIGN_DEVIATION_DIAMETERS, ALIGN_DEVIATION_RAD = 0.1, 0.3
COARSE_RESOLUTION, FINE_RESOLUTION = 64, 128
# Turns that are tried to match the paint, so many times each, on so many of the aligned poses.
SEARCH_STEPS_DEG = (8.0, 3.0)
MAX_SEARCH_STEPS, MAX_SEARCHED = 3, 3


@dataclass(frozen=True)
class HypothesesConfig:
    """Options of :class:`HypothesisInitializer`."""

    subdivisions: int = option(2, "Views are the vertices of an icosahedron subdivided so often", minimum=1, maximum=3)
    in_plane: int = option(16, "Turns of every view about the optical axis", minimum=4, maximum=72)
    candidates: int = option(24, "Views that are aligned with the depth", minimum=1, maximum=500)
    finalists: int = option(5, "Aligned poses that are refined at full resolution", minimum=1, maximum=100)
    accept_score: float = option(0.5, "Poses that explain the image less are refused", minimum=0.0, maximum=1.0)


class HypothesisInitializer:
    """Finds the pose of one object from a mask and, where there is one, a depth image."""

    def __init__(self, model: ObjectModel, config: HypothesesConfig | None = None) -> None:
        """Renders the templates, which takes a second or two."""
        self.model = model
        self.config = config or HypothesesConfig()
        self._renderer = RaycastRenderer(model.mesh)
        self._templates = make_templates(model, self.config.subdivisions, self.config.in_plane)
        self._ranking = _Ranking(self._templates, model.mesh.has_color)

    def estimate(self, observation: Observation) -> InitialPose:
        """The best pose, and whether it explains the observation well enough to be trusted."""
        start = time.perf_counter()
        poses = self._candidates(observation)
        scored = [self._aligned(observation, pose, COARSE_RESOLUTION, rounds=2, contour=False) for pose in poses]
        scored.sort(key=lambda item: -item[1].score)
        finalists = _different([item[0] for item in scored], self.config.finalists, np.radians(8))
        if self.model.mesh.has_color:
            finalists = [self._turned(observation, pose) for pose in finalists[:MAX_SEARCHED]] + finalists[
                MAX_SEARCHED:
            ]
        scored = [self._aligned(observation, pose, FINE_RESOLUTION, rounds=2, contour=True) for pose in finalists]
        pose, verdict = max(scored, key=lambda item: item[1].score)
        return self.judged(pose, verdict, time.perf_counter() - start)

    def judged(self, pose: np.ndarray, verdict: Verdict, seconds: float) -> InitialPose:
        """A pose with its verdict as the answer, accepted when the score is high enough."""
        accepted = verdict.score >= self.config.accept_score
        return InitialPose(pose, verdict.score, accepted, "" if accepted else self._reason(verdict), seconds)

    def verify(self, observation: Observation, camera_T_object: np.ndarray) -> Verdict:
        """How well any pose explains the observation."""
        return self._verdict(observation, camera_T_object, FINE_RESOLUTION)

    def _reason(self, verdict: Verdict) -> str:
        return (
            f"the best pose explains the image by {verdict.score:.2f} (mask and depth {verdict.geometry:.2f}, colour "
            f"{verdict.color:.2f}) where {self.config.accept_score} is needed; is the mask on {self.model.name!r}?"
        )

    def _candidates(self, observation: Observation) -> list[np.ndarray]:
        """The best-ranked poses that differ from one another."""
        distance = self._center_distance(observation)
        patch = _Patch.cut(observation, distance, self.model.diameter_m)
        score, shift, depth_offset = self._ranking.rank(patch)
        camera, poses = observation.frame.camera, []
        for index in np.argsort(-score)[: 20 * self.config.candidates]:
            # Where the middle of the visible part was found, then from there to the object's centre, in diameters.
            place = patch.offset(shift[index]) + self._templates.offsets[index]
            z = distance + depth_offset[index] * self.model.diameter_m
            ray = np.array(
                [(observation.middle[0] - camera.cx) / camera.fx, (observation.middle[1] - camera.cy) / camera.fy, 1.0]
            )
            center = ray * z + np.array([*place, 0.0]) * self.model.diameter_m
            rotation = _toward(center) @ self._templates.rotations[index]
            poses.append(make_pose(rotation, center - rotation @ self.model.center_m))
        return _different(poses, self.config.candidates, np.radians(15))

    def _center_distance(self, observation: Observation) -> float:
        if observation.distance_m is not None:
            # The middle of an object lies behind its surface.
            return observation.distance_m + 0.25 * self.model.diameter_m
        share = float(np.median(self._templates.mask.sum(axis=1))) * (MARGIN / SIZE) ** 2
        return float(observation.frame.camera.fx * self.model.diameter_m * np.sqrt(share / observation.mask.sum()))

    def _camera(self, pose: np.ndarray, resolution: int) -> PinholeCamera:
        return crop_camera(self._center(pose), CROP_MARGIN * self.model.diameter_m, resolution)

    def _aligned(
        self, observation: Observation, pose: np.ndarray, resolution: int, rounds: int, contour: bool
    ) -> tuple[np.ndarray, Verdict]:
        """The pose moved onto depth and outline as long as that explains the image better, and its verdict."""
        tried = []
        for last in [False] * rounds + [True]:
            camera = self._camera(pose, resolution)
            view, rendering = view_of(observation, camera), self._renderer.render(camera, pose)
            tried.append((pose, verify(self.model, view, rendering)))
            if last or not rendering.mask.any():
                break
            motion = self._motion(view, rendering, self._center(pose), contour)
            pose = apply_residual(pose, motion[:3], motion[3:], self.model.center_m)
            if self._center(pose)[2] < 0.05:
                break
        return max(tried, key=lambda item: item[1].score)

    def _motion(self, view: View, rendering: Rendering, center: np.ndarray, contour: bool) -> np.ndarray:
        """Motion (6,) that depth within the mask and the outline suggest."""
        diameter = self.model.diameter_m
        widened = cv2.dilate(view.mask.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
        depth = np.where(widened, view.depth, np.float32(0))
        crop = Crop(view.camera, rendering, view.color, depth, center, diameter)
        # Flat and round things slide in their own surface: what depth does not tell stays as it is.
        prior = np.diag([(ALIGN_DEVIATION_DIAMETERS * diameter) ** -2] * 3 + [ALIGN_DEVIATION_RAD**-2] * 3)
        measurements = [polish(crop, 8, Measurement(np.zeros(6), prior))]
        motion, _ = fuse(prior, *measurements)
        # What hides the object is outside its mask, so the outline is told by all of the depth.
        evidence = color_evidence(crop._replace(depth=view.depth)) if contour else None
        if evidence is not None:
            outline = outline_of(crop)
            motion, _ = fuse(prior, *measurements, align(crop, outline, evidence, motion))
        return _bounded(motion, 0.3 * diameter, 0.5)

    def _center(self, pose: np.ndarray) -> np.ndarray:
        return pose[:3, :3] @ self.model.center_m + pose[:3, 3]

    def _turned(self, observation: Observation, pose: np.ndarray) -> np.ndarray:
        """The pose turned in smaller and smaller steps while that explains the image better.

        Depth and outline of round things don't tell how far they are turned, but their paint does.
        """
        score = self._verdict(observation, pose, COARSE_RESOLUTION).score
        for step_deg in SEARCH_STEPS_DEG:
            for _ in range(MAX_SEARCH_STEPS):
                turns = np.radians(step_deg) * np.vstack([np.eye(3), -np.eye(3)]) @ pose[:3, :3].T
                tried = [apply_residual(pose, np.zeros(3), turn, self.model.center_m) for turn in turns]
                verdicts = [self._verdict(observation, other, COARSE_RESOLUTION) for other in tried]
                best = max(range(len(tried)), key=lambda index: verdicts[index].score)
                if verdicts[best].score <= score:
                    break
                pose, score = tried[best], verdicts[best].score
        return pose

    def _verdict(self, observation: Observation, pose: np.ndarray, resolution: int) -> Verdict:
        camera = self._camera(pose, resolution)
        return verify(self.model, view_of(observation, camera), self._renderer.render(camera, pose))


def _bounded(motion: np.ndarray, metres: float, radians: float) -> np.ndarray:
    factor = max(1.0, np.linalg.norm(motion[:3]) / metres, np.linalg.norm(motion[3:]) / radians)
    return motion / factor


def _toward(center: np.ndarray) -> np.ndarray:
    """The smallest rotation that takes the optical axis to the direction of a point: an object there looks turned by it."""
    direction = center / np.linalg.norm(center)
    axis = np.cross([0.0, 0.0, 1.0], direction)
    sine = np.linalg.norm(axis)
    return np.eye(3) if sine < 1e-9 else so3_exp(axis / sine * np.arctan2(sine, direction[2]))


def _different(poses: list[np.ndarray], count: int, angle: float) -> list[np.ndarray]:
    """The first ``count`` poses whose rotations differ by more than an angle from those before them."""
    chosen: list[np.ndarray] = []
    for pose in poses:
        rotations = np.array([other[:3, :3] for other in chosen]).reshape(-1, 3, 3)
        if not len(chosen) or rotation_angle(pose[:3, :3] @ rotations.transpose(0, 2, 1)).min() > angle:
            chosen.append(pose)
        if len(chosen) == count:
            break
    return chosen


@dataclass(frozen=True)
class _Patch:
    """The observation at the scale of the templates, larger by the largest shift on every side.

    mask, measured and free (S, S): pixels of the object, those with depth, and those that show something else behind it;
    depth (S, S) relative to the assumed centre in diameters; color (S, S, 3) 0..1.
    """

    mask: np.ndarray
    measured: np.ndarray
    free: np.ndarray
    depth: np.ndarray
    color: np.ndarray

    @classmethod
    def cut(cls, observation: Observation, distance: float, diameter_m: float) -> _Patch:
        size = SIZE + 2 * max(SHIFTS)
        frame = observation.frame
        ray = np.array(
            [*(observation.middle - [frame.camera.cx, frame.camera.cy]) / [frame.camera.fx, frame.camera.fy], 1.0]
        )
        camera = crop_camera(ray * distance, MARGIN * diameter_m * size / SIZE, 2 * size)
        view = view_of(observation, camera)
        mask = view.mask.astype(np.float32)
        measured = mask * (view.depth > 0) * (np.abs(view.depth - distance) < diameter_m)
        relative = np.where(measured > 0, (view.depth - distance) / diameter_m, 0).astype(np.float32)
        # Where something nearer stands outside the mask, the object may go on behind it.
        nearer = (view.depth > 0) & (view.depth < distance - 0.5 * diameter_m)
        free = (~view.mask & ~nearer).astype(np.float32)

        def halved(image: np.ndarray) -> np.ndarray:
            return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)

        share, depth_share = halved(mask), halved(measured)
        on_object, with_depth = share > 0.5, depth_share > 0.25
        color = halved(view.color.astype(np.float32) / 255 * mask[..., None]) / np.maximum(share, 0.25)[..., None]
        return cls(
            on_object.astype(np.float32),
            (on_object & with_depth).astype(np.float32),
            (halved(free) > 0.5).astype(np.float32),
            np.where(on_object & with_depth, halved(relative) / np.maximum(depth_share, 0.25), 0).astype(np.float32),
            np.where(on_object[..., None], color, 0).astype(np.float32),
        )

    def windows(self, image: np.ndarray) -> np.ndarray:
        """(P, number of shifts) or (P, shifts, C): the patch as seen from every shift."""
        most = max(SHIFTS)
        cuts = [
            image[most + down : most + down + SIZE, most + right : most + right + SIZE].reshape(
                SIZE * SIZE, *image.shape[2:]
            )
            for down in SHIFTS
            for right in SHIFTS
        ]
        return np.stack(cuts, axis=1)

    @staticmethod
    def offset(shift: int) -> np.ndarray:
        """Right and down, in diameters, of the window of a shift's index."""
        down, right = divmod(int(shift), len(SHIFTS))
        return np.array([SHIFTS[right], SHIFTS[down]]) * (MARGIN / SIZE)


class _Ranking:
    """Scores of all templates at all shifts, from sums over the pixels that both have."""

    def __init__(self, templates: Templates, has_color: bool) -> None:
        self._mask, self._has_color = templates.mask, has_color
        self._depth = templates.depth
        self._depth_squared = templates.depth**2
        self._color = [np.ascontiguousarray(templates.color[..., channel]) for channel in range(3)]
        self._color_squared = (templates.color**2).sum(axis=-1)

    def rank(self, patch: _Patch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Best score (K,), index of its shift (K,), and depth of the centre behind the assumed one (K,) in diameters."""
        mask, free, measured, depth = (
            patch.windows(image) for image in (patch.mask, patch.free, patch.measured, patch.depth)
        )
        common = self._mask @ mask
        overlap = common / (common + self._mask @ free + 0.7 * (mask.sum(axis=0) - common) + 1)
        count = np.maximum(self._mask @ measured, 1)
        seen = (self._mask @ depth) / count
        expected = (self._depth @ measured) / count
        offset = seen - expected
        spread = (
            self._mask @ depth**2 + self._depth_squared @ measured - 2 * (self._depth @ depth)
        ) / count - offset**2
        score = overlap + np.where(count > 20, np.exp(-spread / (2 * DEPTH_DEVIATION**2)), 0)
        if self._has_color:
            score = score + 0.5 * self._color_correlation(patch.windows(patch.color), mask, np.maximum(common, 1))
        best = score.argmax(axis=1)
        rows = np.arange(len(best))
        return score[rows, best], best, np.where(count > 20, offset, 0)[rows, best]

    def _color_correlation(self, color: np.ndarray, mask: np.ndarray, count: np.ndarray) -> np.ndarray:
        """Normalised correlation of the colours over all channels, -1..1."""
        covariance = variance_seen = variance_expected = 0.0
        variance_expected = self._color_squared @ mask / count
        variance_seen = self._mask @ (color**2).sum(axis=-1) / count
        for channel in range(3):
            values = np.ascontiguousarray(color[..., channel])
            mean_seen, mean_expected = self._mask @ values / count, self._color[channel] @ mask / count
            covariance = covariance + self._color[channel] @ values / count - mean_seen * mean_expected
            variance_seen = variance_seen - mean_seen**2
            variance_expected = variance_expected - mean_expected**2
        # Objects of one colour have no pattern to compare: the floor keeps noise from deciding.
        return covariance / np.sqrt((np.maximum(variance_seen, 0) + 3e-3) * (np.maximum(variance_expected, 0) + 3e-3))
