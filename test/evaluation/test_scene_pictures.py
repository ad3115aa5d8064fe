"""Pictures of scenes: outlines are where the masks end, and the frame that tells most is chosen."""

from __future__ import annotations

import numpy as np
import pytest

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets import Annotation, Frame, IndexedSequence
from pose_tracker_ros.evaluation.scene_pictures import (
    MARGIN_PX,
    OUTLINE_COLORS,
    TITLE_PX,
    WIDTH_PX,
    arranged,
    contact_sheet,
    telling_frame,
    tile,
)

HEIGHT_PX = 180
CAMERA = PinholeCamera(2 * WIDTH_PX, 2 * HEIGHT_PX, 500.0, 500.0, WIDTH_PX, HEIGHT_PX)


def frame_of(index, visibility):
    """Grey, with a square of one object; its left half is near, its right half far, and the image's first rows unknown."""
    mask = np.zeros((CAMERA.height, CAMERA.width), bool)
    mask[100:200, 100:200] = True
    color = np.full((*mask.shape, 3), 90, np.uint8)
    depth = np.full(mask.shape, 2.5, np.float32)
    depth[:, :WIDTH_PX] = 0.4
    depth[:20] = 0
    return Frame(color, depth, CAMERA, 0.0, index, masks={"cup": mask}, visibility={"cup": visibility})


class Frames(IndexedSequence):
    """Frames whose object is visible to given shares."""

    def __init__(self, shares):
        super().__init__("frames", 30.0)
        self.shares = shares

    def __len__(self):
        return len(self.shares)

    def read(self, position):
        return frame_of(position, self.shares[position])

    def annotation(self, position):
        return Annotation(position, 0.0, {})


def test_a_tile_shows_outline_and_depth():
    picture = tile("cup", frame_of(0, 1.0))
    color = picture[TITLE_PX : TITLE_PX + HEIGHT_PX, MARGIN_PX:]
    depth = picture[TITLE_PX + HEIGHT_PX : -MARGIN_PX, MARGIN_PX:]
    outlined = (color == OUTLINE_COLORS[0]).all(axis=2)
    rows, columns = np.nonzero(outlined)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (50, 99, 50, 99)
    assert outlined.sum() == 4 * 49
    assert (color[~outlined] == 90).all()
    assert not depth[:10].any()
    near, far = depth[20, 5].astype(int), depth[20, -5].astype(int)
    assert near[0] > near[2] and far[2] > far[0]


@pytest.mark.parametrize(
    ("shares", "expected"),
    [([1.0, 0.9, 0.6, 0.0, 1.0], 2), ([1.0] * 5, 2), ([0.0, 1.0, 0.0, 0.45], 3)],
)
def test_the_frame_that_tells_most_is_half_hidden(shares, expected):
    assert telling_frame(Frames(shares), "cup").index == expected


def test_sheets_have_rows_of_one_length():
    sheet = contact_sheet(Frames([1.0] * 20), frames=5, columns=4)
    alone = contact_sheet(Frames([1.0]), frames=8)
    one = tile("", frame_of(0, 1.0))
    assert alone.shape == (one.shape[0], one.shape[1] + MARGIN_PX, 3)
    assert sheet.shape == (2 * one.shape[0], 4 * one.shape[1] + MARGIN_PX, 3)
    assert (arranged([one] * 5, 4)[one.shape[0] :, one.shape[1] :] == 255).all()
