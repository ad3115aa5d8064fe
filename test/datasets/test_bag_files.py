"""Recordings as recorders leave them: in parts, packed, cut, without metadata, of ROS 1, with zero stamps."""

import shutil

import numpy as np
import pytest
from dataset_layouts import color_of, cut, depth_m_of
from recorded_messages import COLOR, DEPTH, INFO, STORE, camera_info, depth_mm, image, plain_messages, write_bag
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from pose_tracker_ros.datasets import DatasetError, open_sequence
from pose_tracker_ros.datasets.bag import Bag

PLUGINS = list(StoragePlugin)


def stamps(path, **options):
    return [round(frame.stamp, 3) for frame in open_sequence(path, **options)]


def only_file(bag):
    (path,) = [file for file in bag.iterdir() if file.name != "metadata.yaml"]
    return path


def split_bag(folder, plugin, parts):
    """The messages of ``plain_messages`` in ``parts`` files of one folder, the numbers in their names not padded."""
    messages = list(plain_messages(2 * parts))
    folder.mkdir()
    for part in range(parts):
        bag = write_bag(folder / f"part{part}", messages[6 * part : 6 * part + 6], plugin)
        file = only_file(bag)
        shutil.move(file, folder / f"run_{part}{file.suffix}")
        shutil.rmtree(bag)
    return folder


@pytest.mark.parametrize("plugin", PLUGINS)
def test_parts_of_a_recording_follow_each_other_by_number(tmp_path, plugin):
    folder = split_bag(tmp_path / "split", plugin, 12)
    expected = [round(1 + 0.1 * index, 3) for index in range(24)]
    assert stamps(folder) == expected
    listed = ", ".join(sorted(file.name for file in folder.iterdir()))
    (folder / "metadata.yaml").write_text(f"rosbag2_bagfile_information: {{relative_file_paths: [{listed}, run_99.mcap]}}")
    with pytest.raises(DatasetError, match="run_99.mcap"):
        stamps(folder)
    recording = open_sequence(folder, on_error="skip")
    assert [round(frame.stamp, 3) for frame in recording] == expected and "run_99.mcap" in recording.remarks()[0]


@pytest.mark.parametrize("metadata", ["", "rosbag2_bagfile_information: {version: 9", "- a list"])
def test_without_usable_metadata_the_files_are_read(tmp_path, metadata):
    bag = write_bag(tmp_path / "bag", plain_messages(3))
    (bag / "metadata.yaml").write_text(metadata)
    assert stamps(bag) == [1.0, 1.1, 1.2]
    (bag / "metadata.yaml").unlink()
    assert stamps(bag) == [1.0, 1.1, 1.2]


def test_several_recordings_in_a_folder_are_asked_about(tmp_path):
    for name in ("kitchen", "garage"):
        bag = write_bag(tmp_path / name, plain_messages(2))
        shutil.move(only_file(bag), tmp_path / f"{name}_0.mcap")
        shutil.rmtree(bag)
    with pytest.raises(DatasetError, match="parts of one recording in .*garage_0.mcap, kitchen_0.mcap; name one file"):
        open_sequence(tmp_path)
    assert stamps(tmp_path / "kitchen_0.mcap") == [1.0, 1.1]


@pytest.mark.parametrize("metadata", [True, False])
@pytest.mark.parametrize(
    ("plugin", "mode"),
    [
        (StoragePlugin.SQLITE3, CompressionMode.FILE),
        (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
        (StoragePlugin.MCAP, CompressionMode.FILE),
        (StoragePlugin.MCAP, CompressionMode.MESSAGE),
        (StoragePlugin.MCAP, CompressionMode.STORAGE),
    ],
)
def test_compressed_recordings(tmp_path, plugin, mode, metadata):
    writer = Writer(tmp_path / "bag", version=9, storage_plugin=plugin)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for time, topic, message in plain_messages(3):
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, message.__msgtype__, typestore=STORE)
            writer.write(connections[topic], time, STORE.serialize_cdr(message, message.__msgtype__))
    if not metadata:
        (tmp_path / "bag" / "metadata.yaml").unlink()
    frames = list(open_sequence(tmp_path / "bag"))
    assert [round(frame.stamp, 3) for frame in frames] == [1.0, 1.1, 1.2]
    np.testing.assert_allclose(frames[2].depth, depth_m_of(2), atol=1e-6)


def write_ros1(path, messages):
    store = get_typestore(Stores.ROS1_NOETIC)
    with Ros1Writer(path) as writer:
        connections = {}
        for time, topic, message in messages:
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], time, store.serialize_ros1(as_ros1(message, store), kind))
    return path


def as_ros1(message, store):
    """A message with the fields of ROS 1: a header with a number, and CameraInfo's matrices in capitals."""
    types = store.types
    stamp = types["builtin_interfaces/msg/Time"](message.header.stamp.sec, message.header.stamp.nanosec)
    header = types["std_msgs/msg/Header"](0, stamp, message.header.frame_id)
    if hasattr(message, "encoding"):
        fields = (message.height, message.width, message.encoding, message.is_bigendian, message.step, message.data)
        return types["sensor_msgs/msg/Image"](header, *fields)
    region = types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    fields = (message.height, message.width, message.distortion_model, message.d, message.k, message.r, message.p)
    return types["sensor_msgs/msg/CameraInfo"](header, *fields, 0, 0, region)


