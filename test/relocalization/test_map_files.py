"""A map's folder: what is written is what is read, and what is broken is said."""

import csv
import pickletools
import shutil

import numpy as np
import pytest
import yaml
from mapped_room import views, write_map

from pose_tracker_ros.relocalization.config import MapConfig
from pose_tracker_ros.relocalization.map_files import DEPTH_UNIT_M, load_map
from pose_tracker_ros.relocalization.mapping import GivenPoses, MapBuilder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_map(tmp_path_factory.mktemp("maps") / "room", count=3)


def test_the_map_is_what_was_seen(folder):
    room = load_map(folder)
    frames = list(views(3, places=0))
    assert len(room) == 3
    for position, frame in enumerate(frames):
        keyframe, image = room.keyframes[position], room.image(position)
        np.testing.assert_allclose(keyframe.map_T_camera, frame.world_T_camera, atol=1e-7)
        assert (keyframe.number, keyframe.stamp, keyframe.camera) == (frame.index, frame.stamp, frame.camera)
        np.testing.assert_allclose(image.depth, frame.depth, atol=DEPTH_UNIT_M / 2 + 1e-6)
        assert np.abs(image.color.astype(int) - frame.color).mean() < 4
        measured = np.isfinite(keyframe.points[:, 2])
        pixels = frame.camera.project(keyframe.points[measured])
        np.testing.assert_allclose(pixels, keyframe.features.pixels[measured], atol=1e-3)
        columns, rows = np.rint(keyframe.features.pixels[measured]).astype(int).T
        np.testing.assert_allclose(keyframe.points[measured, 2], frame.depth[rows, columns], rtol=1e-6)


def test_nothing_in_the_folder_is_a_pickle(folder):
    for path in filter(lambda path: path.is_file(), folder.rglob("*")):
        with pytest.raises(Exception, match=r".+"):
            list(pickletools.genops(path.read_bytes()))
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} <= {".yaml", ".csv", ".safetensors", ".jpg", ".png"}


def test_the_table_can_be_read_by_anybody(folder):
    with open(folder / "keyframes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    np.testing.assert_allclose([float(rows[1][axis]) for axis in "xyz"], views(3, places=0).world_T_camera(1)[:3, 3], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("map.yaml", None, "pose-tracker map"),
        ("map.yaml", "format: something", "expected format"),
        ("map.yaml", "[1, 2", "expected YAML"),
        ("features.safetensors", "{}", "expected a whole map"),
        ("features.safetensors", None, "expected a whole map"),
        ("keyframes.csv", "frame,stamp\n", "expected a whole map"),
    ],
)
def test_a_broken_map_is_named(folder, tmp_path, name, content, said):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / name).unlink()
    if content is not None:
        (broken / name).write_text(content)
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        load_map(broken)


def test_files_of_two_maps_are_no_map(folder, tmp_path):
    broken, other = tmp_path / "broken", write_map(tmp_path / "other", count=2)
    shutil.copytree(folder, broken)
    shutil.copy(other / "index.safetensors", broken)
    with pytest.raises(ValueError, match="other images than the 3"):
        load_map(broken)
    description = yaml.safe_load((other / "map.yaml").read_text())
    (other / "map.yaml").write_text(yaml.safe_dump({**description, "cameras": []}))
    with pytest.raises(ValueError, match="expected a whole map"):
        load_map(other)


def test_a_missing_image_is_named(folder, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "depth" / "000001.png").unlink()
    room = load_map(broken)
    room.image(0)
    with pytest.raises(ValueError, match=r"000001\.png"):
        room.image(1)


def test_only_what_is_new_becomes_a_keyframe(tmp_path):
    config = MapConfig(keyframe_m=0.1, keyframe_deg=10)
    builder = MapBuilder(tmp_path / "room", config, GivenPoses(config))
    frame = views(1, places=0).read(0)
    assert builder.add(frame)
    assert not builder.add(frame)
    assert builder.poses.lost == 0
    with pytest.raises(FileExistsError, match="new or empty"):
        MapBuilder(tmp_path / "room", config, GivenPoses(config))


def test_frames_without_poses_make_no_map(tmp_path):
    config = MapConfig()
    builder = MapBuilder(tmp_path / "room", config, GivenPoses(config))
    frame = views(1, places=0).read(0)
    assert not builder.add(frame.__class__(frame.color, frame.depth, frame.camera, frame.stamp))
    assert builder.poses.lost == 1
    with pytest.raises(ValueError, match="--poses odometry"):
        builder.finish("nothing")
