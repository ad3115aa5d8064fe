"""The sub-command as a user calls it."""

import csv

import numpy as np
import pytest
import typer
from dataset_layouts import pose_of, write_cube_ply, write_png
from typer.testing import CliRunner

from pose_tracker_ros.commands.evaluate import evaluate
from pose_tracker_ros.datasets import open_sequence
from pose_tracker_ros.evaluation.trajectory import BopEstimate, PoseEstimate, write_bop_results, write_trajectory
from pose_tracker_ros.rendering import create_renderer


def run(*arguments):
    app = typer.Typer()
    app.command()(evaluate)
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def trajectory(tmp_path, bop_scene):
    """The box, 10 mm off in every frame."""
    rows = []
    for annotation in open_sequence(bop_scene).annotations():
        pose = annotation.truth["box"].copy()
        pose[2, 3] += 0.01
        rows.append(PoseEstimate(annotation.stamp, annotation.index, pose, latency_ms=7.0))
    write_trajectory(tmp_path / "box.csv", rows)
    return tmp_path / "box.csv"


def read_rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_trajectory_is_scored_and_reported(tmp_path, bop_scene, trajectory):
    result = run(trajectory, "--against", bop_scene, "--object", "box", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "box" in result.output and "10.00" in result.output
    assert "ADD median / max mm" in result.output and "…" not in result.output
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"summary.csv", "errors.csv", "report.html", "accuracy.png", "errors_000007_box.png"}
    row = read_rows(tmp_path / "out" / "summary.csv")[0]
    assert float(row["add_median"]) == pytest.approx(0.01) and float(row["add_auc_exact"]) == pytest.approx(0.9)
    assert [int(row["index"]) for row in read_rows(tmp_path / "out" / "errors.csv")] == [3, 4, 5]


def test_another_model_replaces_that_of_the_data_set(tmp_path, bop_scene, trajectory):
    """Half as large, so that 10 mm are no longer below a tenth of the diameter."""
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "object.yaml").write_text("mesh: nowhere.ply\n")
    write_cube_ply(tmp_path / "cube.ply", 50)
    options = ["--against", bop_scene, "--object", "box", "--output", tmp_path / "out"]
    run(trajectory, *options)
    assert float(read_rows(tmp_path / "out" / "summary.csv")[0]["add_01d"]) == 1
    for choice in (["--mesh", tmp_path / "cube.ply"], ["--model", folder, "--mesh", tmp_path / "cube.ply"]):
        result = run(trajectory, *options, *choice, "--mesh-unit", "mm")
        assert result.exit_code == 0, result.output
        assert float(read_rows(tmp_path / "out" / "summary.csv")[0]["add_01d"]) == 0


def test_whoever_has_no_models_reads_which_options_name_them(tmp_path, bop_scene, trajectory):
    (bop_scene.parent.parent / "models").rename(tmp_path / "elsewhere")
    result = run(trajectory, "--against", bop_scene, "--object", "obj_000001")
    assert result.exit_code == 1
    assert all(option in result.output for option in ("--models,", "--model,", "--mesh")), result.output
    named = run(trajectory, "--against", bop_scene, "--object", "box", "--models", tmp_path / "elsewhere")
    assert named.exit_code == 0, named.output
    videos = tmp_path / "results"
    videos.mkdir()
    (videos / "0048_025_mug.csv").write_text("")
    assert "with --models" in " ".join(run(videos, "--against", bop_scene).output.split())


def test_bop_results_are_scored_as_track_and_as_challenge(tmp_path, bop_scene):
    path = tmp_path / "bop.csv"
    write_bop_results(path, [BopEstimate(7, index, 1, 1.0, pose_of(index, 0.1), 0.01) for index in (3, 4, 5)])
    track = run(path, "--against", bop_scene, "--object", "box")
    assert track.exit_code == 0 and "100.00" in track.output
    challenge = run(path, "--against", bop_scene.parent.parent, "--output", tmp_path / "out")
    assert challenge.exit_code == 0, challenge.output
    rows = {row["object"]: float(row["ar_mssd"]) for row in read_rows(tmp_path / "out" / "average_recalls.csv")}
    assert rows == {"box": 1.0, "obj_000002": 0.0, "ALL": pytest.approx(1 / 3)}


