"""What is kept in a file comes back bit by bit, as often as asked for."""

from __future__ import annotations

import numpy as np
import pytest

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.nodes.ready_frames import FrameFile, ready_frame


def make_frame(generator, width, height):
    return Frame(
        generator.integers(0, 256, (height, width, 3), dtype=np.uint8),
        generator.uniform(0, 3, (height, width)).astype(np.float32),
        PinholeCamera(width, height, 10.0, 10.0, 1.0, 1.0),
        stamp=0.0,
        truth={"cup": np.eye(4)},
        masks={"cup": generator.random((height, width)) < 0.5},
        world_T_camera=np.eye(4),
    )


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_frames_of_any_size_come_back_as_they_were_again_and_again(encoding):
    generator = np.random.default_rng(0)
    frames = [ready_frame(make_frame(generator, *size), encoding) for size in [(7, 5), (8, 6), (7, 5)]]
    kept = FrameFile()
    for frame in frames:
        kept.append(frame)
    assert len(kept) == 3
    for _ in range(2):
        for one, other in zip(kept, frames, strict=True):
            assert np.array_equal(one.color, other.color)
            assert np.array_equal(one.depth, other.depth) and one.depth.dtype == other.depth.dtype
            assert np.array_equal(one.masks["cup"], other.masks["cup"])
            assert (one.camera, one.truth, one.world_T_camera) == (other.camera, other.truth, other.world_T_camera)


def test_depth_is_whole_millimetres():
    frame = make_frame(np.random.default_rng(1), 4, 3)
    depth = ready_frame(frame, "16UC1").depth
    assert depth.dtype == np.uint16 and np.abs(depth - 1000 * frame.depth).max() <= 0.5001
