"""Pictures and videos of a mask alignment: the mask's outline and the object as rendered at a pose, in every view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.evaluation.overlay import draw_overlay, draw_text
from pose_tracker_ros.evaluation.video import video_writer
from pose_tracker_ros.initialization.mask_views import MaskView, crop_windows
from pose_tracker_ros.rendering.protocol import Renderer

MASK_COLOR = (255, 160, 0)
PANEL_PX = 320
WINDOW_MARGIN = 0.5
RATE_HZ = 8.0
LAST_FRAMES = 8


@dataclass(frozen=True)
class AlignmentPainter:
    """Draws an object at a pose over all views; ``colors`` are their images (H, W, 3) uint8."""

    views: Sequence[MaskView]
    colors: Sequence[np.ndarray]
    renderer: Renderer
    diameter_m: float

    def draw(self, camera_T_object: np.ndarray, title: str) -> np.ndarray:
        """Panels (320, 320 V, 3) uint8, one a view: the given mask's outline orange, the rendering's green."""
        windows = crop_windows(self.views, WINDOW_MARGIN, 32)
        panels = [self._panel(*item, camera_T_object) for item in zip(self.views, self.colors, windows)]
        picture = np.concatenate(panels, axis=1)
        draw_text(picture, [title])
        return picture

    def _panel(
        self, view: MaskView, color: np.ndarray, window: tuple[int, int, int], camera_T_object: np.ndarray
    ) -> np.ndarray:
        left, top, side = window
        scale = PANEL_PX / side
        matrix = np.array([[scale, 0, (0.5 - left) * scale - 0.5], [0, scale, (0.5 - top) * scale - 0.5]])
        size = (PANEL_PX, PANEL_PX)
        image = cv2.warpAffine(color, matrix, size, flags=cv2.INTER_LINEAR, borderValue=(30, 30, 30))
        mask = cv2.warpAffine(view.mask.astype(np.uint8) * 255, matrix, size, flags=cv2.INTER_LINEAR)
        camera = PinholeCamera(
            PANEL_PX,
            PANEL_PX,
            view.camera.fx * scale,
            view.camera.fy * scale,
            (view.camera.cx - left + 0.5) * scale - 0.5,
            (view.camera.cy - top + 0.5) * scale - 0.5,
        )
        pose = view.pose @ camera_T_object
        panel = draw_overlay(image, self.renderer.render(camera, pose), camera, pose, self.diameter_m)
        outlines, _ = cv2.findContours((mask > 127).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(panel, outlines, -1, MASK_COLOR, 1, cv2.LINE_AA)
        return panel

    def before_and_after(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """The views at two poses (4, 4), one above the other."""
        return np.concatenate([self.draw(before, "before"), self.draw(after, "after")])


def write_alignment_video(path: Path, painter: AlignmentPainter, poses: np.ndarray) -> None:
    """Write poses (T, 4, 4) as a video, ``.mp4`` or ``.gif``, that rests on the last."""
    pictures = [painter.draw(pose, f"step {number} of {len(poses) - 1}") for number, pose in enumerate(poses)]
    pictures += [pictures[-1]] * LAST_FRAMES
    if path.suffix.lower() == ".gif":
        first, *others = (Image.fromarray(picture).quantize(128) for picture in pictures)
        first.save(path, save_all=True, append_images=others, duration=round(1000 / RATE_HZ), loop=0)
        return
    with video_writer(path, RATE_HZ) as write:
        for picture in pictures:
            write(picture)
