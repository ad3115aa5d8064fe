"""Which templates look like what is under a mask: all of them at many offsets, as products of matrices."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pose_tracker_ros.camera import crop_camera
from pose_tracker_ros.initialization.observation import Observation, view_of
from pose_tracker_ros.initialization.templates import MARGIN, SIZE, Templates
from pose_tracker_ros.tracking.observation import image_window

# Offsets, in template pixels, at which every template is compared with the mask: an occluder moves its middle.
SHIFTS = (-6, -3, 0, 3, 6)
# Of depths of a template from those of the object, diameters: half of a step from view to view.
DEPTH_DEVIATION = 0.06


@dataclass(frozen=True)
class Patch:
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
    def cut(cls, observation: Observation, distance: float, diameter_m: float) -> Patch:
        """What is at the mask's middle, of an object of this diameter whose centre is assumed at a distance, metres."""
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
        # Where something nearer stands outside the mask, the object may go on behind it, and so it may beyond the image.
        nearer = (view.depth > 0) & (view.depth < distance - 0.5 * diameter_m)
        left, top, right, bottom = image_window(frame.camera, camera)
        free = np.zeros_like(mask)
        free[top:bottom, left:right] = (~view.mask & ~nearer)[top:bottom, left:right]

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


class Ranking:
    """Scores of all templates at all shifts, from sums over the pixels that both have."""

    def __init__(self, templates: Templates, has_color: bool) -> None:
        self._mask, self._has_color = templates.mask, has_color
        self._depth = templates.depth
        self._depth_squared = templates.depth**2
        self._color = [np.ascontiguousarray(templates.color[..., channel]) for channel in range(3)]
        self._color_squared = (templates.color**2).sum(axis=-1)

    def rank(self, patch: Patch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
        covariance = 0.0
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
