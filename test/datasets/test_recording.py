import cv2
import numpy as np
import pytest
from dataset_layouts import WIDTH, K, color_of, cut, depth_m_of
from recorded_messages import COLOR, DEPTH, INFO, camera_info, compressed, depth_mm, image, plain_messages, write_bag
from rosbags.rosbag2 import StoragePlugin

from pose_tracker_ros.datasets import DatasetError, open_sequence
from pose_tracker_ros.datasets.recording import Recording


@pytest.mark.parametrize("plugin", list(StoragePlugin))
@pytest.mark.parametrize("by_file", [False, True])
def test_frames_hold_what_was_recorded(tmp_path, plugin, by_file):
    bag = write_bag(tmp_path / "bag", plain_messages(), plugin)
    path = next(file for file in bag.iterdir() if file.suffix in (".mcap", ".db3")) if by_file else bag
    recording = open_sequence(path)
    assert isinstance(recording, Recording) and len(recording) == 4
    frames = list(recording)
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.stamp for frame in frames] == pytest.approx([1.0, 1.1, 1.2, 1.3])
    np.testing.assert_array_equal(frames[2].color, color_of(2))
    np.testing.assert_allclose(frames[2].depth, depth_m_of(2), atol=1e-6)
    np.testing.assert_allclose(recording.camera.matrix, K)
    assert recording.rate_hz == pytest.approx(10, rel=0.05)
    assert list(recording.annotations()) == [] and recording.object_names == ()


def test_images_without_partner_are_frames_without_depth(tmp_path):
    """A lost depth image, a lost colour image, and one too far apart do not shift the pairing."""
    messages = list(plain_messages(6))
    del messages[3 * 1 + 2], messages[3 * 3 - 1]
    late = 10**9 + 5 * 100_000_000
    messages[-1] = (late + 2, DEPTH, image(late + 40_000_000, depth_mm(5), "16UC1"))
    recording = Recording(write_bag(tmp_path / "bag", messages))
    frames = list(recording)
    assert [round(frame.stamp, 3) for frame in frames] == [1.0, 1.1, 1.2, 1.4, 1.5]
    for frame, index in zip(frames, (0, 1, 2, 4, 5)):
        assert frame.color[0, 0, 0] == 10 * index + 5
        measured = 0 if index in (1, 5) else depth_m_of(index)[5, 5]
        assert frame.depth[5, 5] == pytest.approx(measured, abs=1e-6)
    assert "2 of 5 colour images have no depth image" in recording.remarks()[0]


@pytest.mark.parametrize(
    ("encoding", "make"),
    [
        ("rgb8", lambda rgb: rgb),
        ("bgr8", lambda rgb: rgb[..., ::-1]),
        ("rgba8", lambda rgb: np.dstack([rgb, np.full(rgb.shape[:2], 9, np.uint8)])),
        ("bgra8", lambda rgb: np.dstack([rgb[..., ::-1], np.full(rgb.shape[:2], 9, np.uint8)])),
    ],
)
@pytest.mark.parametrize("big_endian", [False, True])
def test_encodings_padding_and_byte_order(tmp_path, encoding, make, big_endian):
    depth = depth_m_of(1).astype(np.float32)
    depth[2, 3] = np.nan
    messages = [
        (10, INFO, camera_info(10)),
        (11, COLOR, image(10, make(color_of(1)), encoding, padding=5, big_endian=big_endian)),
        (12, DEPTH, image(10, depth, "32FC1", padding=8, big_endian=big_endian)),
    ]
    (frame,) = Recording(write_bag(tmp_path / "bag", messages))
    np.testing.assert_array_equal(frame.color, color_of(1))
    expected = depth_m_of(1)
    expected[2, 3] = 0
    np.testing.assert_allclose(frame.depth, expected, atol=1e-6)


def test_compressed_images(tmp_path):
    _, png = cv2.imencode(".png", color_of(1)[..., ::-1])
    _, depth_png = cv2.imencode(".png", depth_mm(1))
    messages = [
        (10, INFO, camera_info(10)),
        (11, COLOR + "/compressed", compressed(10, png.tobytes(), "rgb8; png compressed bgr8")),
        (12, DEPTH + "/compressedDepth", compressed(10, bytes(12) + depth_png.tobytes(), "16UC1; compressedDepth png")),
    ]
    (frame,) = Recording(write_bag(tmp_path / "bag", messages))
    np.testing.assert_array_equal(frame.color, color_of(1))
    np.testing.assert_allclose(frame.depth, depth_m_of(1), atol=1e-6)


def test_missing_and_named_topics(tmp_path):
    other = [(5, "/camera/other/image_raw", image(5, color_of(1), "rgb8")), (6, "/tracker/overlay", image(6, color_of(1), "rgb8"))]
    bag = write_bag(tmp_path / "bag", sorted([*plain_messages(2), *other], key=lambda item: item[0]))
    assert open_sequence(bag).topics.color == COLOR
    assert len(list(open_sequence(bag, color_topic="/camera/other/image_raw", camera_info_topic=INFO))) == 1
    with pytest.raises(DatasetError, match="/nothing"):
        open_sequence(bag, color_topic="/nothing")
    without = write_bag(tmp_path / "without", [m for m in plain_messages(2) if m[1] != DEPTH])
    with pytest.raises(DatasetError, match="one depth image topic in .*without, found none"):
        open_sequence(without)
    assert [frame.depth.max() for frame in open_sequence(without, depth_topic="none")] == [0, 0]


def test_unusable_images_are_named_and_skipped(tmp_path):
    messages = list(plain_messages(3))
    time = messages[3][0]
    messages[3] = (time, COLOR, image(time, color_of(1)[:, : WIDTH - 2], "rgb8"))
    messages[6] = (messages[6][0], COLOR, image(messages[6][0], color_of(2), "nv24"))
    bag = write_bag(tmp_path / "bag", messages)
    with pytest.raises(DatasetError, match="frame 1: expected CameraInfo of the image's size 30x24, got 32x24"):
        list(Recording(bag))
    recording = Recording(bag, on_error="skip")
    assert [frame.index for frame in recording] == [0]
    assert "frame 2" in recording.skipped[1] and "'nv24'" in recording.skipped[1]


def test_missing_intrinsics_are_named(tmp_path):
    time = 10**9
    info = camera_info(time)
    info.k[:], info.p[:] = 0, 0
    messages = [
        (1, INFO, info),
        (2, COLOR, image(time, color_of(0), "rgb8")),
        (3, DEPTH, image(time, depth_mm(0), "16UC1")),
    ]
    with pytest.raises(DatasetError, match="frame 0: expected camera intrinsics"):
        list(Recording(write_bag(tmp_path / "zero", messages)))
    with pytest.raises(DatasetError, match="one CameraInfo topic in .*none"):
        Recording(write_bag(tmp_path / "none", messages[1:]))


@pytest.mark.parametrize("plugin", list(StoragePlugin))
def test_a_cut_recording_is_named(tmp_path, plugin):
    bag = write_bag(tmp_path / "bag", plain_messages(20), plugin)
    path = next(file for file in bag.iterdir() if file.suffix in (".mcap", ".db3"))
    cut(path)
    with pytest.raises(DatasetError, match="bag"):
        list(open_sequence(path))


def test_other_folders_and_options_are_refused(tmp_path, bop_scene):
    with pytest.raises(DatasetError, match="no such file or folder"):
        open_sequence(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="but it is none"):
        open_sequence(bop_scene / "rgb")
    with pytest.raises(DatasetError, match="expected options of BopSequence.*rate_hz.*got color_topic"):
        open_sequence(bop_scene, color_topic="/a")
