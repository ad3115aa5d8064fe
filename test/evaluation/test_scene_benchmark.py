"""Scenes: runs are what the tracker does, are kept, go on, and are reported as they were."""

import csv
import io
import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import typer
from tracking_scenes import START, frame_of
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.commands.bench_scenes import bench_scenes
from pose_tracker_ros.evaluation.consistency import normalized_errors_squared
from pose_tracker_ros.evaluation.frozen_sets import SceneCase, frozen_cases
from pose_tracker_ros.evaluation.metrics import add_errors
from pose_tracker_ros.evaluation.protocol import object_points
from pose_tracker_ros.evaluation.scene_benchmark import SceneFrame, SceneRun, run_scene
from pose_tracker_ros.evaluation.scene_folder import RunFolder, first_difference
from pose_tracker_ros.evaluation.scene_pool import Task, run_tasks
from pose_tracker_ros.evaluation.scene_report import RowKey, pooled_rows, scene_tables, write_scenes_csv
from pose_tracker_ros.evaluation.scene_worker import serve
from pose_tracker_ros.evaluation.track import track_frames
from pose_tracker_ros.evaluation.tracking_benchmark import Variant
from pose_tracker_ros.geometry import apply_residual
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.simulation.config import SceneConfig
from pose_tracker_ros.symmetries import symmetry_transforms
from pose_tracker_ros.tracking import Tracker, TrackerConfig
from pose_tracker_ros.tracking.config import OFFLINE

GEOMETRY = Variant("geometry", TrackerConfig(network="never", **OFFLINE))
BLIND = Variant("blind", TrackerConfig(network="never", **OFFLINE), depth=False)
FAST = ["--set", "network=never", "--short"]
FRAMES = 5


@dataclass(frozen=True)
class DriftingCase(SceneCase):
    """The jug, which drifts to the right, as a case of a set; ``darker`` frames have one grey level less."""

    darker: int = 0

    def open(self):
        drift = np.array([0.002, 0, 0])
        poses = [apply_residual(START, number * drift, np.zeros(3)) for number in range(self.config.frames)]
        frames = [frame_of(self.model, pose, number / 30, index=number + 7) for number, pose in enumerate(poses)]
        frames = [replace(frame, visibility={self.model.name: 1 - frame.index / 100}) for frame in frames]
        frames[-1].color[0, 0] -= np.uint8(self.darker)
        return frames

    def first_pose(self, sequence):
        return sequence[0].truth[self.model.name]


@pytest.fixture(scope="module")
def case():
    return DriftingCase("drift", "slow", load_object("demo_jug"), 0, SceneConfig(frames=FRAMES))


@pytest.fixture(scope="module")
def runs(case):
    return run_scene(case, [GEOMETRY, BLIND])


def test_a_run_is_what_the_tracker_does_alone(case, runs):
    sequence = case.open()
    tracker = Tracker([case.model], GEOMETRY.config)
    alone = list(track_frames(tracker, case.model.name, sequence, case.first_pose(sequence)))
    estimates = np.stack([row.camera_T_object for row in alone])
    truths = np.stack([frame.truth[case.model.name] for frame in sequence])
    run = runs[0]
    assert [frame.state for frame in run.frames] == [row.state for row in alone]
    assert np.array_equal(run.track.error, add_errors(estimates, truths, object_points(case.model)))
    claims = np.stack([row.covariance for row in alone])
    squared = normalized_errors_squared(estimates, truths, claims, case.model, symmetry_transforms(case.model))
    assert np.array_equal(run.track.error_squared, squared)
    assert [frame.index for frame in run.frames] == [7, 8, 9, 10, 11]
    assert np.allclose(run.track.visibility, [0.93, 0.92, 0.91, 0.9, 0.89])
    steps = np.diff(run.track.center, axis=0)
    assert np.allclose(steps, [0.002, 0, 0])
    assert (run.name, run.group, run.seed, run.alone) == ("drift, slow, demo_jug, seed 0", "slow", 0, True)


def test_the_checksum_is_that_of_the_frames_to_the_last_bit(case, runs):
    assert runs[0].checksum == runs[1].checksum == run_scene(case, [BLIND])[0].checksum
    assert run_scene(replace(case, darker=1), [BLIND])[0].checksum != runs[0].checksum


