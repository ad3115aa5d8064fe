import json

import cv2
import numpy as np
import pytest
from dataset_layouts import HEIGHT, WIDTH, color_of, cut, depth_m_of, pose_of, write_png

from pose_tracker_ros.datasets import DatasetError, open_sequence
from pose_tracker_ros.datasets.bop import BopSequence
from pose_tracker_ros.datasets.files import read_color


def test_frames_hold_what_was_written(bop_scene):
    sequence = BopSequence(bop_scene, rate_hz=10.0)
    frames = list(sequence)
    assert len(sequence) == len(frames) == 3
    assert [frame.index for frame in frames] == [3, 4, 5]
    assert [frame.stamp for frame in frames] == pytest.approx([0.3, 0.4, 0.5])
    assert sequence.scene_id == 7 and sequence.obj_ids == {"box": 1, "obj_000002": 2}
    frame = frames[1]
    np.testing.assert_array_equal(frame.color, color_of(4))
    np.testing.assert_allclose(frame.depth, depth_m_of(4), atol=1e-6)
    assert (frame.camera.width, frame.camera.height, frame.camera.fx, frame.camera.fy) == (WIDTH, HEIGHT, 40, 42)
    np.testing.assert_allclose(frame.truth["box"], pose_of(4, 0.1), atol=1e-12)


def test_instances_of_one_object_have_names_of_their_own(bop_scene):
    frame = BopSequence(bop_scene).read(0)
    assert set(frame.truth) == {"box", "obj_000002", "obj_000002#2"}
    np.testing.assert_allclose(frame.truth["obj_000002#2"], pose_of(3, 0.2), atol=1e-12)
    assert frame.masks["obj_000002#2"][2:4, 5:9].all() and frame.masks["obj_000002#2"].sum() == 8


def test_given_names_replace_those_of_the_data_set(bop_scene):
    sequence = BopSequence(bop_scene, names={1: "crate"})
    assert sequence.object_names == ("crate", "obj_000002", "obj_000002#2")
    assert sequence.load_model("crate").name == "crate"


def test_models_are_in_metres_with_their_symmetries(bop_scene):
    sequence = BopSequence(bop_scene)
    box = sequence.load_model("box")
    assert box.diameter_m == pytest.approx(0.1732)
    np.testing.assert_allclose(box.mesh.vertices.max(axis=0), 0.05, atol=1e-7)
    np.testing.assert_allclose(box.discrete_symmetries[0][:3, 3], [0.007, 0, 0])
    can = sequence.load_model("obj_000002#2")
    np.testing.assert_allclose(can.continuous_symmetries[0].offset, [0.005, 0, 0])
    with pytest.raises(DatasetError, match="box, obj_000002.*'cup'"):
        sequence.load_model("cup")


def test_grey_images_are_read_as_colour(bop_scene):
    for path in (bop_scene / "rgb").iterdir():
        write_png(bop_scene / "gray" / path.name, np.full((HEIGHT, WIDTH), 77, np.uint8))
        path.unlink()
    (bop_scene / "rgb").rmdir()
    assert (BopSequence(bop_scene).read(0).color == 77).all()


def test_data_set_of_one_scene_opens_by_its_root(bop_scene):
    sequence = open_sequence(bop_scene.parent.parent)
    assert isinstance(sequence, BopSequence) and sequence.name == "000007"


def test_a_scene_without_truth_still_plays(bop_scene):
    (bop_scene / "scene_gt.json").unlink()
    assert [dict(frame.truth) for frame in BopSequence(bop_scene)] == [{}, {}, {}]


@pytest.mark.parametrize("folder", ["rgb", "depth"])
@pytest.mark.parametrize("fault", ["missing", "cut"])
def test_a_damaged_image_stops_or_is_skipped(bop_scene, folder, fault):
    path = bop_scene / folder / "000004.png"
    path.unlink() if fault == "missing" else cut(path)
    with pytest.raises(DatasetError, match=f"{folder}/000004.png"):
        list(BopSequence(bop_scene))
    sequence = BopSequence(bop_scene, on_error="skip")
    assert [frame.index for frame in sequence] == [3, 5]
    assert len(sequence.skipped) == 1 and "000004.png" in sequence.skipped[0]


def test_a_cut_image_is_refused_also_where_the_decoder_takes_it(bop_scene, monkeypatch):
    """Lenient decoders give a cut image with its lower rows grey and report no error."""
    monkeypatch.setattr(cv2, "imdecode", lambda data, flags: color_of(4))
    cut(bop_scene / "rgb" / "000004.png")
    with pytest.raises(DatasetError, match="000004.png.*do not decode"):
        read_color(bop_scene / "rgb" / "000004.png")
    assert read_color(bop_scene / "rgb" / "000003.png").shape == (HEIGHT, WIDTH, 3)


def test_depth_of_another_size_names_the_frame(bop_scene):
    write_png(bop_scene / "depth" / "000003.png", np.full((HEIGHT, WIDTH - 1), 500, np.uint16))
    with pytest.raises(DatasetError, match="000003.png.*expected depth of 32x24"):
        BopSequence(bop_scene).read(0)


def test_colour_in_place_of_depth_is_refused(bop_scene):
    write_png(bop_scene / "depth" / "000003.png", color_of(3))
    with pytest.raises(DatasetError, match="depth/000003.png"):
        BopSequence(bop_scene).read(0)


