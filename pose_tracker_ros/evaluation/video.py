"""Videos of overlays that ordinary players open (H.264 in MP4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import imageio_ffmpeg
import numpy as np

from pose_tracker_ros.evaluation.overlay import draw_overlay, draw_text
from pose_tracker_ros.evaluation.trajectory import PoseEstimate
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.rendering.protocol import Renderer

QUALITY = 7


class FrameSink(Protocol):
    """Takes images (H, W, 3) uint8 RGB of one size."""

    def __call__(self, image: np.ndarray) -> None:
        """Append an image; raises ValueError when its size is not that of the first."""
        ...


@contextmanager
def video_writer(path: str | Path, rate_hz: float) -> Iterator[FrameSink]:
    """Write a video: ``with video_writer("a.mp4", 30) as write: write(image)``.

    The size is that of the first image; an odd row or column is repeated, since H.264 players expect
    even sizes.
    """
    stream = None
    expected = None

    def write(image: np.ndarray) -> None:
        nonlocal stream, expected
        if stream is None:
            expected = image.shape
            height, width = (size + size % 2 for size in image.shape[:2])
            stream = imageio_ffmpeg.write_frames(
                str(path), (width, height), fps=rate_hz, codec="libx264", quality=QUALITY, macro_block_size=2
            )
            stream.send(None)
        if image.shape != expected or image.dtype != np.uint8:
            raise ValueError(f"expected images of {expected} uint8 as the first, got {image.shape} {image.dtype}")
        even = np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)), mode="edge")
        stream.send(np.ascontiguousarray(even))

    try:
        yield write
    finally:
        if stream is not None:
            stream.close()


def overlay_image(frame: Frame, estimate: PoseEstimate | None, renderer: Renderer, diameter_m: float) -> np.ndarray:
    """The frame's image (H, W, 3) uint8 RGB with the estimate drawn on it, and what the tracker said."""
    if estimate is None or estimate.camera_T_object is None:
        image = frame.color.copy()
        draw_text(image, [f"frame {frame.index}", "no pose" if estimate is None else estimate.state])
        return image
    pose = estimate.camera_T_object
    lines = [f"frame {frame.index}  {estimate.state}  score {estimate.score:.2f}"]
    if np.isfinite(estimate.latency_ms):
        lines.append(f"{estimate.latency_ms:.1f} ms")
    return draw_overlay(frame.color, renderer.render(frame.camera, pose), frame.camera, pose, diameter_m, lines)


def write_overlay_video(
    path: str | Path,
    frames: Iterable[Frame],
    estimates: Iterable[PoseEstimate],
    renderer: Renderer,
    diameter_m: float,
    rate_hz: float,
) -> None:
    """Write a video of all frames with the estimates of equal index drawn on them."""
    by_index = {estimate.index: estimate for estimate in estimates}
    with video_writer(path, rate_hz) as write:
        for frame in frames:
            write(overlay_image(frame, by_index.get(frame.index), renderer, diameter_m))
