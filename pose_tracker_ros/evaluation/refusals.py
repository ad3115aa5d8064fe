"""Images that show nothing of a mapped room, or hardly anything: does a relocalizer offer a pose for them?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from pose_tracker_ros.evaluation.camera_poses import RECALL_DEG, RECALL_M, camera_pose_errors
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.relocalization.relocalizer import Relocalizer

# A pose that is farther off than this is wrong, although the image is of the room.
WRONG_M, WRONG_DEG = 2 * RECALL_M, 2 * RECALL_DEG
# Lengths of blur are for images of this width.
WIDTH_PX = 640


class Refusals(NamedTuple):
    """Of one kind of images: how many there were, for how many a pose was offered, and wrongly; the highest confidence of a
    pose that would be wrong."""

    kind: str
    images: int
    offered: int
    wrong: int
    highest: float


class ImageKind(NamedTuple):
    """``change`` makes of frames (N) such images; ``is_of_room``: whether a right pose is no fault."""

    name: str
    change: Callable[[Sequence[Frame], np.random.Generator], list[Frame]]
    is_of_room: bool


def image_kinds() -> list[ImageKind]:
    """What is made of frames of a mapped room, each by a formula."""
    return [
        ImageKind("mirrored", _each(lambda frame, _: replace(frame, color=_flipped(frame.color), depth=_flipped(frame.depth))), False),
        ImageKind("shape of one place, looks of another", _with_color_of_another, False),
        ImageKind("blank wall", _each(_blank_wall), False),
        ImageKind("blank wall, noise", _each(lambda frame, generator: _noisy(_blank_wall(frame, generator), 4.0, generator)), False),
        ImageKind("dark: 1/40", _each(lambda frame, _: replace(frame, color=frame.color // 40)), True),
        ImageKind("dark: 1/16 and noise", _each(_dark_and_noisy), True),
        ImageKind("dark: 1/8", _each(lambda frame, _: replace(frame, color=frame.color // 8)), True),
        ImageKind("blurred by 25 px", _each(lambda frame, _: _blurred(frame, 25.0)), True),
        ImageKind("blurred by 10 px", _each(lambda frame, _: _blurred(frame, 10.0)), True),
        ImageKind("motion of 40 px", _each(_moved), True),
    ]


def without_depth(kind: ImageKind) -> ImageKind:
    """The same images from a camera without depth."""

    def change(frames: Sequence[Frame], generator: np.random.Generator) -> list[Frame]:
        return [frame.without_depth() for frame in kind.change(frames, generator)]

    return ImageKind(f"{kind.name}, colour only", change, kind.is_of_room)


def other_rooms(name: str, frames: Sequence[Frame]) -> ImageKind:
    """Frames of rooms that are not the mapped one."""
    return ImageKind(name, lambda _frames, _generator: list(frames), False)


def count_refusals(relocalizer: Relocalizer, frames: Sequence[Frame], kind: ImageKind, generator: np.random.Generator) -> Refusals:
    """Locate images of a kind; ``frames``: of the mapped room with true poses."""
    pairs = list(zip(kind.change(frames, generator), frames))
    offered = wrong = 0
    highest = 0.0
    for image, frame in pairs:
        location = relocalizer.locate(image)
        truth = frame.world_T_camera
        is_right = kind.is_of_room and _is_near(location.map_T_camera, truth)
        is_offered = location.is_sure(relocalizer.config.least_confidence)
        offered += is_offered
        wrong += is_offered and not is_right
        highest = max(highest, 0.0 if is_right else location.confidence)
    return Refusals(kind.name, len(pairs), offered, wrong, highest)


def _is_near(pose: np.ndarray | None, truth: np.ndarray | None) -> bool:
    if truth is None:
        raise ValueError("expected frames with the camera's pose, got one without; name a sequence that has them")
    position_m, orientation_deg = camera_pose_errors([pose], [truth])[0]
    return bool(position_m <= WRONG_M and orientation_deg <= WRONG_DEG)


def _each(
    change: Callable[[Frame, np.random.Generator], Frame],
) -> Callable[[Sequence[Frame], np.random.Generator], list[Frame]]:
    return lambda frames, generator: [change(frame, generator) for frame in frames]


def _flipped(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[:, ::-1])


def _with_color_of_another(frames: Sequence[Frame], _: np.random.Generator) -> list[Frame]:
    away = max(1, len(frames) // 3)
    return [replace(frame, color=frames[(number + away) % len(frames)].color) for number, frame in enumerate(frames)]


def _blank_wall(frame: Frame, generator: np.random.Generator) -> Frame:
    color = np.full_like(frame.color, generator.integers(60, 240))
    return replace(frame, color=color, depth=np.full_like(frame.depth, generator.uniform(0.8, 3.0)))


def _noisy(frame: Frame, deviation: float, generator: np.random.Generator) -> Frame:
    color = frame.color + generator.normal(0, deviation, frame.color.shape)
    depth = frame.depth + generator.normal(0, 0.005, frame.depth.shape)
    return replace(frame, color=color.clip(0, 255).astype(np.uint8), depth=depth.astype(np.float32))


def _dark_and_noisy(frame: Frame, generator: np.random.Generator) -> Frame:
    color = frame.color / 16 + generator.normal(4.0, 2.0, frame.color.shape)
    return replace(frame, color=color.clip(0, 255).astype(np.uint8))


def _blurred(frame: Frame, deviation_px: float) -> Frame:
    return replace(frame, color=cv2.GaussianBlur(frame.color, None, deviation_px * frame.camera.width / WIDTH_PX))


def _moved(frame: Frame, _: np.random.Generator) -> Frame:
    return replace(frame, color=cv2.blur(frame.color, (max(1, 40 * frame.camera.width // WIDTH_PX), 1)))
