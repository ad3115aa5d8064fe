"""What a frame promises about its images, and who takes depth that is not registered to colour."""

import numpy as np
import pytest
from shapes import cube

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.initialization.initializer import initialize
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.tracking import Tracker, TrackerConfig, TrackState

COLOR = PinholeCamera(32, 24, 40.0, 40.0, 15.5, 11.5)
DEPTH = PinholeCamera(16, 12, 20.0, 20.0, 7.5, 5.5)
BESIDE = np.eye(4)
BESIDE[0, 3] = 0.1


def frame_with(depth_size, **fields):
    """A frame with a depth image (height, width)."""
    return Frame(np.zeros((24, 32, 3), np.uint8), np.zeros(depth_size, np.float32), COLOR, 0.0, **fields)


def test_depth_has_the_size_of_its_own_camera():
    assert frame_with((24, 32)).registered
    assert not frame_with((12, 16), depth_camera=DEPTH, color_T_depth=BESIDE).registered
    with pytest.raises(ValueError, match="depth of 16x12 .* as the depth camera says"):
        frame_with((24, 32), depth_camera=DEPTH, color_T_depth=BESIDE)
    with pytest.raises(ValueError, match="depth of 32x24 .* registered"):
        frame_with((12, 16))


def test_images_are_brought_in_c_order():
    color = np.arange(24 * 32 * 3, dtype=np.uint8).reshape(24, 32, 3)
    frame = Frame(color[:, :, ::-1], np.zeros((32, 24), np.float32).T, COLOR, 0.0)
    assert frame.color.flags.c_contiguous and frame.depth.flags.c_contiguous
    np.testing.assert_array_equal(frame.color, color[:, :, ::-1])
    assert Frame(color, frame.depth, COLOR, 0.0).color is color


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"depth_camera": DEPTH}, "got depth_camera alone"),
        ({"color_T_depth": BESIDE}, "got color_T_depth alone"),
        ({"depth_camera": DEPTH, "color_T_depth": 2 * BESIDE}, "color_T_depth as a finite rigid 4x4"),
        ({"world_T_camera": np.eye(3)}, "world_T_camera as a finite rigid 4x4"),
    ],
)
def test_half_a_depth_camera_and_poses_that_are_none_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        frame_with((12, 16) if "depth_camera" in fields else (24, 32), **fields)


def test_without_depth_nothing_of_the_depth_camera_is_left():
    frame = frame_with((12, 16), depth_camera=DEPTH, color_T_depth=BESIDE).without_depth()
    assert frame.registered and frame.depth.shape == (24, 32) and not frame.depth.any()


def test_the_tracker_takes_depth_that_is_not_registered_and_initialization_refuses_it():
    model = ObjectModel.from_mesh("cube", cube(0.05))
    apart = frame_with((12, 16), depth_camera=DEPTH, color_T_depth=BESIDE)
    tracker = Tracker([model], TrackerConfig(network="never"))
    start = np.eye(4)
    start[2, 3] = 0.5
    tracker.start("cube", start)
    assert tracker.step(apart)["cube"].state is not TrackState.TRACKING
    with pytest.raises(ValueError, match="registered to the colour image for initialization"):
        initialize(None, apart, np.ones((24, 32), bool))
