"""Sheets of small pictures that show what a scene is: colour with the objects' visible outlines, depth below."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pose_tracker_ros.datasets import Frame, IndexedSequence

FRAMES, COLUMNS = 8, 4
WIDTH_PX, MARGIN_PX, TITLE_PX = 240, 6, 18
# Colours that depth has as well, so that they are kept when a picture is saved with few.
OUTLINE_COLORS = ((64, 255, 64), (230, 70, 20), (70, 110, 230), (240, 200, 60))
# Depth is coloured by its inverse between these, so that what is near has most of the colours.
NEAREST_M, FARTHEST_M = 0.4, 2.5
# Of so many frames the one is shown that tells most.
CANDIDATES = 31


def contact_sheet(sequence: IndexedSequence, frames: int = FRAMES, columns: int = COLUMNS) -> np.ndarray:
    """Frames from first to last, evenly apart, as an image (H, W, 3) uint8 RGB."""
    positions = np.unique(np.rint(np.linspace(0, len(sequence) - 1, frames)).astype(int))
    return arranged([tile(f"frame {i}", sequence.read(int(i))) for i in positions], columns)


def telling_frame(sequence: IndexedSequence, name: str) -> Frame:
    """The frame in which nearest to half of an object is visible, the middle one of those that tell as much."""
    positions = np.rint(np.linspace(0, len(sequence) - 1, CANDIDATES)).astype(int)
    from_the_middle = sorted(positions, key=lambda position: abs(position - len(sequence) / 2))
    frames = (sequence.read(int(position)) for position in from_the_middle)
    return min(frames, key=lambda frame: abs(frame.visibility.get(name, 1.0) - 0.5))


def tile(title: str, frame: Frame) -> np.ndarray:
    """One frame as an image (h, w, 3) uint8 RGB; depth is red where it is near, blue where far, black where there is none."""
    height = round(WIDTH_PX * frame.color.shape[0] / frame.color.shape[1])
    color = _small(frame.color, height, cv2.INTER_AREA)
    for number, mask in enumerate(frame.masks.values()):
        small = _small(mask.astype(np.uint8) * 255, height, cv2.INTER_AREA) > 127
        contours, _ = cv2.findContours(small.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(color, contours, -1, OUTLINE_COLORS[number % len(OUTLINE_COLORS)], 1)
    depth = _colored(_small(frame.depth, height, cv2.INTER_NEAREST))
    pictures = np.vstack([color, depth])
    framed = np.pad(pictures, ((TITLE_PX, MARGIN_PX), (MARGIN_PX, 0), (0, 0)), constant_values=255)
    place = (MARGIN_PX, TITLE_PX - 5)
    cv2.putText(framed, title, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (30, 30, 30), 1, cv2.LINE_AA)
    return framed


def arranged(tiles: Sequence[np.ndarray], columns: int = COLUMNS) -> np.ndarray:
    """Tiles of one size in rows, as an image (H, W, 3) uint8."""
    filled = [*tiles, *[np.full_like(tiles[0], 255)] * (-len(tiles) % min(columns, len(tiles)))]
    step = min(columns, len(tiles))
    rows = [np.hstack(filled[first : first + step]) for first in range(0, len(filled), step)]
    return np.pad(np.vstack(rows), ((0, 0), (0, MARGIN_PX), (0, 0)), constant_values=255)


def _small(image: np.ndarray, height: int, interpolation: int) -> np.ndarray:
    return cv2.resize(image, (WIDTH_PX, height), interpolation=interpolation)


def _colored(depth: np.ndarray) -> np.ndarray:
    known = depth > 0
    nearness = (1 / np.where(known, depth, FARTHEST_M) - 1 / FARTHEST_M) / (1 / NEAREST_M - 1 / FARTHEST_M)
    colors = cv2.applyColorMap(np.clip(255 * nearness, 0, 255).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    return np.where(known[..., None], colors, np.uint8(0))
