"""Copies of real frames, each broken in one way: the file is named, and the other frames can still be read."""

import json
import shutil

import cv2
import numpy as np
import pytest
import scipy.io
from dataset_layouts import cut

from pose_tracker_ros.datasets import DatasetError, open_sequence


@pytest.fixture
def real_bop(shared_data, tmp_path):
    """The first three RealSense frames."""
    source = shared_data / "rbt" / "test" / "000001"
    scene = tmp_path / "rbt" / "test" / "000001"
    for folder in ("rgb", "depth"):
        (scene / folder).mkdir(parents=True)
        for index in range(3):
            shutil.copyfile(source / folder / f"{index:06d}.png", scene / folder / f"{index:06d}.png")
    for name in ("scene_camera.json", "scene_gt.json"):
        content = json.loads((source / name).read_text())
        (scene / name).write_text(json.dumps({str(index): content[str(index)] for index in range(3)}))
    shutil.copytree(shared_data / "rbt" / "models", tmp_path / "rbt" / "models", copy_function=shutil.copyfile)
    return scene


@pytest.fixture
def real_ycb_video(shared_data, tmp_path):
    """The first three frames of a YCB-Video video."""
    folder = tmp_path / "data" / "0000"
    folder.mkdir(parents=True)
    for path in (shared_data / "ycbv_frames" / "data" / "0000").glob("00000[123]-*"):
        shutil.copyfile(path, folder / path.name)
    return folder


def remove(path):
    path.unlink()


def halve(path):
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert cv2.imwrite(str(path), image[::2, ::2])


def forget_intrinsics(path):
    content = json.loads(path.read_text())
    del content["1"]["cam_K"]
    path.write_text(json.dumps(content))


def forget_intrinsics_in_meta(path):
    meta = scipy.io.loadmat(path)
    scipy.io.savemat(path, {key: meta[key] for key in ("cls_indexes", "factor_depth", "poses")})


@pytest.mark.parametrize("damage", [remove, cut, halve])
def test_bop_depth(real_bop, damage):
    damage(real_bop / "depth" / "000001.png")
    with pytest.raises(DatasetError, match="000001.png"):
        list(open_sequence(real_bop))
    assert [frame.index for frame in open_sequence(real_bop, on_error="skip")] == [0, 2]


def test_bop_json(real_bop):
    frames = list(open_sequence(real_bop))
    assert len(frames) == 3 and all(set(frame.truth) == {"dragon", "cube"} for frame in frames)
    forget_intrinsics(real_bop / "scene_camera.json")
    with pytest.raises(DatasetError, match="image 1 in .*scene_camera.json"):
        list(open_sequence(real_bop))
    assert [frame.index for frame in open_sequence(real_bop, on_error="skip")] == [0, 2]
    cut(real_bop / "scene_gt.json")
    with pytest.raises(DatasetError, match="scene_gt.json"):
        open_sequence(real_bop)
    cut(real_bop / "scene_camera.json")
    with pytest.raises(DatasetError, match="scene_camera.json"):
        open_sequence(real_bop, on_error="skip")


@pytest.mark.parametrize(
    ("ending", "damage"),
    [
        ("depth.png", remove),
        ("depth.png", cut),
        ("color.png", halve),
        ("meta.mat", cut),
        ("meta.mat", forget_intrinsics_in_meta),
    ],
)
def test_ycb_video(real_ycb_video, ending, damage):
    damage(real_ycb_video / f"000002-{ending}")
    with pytest.raises(DatasetError, match=f"000002-{ending}"):
        list(open_sequence(real_ycb_video))
    frames = list(open_sequence(real_ycb_video, on_error="skip"))
    assert [frame.index for frame in frames] == [1, 3]
    assert np.count_nonzero(frames[1].masks["025_mug"]) > 10000


def test_bop_models(real_bop):
    path = real_bop.parent.parent / "models" / "obj_000001.ply"
    assert open_sequence(real_bop).load_model("dragon").diameter_m == pytest.approx(0.1054, abs=1e-4)
    cut(path)
    with pytest.raises(DatasetError, match="obj_000001.ply"):
        open_sequence(real_bop).load_model("dragon")
    cut(path.with_name("models_info.json"))
    with pytest.raises(DatasetError, match="models_info.json"):
        open_sequence(real_bop).load_model("dragon")
