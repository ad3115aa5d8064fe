"""What colours the object showed and its surroundings did, in the frames before: is that what is seen here?

Depth alone takes a tracker's word for it that a plank is a spanner. What colours were where is learnt while depth leaves
no doubt, so nothing has to be known about lamps, cameras or the paint of a mesh without colours.
"""

from __future__ import annotations

import cv2
import numpy as np

from pose_tracker_ros.tracking.contour import color_bins, color_histogram
from pose_tracker_ros.tracking.crop import Crop, pixels_of, surface
from pose_tracker_ros.tracking.quality import moved_by, tolerance_m

# Share of the memory that every frame renews.
RENEWAL = 0.1
# Frames after which the memory is believed.
ENOUGH_FRAMES = 5
# Fewer pixels of object or surroundings teach nothing.
MIN_PIXELS = 40
# Surroundings begin so many pixels beside the object.
MARGIN_PX = 3
# Colours may be this much less like the object's than they used to be.
USUAL_SHARE = 0.8


class ColorMemory:
    """Colour histograms of object and surroundings, running averages over frames."""

    def __init__(self) -> None:
        self._object = self._around = np.zeros(0, np.float32)
        self._usual = 0.0
        self._frames = 0

    def remember(self, crop: Crop) -> None:
        """Learn from a crop whose rendering is where the object is."""
        rendering = crop.rendering
        bins = color_bins(crop.color)
        near = np.abs(crop.depth - rendering.depth) <= tolerance_m(crop.diameter_m)
        on_object = bins[rendering.mask & near]
        kernel = np.ones((2 * MARGIN_PX + 1,) * 2, np.uint8)
        around = bins[cv2.dilate(rendering.mask.astype(np.uint8), kernel) == 0]
        if min(len(on_object), len(around)) < MIN_PIXELS:
            return
        # At first a plain mean, so that the first frame does not stay for long.
        share = max(RENEWAL, 1 / (self._frames + 1))
        for name, colors in (("_object", on_object), ("_around", around)):
            histogram = color_histogram(colors)
            before = getattr(self, name) if self._frames else histogram
            setattr(self, name, (1 - share) * before + share * histogram)
        likeness = float(self._likeness()[on_object].mean())
        self._usual = (1 - share) * self._usual + share * likeness if self._frames else likeness
        self._frames += 1

    def support(self, crop: Crop, motion: np.ndarray) -> float:
        """How usual the colours are where the rendered object would be after a ``motion`` (6,): 0 (not at all) to 1.

        Pixels that are hidden, as depth tells, say nothing. 1 as long as nothing is known.
        """
        points, _ = surface(crop)
        if self._frames < ENOUGH_FRAMES or len(points) == 0:
            return 1.0
        points = moved_by(points, crop.center, motion)
        rows, columns, inside = pixels_of(crop, points)
        rows, columns, z = rows[inside], columns[inside], points[inside, 2]
        depth = crop.depth[rows, columns]
        visible = (depth == 0) | (depth > z - tolerance_m(crop.diameter_m))
        if visible.sum() < MIN_PIXELS:
            return 1.0
        bins = color_bins(crop.color[rows[visible], columns[visible]])
        return min(1.0, float(self._likeness()[bins].mean()) / (USUAL_SHARE * self._usual))

    def likeness(self, crop: Crop) -> np.ndarray | None:
        """How usual (R, R) float32 0..1 the colours of a crop are for the object; None as long as nothing is known."""
        if self._frames < ENOUGH_FRAMES:
            return None
        return np.minimum(1, self._likeness() / max(USUAL_SHARE * self._usual, 1e-6))[color_bins(crop.color)]

    def _likeness(self) -> np.ndarray:
        """Probability that a pixel of each colour is the object's, if it is as likely the object's as not."""
        return self._object / (self._object + self._around)
