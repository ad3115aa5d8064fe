"""The command that writes scenes: what it takes for a scene, what it writes, what it refuses."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.datasets import open_sequence
from pose_tracker_ros.evaluation.frozen_sets import FROZEN_SETS, frozen_cases
from pose_tracker_ros.simulation.demo_config import SimulationConfig
from pose_tracker_ros.simulation.scene_files import load_scene


def run(*arguments):
    return CliRunner().invoke(app, ["simulate", *map(str, arguments)])


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("frames: 2\nrate_hz: 10.0\nobjects: [{model: cube, path: rest}, {model: ball, offset_x: 0.1}]\n")
    return path


def test_a_scene_file_becomes_a_data_set_and_can_be_said_again(scene, tmp_path):
    folder = tmp_path / "out"
    first = run(scene, "--output", folder, "--seed", "4")
    assert first.exit_code == 0, first.output
    assert "2 frames of cube, ball" in first.output and "rate_hz=10" in first.output
    assert load_scene(folder / "scene.yaml").seed == 4
    sequence = open_sequence(folder)
    assert len(sequence) == 2 and sequence.object_names == ("ball", "cube")
    assert run(scene, "--output", folder, "--seed", "4").exit_code == 0
    other = run(scene, "--output", folder)
    assert other.exit_code == 1
    assert "other values of seed" in other.output


def test_a_preview_shows_eight_frames_in_two_rows(tmp_path):
    scene = tmp_path / "mine.yaml"
    scene.write_text("frames: 9\nobjects: [{model: cube, path: rest}]\n")
    picture = tmp_path / "pictures" / "mine.png"
    result = run(scene, "--preview", picture)
    assert result.exit_code == 0, result.output
    image = cv2.imread(str(picture))
    height, width = image.shape[:2]
    assert 900 < width < 1100 and 700 < height < 800
    # Eight tiles with white between them.
    assert (cv2.connectedComponents((image.min(axis=2) < 255).astype("uint8"))[0] - 1) >= 8
    assert {path.name for path in tmp_path.iterdir()} == {"mine.yaml", "pictures"}


def test_a_case_of_a_frozen_set_says_which_others_there_are(tmp_path):
    picture = tmp_path / "case.png"
    result = run("bad-starts", "--object", "bowl", "--seed", "3", "--preview", picture)
    assert result.exit_code == 0, result.output
    assert "group '0.25 d, 30 deg'; others for --group are '0.5 d, 30 deg', '0.1 d, 60 deg'" in result.output
    assert picture.is_file()


def test_the_demo_is_a_scene(tmp_path, monkeypatch):
    monkeypatch.setattr("pose_tracker_ros.commands.simulate.SimulationConfig", lambda seed: SimulationConfig(1, seed=seed))
    result = run("demo", "--object", "cube", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert open_sequence(tmp_path / "out").object_names == ("cube",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["boards"], "expected a folder to write to, got none"),
        (["nowhere.yaml", "--preview", "a.png"], "expected a scene file at nowhere.yaml"),
        (["demo", "--group", "a", "--preview", "a.png"], "expected --group only with a frozen set"),
        (["boards.yaml", "--object", "cube", "--preview", "a.png"], "expected --object only with a frozen set or demo"),
        (["boards", "--group", "a", "--preview", "a.png"], "one of its groups 'boards', 'cards', got 'a'"),
        (["all", "--output", "out"], "expected only --preview FILE.png with 'all'"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_sentence(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())


def test_the_page_has_every_set_with_its_groups_and_frames():
    page = Path(__file__).resolve().parents[2] / "docs" / "simulation.md"
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.read_text().splitlines() if "|" in line]
    table = {row[0].strip("`"): row[1:] for row in rows if row[0].strip("`") in FROZEN_SETS and len(row) == 4}
    assert tuple(table) == FROZEN_SETS
    for scene, (groups, frames, _) in table.items():
        cases = frozen_cases(scene, [0], ["bowl"])
        assert groups.split("`")[1::2] == [case.group for case in cases if case.group]
        assert sorted(map(int, frames.split(";"))) == sorted({case.config.frames for case in cases})
