"""Holes within a surface get its depth, everything else stays as it was measured."""

import dataclasses

import cv2
import numpy as np
import pytest
from tracking_scenes import START, frame_of

from pose_tracker_ros.evaluation.track import perturbed
from pose_tracker_ros.geometry import apply_residual, pose_errors
from pose_tracker_ros.networks.depth_filling import HOLE_PX, fill_depth_holes
from pose_tracker_ros.networks.inference import load_inference
from pose_tracker_ros.networks.motion_network import MotionNetwork
from pose_tracker_ros.objects import generic_weights_path, load_object
from pose_tracker_ros.rendering.raster import RasterRenderer

SIZE = 96


def plane(slope_x, slope_y):
    """Depth of a plane 0.6 m away in the middle, from its equation: 1 / z is linear in the pixels."""
    rows, columns = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    return (1 / (1 / 0.6 + slope_x * columns + slope_y * rows)).astype(np.float32)


@pytest.mark.parametrize("slopes", [(0.0, 0.0), (0.004, 0.0), (0.003, -0.002)])
def test_holes_in_a_plane_get_its_depth(slopes):
    truth = plane(*slopes)
    depth = truth.copy()
    cv2.circle(depth, (40, 50), 3, 0, -1)
    depth[70 : 70 + HOLE_PX - 1] = 0
    depth[20:22, 20:25] = 0
    filled = fill_depth_holes(depth)
    assert (filled > 0).all()
    step = max(np.abs(np.diff(truth, axis=axis)).max() for axis in (0, 1))
    # Neighbouring pixels of the plane differ by a step. At the image's border there is no opposite side.
    error = np.abs(filled - truth)
    assert error[:, HOLE_PX:-HOLE_PX].max() <= 0.5 * step + 1e-6
    assert error.max() <= 3 * step + 1e-6
    assert np.array_equal(filled[depth > 0], depth[depth > 0])


def test_large_gaps_and_the_outside_stay_empty():
    depth = np.zeros((SIZE, SIZE), np.float32)
    depth[20:80, 20:80] = 0.6
    depth[35:60, 35:60] = 0
    filled = fill_depth_holes(depth)
    assert np.array_equal(filled[:20], depth[:20])
    assert np.array_equal(filled[:, 80:], depth[:, 80:])
    assert (filled[40:55, 40:55] == 0).all()
    # Only the corners of the gap are rounded, never farther in than the width of a hole.
    assert (filled[35 + HOLE_PX : 60 - HOLE_PX, 35:60] == 0).all()


def test_two_objects_far_apart_are_not_joined_and_a_lone_pixel_does_not_grow():
    depth = np.zeros((SIZE, SIZE), np.float32)
    depth[10:30, 10:40] = 0.6
    depth[10:30, 40 + HOLE_PX + 1 : 90] = 0.6
    depth[60, 60] = 0.6
    assert np.array_equal(fill_depth_holes(depth), depth)


def test_a_shadow_beside_a_step_becomes_background_and_nothing_lies_between():
    """A stereo camera does not see the background just beside something nearer."""
    depth = np.full((SIZE, SIZE), 1.0, np.float32)
    depth[:, 50:] = 0.6
    shadow = depth.copy()
    shadow[:, 45:50] = 0
    filled = fill_depth_holes(shadow)
    assert np.array_equal(filled, depth)
    assert set(np.unique(filled)) == {np.float32(0.6), np.float32(1.0)}


def test_depth_out_of_range_fills_nothing_and_is_kept():
    depth = np.full((SIZE, SIZE), 5.0, np.float32)
    depth[40:43, 40:43] = 0
    assert np.array_equal(fill_depth_holes(depth), depth)
    assert (fill_depth_holes(depth, max_depth_m=6.0) == 5.0).all()


def test_depth_is_filled_for_weights_that_were_trained_so():
    """With weights that ask for it, a frame full of small holes is as good to the network as a whole one."""
    cube = load_object("cube")
    network, info = load_inference(generic_weights_path(), "cpu")
    assert not info.fill_depth_holes, "the file is older than the option"
    whole = frame_of(cube, START)
    depth = whole.depth.copy()
    depth[::3] = 0
    depth[:, ::3] = 0
    holes = dataclasses.replace(whole, depth=depth)

    start = perturbed(cube, START, 0.01, 5.0)
    renderer = RasterRenderer(cube.mesh)

    def moved(frame, fill):
        asked = MotionNetwork(network, dataclasses.replace(info, fill_depth_holes=fill))
        (opinion,) = asked.predict(frame, [(cube, renderer, start)], (0.1, 4.0))
        return apply_residual(start, opinion.motion[:3], opinion.motion[3:], cube.center_m)

    expected = moved(whole, fill=False)
    filled, raw = (pose_errors(moved(holes, fill), expected) for fill in (True, False))
    assert filled[0] < 0.5 * raw[0]
    assert filled[1] < 0.5 * raw[1]
    assert pose_errors(moved(whole, fill=True), expected)[0] < 1e-4