def test_a_run_in_plain_numbers_is_json(runs):
    plain = json.loads(json.dumps(runs[0].to_dict(), allow_nan=False))
    assert plain["add"] == runs[0].track.error.tolist()
    assert len(plain["ms"]) == FRAMES and min(plain["ms"]) > 0
    assert plain["summary"]["frames"] == FRAMES
    assert plain["summary"]["add_auc_pm"] is None
    unsure = tuple(frame._replace(error_squared=np.nan) for frame in runs[0].frames)
    assert replace(runs[0], frames=unsure).to_dict()["summary"]["inside_95"] is None


def test_a_kept_run_is_read_as_it_was(case, runs, tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.find(case, GEOMETRY) is None
    folder.save(runs[0], case, GEOMETRY)
    found = folder.find(case, GEOMETRY)
    assert folder.find(case, BLIND) is None
    assert found.frames[0]._fields == SceneFrame._fields
    for kept, made in zip(found.frames, runs[0].frames):
        for name, value in made._asdict().items():
            if name == "state":
                assert kept.state == value
            else:
                assert np.allclose(getattr(kept, name), value, rtol=1e-7, atol=1e-8, equal_nan=True), name
    assert replace(found, frames=()) == replace(runs[0], frames=())


def test_a_frame_without_a_pose_is_kept_as_one(case, runs, tmp_path):
    lost = runs[0].frames[0]._replace(state="lost", add=np.inf, error_squared=np.nan, estimate=np.full((4, 4), np.nan))
    folder = RunFolder(tmp_path)
    folder.save(replace(runs[0], frames=(lost, *runs[0].frames[1:])), case, GEOMETRY)
    found = folder.find(case, GEOMETRY)
    assert np.isnan(found.frames[0].estimate).all() and np.isfinite(found.frames[0].truth).all()
    assert found.track.error[0] == np.inf and np.isnan(found.track.error_squared[0])
    assert found.to_dict()["add"][0] is None


@pytest.mark.parametrize(
    ("changed_case", "changed_variant", "expected"),
    [
        ({}, {"config": TrackerConfig(network="never", contour=False, **OFFLINE)}, "contour is true, and now false"),
        ({}, {"config": TrackerConfig(**OFFLINE)}, 'network is "never", and now "auto"'),
        ({}, {"depth": False}, "depth is true, and now false"),
        ({"config": SceneConfig(frames=FRAMES, rate_hz=15.0)}, {}, "rate_hz is 30.0, and now 15.0"),
        ({"angle_deg": 30.0}, {}, "angle_deg is 10.0, and now 30.0"),
    ],
)
def test_a_folder_of_other_settings_is_refused(case, runs, tmp_path, changed_case, changed_variant, expected):
    folder = RunFolder(tmp_path)
    folder.save(runs[0], case, GEOMETRY)
    with pytest.raises(ValueError, match=expected):
        folder.find(replace(case, **changed_case), replace(GEOMETRY, **changed_variant))


def test_other_weights_are_refused(case, runs, tmp_path):
    folder = RunFolder(tmp_path)
    for number in (1, 2):
        (tmp_path / f"{number}.safetensors").write_bytes(b"weights" * number)
    first, second = (
        Variant("network", TrackerConfig(network="always"), tmp_path / f"{number}.safetensors") for number in (1, 2)
    )
    folder.save(runs[0], case, first)
    assert folder.find(case, first)
    with pytest.raises(ValueError, match="weights is"):
        folder.find(case, second)


def test_trackers_must_have_seen_the_same_frames(case, runs, tmp_path):
    folder = RunFolder(tmp_path)
    folder.save(runs[0], case, GEOMETRY)
    with pytest.raises(ValueError, match="checksum"):
        folder.save(replace(runs[1], checksum="other"), case, BLIND)


def test_half_a_run_is_none(case, runs, tmp_path):
    folder = RunFolder(tmp_path)
    folder.save(runs[0], case, GEOMETRY)
    (description,) = tmp_path.rglob("*.json")
    (frames,) = tmp_path.rglob("*.csv")
    text = description.read_text()
    description.unlink()
    assert folder.find(case, GEOMETRY) is None
    description.write_text(text)
    frames.write_text("index,stamp\n1,2\n")
    with pytest.raises(ValueError, match="complete run"):
        folder.find(case, GEOMETRY)


def test_the_first_difference_names_its_place():
    assert first_difference({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}) is None
    assert first_difference({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}) == "a 2 b is 2, and now 3"
    assert first_difference({"a": 1}, {"a": 1, "c": 2}) == 'c is "absent", and now 2'
    assert first_difference({"a": [1]}, {"a": []}) == "a is [1], and now []"


def made_run(scene, group, object_name, seed, variant, error, times_only=False):
    pose = np.eye(4)
    rows = [
        SceneFrame(n, n / 30, "tracking", 1.0, 1.0, error, error / 2, 6.0, 2.0 + n, pose, pose, np.zeros(3))
        for n in range(4)
    ]
    names = (f"{scene}, {group}, {object_name}, seed {seed}", scene, group, object_name, seed, variant)
    return SceneRun(*names, "abc", 0.1, object_name == "bowl", 6, tuple(rows), True, 0.5, times_only)


def made_runs():
    return [
        made_run("boards", group, name, seed, variant, error * (seed + 1), variant == "timed")
        for group in ("cards", "boards")
        for name in ("jug", "bowl")
        for seed in (0, 1)
        for variant, error in (("ours", 0.01), ("theirs", 0.03), ("timed", 0.05))
    ]


def test_rows_pool_seeds_and_objects_of_each_group():
    rows = pooled_rows(made_runs())
    names = [(key.group, key.object_name, key.variant) for key in rows]
    variants = ("ours", "theirs", "timed")
    assert names == [(g, o, v) for g in ("cards", "boards") for o in ("jug", "bowl", "ALL") for v in variants]
    jug = rows[RowKey("boards", "cards", "jug", "ours")]
    assert (jug.sequences, jug.frames) == (2, 8)
    assert jug.add_median == pytest.approx(0.015)
    # The bowl is symmetric: ADD-S, half of ADD here, counts.
    assert rows[RowKey("boards", "cards", "bowl", "ours")].add_median == pytest.approx(0.0075)
    assert rows[RowKey("boards", "boards", "ALL", "theirs")].false_tracking_frames == 12
    timed = rows[RowKey("boards", "cards", "ALL", "timed")]
    assert (timed.frames, timed.latency_max_ms) == (16, 5.0) and np.isnan(timed.add_auc) and np.isnan(timed.lost)


def test_tables_and_csv_show_every_row(tmp_path):
    runs = made_runs()
    rows = pooled_rows(runs)
    accuracy, recoveries = scene_tables(rows)
    assert accuracy.row_count == recoveries.row_count == len(rows) == 18
    assert [column.header for column in accuracy.columns][:3] == ["group", "object", "tracker"]
    cells = dict(zip(((k.group, k.object_name, k.variant) for k in rows), accuracy.columns[4].cells))
    assert cells["cards", "jug", "theirs"] == "100.0 ± 0.0" and cells["cards", "jug", "timed"] == "–"
    write_scenes_csv(tmp_path / "scenes.csv", runs, rows)
    lines = list(csv.DictReader((tmp_path / "scenes.csv").open()))
    assert len(lines) == len(runs) + len(rows)
    assert {line["checksum"] for line in lines if line["seed"] != "ALL"} == {"abc"}
    pooled = [line for line in lines if line["seed"] == "ALL" and line["object"] == "ALL"]
    assert len(pooled) == 6 and pooled[0]["false_tracking_frames"] == "0" and pooled[0]["frames"] == "16"


def test_workers_give_what_one_process_gives():
    cases = frozen_cases("bad-starts", [0], ["bracket"], short=True)[:2]
    tasks = [Task(case, (GEOMETRY,)) for case in cases]
    counted = []
    together = {task.case.name: runs for task, runs in run_tasks(tasks, 2, counted.append)}
    alone = {task.case.name: runs for task, runs in run_tasks(tasks, 1, counted.append)}
    assert set(together) == {case.name for case in cases}
    for name, (run,) in together.items():
        assert run.checksum == alone[name][0].checksum
        assert np.array_equal(run.track.error, alone[name][0].track.error)
        assert not run.alone and alone[name][0].alone
    frames = cases[0].config.frames
    assert sorted(counted) == [1] * (2 * frames) + [frames] * 2


@dataclass(frozen=True)
class InterruptedVariant(Variant):
    """A tracker that is interrupted in its second sequence; ``flag``: a file that is there from the first one on."""

    flag: Path = Path()

    def seen(self, frame):
        if frame.index == 3 and self.flag.exists():
            raise KeyboardInterrupt
        if frame.index == 3:
            self.flag.touch()
        return super().seen(frame)


def test_what_is_finished_before_an_interrupt_is_kept_and_not_made_again(tmp_path):
    def run(variant):
        bench_scenes(["boards"], [variant], ["bracket"], seeds=[0], short=True, workers=1, output=tmp_path / "out")

    with pytest.raises(typer.Exit) as stopped:
        run(InterruptedVariant("geometry", GEOMETRY.config, flag=tmp_path / "flag"))
    assert stopped.value.exit_code == 130
    (kept,) = (tmp_path / "out" / "runs").rglob("*.json")
    assert not list((tmp_path / "out").rglob("*.partial"))
    before = kept.stat().st_mtime_ns
    run(GEOMETRY)
    assert kept.stat().st_mtime_ns == before
    assert len(list((tmp_path / "out" / "runs").rglob("*.json"))) == 2


def test_the_command_goes_on_with_more_seeds_and_refuses_other_options(tmp_path):
    arguments = ["bench", "bowl", "--scene", "jerks", *FAST, "--output", str(tmp_path)]
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 0, first.output
    rows = list(csv.DictReader((tmp_path / "scenes.csv").open()))
    assert [(row["object"], row["seed"]) for row in rows] == [("bowl", "0"), ("bowl", "ALL"), ("ALL", "ALL")]
    assert (tmp_path / "scenes_auc.png").stat().st_size > 5000
    assert (tmp_path / "scenes_false_tracking.png").is_file()
    again = CliRunner().invoke(app, [*arguments, "--repeat", "2"])
    assert again.exit_code == 0, again.output
    assert "1 of 2 runs are in" in again.output
    more = list(csv.DictReader((tmp_path / "scenes.csv").open()))
    assert [row["seed"] for row in more] == ["0", "1", "ALL", "ALL"]
    assert more[0] == rows[0]
    assert int(more[-1]["frames"]) == 2 * int(rows[-1]["frames"])
    other = CliRunner().invoke(app, [*arguments, "--set", "contour=false"])
    assert other.exit_code == 1
    assert "contour is true, and now false" in other.output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--scene", "fog"], "flat-on-support"),
        (["--scene", "clear", "teapot"], "teapot"),
        (["--scene", "clear", "--sequence", "somewhere"], "one by one"),
        (["--scene", "clear", "--frames", "20"], "frozen sets have their own"),
        (["--scene", "clear", "--speed", "0.5"], "frozen sets have their own"),
        (["--short"], "only with --scene"),
        (["--workers", "2"], "only with --scene"),
    ],
)
def test_wrong_arguments_get_one_sentence(arguments, expected, tmp_path):
    result = CliRunner().invoke(app, ["bench", *arguments, "--output", str(tmp_path)])
    assert result.exit_code == 1
    assert expected in result.output


