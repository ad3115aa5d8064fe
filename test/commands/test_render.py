"""What pose-tracker render tells and draws beside the data sets it writes (those are in test_stored_pairs.py)."""

import re

import cv2
import pytest
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.training.augmentation import PRESETS
from pose_tracker_ros.training.augmentation_picture import COLUMNS, MARGIN_PX, TITLE_PX, all_steps, augmentation_sheet
from pose_tracker_ros.training.scene import SceneConfig


def run(*arguments):
    return CliRunner().invoke(app, ["render", *arguments])


def test_the_benchmark_prints_a_speed_of_shapes_and_of_the_object(tmp_path):
    answer = run("cube", "--benchmark", "32", "--set", "resolution=32", "--output", str(tmp_path / "set"))
    assert answer.exit_code == 0, answer.output
    speeds = dict(re.findall(r"^(.+): (\d+) pairs/s on one core", answer.output, re.MULTILINE))
    assert set(speeds) == {"procedural shapes", "cube"}
    assert all(int(speed) > 0 for speed in speeds.values())
    assert not (tmp_path / "set").exists()


def test_the_picture_is_a_small_file_with_a_tile_for_each_augmentation(tmp_path):
    path = tmp_path / "pictures" / "augmentation.png"
    answer = run("demo_jug", "--picture", str(path))
    assert answer.exit_code == 0, answer.output
    assert 20_000 < path.stat().st_size < 400_000
    assert cv2.imread(str(path)).std() > 20
    assert run("--picture", str(path), "--set", "random_shapes=1").exit_code == 1


def test_every_augmentation_is_seen_to_change_its_tile():
    model, side = load_object("cube"), 48
    sheet = augmentation_sheet(model, SceneConfig(resolution=side))
    height, width = side + TITLE_PX + MARGIN_PX, 2 * side + MARGIN_PX
    rows = sheet.shape[0] // height
    assert sheet.shape == (rows * height, COLUMNS * width, 3)
    tiles = [sheet[r * height :, c * width :][TITLE_PX:height, :width] for r in range(rows) for c in range(COLUMNS)]
    steps = all_steps()
    assert len(steps) >= max(len(preset.steps) for preset in PRESETS.values())
    for step, tile in zip(steps, tiles[1:]):
        assert abs(tile.astype(float) - tiles[0]).mean() > 0.1, step


def test_mistakes_are_one_sentence():
    for option, word in (
        ("augmentation=wild", "published"),
        ("residuals=far", "uniform"),
        ("backgrounds=/nowhere", "folder"),
    ):
        answer = run("cube", "--benchmark", "1", "--set", option)
        assert answer.exit_code == 1
        assert word in answer.output


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_chosen(name, tmp_path):
    options = ["--pairs", "4", "--batch-size", "4", "--workers", "0", "--set", "resolution=32"]
    answer = run("cube", "--output", str(tmp_path / "set"), "--set", f"augmentation={name}", *options)
    assert answer.exit_code == 0, answer.output
