"""The agreement of poses with the images as a table, as CSV and as a picture of the worst frames."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from rich.table import Table

from pose_tracker_ros.datasets.sequence import FrameSequence
from pose_tracker_ros.evaluation.image_agreement import Agreement, FrameAgreement, Outline, OutlineJudge, frames_of
from pose_tracker_ros.evaluation.overlay import CONTOUR_COLOR, draw_text
from pose_tracker_ros.evaluation.report import NOT_KNOWN
from pose_tracker_ros.evaluation.trajectory import PoseEstimate

OUTLINE_COLOR = (255, 160, 0)
NOT_JUDGED_GREY = 128
TILE_WIDTH, TILE_HEIGHT = 400, 300
COLUMNS, ROWS = 3, 2
MARGIN = 0.15
# A shift or a bias that changes by more while one camera is used is not that of the camera.
LARGEST_WANDER_PX, LARGEST_WANDER_M = 1.0, 0.001
# Even the worst annotated poses of a real video, those of ViSP's dragon, overlap by 0.72 in the median.
LEAST_OVERLAP = 0.5
CSV_COLUMNS = ("index", "overlap", "shift_dx", "shift_dy", "depth_mm", "absolute_depth_mm", "outline_depth_mm")


def agreement_table(agreement: Agreement, title: str) -> Table:
    """Medians over the frames, as a rich table of one row."""
    table = Table(title=title)
    for heading in ("frames", "missing", "overlap", "shift px", "dx px", "dy px", "depth mm", "absolute mm", "outline's depth mm"):
        table.add_column(heading, justify="right")
    table.add_row(
        str(len(agreement.frames)),
        str(len(agreement.missing)),
        _text(agreement.median("overlap"), 3),
        _text(agreement.median("shift_px"), 2),
        _text(agreement.median("shift_dx"), 2),
        _text(agreement.median("shift_dy"), 2),
        _text(1e3 * agreement.median("depth_m"), 2),
        _text(1e3 * agreement.median("absolute_depth_m"), 2),
        _text(1e3 * agreement.median("outline_depth_m"), 1),
    )
    return table


def agreement_notes(agreement: Agreement) -> list[str]:
    """What the table does not tell: what the trajectory states of the camera, and what could not be compared."""
    notes = []
    if agreement.median("overlap") < LEAST_OVERLAP:
        notes.append(
            f"outlines and drawings overlap by {agreement.median('overlap'):.2f} in the median: are the outlines of this object "
            "and sequence? If they are, the poses are wrong"
        )
    low, high = agreement.stated_low, agreement.stated_high
    if low.any() or high.any():
        notes.append(
            f"stated shift {low[0]:.2f} to {high[0]:.2f}, {low[1]:.2f} to {high[1]:.2f} px; "
            f"stated depth bias {1e3 * low[2]:.2f} to {1e3 * high[2]:.2f} mm"
        )
    wander = high - low
    if wander[:2].max() > LARGEST_WANDER_PX or wander[2] > LARGEST_WANDER_M:
        notes.append(
            f"what is stated wanders by more than {LARGEST_WANDER_PX:.0f} px or {1e3 * LARGEST_WANDER_M:.0f} mm: "
            "it follows errors of depth or a delay between both images, too, not the camera alone"
        )
    if not agreement.registered:
        notes.append("depth was not compared: it is of a camera of its own")
    if agreement.not_in_sequence:
        notes.append(
            f"{len(agreement.not_in_sequence)} outlines are of frames that the sequence does not have or cannot read: "
            f"{', '.join(map(str, agreement.not_in_sequence[:5]))}{', ...' if len(agreement.not_in_sequence) > 5 else ''}"
        )
    return notes


def write_agreement_csv(path: str | Path, agreement: Agreement) -> None:
    """Write a row for every frame with an outline; those without a pose have empty cells."""
    rows = {frame.index: _cells(frame) for frame in agreement.frames}
    rows.update({index: [index] + [""] * (len(CSV_COLUMNS) - 1) for index in agreement.missing})
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CSV_COLUMNS)
        writer.writerows(rows[index] for index in sorted(rows))


def worst_agreement_sheet(
    agreement: Agreement, judge: OutlineJudge, estimates: Iterable[PoseEstimate], sequence: FrameSequence
) -> np.ndarray:
    """The frames of least overlap (up to 2 x 3 tiles of 300 x 400, uint8 RGB), the worst first.

    The drawn outline is green, the true one orange, and what is not judged grey.
    """
    worst = sorted(agreement.frames, key=lambda frame: frame.overlap)[: COLUMNS * ROWS]
    by_index = {estimate.index: estimate for estimate in estimates}
    tiles = {}
    for frame in frames_of(sequence, [item.index for item in worst]):
        _, drawn = judge.draw(frame, by_index[frame.index])
        tiles[frame.index] = _tile(frame.color, drawn, judge.outline(frame))
    for item in worst:
        lines = [
            f"frame {item.index}  overlap {item.overlap:.3f}",
            f"shift {item.shift_dx:.1f}, {item.shift_dy:.1f} px",
        ]
        draw_text(tiles[item.index], lines)
    return _sheet([tiles[item.index] for item in worst])


def _cells(frame: FrameAgreement) -> list[str | int]:
    depths = (f"{1e3 * value:.3f}" if np.isfinite(value) else "" for value in frame[4:])
    return [frame.index, f"{frame.overlap:.5f}", f"{frame.shift_dx:.1f}", f"{frame.shift_dy:.1f}", *depths]


def _text(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if np.isfinite(value) else NOT_KNOWN


def _tile(color: np.ndarray, drawn: np.ndarray, outline: Outline) -> np.ndarray:
    """The image around the object, enlarged, with both outlines."""
    greyed = color.copy()
    greyed[~outline.judged] = color[~outline.judged] // 3 + NOT_JUDGED_GREY * 2 // 3
    matrix = _view_of(drawn | outline.inside)
    size = (TILE_WIDTH, TILE_HEIGHT)
    tile = cv2.warpAffine(greyed, matrix, size, flags=cv2.INTER_LINEAR)
    for mask, line_color in ((outline.inside, OUTLINE_COLOR), (drawn, CONTOUR_COLOR)):
        enlarged = cv2.warpAffine(mask.astype(np.uint8), matrix, size, flags=cv2.INTER_NEAREST)
        contours, _ = cv2.findContours(enlarged, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(tile, contours, -1, line_color, 1, cv2.LINE_AA)
    return tile


def _view_of(mask: np.ndarray) -> np.ndarray:
    """The matrix (2, 3) that takes pixels of the image to those of a tile in which the mask is centred and large."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    scale = min(TILE_WIDTH / max(width, 1), TILE_HEIGHT / max(height, 1)) / (1 + 2 * MARGIN)
    x, y = left + (width - 1) / 2, top + (height - 1) / 2
    return np.array([[scale, 0, (TILE_WIDTH - 1) / 2 - scale * x], [0, scale, (TILE_HEIGHT - 1) / 2 - scale * y]])


def _sheet(tiles: list[np.ndarray]) -> np.ndarray:
    """Tiles side by side and below each other; places without one are black."""
    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = np.zeros((rows * TILE_HEIGHT, columns * TILE_WIDTH, 3), np.uint8)
    for number, tile in enumerate(tiles):
        top, left = (number // columns) * TILE_HEIGHT, (number % columns) * TILE_WIDTH
        sheet[top : top + TILE_HEIGHT, left : left + TILE_WIDTH] = tile
    return sheet
