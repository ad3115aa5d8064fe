import shutil

import numpy as np
import pytest
from dataset_layouts import K, color_of, cut, depth_m_of, pose_of

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
