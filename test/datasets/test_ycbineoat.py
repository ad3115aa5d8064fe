import logging
import shutil

import cv2
import numpy as np
import pytest
from dataset_layouts import HEIGHT, WIDTH, K, color_of, cut, depth_m_of, pose_of, write_cube_ply, write_png

from pose_tracker_ros.datasets import DatasetError, open_sequence
from pose_tracker_ros.datasets.ycbineoat import YcbInEoatSequence


def test_frames_hold_what_was_written(eoat_video):
    sequence = open_sequence(eoat_video)
    assert isinstance(sequence, YcbInEoatSequence) and len(sequence) == 3
    frame = sequence.read(2)
    np.testing.assert_array_equal(frame.color, color_of(2))
    np.testing.assert_allclose(frame.depth, depth_m_of(2), atol=1e-6)
    np.testing.assert_allclose(frame.camera.matrix, K)
    np.testing.assert_allclose(frame.truth["006_mustard_bottle"], pose_of(2), atol=1e-12)
    assert frame.stamp - sequence.read(0).stamp == pytest.approx(0.2, abs=1e-6)


def test_images_named_by_number_have_the_poses_of_their_number(eoat_video):
    """With a pose missing, order alone would give every later frame its neighbour's pose."""
    for folder in ("rgb", "depth", "depth_filled"):
        for index, path in enumerate(sorted((eoat_video / folder).iterdir())):
            path.rename(path.with_name(f"{index:07d}.png"))
    (eoat_video / "annotated_poses" / "0000001.txt").unlink()
    frames = list(YcbInEoatSequence(eoat_video))
    assert frames[1].truth == {}
    np.testing.assert_allclose(frames[2].truth["006_mustard_bottle"], pose_of(2), atol=1e-12)
    assert frames[2].stamp == pytest.approx(2 / 30)


def test_missing_poses_that_cannot_be_assigned_are_refused(eoat_video):
    (eoat_video / "annotated_poses" / "0000001.txt").unlink()
    with pytest.raises(DatasetError, match="annotated_poses .* 3 images, got 2"):
        YcbInEoatSequence(eoat_video)


def test_filled_depth_is_taken_when_it_is_the_only_one(eoat_video):
    shutil.rmtree(eoat_video / "depth")
    np.testing.assert_allclose(YcbInEoatSequence(eoat_video).read(0).depth, depth_m_of(0), atol=1e-6)


@pytest.mark.parametrize("folder", ["rgb", "depth"])
def test_a_cut_image_stops_or_is_skipped(eoat_video, folder):
    path = sorted((eoat_video / folder).iterdir())[1]
    cut(path)
    with pytest.raises(DatasetError, match=f"{folder}/{path.name}"):
        list(YcbInEoatSequence(eoat_video))
    assert [frame.index for frame in YcbInEoatSequence(eoat_video, on_error="skip")] == [0, 2]


def test_missing_depth_is_named(eoat_video):
    path = sorted((eoat_video / "depth").iterdir())[0]
    path.unlink()
    with pytest.raises(DatasetError, match=f"number {path.stem} in .*depth"):
        list(YcbInEoatSequence(eoat_video))
    assert [frame.index for frame in YcbInEoatSequence(eoat_video, on_error="skip")] == [1, 2]


@pytest.mark.parametrize("text", ["", "1 0 0\n0 1 0\n", "a b c\n"])
def test_bad_intrinsics_are_named(eoat_video, text):
    (eoat_video / "cam_K.txt").write_text(text)
    with pytest.raises(DatasetError, match="cam_K.txt"):
        YcbInEoatSequence(eoat_video)
    (eoat_video / "cam_K.txt").unlink()
    with pytest.raises(DatasetError, match="cam_K.txt"):
        YcbInEoatSequence(eoat_video)


def test_a_cut_or_scaled_pose_is_named(eoat_video):
    path = eoat_video / "annotated_poses" / "0000001.txt"
    np.savetxt(path, 2 * pose_of(1))
    with pytest.raises(DatasetError, match="rigid.*0000001.txt"):
        YcbInEoatSequence(eoat_video).read(1)
    cut(path)
    with pytest.raises(DatasetError, match="16 finite numbers in .*0000001.txt"):
        YcbInEoatSequence(eoat_video).read(1)


def test_nothing_is_made_up_about_videos_of_other_objects(eoat_video, caplog):
    """Whose poses these are the user says; until then there is no truth, and that is said once."""
    other = eoat_video.rename(eoat_video.with_name("teapot3"))
    sequence = open_sequence(other)
    assert sequence.object_names == () and [frame.truth for frame in sequence] == [{}, {}, {}]
    (note,) = caplog.records
    assert "give object_name" in note.getMessage()
    named = open_sequence(other, object_name="teapot")
    assert named.object_names == ("teapot",) and len(caplog.records) == 1


def rename_by_number(video, names):
    """Give the frames' images and poses the names of a function of their position."""
    for folder in ("rgb", "depth", "depth_filled", "annotated_poses"):
        for index, path in enumerate(sorted((video / folder).iterdir())):
            path.rename(path.with_name(f"{names(folder, index)}{path.suffix}"))


