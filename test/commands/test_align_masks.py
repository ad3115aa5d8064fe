"""The sub-command as a user calls it."""

import cv2
import numpy as np
import pytest
import trimesh
import typer
import yaml
from typer.testing import CliRunner

from pose_tracker_ros.commands.align_masks import align_masks_command
from pose_tracker_ros.datasets.mask_view_files import read_mask_views

FAST = ["--set", "crop_px=64", "--video", "none"]


def run(*arguments):
    app = typer.Typer()
    app.command()(align_masks_command)
    return CliRunner(env={"COLUMNS": "220"}).invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Folder of a demo that has run, with its output."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, run("cube", "--demo", "--output", folder, "--set", "crop_px=64", "--video", "gif")


def numbers_in(path):
    return np.array(path.read_text().split(), dtype=float)


def refusal(*arguments):
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    return result.output


def options_of(folder, views=2):
    """The demo's views as options instead of a file."""
    listing = yaml.safe_load((folder / "views.yaml").read_text())
    options = ["--intrinsics", "600 600 319.5 239.5", "--start", " ".join(map(str, listing["start"]))]
    for entry in listing["views"][:views]:
        options += ["--mask", folder / entry["mask"]]
        if "camera_T_reference" in entry:
            options += ["--relative-pose", " ".join(map(str, entry["camera_T_reference"]))]
    return options


def test_the_demo_finds_the_pose_and_shows_how(demo):
    folder, result = demo
    assert result.exit_code == 0, result.output
    assert "error of the start: " in result.output and "error of the result: 0." in result.output
    truth = read_mask_views(folder / "views.yaml").truth
    assert numbers_in(folder / "pose.txt")[:3] == pytest.approx(truth[:3, 3], abs=1e-3)
    picture = cv2.imread(str(folder / "before_after.png"))
    assert picture.shape == (640, 640, 3)
    # Orange outlines of the masks are in both halves, and the lower half is not the upper one.
    assert all((np.abs(half.astype(int) - [0, 160, 255]).sum(axis=2) < 60).sum() > 50 for half in np.split(picture, 2))
    assert np.abs(picture[:320].astype(int) - picture[320:]).mean() > 1
    assert (folder / "alignment.gif").read_bytes()[:3] == b"GIF"
    sheet = cv2.imread(str(folder / "renderings.png"))
    assert sheet.shape == (240, 6 * 240, 3)
    assert all(panel.std() > 10 for panel in np.split(sheet, 6, axis=1))


def test_a_listing_and_options_give_the_same_pose(demo, tmp_path):
    folder, _ = demo
    assert run("--views", folder / "views.yaml", "--output", tmp_path / "a", *FAST).exit_code == 0
    result = run("cube", *options_of(folder), "--output", tmp_path / "b", *FAST)
    assert result.exit_code == 0, result.output
    assert numbers_in(tmp_path / "a" / "pose.txt") == pytest.approx(numbers_in(tmp_path / "b" / "pose.txt"))
    assert {path.name for path in (tmp_path / "b").iterdir()} == {"pose.txt", "before_after.png"}


def test_one_mask_without_a_start_and_a_video(demo, tmp_path):
    folder, _ = demo
    options = options_of(folder, views=1)
    del options[2:4]
    result = run("cube", *options, "--output", tmp_path, "--set", "crop_px=64", "--set", "viewpoints=12")
    assert result.exit_code == 0, result.output
    assert "line of sight" in result.output and (tmp_path / "alignment.mp4").stat().st_size > 1000


