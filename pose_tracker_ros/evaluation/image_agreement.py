"""How well poses agree with the images themselves: with outlines that no tracker drew, and with measured depth.

Annotated poses of real videos are off by several millimetres, mostly in depth; they cannot tell which of two good
trackers is better. An outline of the object in the colour image can, and so can the depth image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from pose_tracker_ros.datasets.files import DatasetError, read_image
from pose_tracker_ros.datasets.sequence import FrameSequence
from pose_tracker_ros.evaluation.trajectory import PoseEstimate
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.rendering import Renderer, Rendering

OBJECT, NOT_JUDGED, NOT_OBJECT = 255, 128, 0
# A drawn mask is moved by up to so much to overlap best, and found to this fraction of a pixel.
SEARCH_PX, COARSEST_STEP_PX, FINEST_STEP_PX = 8.0, 2.0, 0.5
MARGIN_PX = 4
# Depth is compared so far inside the outline: at its edge a camera mixes object and background.
BORDER_PX = 4
# A difference beyond is no error of the pose but something else that is seen.
LARGEST_DIFFERENCE_M = 0.06
FEWEST_DEPTH_PIXELS = 50
# The size of an outline is tried at distances that differ from the drawn one by up to so much, and found to this share of it.
# What is scaled is moved by less, as every size has its own search.
FARTHEST_SHARE, COARSEST_SHARE_STEP, FINEST_SHARE_STEP = 0.08, 0.04, 0.005
SCALED_SEARCH_PX = 4.0


class Outline(NamedTuple):
    """Where the object is in a colour image: ``inside`` (H, W) bool, and ``judged`` (H, W) bool where that is sure."""

    inside: np.ndarray
    judged: np.ndarray


class FrameAgreement(NamedTuple):
    """How a pose agrees with one frame.

    overlap: intersection over union of the drawn and the true mask, 0..1, where the latter is sure; shift_dx, shift_dy:
    pixels by which the drawn mask has to be moved to overlap best; depth_m, absolute_depth_m: medians of measured minus
    drawn depth and of its magnitude, metres, NaN where too little depth was measured; outline_depth_m: how much farther than
    drawn the size of the outline puts the object, metres, NaN for an object that is not in the image.
    """

    index: int
    overlap: float
    shift_dx: float
    shift_dy: float
    depth_m: float
    absolute_depth_m: float
    outline_depth_m: float

    @property
    def shift_px(self) -> float:
        """Length of the shift."""
        return float(np.hypot(self.shift_dx, self.shift_dy))


@dataclass(frozen=True)
class Agreement:
    """How a trajectory agrees with all frames that have an outline.

    frames: those with a pose; missing: numbers of those without; not_in_sequence: numbers of outlines whose frame the
    sequence does not have or cannot read; stated_low, stated_high: (3,) least and largest color_dx, color_dy (pixels) and
    depth_bias_m that the trajectory states, over all of its poses; registered: False when the frames' depth is of a
    camera of its own, which is not compared with.
    """

    frames: tuple[FrameAgreement, ...]
    missing: tuple[int, ...]
    not_in_sequence: tuple[int, ...]
    stated_low: np.ndarray
    stated_high: np.ndarray
    registered: bool

    def median(self, name: str) -> float:
        """Median over the frames of a value of FrameAgreement, NaN where no frame has it."""
        values = np.array([getattr(frame, name) for frame in self.frames], dtype=np.float64)
        values = values[np.isfinite(values)]
        return float(np.median(values)) if len(values) else float("nan")


@dataclass(frozen=True)
class OutlineJudge:
    """Compares poses of one object with its outlines.

    outlines: frame number -> file, of :func:`find_outlines`; renderer of the object; color_shift: pixels (dx, dy) by
    which what is drawn is moved before it is compared with the outline, for poses that are stated in a depth image to
    which the colour image is shifted.
    """

    outlines: Mapping[int, Path]
    renderer: Renderer
    color_shift: tuple[float, float] = (0.0, 0.0)

    def outline(self, frame: Frame) -> Outline:
        """The outline of a frame; raises DatasetError when its file is at fault."""
        return read_outline(self.outlines[frame.index], (frame.camera.height, frame.camera.width))

    def draw(self, frame: Frame, estimate: PoseEstimate) -> tuple[Rendering, np.ndarray]:
        """The object at the pose of an estimate, and its mask (H, W) bool as the colour image should show it."""
        rendering = self.renderer.render(frame.camera, estimate.camera_T_object)
        moved = any(self.color_shift)
        return rendering, moved_mask(rendering.mask, *self.color_shift) if moved else rendering.mask

    def judge(self, frame: Frame, estimate: PoseEstimate) -> FrameAgreement:
        """How the estimate, which has a pose, agrees with its frame, which has an outline."""
        outline = self.outline(frame)
        rendering, drawn = self.draw(frame, estimate)
        window = _window_of(drawn | outline.inside)
        near = Outline(outline.inside[window], outline.judged[window])
        shift = best_shift(drawn[window], near)
        depth = (float("nan"), float("nan"))
        if frame.registered:
            depth = depth_difference(stated_depth(frame.depth, estimate), rendering, outline.inside)
        farther = distance_of_outline(drawn[window], near) * mean_depth(rendering)
        return FrameAgreement(frame.index, overlap(drawn[window], near), *shift, *depth, farther)


def judge_track(judge: OutlineJudge, estimates: Iterable[PoseEstimate], sequence: FrameSequence) -> Agreement:
    """Compare the estimates with every frame of the sequence that has an outline.

    Raises ValueError when there is nothing to compare, DatasetError when an outline's file is at fault.
    """
    with_pose = {estimate.index: estimate for estimate in estimates if estimate.camera_T_object is not None}
    judged, missing, registered = [], [], True
    for frame in frames_of(sequence, judge.outlines):
        registered &= frame.registered
        if frame.index in with_pose:
            judged.append(judge.judge(frame, with_pose[frame.index]))
        else:
            missing.append(frame.index)
    if not judged:
        raise ValueError(
            f"expected a pose for some of the {len(judge.outlines)} frames with an outline in sequence "
            f"{sequence.name!r}, got none; do trajectory, outlines and sequence count their frames alike?"
        )
    seen = {frame.index for frame in judged} | set(missing)
    stated = np.array([(e.color_dx, e.color_dy, e.depth_bias_m) for e in with_pose.values()])
    not_in_sequence = tuple(sorted(set(judge.outlines) - seen))
    return Agreement(tuple(judged), tuple(missing), not_in_sequence, stated.min(axis=0), stated.max(axis=0), registered)


def frames_of(sequence: FrameSequence, indices: Iterable[int]) -> Iterable[Frame]:
    """The frames of these numbers, as far as the sequence has them, read no further than needed."""
    wanted = set(indices)
    for frame in sequence:
        if frame.index in wanted:
            wanted.remove(frame.index)
            yield frame
        if not wanted:
            return


def find_outlines(folder: str | Path) -> dict[int, Path]:
    """Frame number -> file of all outlines in a folder: PNG files named by their frame's number.

    Raises DatasetError when there are none, or one whose name is no number.
    """
    folder = Path(folder)
    paths = sorted(folder.glob("*.png"))
    if not paths:
        raise DatasetError(f"expected outlines as PNG files named by frame number in {folder}, found none")
    named_otherwise = [path.name for path in paths if not path.stem.isdigit()]
    if named_otherwise:
        raise DatasetError(
            f"expected outlines named by frame number in {folder}, such as 000012.png, got {named_otherwise[0]}"
        )
    return {int(path.stem): path for path in paths}


def read_outline(path: Path, size: tuple[int, int]) -> Outline:
    """The outline of a grey image: 255 the object, 0 not the object, 128 not judged.

    ``size``: height and width of the colour image. Raises DatasetError for another size or other values.
    """
    image = read_image(path)
    if image.shape != size or image.dtype != np.uint8:
        raise DatasetError(
            f"expected an 8-bit grey image of {size[1]}x{size[0]} like the sequence's in {path}, "
            f"got {image.dtype} of shape {image.shape}"
        )
    others = np.setdiff1d(image, (OBJECT, NOT_JUDGED, NOT_OBJECT))
    if len(others):
        raise DatasetError(
            f"expected the values {OBJECT} (object), {NOT_OBJECT} (not) and {NOT_JUDGED} (not judged) in {path}, "
            f"got also {', '.join(map(str, others[:5]))}"
        )
    return Outline(image == OBJECT, image != NOT_JUDGED)


def overlap(drawn: np.ndarray, outline: Outline) -> float:
    """Intersection over union of a drawn mask (H, W) bool and an outline where it is sure; 0 for two empty ones."""
    union = np.count_nonzero((drawn | outline.inside) & outline.judged)
    return np.count_nonzero(drawn & outline.inside & outline.judged) / union if union else 0.0


def moved_mask(mask: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """The mask (H, W) bool moved by a part of pixels; pixels count that are covered by more than half."""
    matrix = np.array([[1, 0, dx], [0, 1, dy]], dtype=np.float64)
    return cv2.warpAffine(mask.astype(np.float32), matrix, mask.shape[::-1]) > 0.5


def best_shift(drawn: np.ndarray, outline: Outline, reach: float = SEARCH_PX) -> tuple[float, float]:
    """The move (dx, dy) pixels after which a drawn mask (H, W) bool overlaps best, searched from coarse to fine.

    Of moves that overlap equally well it is the one farthest to the right, of those the lowest.
    """
    center, step = (0.0, 0.0), COARSEST_STEP_PX
    while step >= FINEST_STEP_PX:
        moves = np.arange(-reach, reach + step / 2, step)
        candidates = [(center[0] + dx, center[1] + dy) for dx in moves for dy in moves]
        center = max(candidates, key=lambda move: (overlap(moved_mask(drawn, *move), outline), *move))
        reach, step = step, step / 2
    return float(center[0]), float(center[1])


def distance_of_outline(drawn: np.ndarray, outline: Outline) -> float:
    """How much farther an object would have to be to overlap best, wherever it is moved to, as a share of its distance.

    Farther by a share e is smaller by 1 / (1 + e) about the middle of the drawn mask (H, W) bool; searched from coarse to fine.
    Of distances that overlap equally well it is the one nearest to the drawn one; NaN for an empty mask.
    """
    rows, columns = np.nonzero(drawn)
    if not len(rows):
        return float("nan")
    x, y = columns.mean(), rows.mean()

    def fit(share: float) -> tuple[float, float]:
        scaled = _scaled_mask(drawn, 1 / (1 + share), x, y)
        return overlap(moved_mask(scaled, *best_shift(scaled, outline, SCALED_SEARCH_PX)), outline), -abs(share)

    center, reach, step = 0.0, FARTHEST_SHARE, COARSEST_SHARE_STEP
    while step >= FINEST_SHARE_STEP:
        center = max(np.arange(center - reach, center + reach + step / 2, step), key=fit)
        reach, step = step, step / 2
    return float(center)


def _scaled_mask(mask: np.ndarray, scale: float, x: float, y: float) -> np.ndarray:
    matrix = np.array([[scale, 0, (1 - scale) * x], [0, scale, (1 - scale) * y]])
    return cv2.warpAffine(mask.astype(np.float32), matrix, mask.shape[::-1]) > 0.5


def mean_depth(rendering: Rendering) -> float:
    """Mean depth of what is drawn, metres; NaN where nothing is."""
    return float(rendering.depth[rendering.mask].mean()) if rendering.mask.any() else float("nan")


def depth_difference(measured: np.ndarray, rendering: Rendering, inside: np.ndarray) -> tuple[float, float]:
    """Medians of measured minus drawn depth and of its magnitude, metres, well inside drawing and outline.

    Parameters: ``measured`` (H, W) float32 metres, 0 = no measurement; ``inside`` (H, W) bool of the outline.
    Returns NaN twice where too few pixels can be compared.
    """
    kernel = np.ones((2 * BORDER_PX + 1, 2 * BORDER_PX + 1), np.uint8)
    inner = cv2.erode((rendering.mask & inside).astype(np.uint8), kernel) > 0
    difference = (measured - rendering.depth)[inner & (measured > 0)]
    difference = difference[np.abs(difference) < LARGEST_DIFFERENCE_M]
    if len(difference) < FEWEST_DEPTH_PIXELS:
        return float("nan"), float("nan")
    return float(np.median(difference)), float(np.median(np.abs(difference)))


def stated_depth(depth: np.ndarray, estimate: PoseEstimate) -> np.ndarray:
    """Measured depth (H, W) without the bias that the estimate states, moved to the colour pixels that it belongs to."""
    corrected = np.where(depth > 0, depth - np.float32(estimate.depth_bias_m), np.float32(0))
    if not (estimate.color_dx or estimate.color_dy):
        return corrected
    matrix = np.array([[1, 0, estimate.color_dx], [0, 1, estimate.color_dy]], dtype=np.float64)
    return cv2.warpAffine(corrected, matrix, depth.shape[::-1], flags=cv2.INTER_NEAREST)


def _window_of(mask: np.ndarray) -> tuple[slice, slice]:
    """The part of the image in which a mask (H, W) bool and all of its moves lie."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    margin = int(SEARCH_PX) + MARGIN_PX
    return np.s_[max(top - margin, 0) : top + height + margin, max(left - margin, 0) : left + width + margin]