def test_frames_are_paired_by_number_however_their_names_are_padded(eoat_video):
    numbers = (9, 10, 10003)
    paddings = {"rgb": 1, "depth": 4, "depth_filled": 1, "annotated_poses": 7}
    rename_by_number(eoat_video, lambda folder, index: f"{numbers[index]:0{paddings[folder]}d}")
    frames = list(open_sequence(eoat_video))
    assert [frame.index for frame in frames] == list(numbers)
    assert [frame.stamp for frame in frames] == pytest.approx([number / 30 for number in numbers])
    for position, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.color, color_of(position))
        np.testing.assert_allclose(frame.depth, depth_m_of(position), atol=1e-6)
        np.testing.assert_allclose(frame.truth["006_mustard_bottle"], pose_of(position), atol=1e-12)


def test_a_colour_image_without_depth_is_an_error_and_depth_without_colour_is_none(eoat_video):
    rename_by_number(eoat_video, lambda folder, index: f"{index:04d}")
    (eoat_video / "depth" / "0001.png").rename(eoat_video / "depth" / "0077.png")
    with pytest.raises(DatasetError, match="number 1 in .*depth.*0001.png"):
        list(open_sequence(eoat_video))
    assert [frame.index for frame in open_sequence(eoat_video, on_error="skip")] == [0, 2]


def test_colour_images_may_be_jpg(eoat_video):
    rename_by_number(eoat_video, lambda folder, index: f"{index:04d}")
    for index in range(3):
        (eoat_video / "rgb" / f"{index:04d}.png").unlink()
        assert cv2.imwrite(str(eoat_video / "rgb" / f"{index:04d}.jpg"), color_of(index)[..., ::-1])
    frames = list(open_sequence(eoat_video))
    assert len(frames) == 3
    assert np.abs(frames[2].color.astype(int) - color_of(2)).max() <= 3


def test_times_of_a_file_are_the_stamps(eoat_video):
    rename_by_number(eoat_video, lambda folder, index: f"{index:04d}")
    (eoat_video / "timestamps.txt").write_text("0 5000000000\n2 5125000000\n")
    sequence = open_sequence(eoat_video, on_error="skip")
    assert [(frame.index, frame.stamp) for frame in sequence] == [(0, 5.0), (2, 5.125)]
    assert sequence.rate_hz == pytest.approx(8) and "time of frame 1" in sequence.skipped[0]
    assert open_sequence(eoat_video, rate_hz=20.0).rate_hz == 20


def test_a_recording_for_foundationpose_opens_by_any_name(tmp_path):
    """No poses, one mask; whose it is nobody says."""
    folder = tmp_path / "my run"
    mask = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    mask[..., 3] = 255
    mask[3:5, 6:9, 0] = 1
    for index in (1, 2):
        write_png(folder / "rgb" / f"{index}.png", color_of(index))
        write_png(folder / "depth" / f"{index}.png", np.round(depth_m_of(index) * 1000).astype(np.uint16))
    (folder / "masks").mkdir()
    assert cv2.imwrite(str(folder / "masks" / "0001.png"), mask)
    np.savetxt(folder / "cam_K.txt", K)
    sequence = open_sequence(folder)
    frames = list(sequence)
    assert sequence.object_names == () and [frame.truth for frame in frames] == [{}, {}]
    assert list(frames[0].masks) == ["object"] and not frames[1].masks
    assert frames[0].masks["object"].sum() == 6 and frames[0].masks["object"][3:5, 6:9].all()
    assert list(open_sequence(folder, object_name="jug").read(0).masks) == ["jug"]
    write_png(folder / "masks" / "0001.png", np.ones((5, 5), np.uint8))
    with pytest.raises(DatasetError, match="mask of 32x24 .*0001.png, got 5x5"):
        sequence.read(0)


def test_a_folder_without_intrinsics_is_not_taken_for_one(eoat_video):
    (eoat_video / "cam_K.txt").unlink()
    shutil.rmtree(eoat_video / "annotated_poses")
    with pytest.raises(
        DatasetError, match=r"rgb/, depth/, cam_K.txt.*it is none; it holds depth/, depth_filled/, rgb/"
    ):
        open_sequence(eoat_video)


def test_models_are_where_the_option_says(eoat_video, tmp_path):
    import trimesh

    write_cube_ply(tmp_path / "cube.ply", 0.1)
    place = tmp_path / "meshes" / "006_mustard_bottle" / "textured.obj"
    place.parent.mkdir(parents=True)
    trimesh.load(tmp_path / "cube.ply").export(place)
    model = open_sequence(eoat_video, models_folder=tmp_path / "meshes").load_model("006_mustard_bottle")
    assert model.diameter_m == pytest.approx(0.1732, abs=1e-4)


def test_the_published_video_is_read_as_it_lies_there(shared_data, caplog):
    """Rotations as published, JPEG, times of their own, numbers with gaps: 405 frames and one note."""
    with caplog.at_level(logging.INFO):
        sequence = open_sequence(shared_data / "ycbineoat" / "mustard0", models_folder=shared_data / "ycbv_models")
        annotations = list(sequence.annotations())
        list(sequence.annotations())
    assert len(annotations) == len(sequence) == 405
    (note,) = caplog.records
    assert "405 of 405 poses" in note.getMessage() and "2.6e-03" in note.getMessage()
    last = sequence.read(404)
    assert (annotations[0].index, last.index) == (0, 653)
    assert last.stamp == pytest.approx(1581120464.401567594, abs=1e-6)
    assert last.camera.fx == pytest.approx(319.582, abs=1e-3) and last.camera.fy == pytest.approx(417.119, abs=1e-3)
    rotation = last.truth["006_mustard_bottle"][:3, :3]
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-12)
    assert sequence.read(0).masks["006_mustard_bottle"].any()
    assert sequence.load_model("006_mustard_bottle").mesh.texture is not None
