"""Frames whose depth has a camera of its own."""

import cv2
import numpy as np
import pytest
import trimesh
from dataset_layouts import HEIGHT, WIDTH, color_of, pose_of, write_png

from pose_tracker_ros.datasets import DatasetError, open_sequence
from pose_tracker_ros.datasets.two_cameras import TwoCameraSequence
from pose_tracker_ros.geometry import invert, transform_points
from pose_tracker_ros.rendering import create_renderer

OPTIONS = {"color_intrinsics": "40 42 15.5 11.5", "depth_intrinsics": "20, 21, 7.5, 5.5", "depth_unit": "0.1mm"}
DEPTH_T_COLOR = np.eye(4)
DEPTH_T_COLOR[0, 3] = -0.1


@pytest.fixture
def two_cameras(tmp_path):
    """Frames 8, 9, 10 of 32x24 colour and 16x12 depth, 10 cm apart, in names that are padded differently."""
    folder = tmp_path / "box_run"
    (folder / "pose").mkdir(parents=True)
    for index in (8, 9, 10):
        write_png(folder / "rgb" / f"{index:02d}.png", color_of(index))
        write_png(folder / "depth_right" / f"{index:04d}.png", np.full((12, 16), 5000 + index, np.uint16))
        np.savetxt(folder / "pose" / f"{index}.txt", pose_of(index))
    np.savetxt(folder / "depth_M_color.txt", DEPTH_T_COLOR)
    trimesh.creation.box((0.1, 0.1, 0.1)).export(folder / "crate.obj")
    return folder


def test_frames_carry_the_depth_camera(two_cameras):
    sequence = open_sequence(two_cameras, **OPTIONS)
    assert isinstance(sequence, TwoCameraSequence) and sequence.object_names == ("crate",)
    frame = sequence.read(2)
    assert (frame.index, frame.stamp, frame.registered) == (10, pytest.approx(10 / 30), False)
    np.testing.assert_allclose(frame.depth, 0.501, atol=1e-6)
    assert (frame.camera.width, frame.camera.height, frame.camera.fy) == (WIDTH, HEIGHT, 42)
    assert (frame.depth_camera.width, frame.depth_camera.height, frame.depth_camera.fx) == (16, 12, 20)
    np.testing.assert_allclose(frame.color_T_depth @ [0, 0, 0, 1], [0.1, 0, 0, 1])
    np.testing.assert_allclose(frame.truth["crate"], pose_of(10), atol=1e-12)
    assert sequence.load_model("crate").diameter_m == pytest.approx(0.1732, abs=1e-4)
    with pytest.raises(DatasetError, match="crate.obj"):
        sequence.load_model("jug")
    assert open_sequence(two_cameras, object_name="jug", **OPTIONS).load_model("jug").name == "jug"


def test_intrinsics_are_read_from_files_where_these_are(two_cameras):
    np.savetxt(two_cameras / "cam_K.txt", [[50, 0, 15], [0, 51, 11], [0, 0, 1]])
    np.savetxt(two_cameras / "depth_K.txt", [[25, 0, 7], [0, 26, 5], [0, 0, 1]])
    frame = open_sequence(two_cameras, depth_unit="mm").read(0)
    assert (frame.camera.fx, frame.depth_camera.fy) == (50, 26)
    given = open_sequence(two_cameras, **OPTIONS).read(0)
    assert (given.camera.fx, given.depth_camera.fy) == (40, 21)


@pytest.mark.parametrize("missing", list(OPTIONS))
def test_what_no_file_says_has_to_be_given(two_cameras, missing):
    with pytest.raises(DatasetError, match=f"expected {missing}.*--reader {missing}="):
        open_sequence(two_cameras, **{name: value for name, value in OPTIONS.items() if name != missing})


@pytest.mark.parametrize(
    "options", [{"color_intrinsics": "40 42 15.5"}, {"depth_intrinsics": "a b c d"}, {"depth_unit": "0mm"}]
)
def test_options_that_make_no_sense_are_refused(two_cameras, options):
    with pytest.raises(DatasetError, match=f"expected {next(iter(options))}"):
        open_sequence(two_cameras, **{**OPTIONS, **options})


def test_several_folders_of_depth_need_a_name(two_cameras):
    write_png(two_cameras / "depth_left" / "0008.png", np.full((12, 16), 1000, np.uint16))
    with pytest.raises(DatasetError, match="depth_left, depth_right"):
        open_sequence(two_cameras, **OPTIONS)
    assert open_sequence(two_cameras, depth_folder="depth_left", **OPTIONS).read(0).depth[0, 0] == pytest.approx(0.1)


def test_depth_of_the_real_layout_fits_the_model_within_a_millimetre(shared_data):
    """Points of the depth camera, moved to the colour camera and into the object, lie on the box's sides."""
    sequence = open_sequence(
        shared_data / "teabox",
        color_intrinsics="700 700 320 240",
        depth_intrinsics="600 600 320 240",
        depth_unit="0.1 mm",
    )
    model = sequence.load_model("teabox")
    low, high = model.mesh.vertices.min(axis=0), model.mesh.vertices.max(axis=0)
    renderer = create_renderer("raycast", model.mesh)
    assert len(sequence) == 49
    for frame in sequence:
        depth_T_object = invert(frame.color_T_depth) @ frame.truth["teabox"]
        inside = (
            cv2.erode(renderer.render(frame.depth_camera, depth_T_object).mask.astype(np.uint8), np.ones((7, 7))) > 0
        )
        points = frame.depth_camera.back_project(frame.depth)[inside & (frame.depth > 0)]
        assert len(points) > 20000
        in_object = transform_points(invert(frame.truth["teabox"]) @ frame.color_T_depth, points)
        to_sides = np.minimum(np.abs(in_object - low), np.abs(in_object - high)).min(axis=1)
        assert np.percentile(to_sides, 99) < 0.6e-3
