"""The picture that a scene is drawn into, thing after thing, each before what is farther away."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.objects import texture_pyramid
from pose_tracker_ros.rendering import Rendering
from pose_tracker_ros.rendering.texture_level import pyramid_level

NEAREST_M = 0.02
NOTHING = -1


class Canvas:
    """Colour (H, W, 3) uint8, depth (H, W) float32 metres (0 = nothing) and whose each pixel is (H, W) int16."""

    def __init__(self, camera: PinholeCamera) -> None:
        self.camera = camera
        self.color = np.zeros((camera.height, camera.width, 3), np.uint8)
        self.depth = np.zeros((camera.height, camera.width), np.float32)
        self.owner = np.full((camera.height, camera.width), NOTHING, np.int16)

    def copy(self) -> Canvas:
        """Another one with the same picture."""
        other = Canvas.__new__(Canvas)
        other.camera = self.camera
        other.color, other.depth, other.owner = self.color.copy(), self.depth.copy(), self.owner.copy()
        return other

    def put(
        self, window: tuple[slice, slice], mask: np.ndarray, depth: np.ndarray, color: np.ndarray, owner: int
    ) -> None:
        """Draw the pixels ``mask`` (h, w) of a window where they are the nearest: ``depth`` (h, w), ``color`` (h, w, 3)."""
        before = self.depth[window]
        mask = mask & ((depth < before) | (before == 0))
        np.copyto(before, depth, where=mask)
        np.copyto(self.color[window], color, where=mask[..., None])
        np.copyto(self.owner[window], owner, where=mask)


@dataclass(frozen=True)
class Patch:
    """A textured parallelogram.

    corner (3,) metres; across, along (3,) metres: its edges from there; pyramid: its texture (h, w, 3) uint8 and its
    halvings, columns across, rows along; owner: whose its pixels are.
    """

    corner: np.ndarray
    across: np.ndarray
    along: np.ndarray
    pyramid: tuple[np.ndarray, ...]
    owner: int = NOTHING

    @classmethod
    def textured(
        cls, corner: np.ndarray, across: np.ndarray, along: np.ndarray, texture: np.ndarray, owner: int = NOTHING
    ) -> Patch:
        """A patch with the pyramid of its texture."""
        return cls(corner, across, along, tuple(texture_pyramid(texture)), owner)

    @property
    def normal(self) -> np.ndarray:
        """Unit normal (3,); which of the two is not said."""
        normal = np.cross(self.across, self.along)
        return normal / np.linalg.norm(normal)

    def draw(self, canvas: Canvas, camera_T_scene: np.ndarray, intensity: float) -> None:
        """Draw it as a camera sees it, its colours times ``intensity``; every pixel by the ray through its centre.

        The inverse of a plane's depth is linear in the pixel, and so are, times that inverse, the coordinates in the plane.
        """
        rotation, translation = camera_T_scene[:3, :3], camera_T_scene[:3, 3]
        corner, across, along = rotation @ self.corner + translation, rotation @ self.across, rotation @ self.along
        window = _window(canvas.camera, corner + np.array([0, 0, 1, 1])[:, None] * across + np.array([0, 1, 1, 0])[:, None] * along)
        if window is None:
            return
        normal = np.cross(across, along)
        inverse_matrix = np.linalg.inv(canvas.camera.matrix)
        to_inverse_depth = normal @ inverse_matrix / (normal @ corner)
        linear = [to_inverse_depth]
        for edge, other in ((across, along), (along, across)):
            dual = np.cross(other, normal)
            dual = dual / (edge @ dual)
            linear.append(dual @ inverse_matrix - (dual @ corner) * to_inverse_depth)
        inverse_depth, a, b = (_linear_field(coefficients, window) for coefficients in linear)
        mask = (inverse_depth > 0) & (a >= 0) & (a <= inverse_depth) & (b >= 0) & (b <= inverse_depth)
        if not mask.any():
            return
        depth = np.where(mask, 1 / np.where(mask, inverse_depth, 1), 0).astype(np.float32)
        color = self._sample(linear, window, canvas.camera.fx, float(depth[mask].mean()))
        canvas.put(window, mask, depth, cv2.convertScaleAbs(color, alpha=intensity), self.owner)

    def _sample(
        self, linear: list[np.ndarray], window: tuple[slice, slice], focal_px: float, depth_m: float
    ) -> np.ndarray:
        texels = self.pyramid[0].shape[1] / np.linalg.norm(self.across)
        texture = self.pyramid[min(pyramid_level(texels, focal_px, depth_m), len(self.pyramid) - 1)]
        height, width = texture.shape[:2]
        to_inverse_depth, a, b = linear
        # Texel centres are at halves of the patch's own coordinates.
        texture_T_pixel = np.stack(
            [width * a - 0.5 * to_inverse_depth, height * b - 0.5 * to_inverse_depth, to_inverse_depth]
        )
        rows, columns = window
        texture_T_pixel = texture_T_pixel @ np.array([[1, 0, columns.start], [0, 1, rows.start], [0, 0, 1]])
        size = (columns.stop - columns.start, rows.stop - rows.start)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpPerspective(texture, texture_T_pixel, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def put_rendering(
    canvas: Canvas, rendering: Rendering, to_lamp: np.ndarray, ambient: float, exposure: float, owner: int
) -> None:
    """Draw a mesh in the light of a lamp in the direction ``to_lamp`` (3,), in camera axes."""
    window = window_of(rendering.mask)
    if window is None:
        return
    intensity = shade(rendering.normal[window] @ to_lamp.astype(np.float32), ambient) * np.float32(exposure)
    color = np.clip(rendering.color[window] * intensity[..., None], 0, 255).astype(np.uint8)
    canvas.put(window, rendering.mask[window], rendering.depth[window], color, owner)


def shade(cosine: np.ndarray, ambient: float) -> np.ndarray:
    """Brightness of a dull surface; what faces the lamp gets 1.1 of its colour."""
    return np.float32(ambient) + np.float32(1.1 - ambient) * np.clip(cosine, 0, 1)


def window_of(mask: np.ndarray) -> tuple[slice, slice] | None:
    """Rows and columns of the smallest window around the pixels of a mask (H, W), None without any."""
    columns, rows, width, height = cv2.boundingRect(mask.astype(np.uint8))
    if width == 0:
        return None
    return slice(rows, rows + height), slice(columns, columns + width)


def _linear_field(coefficients: np.ndarray, window: tuple[slice, slice]) -> np.ndarray:
    """``coefficients`` (3,) times (column, row, 1) for each pixel of a window."""
    rows, columns = window
    across = coefficients[0] * np.arange(columns.start, columns.stop) + coefficients[2]
    return across + coefficients[1] * np.arange(rows.start, rows.stop)[:, None]


def _window(camera: PinholeCamera, corners: np.ndarray) -> tuple[slice, slice] | None:
    """Rows and columns of the image that a polygon (4, 3) in the camera frame can touch."""
    in_front = corners[:, 2] > NEAREST_M
    if not in_front.any():
        return None
    following = np.roll(corners, -1, axis=0)
    crossing = in_front != np.roll(in_front, -1)
    share = (NEAREST_M - corners[crossing, 2]) / (following[crossing, 2] - corners[crossing, 2])
    cut = corners[crossing] + share[:, None] * (following[crossing] - corners[crossing])
    pixels = camera.project(np.vstack([corners[in_front], cut]))
    low = np.clip(np.floor(pixels.min(axis=0)), 0, [camera.width, camera.height]).astype(int)
    high = np.clip(np.ceil(pixels.max(axis=0)) + 1, 0, [camera.width, camera.height]).astype(int)
    if np.any(high <= low):
        return None
    return slice(low[1], high[1]), slice(low[0], high[0])
