"""Layouts and units in which data sets and users' own recordings come, all with the same small images."""

import json

import cv2
import numpy as np
import pytest
from dataset_layouts import HEIGHT, WIDTH, K, color_of, depth_m_of, pose_of, write_png

from pose_tracker_ros.datasets import DatasetError, FrameSequence, open_sequence
from pose_tracker_ros.datasets.open import readers


def as_sensor(scene, sensor, gray=False):
    """Rename a BOP scene's files to those of one of several sensors, as newer data sets have them."""
    for name in ("scene_camera", "scene_gt"):
        (scene / f"{name}.json").rename(scene / f"{name}_{sensor}.json")
    for name in ("rgb", "depth", "mask_visib"):
        (scene / name).rename(scene / f"{'gray' if gray and name == 'rgb' else name}_{sensor}")
    return scene


@pytest.mark.parametrize(("sensor", "gray"), [("realsense", False), ("cam1", False), ("photoneo", True)])
def test_a_bop_scene_of_a_named_sensor(bop_scene, sensor, gray):
    expected = open_sequence(bop_scene).read(1)
    as_sensor(bop_scene, sensor, gray)
    for sequence in (open_sequence(bop_scene), open_sequence(bop_scene.parent), open_sequence(bop_scene, sensor=sensor)):
        frame = sequence.read(1)
        np.testing.assert_array_equal(frame.color, expected.color)
        np.testing.assert_array_equal(frame.depth, expected.depth)
        assert set(frame.truth) == set(expected.truth) == {"obj_000002", "box", "obj_000002#2"} and set(frame.masks) == set(frame.truth)


def test_of_several_sensors_one_is_named(bop_scene):
    expected = open_sequence(bop_scene).read(0).color
    as_sensor(bop_scene, "xyz")
    (bop_scene / "scene_camera_photoneo.json").write_text((bop_scene / "scene_camera_xyz.json").read_text())
    with pytest.raises(DatasetError, match="one to be named, it has photoneo, xyz.*--reader sensor=NAME"):
        open_sequence(bop_scene)
    np.testing.assert_array_equal(open_sequence(bop_scene, sensor="xyz").read(0).color, expected)
    with pytest.raises(DatasetError, match="the sensor kinect, it has photoneo, xyz"):
        open_sequence(bop_scene, sensor="kinect")


@pytest.mark.parametrize(
    ("scale", "kind"),
    [(0.1, np.uint16), (1.0, np.uint16), (0.04999, np.uint16), (0.25, np.uint16), (1000.0, np.float32), (1.0, np.float32)],
    ids=["T-LESS", "HOPE, IC-BIN, LM-O", "ITODD", "L515", "float metres", "float millimetres"],
)
def test_depth_scales_of_bop_data_sets(bop_scene, scale, kind):
    path = bop_scene / "scene_camera.json"
    cameras = json.loads(path.read_text())
    path.write_text(json.dumps({index: {**entry, "depth_scale": scale} for index, entry in cameras.items()}))
    for index in (3, 4, 5):
        units = depth_m_of(index) * 1000 / scale
        (bop_scene / "depth" / f"{index:06d}.png").unlink()
        suffix = "tif" if kind is np.float32 else "png"
        image = units.astype(np.float32) if kind is np.float32 else np.rint(units).astype(np.uint16)
        cv2.imwrite(str(bop_scene / "depth" / f"{index:06d}.{suffix}"), image)
    np.testing.assert_allclose(open_sequence(bop_scene).read(1).depth, depth_m_of(4), atol=0.6e-3 * min(scale, 1))
    halved = open_sequence(bop_scene, depth_unit=f"{scale / 2:.6f}mm").read(1).depth
    np.testing.assert_allclose(halved, depth_m_of(4) / 2, atol=0.6e-3 * min(scale, 1))


@pytest.fixture
def folder(tmp_path):
    """A maker of folders as people record them for FoundationPose: one mask, no poses."""

    def make(name="my_box", suffix="png", depth_suffix="png", depth=lambda metres: np.rint(metres * 1000).astype(np.uint16), stem=str, count=3):
        root = tmp_path / name
        for index in range(count):
            write_png(root / "rgb" / f"{stem(index)}.{suffix}", color_of(index % 20))
            write_png(root / "depth" / f"{stem(index)}.{depth_suffix}", depth(depth_m_of(index)))
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[4:9, 5:15] = 255
        write_png(root / "masks" / f"{stem(0)}.png", mask)
        np.savetxt(root / "cam_K.txt", K)
        return root

    return make


@pytest.mark.parametrize("name", ["my_box", "mustard_box"])
@pytest.mark.parametrize("suffix", ["png", "jpg", "JPG"])
def test_folders_without_poses_have_an_object_by_option(folder, name, suffix):
    sequence = open_sequence(folder(name, suffix), object_name="box")
    frames = list(sequence)
    assert [frame.index for frame in frames] == [0, 1, 2] and sequence.object_names == ()
    assert set(frames[0].masks) == {"box"} and frames[0].masks["box"].sum() == 50 and not frames[1].masks
    assert np.abs(frames[2].color.astype(int) - color_of(2)).max() < 6
    np.testing.assert_allclose(frames[2].depth, depth_m_of(2), atol=1e-6)


