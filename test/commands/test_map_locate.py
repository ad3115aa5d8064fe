"""pose-tracker map and locate, as people call them."""

import csv

import cv2
import numpy as np
import pytest
from mapped_room import views
from typer.testing import CliRunner

from pose_tracker_ros.cli import app


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Frames of a room in the layout of 7-Scenes."""
    folder = tmp_path_factory.mktemp("room")
    for frame in views(36, places=0):
        name = folder / f"frame-{frame.index:06d}"
        cv2.imwrite(f"{name}.color.png", frame.color[..., ::-1])
        cv2.imwrite(f"{name}.depth.png", np.rint(frame.depth * 1000).astype(np.uint16))
        np.savetxt(f"{name}.pose.txt", frame.world_T_camera)
    np.savetxt(folder / "camera-intrinsics.txt", frame.camera.matrix)
    return folder


@pytest.fixture(scope="module")
def mapped(recording, tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps") / "room"
    result = CliRunner().invoke(app, ["map", str(recording), "--every", "2", "--output", str(folder), "--set", "keyframe_m=0.02"])
    assert result.exit_code == 0, result.output
    assert "MB" in result.output
    return folder


def test_half_of_a_room_finds_the_other_half(recording, mapped, tmp_path):
    arguments = ["locate", str(mapped), str(recording), "--first", "1", "--every", "2", "--output", str(tmp_path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    for said in ("retrieval alone", "refined, accepted", "10 deg off: 0", "ms in the median"):
        assert said in result.output
    with open(tmp_path / "locations.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["index"]) for row in rows] == list(range(1, 36, 2))
    accepted = [row for row in rows if row["accepted"] == "1"]
    assert len(accepted) >= 9
    for row in accepted:
        truth = np.loadtxt(recording / f"frame-{int(row['index']):06d}.pose.txt")
        assert np.linalg.norm(truth[:3, 3] - [float(row[axis]) for axis in "xyz"]) < 0.05
    for picture in (tmp_path / "errors.png", tmp_path / "top_view.png", mapped / "map.png"):
        assert cv2.imread(str(picture)) is not None


def test_what_cannot_be_is_one_sentence(recording, mapped, tmp_path):
    for arguments, said in (
        (["map", str(recording), "--output", str(mapped)], "new or empty"),
        (["map", str(tmp_path / "nowhere")], "no such file"),
        (["locate", str(tmp_path), str(recording)], "pose-tracker map"),
        (["locate", str(mapped), str(recording), "--set", "selection=both"], "regressor"),
    ):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 1
        assert said in result.output
