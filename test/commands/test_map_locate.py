"""pose-tracker map and locate, as people call them."""

import csv
import shutil

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


def test_frames_that_cannot_be_read_are_told(recording, mapped, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(recording, damaged, ignore=lambda _, names: [name for name in names if name[6:12] > "000003" and name[0] == "f"])
    (damaged / "frame-000002.color.png").write_bytes(b"nothing")
    for arguments in (["map", str(damaged)], ["locate", str(mapped), str(damaged)]):
        result = CliRunner().invoke(app, [*arguments, "--output", str(tmp_path / arguments[0])])
        assert result.exit_code == 0, result.output
        assert "1 of 4 frames could not be read" in " ".join(result.output.split())


def test_where_frames_are_is_written_though_their_truth_cannot_be_compared(recording, tmp_path):
    """Two frames are too few to say how the frame of a map of odometry lies in the sequence's own."""
    short = tmp_path / "short"
    shutil.copytree(recording, short, ignore=lambda _, names: [name for name in names if name[6:12] > "000001" and name[0] == "f"])
    result = CliRunner().invoke(app, ["map", str(short), "--poses", "odometry", "--output", str(tmp_path / "map")])
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(app, ["locate", str(tmp_path / "map"), str(short), "--output", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "surely located" in result.output
    assert len((tmp_path / "out" / "locations.csv").read_text().splitlines()) == 3


def test_what_cannot_be_is_one_sentence(recording, mapped, tmp_path):
    for arguments, said in (
        (["map", str(recording), "--output", str(mapped)], "new or empty"),
        (["map", str(tmp_path / "nowhere")], "no such file"),
        (["locate", str(mapped), str(recording), "--output", "/dev/null/out"], "expected to write"),
        (["locate", str(tmp_path), str(recording)], "pose-tracker map"),
        (["locate", str(mapped), str(recording), "--set", "selection=both"], "regressor"),
    ):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 1
        assert said in result.output
