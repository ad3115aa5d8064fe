"""se(3)-TrackNet's pipeline: its crop is the published one, and it runs where there is no display."""

import ctypes.util

import cv2
import numpy as np
import pytest
import torch
from shapes import cube, square

from pose_tracker_ros.camera import PinholeCamera, crop_camera
from pose_tracker_ros.evaluation.published_pipeline import PublishedPipeline, crop_box, cut_box
from pose_tracker_ros.evaluation.track import estimate_of
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import pose_errors, so3_exp
from pose_tracker_ros.networks.architectures import create_network
from pose_tracker_ros.networks.weights import save_weights
from pose_tracker_ros.networks.weights_info import WeightsInfo
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import create_renderer
from pose_tracker_ros.rendering.opengl import OpenGLRenderer
from pose_tracker_ros.tracking import TrackState

NEEDS_EGL = pytest.mark.skipif(ctypes.util.find_library("EGL") is None, reason="needs libegl1")
# Pixels that are not square, as those of the data set that the pipeline was published with.
CAMERA = PinholeCamera(160, 120, 80.0, 104.0, 80.5, 61.0)
POSE = np.eye(4)
POSE[:3, :3] = so3_exp(np.array([0.4, -0.6, 0.2]))
POSE[:3, 3] = (0.05, -0.03, 0.5)


@pytest.fixture(scope="module")
def model():
    return ObjectModel.from_mesh("cube", cube(0.1))


def frame_at(model, pose, stamp=0.0):
    rendering = create_renderer("raycast", model.mesh).render(CAMERA, pose)
    depth = np.where(rendering.mask, rendering.depth, np.float32(0.9))
    return Frame(rendering.color, depth, CAMERA, stamp)


def write_weights(path, model, architecture="published"):
    """Weights of chance, with a side of the crop other than the published one."""
    torch.manual_seed(1)
    network = create_network(architecture, 0.1, 0.2)
    save_weights(path, network, WeightsInfo({model.name: model.diameter_m}, architecture, 64, 1.3, 0.1, 0.2))
    return path


def test_the_box_is_the_published_one():
    """By hand: (0.05 -+ 0.1) * 80 / 0.5 + 80.5 = 72.5 and 104.5; (-0.03 -+ 0.1) * 104 / 0.5 + 61 = 33.96 and 75.56."""
    assert crop_box(CAMERA, POSE[:3, 3] + (0.001, 0, 0), 0.2) == (73, 34, 105, 76)


@pytest.mark.parametrize(
    "box", [(20, 30, 70, 75), (-13, -9, 40, 60), (140, 100, 190, 131), (40, 40, 44, 43), (300, 0, 340, 50)]
)
def test_cutting_is_padding_and_resizing_by_nearest_neighbours(box):
    image = np.random.default_rng(0).integers(1, 255, (120, 160, 3)).astype(np.uint8)
    left, top, right, bottom = box
    padded = np.pad(image, ((200, 200), (200, 200), (0, 0)))[top + 200 : bottom + 200, left + 200 : right + 200]
    expected = cv2.resize(padded, (88, 88), interpolation=cv2.INTER_NEAREST)
    np.testing.assert_array_equal(cut_box(image, box, 88), expected)
    np.testing.assert_array_equal(cut_box(image[..., 0], box, 88), expected[..., 0])


def test_the_crop_is_what_the_crop_camera_sees(model):
    """Pixels that are not square become square ones, within the rounding of the box."""
    renderer = create_renderer("raycast", model.mesh)
    full = renderer.render(CAMERA.scaled(4), POSE).mask
    cut = cut_box(full, crop_box(CAMERA.scaled(4), POSE[:3, 3], 0.2), 176)
    seen = renderer.render(crop_camera(POSE[:3, 3], 0.2, 176), POSE).mask
    assert np.count_nonzero(cut & seen) > 0.97 * np.count_nonzero(cut | seen)


@NEEDS_EGL
def test_one_drawing_has_the_colour_and_depth_of_two():
    texture = np.random.default_rng(0).integers(0, 255, (100, 100, 3)).astype(np.uint8)
    renderer = OpenGLRenderer(square(0.2, texture))
    pose = np.eye(4)
    pose[2, 3] = 0.5
    both, (color, depth) = renderer.render(CAMERA, pose), renderer.color_and_depth(CAMERA, pose)
    assert both.mask.any()
    np.testing.assert_array_equal(color, both.color)
    np.testing.assert_array_equal(depth, both.depth)


@NEEDS_EGL
def test_without_weights_it_takes_its_time_and_stays_where_it_is(model, one_thread):
    pipeline = PublishedPipeline(model)
    with pytest.raises(RuntimeError, match="start"):
        pipeline.step(frame_at(model, POSE))
    pipeline.warm_up()
    moved = POSE.copy()
    moved[0, 3] += 0.01
    for pose in (POSE, moved):
        pipeline.start("cube", pose)
        result = pipeline.step(frame_at(model, pose))["cube"]
        np.testing.assert_array_equal(result.camera_T_object, pose)
        assert set(result.seconds) == {"render", "crop", "network", "update", "total"}
        parts = sum(seconds for part, seconds in result.seconds.items() if part != "total")
        assert 0 < parts <= result.seconds["total"]
    row = estimate_of(result, 0.1, 3, 60.0)
    assert row.state == "tracking" and row.covariance is None
    behind = POSE.copy()
    behind[2, 3] = -0.5
    with pytest.raises(ValueError, match="in front of the camera"):
        pipeline.start("cube", behind)
    with pytest.raises(ValueError, match="expected the object 'cube'"):
        pipeline.start("mug", POSE)


@NEEDS_EGL
def test_with_weights_it_moves_by_what_the_network_says(tmp_path, model, one_thread):
    """As far as the normalisers let it, 0.1 diameters along each axis; the second frame starts where the first ended."""
    pipeline = PublishedPipeline(model, write_weights(tmp_path / "a.safetensors", model))
    pipeline.start("cube", POSE)
    frame = frame_at(model, POSE)
    first, second = (pipeline.step(frame)["cube"] for _ in range(2))
    assert first.state is TrackState.TRACKING
    for before, after in ((POSE, first.camera_T_object), (first.camera_T_object, second.camera_T_object)):
        distance, angle = pose_errors(after, before)
        assert 0 < distance <= np.sqrt(3) * 0.1 * model.diameter_m
        assert 0 < angle <= np.sqrt(3) * 0.2


def test_other_weights_are_refused(tmp_path, model):
    with pytest.raises(ValueError, match="'published'.*'compact'"):
        PublishedPipeline(model, write_weights(tmp_path / "a.safetensors", model, "compact"))
    path = write_weights(tmp_path / "b.safetensors", ObjectModel.from_mesh("other", cube(0.1)))
    with pytest.raises(ValueError, match="weights of object 'cube'"):
        PublishedPipeline(model, path)
