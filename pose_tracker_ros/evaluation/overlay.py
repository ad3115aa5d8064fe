"""Drawing an estimated pose on the image it was estimated from."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.rendering.protocol import Rendering

CONTOUR_COLOR = (64, 255, 64)
AXIS_COLORS = ((255, 48, 48), (48, 220, 48), (64, 112, 255))
TINT = np.array([70, 200, 120], np.float32)
RENDER_OPACITY = 0.55
MIN_AXIS_DEPTH_M = 0.01
MARGIN_PX = 4


def draw_overlay(
    color: np.ndarray,
    rendering: Rendering,
    camera: PinholeCamera,
    camera_T_object: np.ndarray,
    diameter_m: float,
    text_lines: Sequence[str] = (),
) -> np.ndarray:
    """The image with the object's shaded rendering, its contour, its axes and some lines of text on top.

    Parameters: ``color`` (H, W, 3) uint8 RGB, not changed; ``rendering`` of the object by ``camera``,
    which is the camera of the image; ``camera_T_object`` (4, 4); ``diameter_m`` sets the length of the
    axes; ``text_lines`` from the top left corner downwards.
    Returns (H, W, 3) uint8 RGB. Raises ValueError when rendering and image differ in size.
    """
    if rendering.mask.shape != color.shape[:2]:
        raise ValueError(
            f"expected a rendering of {color.shape[1]}x{color.shape[0]} like the image, "
            f"got {rendering.mask.shape[1]}x{rendering.mask.shape[0]}; render it with the image's camera"
        )
    image = color.copy()
    _blend_object(image, rendering)
    draw_axes(image, camera, camera_T_object, diameter_m / 2)
    draw_text(image, text_lines)
    return image


def draw_axes(image: np.ndarray, camera: PinholeCamera, camera_T_object: np.ndarray, length_m: float) -> None:
    """Draw the object frame's x, y and z axes in red, green and blue onto ``image`` (H, W, 3) uint8 RGB."""
    origin = camera_T_object[:3, 3]
    tips = origin + length_m * camera_T_object[:3, :3].T
    if origin[2] < MIN_AXIS_DEPTH_M:
        return
    # The axis that points away from the camera is drawn first.
    for axis in np.argsort(-tips[:, 2]):
        if tips[axis, 2] >= MIN_AXIS_DEPTH_M:
            start, end = (_to_pixel(camera, point) for point in (origin, tips[axis]))
            cv2.line(image, start, end, AXIS_COLORS[axis], 2, cv2.LINE_AA)


def draw_text(image: np.ndarray, lines: Sequence[str]) -> None:
    """Write lines of text, white on a dark edge, into the top left corner of ``image`` (H, W, 3) uint8."""
    scale = max(image.shape[1] / 1280, 0.4)
    for number, line in enumerate(lines):
        place = (MARGIN_PX * 2, int((number + 1) * 36 * scale))
        cv2.putText(image, line, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.putText(image, line, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)


def _blend_object(image: np.ndarray, rendering: Rendering) -> None:
    """Blend within the object's bounding box alone: most of the image stays untouched."""
    x, y, width, height = cv2.boundingRect(rendering.mask.view(np.uint8))
    if width == 0:
        return
    left, top = max(x - MARGIN_PX, 0), max(y - MARGIN_PX, 0)
    window = np.s_[top : y + height + MARGIN_PX, left : x + width + MARGIN_PX]
    mask = np.ascontiguousarray(rendering.mask[window]).view(np.uint8)
    shading = 0.35 + 0.65 * np.abs(rendering.normal[window][..., 2:])
    shaded = (0.5 * rendering.color[window] + 0.5 * TINT) * shading
    patch = image[window]
    blended = cv2.addWeighted(
        patch.astype(np.float32), 1 - RENDER_OPACITY, shaded.astype(np.float32), RENDER_OPACITY, 0
    )
    np.copyto(patch, blended.astype(np.uint8), where=mask[..., None].astype(bool))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, contours, -1, CONTOUR_COLOR, 1, cv2.LINE_AA, offset=(left, top))


def _to_pixel(camera: PinholeCamera, point: np.ndarray) -> tuple[int, int]:
    """Pixel of a point in front of the camera, bounded so that OpenCV's integers do not overflow."""
    u, v = np.clip(camera.project(point), -1e5, 1e5)
    return round(float(u)), round(float(v))