def test_keyframe_results_stand_beside_published_ones(tmp_path):
    for name in ("ground_truth", "mine"):
        (tmp_path / "poses" / name).mkdir(parents=True)
        (tmp_path / "poses" / name / "0048_025_mug.txt").write_text("1 0 0 0 0 0 1\n")
    (tmp_path / "points").mkdir()
    np.savetxt(tmp_path / "points" / "025_mug.xyz", np.random.default_rng(0).normal(scale=0.05, size=(50, 3)))
    result = run(tmp_path, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "93.05" in result.output and "this run" in result.output
    assert "…" not in result.output, "tables are whole, be the terminal ever so narrow"
    page = (tmp_path / "out" / "report.html").read_text()
    assert "100.00 / 100.00" in page and "91.53 / 96.88" in page
    assert "expected methods among mine" in run(tmp_path, "--method", "yours").output


@pytest.fixture
def outlines(tmp_path, bop_scene):
    """Outlines of the box as the trajectory has it, in frames 3 and 4 and in one that does not exist."""
    folder = tmp_path / "outlines"
    sequence = open_sequence(bop_scene)
    renderer = create_renderer("raycast", sequence.load_model("box").mesh)
    for index in (3, 4, 8):
        pose = pose_of(index, 0.1)
        pose[2, 3] += 0.01
        mask = renderer.render(sequence.camera, pose).mask
        write_png(folder / f"{index:06d}.png", mask.astype(np.uint8) * 255)
    return folder


def test_a_trajectory_is_judged_by_images_beside_the_truth(tmp_path, bop_scene, trajectory, outlines):
    options = ["--object", "box", "--outlines", outlines, "--output", tmp_path / "out"]
    result = run(trajectory, "--against", bop_scene, *options)
    assert result.exit_code == 0, result.output
    assert "10.00" in result.output and "1.000" in result.output and "1 outlines are of frames" in result.output
    assert (tmp_path / "out" / "agreement.png").stat().st_size > 0 and (tmp_path / "out" / "summary.csv").is_file()
    rows = read_rows(tmp_path / "out" / "agreement.csv")
    assert [(row["index"], float(row["overlap"]), float(row["shift_dx"])) for row in rows] == [("3", 1, 0), ("4", 1, 0)]
    moved = run(trajectory, "--against", bop_scene, *options, "--color-shift", "2", "-1")
    assert moved.exit_code == 0, moved.output
    rows = read_rows(tmp_path / "out" / "agreement.csv")
    assert [(float(row["shift_dx"]), float(row["shift_dy"])) for row in rows] == [(-2, 1), (-2, 1)]


def test_images_judge_without_any_true_pose(tmp_path, bop_scene, trajectory, outlines):
    (bop_scene / "scene_gt.json").unlink()
    result = run(
        trajectory, "--against", bop_scene, "--object", "box", "--outlines", outlines, "--output", tmp_path / "o"
    )
    assert result.exit_code == 0, result.output
    assert {path.name for path in (tmp_path / "o").iterdir()} == {"agreement.csv", "agreement.png"}
    write_cube_ply(tmp_path / "mine.ply", 100)
    given = run(
        trajectory, "--against", bop_scene, "--mesh", tmp_path / "mine.ply", "--mesh-unit", "mm", "--outlines", outlines
    )
    assert given.exit_code == 0 and "mine in the images" in given.output and "1.000" in given.output
    without = run(trajectory, "--against", bop_scene, "--outlines", outlines)
    assert without.exit_code == 1 and "expected true poses" in without.output


def test_options_reach_the_reader(tmp_path, bop_scene, trajectory):
    options = ["--against", bop_scene, "--object", "box", "--output", tmp_path / "out"]
    result = run(trajectory, *options, "--reader", "rate_hz=10")
    assert result.exit_code == 0, result.output
    assert [float(row["stamp"]) for row in read_rows(tmp_path / "out" / "errors.csv")] == [0.3, 0.4, 0.5]
    result = run(trajectory, *options, "--reader", "colour=blue")
    assert result.exit_code == 1 and "colour" in result.output


def test_outlines_are_of_one_track(tmp_path, bop_scene, outlines):
    path = tmp_path / "bop.csv"
    write_bop_results(path, [BopEstimate(7, 3, 1, 1.0, pose_of(3, 0.1), 0.01)])
    result = run(path, "--against", bop_scene.parent.parent, "--outlines", outlines)
    assert result.exit_code == 1 and "one track through one sequence" in result.output


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--object", "cup"], "one of box, obj_000002"),
        ([], "expected --object"),
        (["--object", "box", "--mesh", "nowhere.ply"], "nowhere.ply"),
    ],
)
def test_mistakes_are_told_in_a_sentence(bop_scene, trajectory, options, reason):
    result = run(trajectory, "--against", bop_scene, *options)
    assert result.exit_code == 1
    assert reason in result.output and "Traceback" not in result.output


def test_missing_paths_are_told(tmp_path, bop_scene, trajectory):
    assert "expected --against" in run(trajectory).output
    assert "no such file or folder" in run(tmp_path / "none.csv", "--against", bop_scene).output
    assert "no such file or folder" in run(trajectory, "--against", tmp_path / "none").output
