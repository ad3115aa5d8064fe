import numpy as np
import pytest
import scipy.io
from dataset_layouts import HEIGHT, WIDTH, K, color_of, cut, depth_m_of, pose_of, write_png

from pose_tracker_ros.datasets import DatasetError, open_sequence
from pose_tracker_ros.datasets.ycb_video import YcbVideoSequence, read_keyframes


def test_frames_hold_what_was_written(ycb_video):
    sequence = YcbVideoSequence(ycb_video)
    frames = list(sequence)
    assert [frame.index for frame in frames] == [1, 2, 3] and sequence.keyframes == {1, 3}
    frame = frames[1]
    np.testing.assert_array_equal(frame.color, color_of(2))
    np.testing.assert_allclose(frame.depth, depth_m_of(2), atol=1e-6)
    np.testing.assert_allclose(frame.camera.matrix, K)
    assert frame.stamp == pytest.approx(2 / 30)
    assert set(frame.truth) == {"002_master_chef_can", "025_mug"}
    np.testing.assert_allclose(frame.truth["025_mug"], pose_of(2, 1.4), atol=1e-12)
    assert frame.masks["025_mug"][2:6, 3:9].all() and frame.masks["025_mug"].sum() == 24
    assert frame.masks["002_master_chef_can"].sum() == 0


def test_a_frame_with_one_object_keeps_its_pose(ycb_video):
    truth = YcbVideoSequence(ycb_video).read(2).truth
    assert set(truth) == {"025_mug"}
    np.testing.assert_allclose(truth["025_mug"], pose_of(3, 1.4), atol=1e-12)


@pytest.mark.parametrize("ending", ["color.png", "depth.png", "label.png", "meta.mat"])
@pytest.mark.parametrize("fault", ["missing", "cut"])
def test_a_damaged_file_stops_or_is_skipped(ycb_video, ending, fault):
    path = ycb_video / f"000002-{ending}"
    path.unlink() if fault == "missing" else cut(path)
    with pytest.raises(DatasetError, match=f"000002-{ending}"):
        list(YcbVideoSequence(ycb_video))
    assert [frame.index for frame in YcbVideoSequence(ycb_video, on_error="skip")] == [1, 3]


def test_meta_without_intrinsics_is_named(ycb_video):
    path = ycb_video / "000001-meta.mat"
    meta = {
        key: value for key, value in scipy.io.loadmat(path).items() if key in ("cls_indexes", "factor_depth", "poses")
    }
    scipy.io.savemat(path, meta)
    with pytest.raises(DatasetError, match="000001-meta.mat.*intrinsic_matrix"):
        YcbVideoSequence(ycb_video).read(0)


def test_depth_of_another_size_names_the_frame(ycb_video):
    write_png(ycb_video / "000001-depth.png", np.full((HEIGHT + 1, WIDTH), 500, np.uint16))
    with pytest.raises(DatasetError, match="000001-color.png.*expected depth of 32x24"):
        YcbVideoSequence(ycb_video).read(0)


def test_an_empty_folder_and_a_bad_keyframe_list_are_named(tmp_path):
    with pytest.raises(DatasetError, match="expected frames"):
        YcbVideoSequence(tmp_path)
    (tmp_path / "keyframe.txt").write_text("0048-000001\n")
    with pytest.raises(DatasetError, match="keyframe.txt.*0048-000001"):
        read_keyframes(tmp_path)


def test_real_frames_agree_with_their_truth(shared_data):
    """A mug rendered at its true pose covers its label and has the measured depth."""
    from pose_tracker_ros.rendering import create_renderer

    folder = shared_data / "ycbv_frames" / "data" / "0000"
    sequence = open_sequence(folder, models_folder=shared_data / "ycbv_models")
    assert isinstance(sequence, YcbVideoSequence) and len(list(sequence)) == 5
    frame = sequence.read(0)
    mug = create_renderer("raycast", sequence.load_model("025_mug").mesh).render(frame.camera, frame.truth["025_mug"])
    label = frame.masks["025_mug"]
    assert (mug.mask & label).sum() > 0.9 * label.sum()
    seen = mug.mask & label & (frame.depth > 0)
    assert np.median(np.abs(frame.depth - mug.depth)[seen]) < 0.01


def test_real_keyframes(shared_data):
    keyframes = read_keyframes(shared_data / "ycbv_results")
    assert len(keyframes) == 12 and sum(map(len, keyframes.values())) == 2949


@pytest.mark.parametrize("number", [str, lambda n: f"{n + 999998:06d}", lambda n: f"{n:08d}"])
def test_frames_are_ordered_by_number_however_padded(ycb_video, number):
    for index in (1, 2, 3):
        for path in ycb_video.glob(f"{index:06d}-*"):
            path.rename(path.with_name(f"new{number(index)}-{path.name.partition('-')[2]}"))
    for path in ycb_video.glob("new*"):
        path.rename(path.with_name(path.name.removeprefix("new")))
    frames = list(open_sequence(ycb_video))
    assert [frame.color[0, 0, 0] for frame in frames] == [15, 25, 35]
    assert [frame.index for frame in frames] == [int(number(index)) for index in (1, 2, 3)]