UNITS = {
    "float metres": ("tif", lambda metres: metres.astype(np.float32), None),
    "float millimetres": ("tiff", lambda metres: (metres * 1000).astype(np.float32), "mm"),
    "0.1 mm": ("png", lambda metres: np.rint(metres * 1e4).astype(np.uint16), "0.1mm"),
    "0.25 mm": ("png", lambda metres: np.rint(metres * 4e3).astype(np.uint16), "0.25 mm"),
    "0.125 mm": ("png", lambda metres: np.rint(metres * 8e3).astype(np.uint16), "0.125"),
    "TUM, 5000 a metre": ("png", lambda metres: np.rint(metres * 5e3).astype(np.uint16), "0.2mm"),
    "nothing is 65535": ("png", lambda metres: np.where(metres > 0, np.rint(metres * 1000), 65535).astype(np.uint16), None),
    "whole micrometres": ("tif", lambda metres: np.rint(metres * 1e6).astype(np.int32), "um"),
}


@pytest.mark.parametrize("kind", UNITS)
def test_units_of_depth(folder, kind):
    suffix, depth, unit = UNITS[kind]
    frame = open_sequence(folder(depth_suffix=suffix, depth=depth), depth_unit=unit).read(1)
    np.testing.assert_allclose(frame.depth, depth_m_of(1), atol=3e-4)
    assert frame.depth[0, 0] == 0


@pytest.mark.parametrize(
    ("kind", "unit"), [(np.float32, None), (np.float64, None), (np.uint16, None), (np.int64, None), (np.float32, "mm")]
)
def test_depth_in_arrays_of_numpy(folder, kind, unit):
    root = folder()
    for index in range(3):
        (root / "depth" / f"{index}.png").unlink()
        metres = depth_m_of(index)
        array = metres * (1 if np.issubdtype(kind, np.floating) and unit is None else 1000)
        np.save(root / "depth" / f"{index}.npy", array.astype(kind)[..., None])
    np.testing.assert_allclose(open_sequence(root, depth_unit=unit).read(1).depth, depth_m_of(1), atol=1e-6)
    whole = (root / "depth" / "1.npy").read_bytes()
    for broken in (whole[:-9], whole[:40], b"", b"PK" + whole, whole.replace(b"(24, 32, 1)", b"(24, 99999)"), whole.replace(b"}", b"{")):
        (root / "depth" / "1.npy").write_bytes(broken)
        with pytest.raises(DatasetError, match="1.npy"):
            open_sequence(root).read(1)


FX, FY, CX, CY = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
INTRINSICS = {
    "numpy": ("cam_K.txt", repr(K.tolist())),
    "printed": ("cam_K.txt", str(K)),
    "commas": ("cam_K.txt", f"{FX}, 0, {CX}\n0, {FY}, {CY}\n0, 0, 1\n"),
    "byte order mark": ("cam_K.txt", f"\ufeff{FX} 0 {CX} 0 {FY} {CY} 0 0 1"),
    "four numbers": ("cam_K.txt", f"{FX} {FY} {CX} {CY}"),
    "projection": ("cam_K.txt", f"{FX} 0 {CX} 0\n0 {FY} {CY} 0\n0 0 1 0"),
    "four by four": ("intrinsics.txt", f"{FX} 0 {CX} 0\n0 {FY} {CY} 0\n0 0 1 0\n0 0 0 1"),
    "bop": ("camera.json", json.dumps({"cx": CX, "cy": CY, "depth_scale": 0.1, "fx": FX, "fy": FY, "height": HEIGHT, "width": WIDTH})),
    "open3d": ("camera_intrinsic.json", json.dumps({"width": WIDTH, "height": HEIGHT, "intrinsic_matrix": K.T.ravel().tolist()})),
    "open3d trajectory": ("intrinsics.json", json.dumps({"class_name": "x", "intrinsic": {"intrinsic_matrix": K.T.ravel().tolist()}})),
    "matrix in json": ("camera.json", json.dumps({"cam_K": K.tolist()})),
    "ros": ("camera_info.yaml", f"image_width: {WIDTH}\ncamera_matrix: {{rows: 3, cols: 3, data: {K.ravel().tolist()}}}\ndistortion_coefficients: {{data: [0, 0, 0, 0, 0]}}\n"),
}


@pytest.mark.parametrize("kind", INTRINSICS)
def test_intrinsics_as_programs_write_them(folder, kind):
    root = folder()
    (root / "cam_K.txt").unlink()
    name, text = INTRINSICS[kind]
    (root / name).write_text(text, encoding="utf-8")
    np.testing.assert_allclose(open_sequence(root).read(0).camera.matrix, K)


