"""The benchmark compares trackers on equal terms: same frames, same start, nothing shared between them."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.evaluation.protocol import ScoredObject, evaluate_track
from pose_tracker_ros.evaluation.track import track_frames
from pose_tracker_ros.evaluation.tracking_benchmark import (
    Variant,
    benchmark_sequence,
    standard_variants,
    track_side_by_side,
)
from pose_tracker_ros.networks.weights import load_weights, save_weights
from pose_tracker_ros.objects import generic_weights_path
from pose_tracker_ros.tracking import Tracker, TrackerConfig
from pose_tracker_ros.tracking.config import OFFLINE

GEOMETRY = TrackerConfig(network="never", **OFFLINE)
FRAMES = 8


@pytest.fixture(scope="module")
def objects():
    return {model.name: model for model in benchmark_objects()}


def run_all(model, sequence, variants):
    first = sequence.annotation(0).truth[model.name]
    runs = track_side_by_side(model, sequence, variants, first, "case")
    return {run.variant: run.errors for run in runs}


def test_the_objects_are_what_the_benchmark_needs(objects):
    assert len(objects) >= 5
    assert any(model.continuous_symmetries for model in objects.values())
    assert any(not model.mesh.has_color for model in objects.values())
    extents = {name: np.sort(np.ptp(model.mesh.vertices, axis=0)) for name, model in objects.items()}
    assert any(extent[1] < 0.3 * extent[2] for extent in extents.values())


def test_side_by_side_gives_what_each_gives_alone(objects):
    model = objects["carton"]
    sequence = benchmark_sequence(model, 3, FRAMES)
    together = run_all(model, sequence, [Variant("a", GEOMETRY), Variant("no depth", GEOMETRY, depth=False)])
    alone = list(track_frames(Tracker([model], GEOMETRY), "carton", sequence, sequence.annotation(0).truth["carton"]))
    expected = evaluate_track(alone, sequence.annotations(), ScoredObject.from_model(model))
    assert np.array_equal(together["a"].add, expected.add)
    assert not np.array_equal(together["no depth"].add, expected.add)


def test_a_variant_that_may_not_see_does_not(objects):
    frame = benchmark_sequence(objects["bowl"], 0, 2).read(0)
    blind, colorless = Variant("", depth=False).seen(frame), Variant("", color=False).seen(frame)
    assert not blind.depth.any() and np.array_equal(blind.color, frame.color)
    assert np.ptp(colorless.color) == 0 and np.array_equal(colorless.depth, frame.depth)


def test_each_ablation_takes_one_thing_away():
    base = TrackerConfig()
    variants = {variant.name: variant for variant in standard_variants(base)}
    for name, variant in variants.items():
        changed = {key for key, value in vars(variant.config).items() if getattr(base, key) != value}
        taken = len(changed) + (not variant.color) + (not variant.depth)
        assert taken == (name != "ours"), name


def test_weights_of_another_object_leave_a_gap_and_say_why(tmp_path):
    network, info = load_weights(generic_weights_path())
    save_weights(tmp_path / "mug.safetensors", network, replace(info, objects={"mug": 0.1}))
    arguments = [
        "bench",
        "bowl",
        "--frames",
        "2",
        "--no-ablations",
        "--compare",
        f"mugs={tmp_path / 'mug.safetensors'}",
    ]
    result = CliRunner().invoke(app, [*arguments, "--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "trained for mug" in result.output
    assert "mugs" not in {row["variant"] for row in csv.DictReader((tmp_path / "benchmark.csv").open())}


def test_the_command_writes_table_and_picture(tmp_path):
    arguments = ["bench", "demo_jug", "--frames", str(FRAMES), "--no-ablations"]
    result = CliRunner().invoke(app, [*arguments, "--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader((tmp_path / "benchmark.csv").open()))
    assert {(row["sequence"], row["variant"]) for row in rows} == {
        (case, "ours") for case in ("demo_jug", "ALL")
    }
    assert all(int(row["frames"]) == FRAMES for row in rows)
    assert (tmp_path / "benchmark.png").stat().st_size > 5000
    assert (tmp_path / "errors_demo_jug.png").is_file()


def test_repeated_it_takes_other_seeds_and_pools_them(tmp_path):
    arguments = ["bench", "bracket", "--frames", "6", "--no-ablations", "--repeat", "2", "--seed", "3"]
    result = CliRunner().invoke(app, [*arguments, "--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    rows = {row["sequence"]: row for row in csv.DictReader((tmp_path / "benchmark.csv").open())}
    assert set(rows) == {"bracket, seed 3", "bracket, seed 4", "ALL"}
    assert rows["bracket, seed 3"]["add_auc"] != rows["bracket, seed 4"]["add_auc"]
    assert rows["ALL"]["frames"] == "12"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["teapot"], "teapot"),
        (["--compare", "nonsense"], "NAME=FILE"),
        (["--compare", f"ours={generic_weights_path()}"], "a name of its own"),
        (["--sequence", "nowhere"], "nowhere"),
        (["--factors"], "the tracker is the one on factors"),
    ],
)
def test_wrong_arguments_get_one_sentence(arguments, expected, tmp_path):
    result = CliRunner().invoke(app, ["bench", *arguments, "--output", str(tmp_path)])
    assert result.exit_code == 1
    assert expected in result.output