def test_a_mesh_file_in_millimetres_and_a_label_image(demo, tmp_path):
    folder, _ = demo
    box = trimesh.creation.box(extents=(85, 85, 85))
    box.export(tmp_path / "box.ply")
    options = options_of(folder)
    for number, place in enumerate(i for i, option in enumerate(options) if option == "--mask"):
        mask = cv2.imread(str(options[place + 1]), cv2.IMREAD_GRAYSCALE)
        labels = np.where(mask > 0, 7, 3).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"labels{number}.png"), labels)
        options[place + 1] = tmp_path / f"labels{number}.png"
    result = run(tmp_path / "box.ply", "--mesh-unit", "mm", "--label", 7, *options, "--output", tmp_path / "out", *FAST)
    assert result.exit_code == 0, result.output
    expected = numbers_in(folder / "pose.txt")[:3]
    assert numbers_in(tmp_path / "out" / "pose.txt")[:3] == pytest.approx(expected, abs=1e-3)


def test_bad_input_is_reported_in_one_sentence(demo, tmp_path):
    folder, _ = demo
    options = options_of(folder)
    empty = tmp_path / "empty.png"
    cv2.imwrite(str(empty), np.zeros((480, 640), np.uint8))
    assert "empty mask" in refusal("cube", "--mask", empty, "--intrinsics", "600 600 320 240")
    assert "no such file" in refusal("cube", "--mask", tmp_path / "none.png", "--intrinsics", "600 600 320 240")
    assert "4 numbers" in refusal("cube", "--mask", empty, "--intrinsics", "600")
    assert "--intrinsics once" in refusal("cube", "--mask", empty)
    assert "--relative-pose for each" in refusal("cube", "--mask", empty, "--mask", empty, "--intrinsics", "1 1 1 1")
    assert "at least one --mask" in refusal("cube")
    assert "expected an object" in refusal(*options)
    assert "known are" in refusal("nothing", *options)
    assert "got both" in refusal("cube", *options, "--views", folder / "views.yaml")
    assert "7 numbers" in refusal("cube", *options, "--start", "1 2 3")
    assert "mp4, gif or none" in refusal("cube", *options, "--video", "avi")
    assert "--depth for each" in refusal("cube", *options, "--depth", empty)
    assert "unknown option" in refusal("cube", *options, "--set", "speed=1")


def test_a_mesh_without_area_or_of_another_unit_is_reported(demo, tmp_path):
    folder, _ = demo
    line = trimesh.Trimesh([[0, 0, 0], [0.1, 0, 0], [0.2, 0, 0]], [[0, 1, 2]], process=False)
    line.export(tmp_path / "line.ply")
    assert "triangles with an area" in refusal(tmp_path / "line.ply", *options_of(folder))
    trimesh.creation.box(extents=(85, 85, 85)).export(tmp_path / "box.ply")
    assert "mesh_unit" in refusal(tmp_path / "box.ply", *options_of(folder))


def test_bad_listings_are_reported(demo, tmp_path):
    folder, _ = demo
    good = yaml.safe_load((folder / "views.yaml").read_text())
    for change, message in (
        ({"views": []}, "list of views"),
        ({"speed": 1}, "only the keys"),
        ({"start": [1, 2]}, "start as 7 numbers"),
        ({"views": [{"mask": "a.png"}]}, "keys mask and camera"),
        ({"views": [{**good["views"][0], "camera": {"fx": 1}}]}, "mapping of width"),
        ({"views": [{**good["views"][0], "mask": "other.png"}]}, "no such file"),
    ):
        (tmp_path / "views.yaml").write_text(yaml.safe_dump({**good, **change}))
        assert message in refusal("--views", tmp_path / "views.yaml")
    assert "no such file" in refusal("--views", tmp_path / "none.yaml")


def test_the_benchmark_prints_a_row_for_every_shape(monkeypatch):
    from pose_tracker_ros.commands import align_masks as command

    monkeypatch.setattr(command, "BENCHMARKS", {"two views": command.TrialSettings()})
    monkeypatch.setattr(command, "SOFT_BENCHMARKS", {})
    monkeypatch.setattr(command, "console", command.Console(width=200))
    result = run("--benchmark", 1, "--set", "crop_px=64")
    assert result.exit_code == 0, result.output
    assert all(name in result.output for name in ("two views", "demo_jug", "drill", "bracket", "cube", "can", "100 %"))