def test_options_of_the_reader_reach_it(bop_scene, tmp_path):
    result = CliRunner().invoke(
        app, ["bench", "--sequence", str(bop_scene), "--reader", "nonsense=1", "--output", str(tmp_path / "out")]
    )
    assert result.exit_code == 1
    assert "nonsense" in result.output and "BopSequence" in result.output


def test_times_of_the_published_pipeline_alone(case):
    (run,) = run_scene(case, [Variant("published (time)", GEOMETRY.config, times_only=True)])
    assert np.isnan(run.summary.add_auc) and run.summary.frames == FRAMES
    assert 0 < run.summary.latency_median_ms <= run.summary.latency_max_ms


def test_a_worker_answers_every_sequence_or_says_what_is_wrong():
    request = {"scene": "boards", "object": "bracket", "seed": 2, "short": True, "options": {"network": "never"}}
    requests = [json.dumps(request), json.dumps({**request, "scene": "fog"}), "hello", json.dumps({"scene": "boards"})]
    answers = io.StringIO()
    serve(io.StringIO("\n".join(requests)), answers)
    first, second, fog, hello, incomplete = map(json.loads, answers.getvalue().splitlines())
    assert [(answer["group"], answer["number"], answer["count"]) for answer in (first, second)] == [
        ("boards", 0, 2),
        ("cards", 1, 2),
    ]
    case = frozen_cases("boards", [2], ["bracket"], short=True)[1]
    (run,) = run_scene(case, [GEOMETRY])
    assert second["add"] == run.track.error.tolist() and second["checksum"] == run.checksum
    assert second["summary"]["tracking_frames"] == run.summary.tracking_frames
    assert "fog" in fog["error"] and "JSON" in hello["error"] and "object" in incomplete["error"]


def test_nothing_but_answers_comes_on_the_output_of_a_worker():
    done = subprocess.run(
        [sys.executable, "-c", "import os\nfrom pose_tracker_ros.evaluation import scene_worker as w\n"
         "serve = w.serve\n"
         "def chatty(*files):\n    os.write(1, b'chatter')\n    print('more')\n    serve(*files)\n"
         "w.serve = chatty\nw.main()"],
        input='{"scene": "fog", "object": "bowl"}\n',
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (answer,) = done.stdout.splitlines()
    assert "fog" in json.loads(answer)["error"]
    assert "chatter" in done.stderr