def test_recordings_of_ros_1(tmp_path):
    path = write_ros1(tmp_path / "run_2024-05-01-10-11-12.bag", plain_messages(3))
    frames = list(open_sequence(path))
    assert [round(frame.stamp, 3) for frame in frames] == [1.0, 1.1, 1.2]
    np.testing.assert_allclose(frames[2].depth, depth_m_of(2), atol=1e-6)


@pytest.mark.parametrize("share", [0.6, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["mcap", "db3", "bag"])
def test_of_a_cut_recording_the_beginning_is_read_and_the_rest_named(tmp_path, kind, share):
    count = 60
    if kind == "bag":
        path = write_ros1(tmp_path / "run.bag", plain_messages(count))
    else:
        plugin = {"mcap": StoragePlugin.MCAP, "db3": StoragePlugin.SQLITE3}[kind]
        path = only_file(write_bag(tmp_path / "run", plain_messages(count), plugin))
    cut(path, share)
    recording = open_sequence(path, on_error="skip")
    read = [round(frame.stamp, 3) for frame in recording]
    assert read == [round(1 + 0.1 * index, 3) for index in range(len(read))]
    assert share * count * 0.8 - 5 <= len(read) <= count
    if len(read) == count and kind == "mcap":
        return  # what is cut is its index
    assert path.name in recording.remarks()[0] and "complete recording" in recording.remarks()[0]
    with pytest.raises(DatasetError, match="complete recording.*only what comes before is read"):
        list(open_sequence(path))


def test_a_file_that_is_no_recording_is_named(tmp_path):
    for name in ("empty.mcap", "text.db3", "text.bag"):
        (tmp_path / name).write_text("" if name.startswith("empty") else "hello " * 100)
        with pytest.raises(DatasetError, match=name):
            open_sequence(tmp_path / name)


def test_an_mcap_file_of_another_profile_is_whole(tmp_path):
    """Converters write it empty."""
    path = only_file(write_bag(tmp_path / "run", plain_messages(4)))
    data = path.read_bytes()
    place = data.index(b"\x04\x00\x00\x00ros2")
    path.write_bytes(data[: place + 4] + b"else" + data[place + 8 :])
    recording = open_sequence(path)
    assert len(list(recording)) == 4 and recording.remarks() == []


def test_zero_stamps_are_replaced_by_times_of_recording(tmp_path):
    messages = []
    for index in range(4):
        time = 10**9 + index * 33_000_000
        messages.append((time, COLOR, image(0, depth_mm(index)[..., None].repeat(3, 2).astype(np.uint8), "rgb8")))
        messages += [(time + 1000, INFO, camera_info(0)), (time + 2_000_000, DEPTH, image(0, depth_mm(index), "16UC1"))]
    frames = list(open_sequence(write_bag(tmp_path / "bag", messages)))
    assert [frame.stamp for frame in frames] == pytest.approx([1, 1.033, 1.066, 1.099])
    for index, frame in enumerate(frames):
        np.testing.assert_allclose(frame.depth, depth_m_of(index), atol=1e-6)


@pytest.mark.parametrize(("color_offset", "depth_offset"), [(0, 50 * 10**9), (-(10**9), 0), (0, -(10**9))])
def test_images_of_different_clocks_are_paired_by_times_of_recording(tmp_path, color_offset, depth_offset):
    """One of them may have no clock at all; frames have the stamps of colour where it has some."""
    messages = []
    for index in range(4):
        time = 10**9 + index * 33_000_000
        stamps = [0 if offset == -(10**9) else time + offset for offset in (color_offset, depth_offset)]
        messages.append((time, COLOR, image(stamps[0], color_of(index), "rgb8")))
        messages += [(time + 1000, INFO, camera_info(0)), (time + 2_000_000, DEPTH, image(stamps[1], depth_mm(index), "16UC1"))]
    frames = list(open_sequence(write_bag(tmp_path / "bag", messages)))
    assert [frame.stamp for frame in frames] == pytest.approx([1, 1.033, 1.066, 1.099])
    for index, frame in enumerate(frames):
        np.testing.assert_allclose(frame.depth, depth_m_of(index), atol=1e-6)


@pytest.mark.parametrize(("word", "other"), [("uint32 height", "uint32 heighd"), ("string encoding", "string encodinc")])
def test_a_definition_that_is_damaged_costs_its_messages(tmp_path, word, other):
    path = only_file(write_bag(tmp_path / "run", plain_messages(2)))
    data = path.read_bytes()
    assert word.encode() in data
    path.write_bytes(data.replace(word.encode(), other.encode()))
    with pytest.raises(DatasetError, match="image topic in .*run.*expected messages of sensor_msgs/msg/Image"):
        open_sequence(path)


def test_a_message_that_does_not_deserialise_is_named_once(tmp_path):
    bag = write_bag(tmp_path / "bag", plain_messages(2))
    reader = Bag(bag)
    reader._parts[0].deserialize = lambda data, kind: 1 / 0
    assert list(reader.messages({COLOR, DEPTH})) == []
    assert len(reader.faults) == 2 and "sensor_msgs/msg/Image" in reader.faults[0]
