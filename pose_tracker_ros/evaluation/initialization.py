"""Scenes for initializers: simulated frames with occluders and the masks that segmentation really delivers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np

from pose_tracker_ros.evaluation.metrics import adds_errors, pose_errors_with_symmetry
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.initialization.observation import InitializationError, InitialPose
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.simulation.demo import simulate
from pose_tracker_ros.simulation.demo_config import SimulationConfig
from pose_tracker_ros.simulation.occluders import covering_side
from pose_tracker_ros.symmetries import symmetry_transforms

LIMIT_M, LIMIT_DEG = 0.01, 5.0
OCCLUDER_DEPTH_M = 0.1


class MaskedScene(NamedTuple):
    """A frame, a mask (height, width) bool as segmentation gives it, and the true camera_T_object (4, 4)."""

    frame: Frame
    mask: np.ndarray
    camera_T_object: np.ndarray


def masked_scenes(
    model: ObjectModel, count: int, occlusion: float, seed: int, degrade: bool = True
) -> Iterator[MaskedScene]:
    """Simulated frames with the object anywhere, turned anyhow, and ``occlusion`` (0..1) of what is in sight hidden.

    With ``degrade`` masks are eroded, dilated, have holes, or cover a part of something else.
    """
    config = SimulationConfig(frames=count, seed=seed, random_poses=True, bar_width_px=0, blank_frames=0)
    sequence = simulate(model, config)
    for position, frame in enumerate(sequence):
        generator = np.random.default_rng((seed, position, round(100 * occlusion)))
        mask = frame.masks[model.name]
        if mask.sum() < 200:
            continue
        if occlusion > 0:
            frame, mask = hidden(frame, mask, occlusion, generator)
        yield MaskedScene(frame, degraded(mask, generator) if degrade else mask, frame.truth[model.name])


def hidden(frame: Frame, mask: np.ndarray, share: float, generator: np.random.Generator) -> tuple[Frame, np.ndarray]:
    """The frame with something in front of one side of the object, and what is left of the mask."""
    occluder = covering_side(mask, share, generator.uniform(0, 2 * np.pi))
    color, depth = frame.color.copy(), frame.depth.copy()
    color[occluder] = generator.integers(20, 220, 3) + generator.integers(-8, 9, (int(occluder.sum()), 3))
    nearest = depth[mask & (depth > 0)].min() if (mask & (depth > 0)).any() else 0.5
    depth[occluder] = nearest - generator.uniform(0.3, 1.0) * OCCLUDER_DEPTH_M
    return replace(frame, color=color, depth=depth), mask & ~occluder


def degraded(mask: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A mask as segmentation gives it: up to 3 px too small or large, with holes, or a fifth on something else."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * int(generator.integers(1, 4)) + 1,) * 2)
    change = generator.choice(["none", "erode", "dilate", "holes", "other"])
    pixels = mask.astype(np.uint8)
    if change == "erode":
        eroded = cv2.erode(pixels, kernel)
        pixels = eroded if eroded.sum() > 0.4 * pixels.sum() else pixels
    elif change == "dilate":
        pixels = cv2.dilate(pixels, kernel)
    elif change == "holes":
        rows, columns = np.nonzero(mask)
        for _ in range(int(generator.integers(1, 5))):
            at = int(generator.integers(len(rows)))
            radius = max(2, int(np.sqrt(mask.sum()) * generator.uniform(0.03, 0.1)))
            cv2.circle(pixels, (int(columns[at]), int(rows[at])), radius, 0, -1)
    elif change == "other":
        rows, columns = np.nonzero(mask)
        at = int(generator.integers(len(rows)))
        blob = np.zeros_like(pixels)
        cv2.circle(blob, (int(columns[at]), int(rows[at])), max(2, int(np.sqrt(0.35 * mask.sum()))), 1, -1)
        beyond = np.flatnonzero(blob & ~pixels.astype(bool))
        pixels.ravel()[beyond[: int(0.2 * mask.sum())]] = 1
    return pixels.astype(bool)


def wrong_mask_scenes(
    model: ObjectModel, others: Sequence[ObjectModel], count: int, seed: int
) -> Iterator[tuple[Frame, np.ndarray]]:
    """Frames with masks that are not on the object: by turns on the background, and on other objects."""
    for scene in masked_scenes(model, -(-count // 2), 0.0, seed, degrade=False):
        generator = np.random.default_rng((seed, scene.frame.index))
        for _ in range(100):
            shift = generator.integers((-240, -320), (240, 320))
            elsewhere = np.roll(scene.mask, tuple(shift), axis=(0, 1))
            if not (elsewhere & scene.mask).any():
                yield scene.frame, elsewhere
                break
    for number, other in enumerate(others):
        share = (count // 2) // len(others) + (number < (count // 2) % len(others))
        for scene in masked_scenes(other, share, 0.0, seed + 1, degrade=False) if share else ():
            yield scene.frame, scene.mask


def false_accepts(
    estimate: Callable[[Frame, np.ndarray], InitialPose], scenes: Iterator[tuple[Frame, np.ndarray]]
) -> tuple[int, int]:
    """How many wrong masks were answered with an accepted pose, and how many there were."""
    accepted = total = 0
    for frame, mask in scenes:
        total += 1
        try:
            accepted += estimate(frame, mask).accepted
        except InitializationError:
            pass
    return accepted, total


@dataclass(frozen=True)
class InitializationResult:
    """Success of an initializer on the scenes of one object.

    right: share within 5 degrees and 1 cm, up to symmetry; accepted: share that was accepted; accepted_wrong: share of
    all scenes with a pose that was accepted and is beyond twice those limits; adds_m: (N,) ADD-S in metres, infinite
    without a pose; seconds: (N,).
    """

    right: float
    accepted: float
    accepted_wrong: float
    adds_m: np.ndarray
    seconds: np.ndarray


def evaluate_initializer(
    estimate: Callable[[Frame, np.ndarray], InitialPose],
    model: ObjectModel,
    scenes: Iterator[MaskedScene],
    points: np.ndarray,
) -> InitializationResult:
    """Run ``estimate(frame, mask)`` on scenes; ``points`` (P, 3) metres for ADD-S."""
    symmetries = symmetry_transforms(model, largest_step=0.02)
    right, accepted, wrong, adds, seconds = [], [], [], [], []
    for scene in scenes:
        try:
            answer = estimate(scene.frame, scene.mask)
        except InitializationError:
            for values, value in ((right, False), (accepted, False), (wrong, False), (adds, np.inf), (seconds, 0.0)):
                values.append(value)
            continue
        pose, truth = answer.camera_T_object[None], scene.camera_T_object[None]
        translation, rotation = (float(error[0]) for error in pose_errors_with_symmetry(pose, truth, symmetries))
        right.append(translation <= LIMIT_M and np.degrees(rotation) <= LIMIT_DEG)
        accepted.append(answer.accepted)
        wrong.append(answer.accepted and (translation > 2 * LIMIT_M or np.degrees(rotation) > 2 * LIMIT_DEG))
        adds.append(float(adds_errors(pose, truth, points)[0]))
        seconds.append(answer.seconds)
    return InitializationResult(
        float(np.mean(right)), float(np.mean(accepted)), float(np.mean(wrong)), np.array(adds), np.array(seconds)
    )
