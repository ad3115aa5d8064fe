"""What an object's surface looks like, by its paint or in earlier views, so that what moves on does not drift away from it."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from pose_tracker_ros.geometry import invert
from pose_tracker_ros.kernels import keyframes as kernels
from pose_tracker_ros.tracking.view import View

# Seen from another side by more than this, radians, surfaces are followed less well (0.2 rad: 89 % of the points, 0.35: 73 %).
APART_RAD = 0.26
# So many views are kept: all around in a circle.
KEPT = 32
# How sure a pixel of the object's surface must be.
SURFACE = 0.9
# Depths of two views that differ by more, diameters, are of different parts of the surface.
SAME_D = 0.03
# Points of a view, and how far apart, pixels of the view.
POINTS, APART_PX = 100, 4
# Side of the window that is followed, pixels of the view, and how many halvings (measured: half the error of DIS, in the least time).
WINDOW_PX, HALVINGS = 9, 2
# Of structure as a share of the best, and by itself, in OpenCV's units: what is flatter shows noise.
STRUCTURE, LEAST_STRUCTURE = 0.01, 2e-3
# So many points tell a motion.
LEAST_POINTS = 3


class Keyframe(NamedTuple):
    """A view of an object where it surely was.

    grey: (R, R) uint8, see :func:`grey_in`; depth: (R, R) float32, metres of the surface that was seen, 0 = none; camera:
    fx, fy, cx, cy (4,) of the grey values; camera_T_object: (4, 4); side (3,): see :func:`seen_side`; has_structure: whether
    there is what can be followed.
    """

    grey: np.ndarray
    depth: np.ndarray
    camera: np.ndarray
    camera_T_object: np.ndarray
    side: np.ndarray
    has_structure: bool

    @classmethod
    def seen_in(cls, view: View, surface: np.ndarray) -> Keyframe:
        """Of a view whose rendering is where the object is; ``surface`` (R, R): how probable pixels show it, which nothing tells
        of plain ones without depth."""
        shown = surface >= SURFACE if view.frame.has_depth else view.rendering.mask
        depth = np.where(shown, view.rendering.depth, np.float32(0))
        camera = view.camera.numbers.copy()
        camera[2:] -= grey_shift_px(view.scale) / view.scale
        grey = grey_in(view)
        points = structure_in(grey, depth > 0)
        has_structure = len(points) > 0 and np.count_nonzero(follow(grey, grey, points)[1]) >= LEAST_POINTS
        return cls(grey, depth, camera, view.camera_T_object, seen_side(view.camera_T_object, view.center), has_structure)

    def shown_in(self, view: View, grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The grey values (R, R) of a view, where it shows what was seen those with which it was, and (R, R) bool where that is."""
        shown, known = grey.copy(), np.empty(grey.shape, bool)
        earlier_T_view = np.ascontiguousarray(self.camera_T_object @ invert(view.camera_T_object))
        rendered, earlier = (view.rendering.mask, view.rendering.depth, view.camera.numbers), (self.grey, self.depth, self.camera)
        kernels.show_earlier(*rendered, earlier_T_view, *earlier, SAME_D * view.diameter_m, shown, known)
        return shown, known


def seen_side(camera_T_object: np.ndarray, center: np.ndarray) -> np.ndarray:
    """The direction (3,), a unit vector in the object's axes, in which it is looked at where it is at a pose (4, 4), its ``center`` (3,) in
    camera axes."""
    x, y, z = center.tolist()
    axes = camera_T_object[:3, :3].T.tolist()
    return np.array([along * x + across * y + away * z for along, across, away in axes]) / math.hypot(x, y, z)


def grey_in(view: View) -> np.ndarray:
    """The grey values (R, R) uint8 of a view's window, each the mean of the image's pixels around its own; 0 beyond the image."""
    image, scale, side = view.frame.color, view.scale, view.camera.height
    left, top = view.left - (scale - 1) // 2, view.top - (scale - 1) // 2
    right, bottom = left + scale * side, top + scale * side
    part = image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if not part.size:
        return np.zeros((side, side), np.uint8)
    grey = cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY)
    missing = max(-top, 0), max(bottom - image.shape[0], 0), max(-left, 0), max(right - image.shape[1], 0)
    if any(missing):
        grey = cv2.copyMakeBorder(grey, *missing, cv2.BORDER_CONSTANT)
    return grey if scale == 1 else cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA)


def paint_in(view: View, grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The grey values (R, R) of a painted view, where it is drawn those of its paint in the light of the image, and (R, R) bool where
    that is: nowhere, if the paint is the same all over."""
    known = view.rendering.mask
    drawn, seen = (values[known].astype(np.float32) for values in (cv2.cvtColor(view.rendering.color, cv2.COLOR_RGB2GRAY), grey))
    off = drawn - drawn.mean()
    variance = float(off @ off)
    if variance == 0:
        return grey, np.zeros_like(known)
    shown = grey.copy()
    shown[known] = np.clip(seen.mean() + max(0.0, float(off @ seen) / variance) * off, 0, 255)
    return shown, known


def grey_shift_px(scale: int) -> float:
    """How far right of and below a view's pixel the middle of its grey value's pixels is, pixels of the image."""
    return (scale - 1) / 2 - (scale - 1) // 2


def structure_in(grey: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Column and row (N, 2) float32 of places in grey values (R, R) that can be told from those beside them, where they are ``known``
    (R, R) all around."""
    left, top, width, height = cv2.boundingRect(known.view(np.uint8))
    left, top = max(left - WINDOW_PX, 0), max(top - WINDOW_PX, 0)
    part = slice(top, top + height + 2 * WINDOW_PX), slice(left, left + width + 2 * WINDOW_PX)
    within = cv2.erode(known[part].view(np.uint8), np.ones((WINDOW_PX // 2,) * 2, np.uint8))
    found = cv2.goodFeaturesToTrack(grey[part], POINTS, STRUCTURE, APART_PX, mask=within, blockSize=5)
    return np.zeros((0, 2), np.float32) if found is None else found[:, 0] + np.float32([left, top])


def follow(before: np.ndarray, after: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where places (N, 2) of grey values (R, R) are in others (R, R): (N, 2) float32, and (N,) bool where that could be told."""
    options = {"winSize": (WINDOW_PX, WINDOW_PX), "maxLevel": HALVINGS, "minEigThreshold": LEAST_STRUCTURE}
    places, found, _ = cv2.calcOpticalFlowPyrLK(before, after, points[:, None], None, **options)
    return places[:, 0], found.ravel() > 0


def keyframe_for(keyframes: tuple[Keyframe, ...], view: View) -> Keyframe | None:
    """That of the side most like the one that is seen in a view."""
    return keyframes[int(_cosines(keyframes, view).argmax())] if keyframes else None


def with_view(keyframes: tuple[Keyframe, ...], view: View, surface: np.ndarray) -> tuple[Keyframe, ...]:
    """Those and a view as in :meth:`Keyframe.seen_in`, if none was of that side; the oldest goes where they are too many."""
    if (_cosines(keyframes, view) > math.cos(APART_RAD)).any():
        return keyframes
    return (*keyframes[-(KEPT - 1) :], Keyframe.seen_in(view, surface))


def _cosines(keyframes: tuple[Keyframe, ...], view: View) -> np.ndarray:
    """Of the angles (K,) between the sides of keyframes and the one that is seen in a view."""
    return np.array([one.side for one in keyframes]).reshape(-1, 3) @ seen_side(view.camera_T_object, view.center)