def test_a_bop_scene_with_a_file_of_intrinsics_is_one(bop_scene):
    (bop_scene / "camera.json").write_text(json.dumps({"fx": FX, "fy": FY, "cx": CX, "cy": CY}))
    assert type(open_sequence(bop_scene)).__name__ == "BopSequence"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("cam_K.txt", "1 2 3", "got 3 numbers"),
        ("cam_K.txt", "fx 1 fy 2", "could not convert"),
        ("camera.json", '{"fx": 1}', "fy"),
        ("camera.json", "[[1, 2], [3]]", "those of a matrix"),
        ("camera_info.yaml", f"K: {K.ravel().tolist()}\nD: [0.1, 0, 0, 0, 0]", "undistort the images"),
        ("camera_info.yaml", "K: [", "flow node"),
    ],
)
def test_what_is_no_intrinsics_is_named(folder, name, text, words):
    root = folder()
    (root / "cam_K.txt").unlink()
    (root / name).write_text(text)
    with pytest.raises(DatasetError, match=f"(?s){name}.*{words}"):
        open_sequence(root)


@pytest.mark.parametrize("unit", ["inch", "0mm", "-1", "", "mm mm", "1e-3"])
def test_other_units_are_answered_with_those_that_there_are(folder, unit):
    with pytest.raises(DatasetError, match="expected depth_unit.*such as mm, m, 0.1mm"):
        open_sequence(folder(), depth_unit=unit)


@pytest.mark.parametrize(
    "stem",
    [str, lambda i: f"{i + 1}", lambda i: f"frame{i:03d}", lambda i: f"{i + 999990:06d}", lambda i: f"{98 + i:02d}"],
    ids=["plain", "from 1", "words", "beyond its padding", "two to three digits"],
)
def test_frames_come_in_the_order_of_their_numbers(folder, stem):
    """Depth and poses too, whose names are padded otherwise."""
    root = folder("mustard0", stem=stem, count=20)
    (root / "annotated_poses").mkdir()
    first = [annotation.index for annotation in open_sequence(root).annotations()]
    assert first == sorted(first)
    for index in range(20):
        np.savetxt(root / "annotated_poses" / f"{first[index]:09d}.txt", pose_of(index))
    for index, frame in enumerate(open_sequence(root)):
        np.testing.assert_array_equal(frame.color, color_of(index))
        np.testing.assert_allclose(frame.depth, depth_m_of(index), atol=1e-6)
        np.testing.assert_allclose(frame.truth["006_mustard_bottle"], pose_of(index), atol=1e-9)


@pytest.mark.parametrize("shift", [1, -1, 100])
def test_poses_counted_from_another_number_are_paired_in_order(folder, shift, caplog):
    root = folder("mustard0", stem=lambda i: f"{i + 5}", count=12)
    (root / "annotated_poses").mkdir()
    for index in range(12):
        np.savetxt(root / "annotated_poses" / f"{index + 5 + shift:07d}.txt", pose_of(index))
    truths = [annotation.truth["006_mustard_bottle"] for annotation in open_sequence(root).annotations()]
    np.testing.assert_allclose(truths, [pose_of(index) for index in range(12)], atol=1e-9)
    assert "paired in their order" in caplog.text


def test_a_mask_of_several_labels_is_chosen_by_label(folder):
    root = folder()
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[2:8, 2:8], labels[10:20, 10:20] = 3, 4
    write_png(root / "masks" / "0.png", labels)
    assert {name: mask.sum() for name, mask in open_sequence(root).read(0).masks.items()} == {"label 4": 100, "label 3": 36}
    masks = open_sequence(root, object_name="box", label=3).read(0).masks
    assert list(masks) == ["box"] and masks["box"].sum() == 36


def test_readers_are_found_by_being_there(tmp_path, monkeypatch):
    """A file of its own in the package is all that a reader needs."""
    import pose_tracker_ros.datasets as datasets

    (tmp_path / "postcards.py").write_text(
        "from pose_tracker_ros.datasets.sequence import FrameSequence\n"
        "class Postcards(FrameSequence):\n"
        "    layout = 'a stack of postcards (postcards.txt)'\n"
        "    @classmethod\n"
        "    def fits(cls, path):\n"
        "        return (path / 'postcards.txt').is_file()\n"
        "    def __init__(self, path, *, stamp_of: str | None = None, on_error: str = 'stop'):\n"
        "        super().__init__(path.name, 1.0, on_error)\n"
        "    def __len__(self):\n"
        "        return 0\n"
        "    def __iter__(self):\n"
        "        return iter(())\n"
        "    def annotations(self):\n"
        "        return iter(())\n"
    )
    monkeypatch.setattr(datasets, "__path__", [*datasets.__path__, str(tmp_path)])
    readers.cache_clear()
    try:
        (tmp_path / "stack").mkdir()
        (tmp_path / "stack" / "postcards.txt").write_text("")
        sequence = open_sequence(tmp_path / "stack", stamp_of="1926")
        assert type(sequence).__name__ == "Postcards" and isinstance(sequence, FrameSequence)
        with pytest.raises(DatasetError, match="a stack of postcards"):
            open_sequence(tmp_path)
    finally:
        readers.cache_clear()
