"""Defects of what the camera looks at: parts beyond the image, and intrinsics that are not quite true."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pose_tracker_ros.training.augmentation.observation import Augmentation, Observation


@dataclass(frozen=True)
class CornerCover(Augmentation):
    """A rectangle at a random corner is black and without depth, but ``min_object_share`` of the object stays in sight.

    Imitates an object that leaves the image.
    """

    probability: float = 0.2
    min_object_share: float = 0.5

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        height, width = observation.depth.shape
        bottom, right = generator.random(2) < 0.5
        rows, columns = generator.uniform(0, 1, 2) * (height, width)
        needed = self.min_object_share * observation.mask.sum()
        while True:
            covered = np.zeros((height, width), bool)
            row = slice(height - int(rows), None) if bottom else slice(None, int(rows))
            column = slice(width - int(columns), None) if right else slice(None, int(columns))
            covered[row, column] = True
            if (observation.mask & ~covered).sum() >= needed:
                return blacked_out(observation, covered)
            rows, columns = 0.8 * rows, 0.8 * columns


@dataclass(frozen=True)
class ImageBorder(Augmentation):
    """All beyond a row or a column is black and without depth, as where a crop leaves the image.

    ``min_object_share`` of the object stays in sight.
    """

    probability: float = 0.1
    min_object_share: float = 0.5

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        axis, from_end = int(generator.integers(2)), generator.random() < 0.5
        in_lines = observation.mask.sum(axis=1 - axis)
        in_lines = in_lines[::-1] if from_end else in_lines
        left = in_lines.sum() - np.cumsum(in_lines)
        # As many lines from the border as leave enough of the object.
        most = int(np.searchsorted(-left, -self.min_object_share * in_lines.sum(), side="right"))
        count = int(generator.integers(0, min(most, len(in_lines) // 2) + 1))
        covered = np.zeros_like(observation.mask)
        lines = slice(len(in_lines) - count, None) if from_end else slice(None, count)
        covered[(lines, slice(None)) if axis == 0 else (slice(None), lines)] = True
        return blacked_out(observation, covered)


@dataclass(frozen=True)
class IntrinsicsJitter(Augmentation):
    """What is seen by a camera whose intrinsics are not those by which the crop was cut.

    ``focal``: standard deviation of the focal lengths relative to the true ones, shared by both axes; ``center``: standard
    deviation of the principal point in focal lengths, along each axis. Colour and depth move together.
    """

    probability: float = 0.2
    focal: float = 0.005
    center: float = 0.003

    def apply(self, observation: Observation, generator: np.random.Generator) -> Observation:
        """See Augmentation."""
        camera = observation.camera
        scale = float(np.exp(generator.normal(0, self.focal)))
        shift_x, shift_y = generator.normal(0, self.center, 2)
        # A true direction x shows at scale * x + shift in the units of the believed focal length.
        matrix = np.array(
            [
                [scale, 0, camera.cx * (1 - scale) + camera.fx * shift_x],
                [0, scale, camera.cy * (1 - scale) + camera.fy * shift_y],
            ]
        )
        size = observation.depth.shape[::-1]
        border = cv2.BORDER_REPLICATE
        mask = cv2.warpAffine(observation.mask.view(np.uint8), matrix, size, flags=cv2.INTER_NEAREST)
        return observation._replace(
            color=cv2.warpAffine(observation.color, matrix, size, borderMode=border),
            depth=cv2.warpAffine(observation.depth, matrix, size, flags=cv2.INTER_NEAREST, borderMode=border),
            mask=mask.astype(bool),
        )


def blacked_out(observation: Observation, covered: np.ndarray) -> Observation:
    """The observation black, without depth and without object where ``covered`` (R, R) bool says."""
    return observation._replace(
        color=np.where(covered[..., None], np.float32(0), observation.color),
        depth=np.where(covered, np.float32(0), observation.depth),
        mask=observation.mask & ~covered,
    )
