"""7-Scenes and Cambridge Landmarks: frames with the camera's pose in a room or street."""

import numpy as np
import pytest
from dataset_layouts import HEIGHT, WIDTH, color_of, cut, depth_m_of, pose_of

from pose_tracker_ros.datasets import DatasetError, open_sequence
from pose_tracker_ros.datasets.cambridge import CambridgeSequence
from pose_tracker_ros.datasets.seven_scenes import SevenScenesSequence


def test_a_sequence_of_7_scenes_holds_what_was_written(seven_scenes_room):
    sequence = open_sequence(seven_scenes_room / "seq-02")
    assert isinstance(sequence, SevenScenesSequence) and len(sequence) == 2
    frame = sequence.read(1)
    np.testing.assert_array_equal(frame.color, color_of(3))
    expected = depth_m_of(3)
    expected[0, 1] = 0
    np.testing.assert_allclose(frame.depth, expected, atol=6e-4)
    np.testing.assert_allclose(frame.world_T_camera, pose_of(3), atol=1e-9)
    assert (frame.index, frame.stamp) == (1, pytest.approx(1 / 30))


@pytest.mark.parametrize("split, first, count", [("all", 0, 4), ("train", 0, 2), ("test", 2, 2)])
def test_a_scene_of_7_scenes_is_its_sequences_one_after_another(seven_scenes_room, split, first, count):
    sequence = open_sequence(seven_scenes_room, split=split)
    assert [frame.index for frame in sequence] == list(range(count))
    assert [frame.color[0, 0, 0] for frame in sequence] == [color_of(first + k)[0, 0, 0] for k in range(count)]
    np.testing.assert_allclose(sequence.world_T_camera(1), pose_of(first + 1), atol=1e-9)


def test_intrinsics_of_7_scenes_come_from_an_option_a_file_or_the_data_set(seven_scenes_room):
    folder = seven_scenes_room / "seq-01"
    camera = SevenScenesSequence(folder).camera
    assert (camera.fx, camera.cx, camera.cy) == (pytest.approx(585 * WIDTH / 640), WIDTH / 2, HEIGHT / 2)
    np.savetxt(folder / "camera-intrinsics.txt", [[40, 0, 15], [0, 41, 11], [0, 0, 1]])
    camera = SevenScenesSequence(folder).camera
    assert (camera.fx, camera.fy, camera.cx) == (40, 41, 15)
    assert SevenScenesSequence(folder, focal_px=33.0).camera.fy == 33


def test_frames_of_7_scenes_without_pose_or_whole_images_are_told_apart(seven_scenes_room):
    folder = seven_scenes_room / "seq-01"
    (folder / "frame-000000.pose.txt").unlink()
    assert open_sequence(folder).read(0).world_T_camera is None
    cut(folder / "frame-000001.depth.png")
    with pytest.raises(DatasetError, match=r"frame-000001\.depth\.png"):
        list(open_sequence(folder))
    assert [frame.index for frame in open_sequence(folder, on_error="skip")] == [0]


@pytest.mark.parametrize("split", ["valid", "train"])
def test_a_split_that_there_is_not_is_refused(seven_scenes_room, split):
    (seven_scenes_room / "TrainSplit.txt").unlink()
    with pytest.raises(ValueError, match="split"):
        open_sequence(seven_scenes_room, split=split)


@pytest.mark.parametrize("split, indices", [("all", (0, 1, 2)), ("train", (0, 1)), ("test", (2,))])
def test_a_cambridge_scene_has_poses_focal_lengths_and_no_depth(cambridge_scene, split, indices):
    sequence = open_sequence(cambridge_scene, split=split)
    assert isinstance(sequence, CambridgeSequence) and len(sequence) == len(indices)
    for frame, index in zip(sequence, indices):
        np.testing.assert_array_equal(frame.color, color_of(index))
        np.testing.assert_allclose(frame.world_T_camera, pose_of(index), atol=1e-9)
        assert frame.camera.fx == 30 + index
        assert not frame.depth.any()


def test_points_that_a_cambridge_image_sees(cambridge_scene):
    sequence = open_sequence(cambridge_scene)
    np.testing.assert_array_equal(sequence.world_points(2), [[1, 2, 3], [4, 5, 6]])
    (cambridge_scene / "reconstruction.nvm").unlink()
    sequence = open_sequence(cambridge_scene)
    assert sequence.camera.fx == pytest.approx(1670 * WIDTH / 1920)
    with pytest.raises(DatasetError, match="reconstruction.nvm"):
        sequence.world_points(2)


def test_broken_files_of_a_cambridge_scene_are_named(cambridge_scene):
    cut(cambridge_scene / "reconstruction.nvm", 0.9)
    with pytest.raises(DatasetError, match="reconstruction.nvm"):
        open_sequence(cambridge_scene).read(0)
    path = cambridge_scene / "dataset_test.txt"
    path.write_text(path.read_text() + "seq1/frame00009.png 1 2 3\n")
    with pytest.raises(DatasetError, match="dataset_test.txt"):
        open_sequence(cambridge_scene)


def test_the_real_room_opens(shared_data):
    sequence = open_sequence(shared_data / "room")
    assert len(sequence) == 200
    frame = sequence.read(3)
    assert (frame.index, frame.camera.fx) == (12, 585)
    assert 0.4 < np.median(frame.depth[frame.depth > 0]) < 4