def test_missing_intrinsics_name_file_and_image(bop_scene):
    path = bop_scene / "scene_camera.json"
    cameras = json.loads(path.read_text())
    del cameras["4"]["cam_K"]
    cameras["5"]["cam_K"][0] = 0
    path.write_text(json.dumps(cameras))
    with pytest.raises(DatasetError, match="cam_K of image 4 in .*scene_camera.json"):
        BopSequence(bop_scene).read(1)
    with pytest.raises(DatasetError, match="scene_camera.json, image 5: expected camera intrinsics"):
        BopSequence(bop_scene).read(2)
    assert [frame.index for frame in BopSequence(bop_scene, on_error="skip")] == [3]


def test_cut_json_is_named(bop_scene):
    cut(bop_scene / "scene_gt.json")
    with pytest.raises(DatasetError, match="scene_gt.json.*complete"):
        BopSequence(bop_scene)
    assert len(list(BopSequence(bop_scene, on_error="skip"))) == 3
    cut(bop_scene / "scene_camera.json")
    with pytest.raises(DatasetError, match="scene_camera.json"):
        BopSequence(bop_scene, on_error="skip")


def test_a_pose_without_rotation_is_named(bop_scene):
    path = bop_scene / "scene_gt.json"
    poses = json.loads(path.read_text())
    poses["4"][0]["cam_R_m2c"].pop()
    path.write_text(json.dumps(poses))
    with pytest.raises(DatasetError, match="image 4 in .*scene_gt.json"):
        list(BopSequence(bop_scene).annotations())


def test_missing_models_are_named(bop_scene):
    (bop_scene.parent.parent / "models" / "obj_000001.ply").unlink()
    with pytest.raises(DatasetError, match="obj_000001.ply"):
        BopSequence(bop_scene).load_model("box")


def test_unknown_way_to_treat_errors_is_refused(bop_scene):
    with pytest.raises(ValueError, match="stop, skip, got 'ignore'"):
        BopSequence(bop_scene, on_error="ignore")


def test_real_frames_agree_with_their_truth(shared_data):
    """The depth that the true pose predicts for the cube is the measured one."""
    from pose_tracker_ros.rendering import create_renderer

    sequence = BopSequence(shared_data / "rbt" / "test" / "000001")
    assert len(sequence) == 60 and sequence.object_names == ("cube", "dragon")
    frame = sequence.read(3)
    rendering = create_renderer("raycast", sequence.load_model("cube").mesh).render(frame.camera, frame.truth["cube"])
    seen = rendering.mask & (frame.depth > 0)
    assert seen.sum() > 3000
    assert np.median(np.abs(frame.depth - rendering.depth)[seen]) < 0.015


def test_real_linemod_occlusion_annotations(shared_data):
    sequence = BopSequence(shared_data / "lmo_eval" / "lmo" / "test" / "000002")
    assert len(sequence) == 200 and len(sequence.object_names) == 8
    assert sequence.load_model("obj_000010").discrete_symmetries.shape == (1, 4, 4)
    with pytest.raises(DatasetError, match="rgb/000003.png"):
        sequence.read(0)


def test_camera_poses_are_read_in_metres_from_world_to_camera(bop_scene):
    """The world's origin, 2 m before a camera that is turned about y, is where the inverse says."""
    path = bop_scene / "scene_camera.json"
    cameras = json.loads(path.read_text())
    cameras["4"] |= {"cam_R_w2c": [0, 0, 1, 0, 1, 0, -1, 0, 0], "cam_t_w2c": [100, 0, 2000]}
    path.write_text(json.dumps(cameras))
    frames = list(BopSequence(bop_scene))
    assert frames[0].world_T_camera is None
    np.testing.assert_allclose(frames[1].world_T_camera @ [0.1, 0, 2, 1], [0, 0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(frames[1].world_T_camera @ [0.1, 0, 3, 1], [-1, 0, 0, 1], atol=1e-12)


@pytest.mark.parametrize("rotation", [[1, 0, 0, 0, 1, 0, 0, 0, 1.1], [1, 0]])
def test_bad_camera_poses_are_named(bop_scene, rotation):
    path = bop_scene / "scene_camera.json"
    cameras = json.loads(path.read_text())
    cameras["4"] |= {"cam_R_w2c": rotation, "cam_t_w2c": [0, 0, 0]}
    path.write_text(json.dumps(cameras))
    with pytest.raises(DatasetError, match="scene_camera.json, image 4"):
        BopSequence(bop_scene).read(1)


def test_visible_shares_go_with_the_instances(bop_scene):
    assert BopSequence(bop_scene).read(0).visibility == {}
    info = {"3": [{"visib_fract": share} for share in (0.9, 0.5, 0.0)]}
    (bop_scene / "scene_gt_info.json").write_text(json.dumps(info))
    sequence = BopSequence(bop_scene)
    assert sequence.read(0).visibility == {"obj_000002": 0.9, "box": 0.5, "obj_000002#2": 0.0}
    assert sequence.read(1).visibility == {}
    (bop_scene / "scene_gt_info.json").write_text(json.dumps({"3": [{}]}))
    with pytest.raises(DatasetError, match="scene_gt_info.json .*visib_fract"):
        BopSequence(bop_scene)
