"""Two revisions side by side: statistics by hand, workers that answer as they should and that do not, and a real run."""

import csv
import io
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from typer.testing import CliRunner

from pose_tracker_ros.commands import compare_revision as command
from pose_tracker_ros.datasets.reader_options import with_absolute_paths
from pose_tracker_ros.evaluation.comparison_folder import ComparisonFolder, run_in_turn
from pose_tracker_ros.evaluation.revision_comparison import (
    GroupKey,
    compare,
    make_pair,
    median_ratio,
    paired_difference,
    time_ratio,
)
from pose_tracker_ros.evaluation.revision_worker import RevisionWorker, checked_out, checkout_checksum
from pose_tracker_ros.evaluation.scene_worker import serve

REPOSITORY = Path(__file__).resolve().parents[2]
STUB = Path(__file__).resolve().parents[1] / "stub_scene_worker.py"


def answer(object_name="jug", number=0, checksum="abc", ms=(10.0, 20.0), scene="boards", group="cards", **summary):
    """What a worker says of a sequence."""
    counts = ("lost", "tracking_frames", "false_tracking_frames", "due_frames", "false_lost_frames")
    counts += ("events", "recovered_15", "recovered_30")
    summary = {
        **dict.fromkeys(counts, 0.0),
        "frames": float(len(ms)),
        "seen_frames": float(len(ms)),
        "false_tracking": 0.0,
        "false_lost": 0.0,
        "add_auc": 0.9,
        "add_median": 0.002,
        "latency_median_ms": float(np.median(ms)),
        "latency_max_ms": max(ms),
        **summary,
    }
    names = {"name": f"{scene}, {group}, {object_name}, {number}", "scene": scene, "group": group, "object": object_name}
    about = {"seed": 0, "number": number, "count": 2, "checksum": checksum, "load": 0.1}
    return {**names, **about, "ms": list(ms), "summary": summary}


def pair(old=None, new=None, **both):
    """Both sides' rows."""
    return make_pair({**answer(**both, **(old or {}))}, {**answer(**both, **(new or {}))}, "boards", "jug", True)


def test_paired_differences_by_hand():
    # Differences 1, 2, 0: mean 1, standard deviation 1, t(0.975, 2) = 4.30265.
    row = paired_difference([1, 2, 3], [2, 4, 3])
    assert (row.pairs, row.old, row.new, row.mean) == (3, 2.0, 3.0, 1.0)
    assert row.half == pytest.approx(4.30265 / math.sqrt(3), rel=1e-5)
    assert row.verdict(higher_is_better=True) == row.verdict(higher_is_better=False) == ""
    # Differences 0.9, 1, 1.1: the interval is 1 +- 0.24841.
    row = paired_difference([1, 20, 300], [1.9, 21, 301.1])
    assert row.half == pytest.approx(0.24841, rel=1e-4)
    assert (row.verdict(higher_is_better=True), row.verdict(higher_is_better=False)) == ("better", "worse")
    row = paired_difference([1.9, 21, 301.1], [1, 20, 300])
    assert (row.verdict(higher_is_better=True), row.verdict(higher_is_better=False)) == ("worse", "better")


def test_what_is_not_known_is_left_out_and_what_is_infinite_is_said():
    nan, inf = float("nan"), float("inf")
    row = paired_difference([1, nan, 3, 5], [2, 2, nan, 4])
    assert (row.pairs, row.old, row.new, row.mean) == (2, 3.0, 3.0, 0.0)
    assert paired_difference([nan], [1.0]).pairs == 0 and math.isnan(paired_difference([nan], [1.0]).mean)
    assert paired_difference([inf, 1.0], [inf, 1.5]).mean == 0.25
    row = paired_difference([0.1, 0.2], [0.1, inf])
    assert row.mean == inf and math.isnan(row.half) and row.verdict(higher_is_better=False) == ""
    assert math.isnan(paired_difference([1.0], [2.0]).half)


def test_ratios_of_times_by_hand():
    assert median_ratio([10, 20, 30], [20, 20, 90]) == 2.0
    assert math.isnan(median_ratio([10, 20], [10]))
    pairs = [
        pair(old={"ms": (10.0, 10.0, 40.0)}, new={"ms": (11.0, 11.0, 30.0)}),
        pair(old={"ms": (10.0, 20.0, 30.0)}, new={"ms": (12.1, 24.2, 36.3)}),
    ]
    time = time_ratio(pairs)
    # Logarithms of 1.1 and 1.1^2, whose standard deviation is log(1.1) / sqrt(2); t(0.975, 1) = 12.7062.
    half = 12.7062 * math.log(1.1) / 2
    assert time.ratio == pytest.approx(1.1**1.5)
    assert (time.low, time.high) == pytest.approx((1.1**1.5 * math.exp(-half), 1.1**1.5 * math.exp(half)), rel=1e-4)
    assert (time.old_ms, time.new_ms) == pytest.approx((15.0, 17.6))
    assert (time.old_longest_ms, time.new_longest_ms) == (40.0, 36.3)
    assert time.verdict == ""
    slower = [pair(new={"ms": (11.0, 22.0)}), pair(new={"ms": (11.01, 22.02)}), pair(new={"ms": (11.02, 22.04)})]
    assert time_ratio(slower).verdict == "worse"
    assert math.isnan(time_ratio(pairs[:1]).low) and time_ratio(pairs[:1]).ratio == pytest.approx(1.1)


def test_lines_pool_objects_groups_and_everything_and_leave_other_frames_out():
    better = {"add_auc": 0.8, "events": 2.0, "recovered_30": 2.0}, {"add_auc": 0.9, "events": 2.0, "recovered_30": 1.0}
    pairs = [
        pair(*better, object_name="jug"),
        pair(*better, object_name="bowl", number=1),
        pair({"add_auc": 0.1}, {"add_auc": 0.9}, object_name="jug", group="boards"),
        pair({"checksum": "abc"}, {"checksum": "other"}, object_name="bowl", group="boards"),
        pair({"ms": (1.0, 2.0)}, {"ms": (1.0, 2.0, 3.0)}, object_name="bowl", group="boards"),
    ]
    assert [some.same_frames for some in pairs] == [True, True, True, False, False]
    lines = compare(pairs)
    assert list(lines) == [
        GroupKey("boards", "cards", "jug"),
        GroupKey("boards", "cards", "bowl"),
        GroupKey("boards", "cards", "ALL"),
        # One object is all objects.
        GroupKey("boards", "boards", "jug"),
        GroupKey("ALL", "ALL", "ALL"),
    ]
    assert [line.sequences for line in lines.values()] == [1, 1, 2, 1, 3]
    cards, everything = lines["boards", "cards", "ALL"], lines["ALL", "ALL", "ALL"]
    assert cards.differences["add_auc"].mean == pytest.approx(0.1)
    assert cards.differences["recovered_share_30"][:4] == (2, 1.0, 0.5, -0.5)
    assert everything.differences["add_auc"].mean == pytest.approx(1 / 3)
    assert everything.differences["recovered_share_30"].pairs == 2
    assert lines["boards", "boards", "jug"].differences["recovered_share_30"].pairs == 0


def test_a_median_without_poses_is_infinite_and_one_without_frames_not_known():
    lost = pair(new={"add_median": None}).new
    unseen = pair(new={"add_median": None, "seen_frames": 0.0, "add_auc": None}).new
    assert lost.add_median == math.inf
    assert math.isnan(unseen.add_median) and math.isnan(unseen.add_auc)


def test_tables_mark_what_is_worse_and_better():
    old, new = {"add_auc": 0.9, "ms": (10.0, 10.0)}, {"add_auc": 0.8, "ms": (5.0, 5.0)}
    lines = compare([pair(old, new), pair({**old, "add_auc": 0.91}, {**new, "add_auc": 0.812}, number=1)])
    accuracy, times = command.comparison_tables(lines)
    assert [column.header for column in accuracy.columns][3:5] == ["sequences", "ADD(-S) AUC %"]
    assert list(accuracy.columns[-1].cells) == ["worse: ADD(-S) AUC %"] * 2
    assert list(accuracy.columns[4].cells)[0] == "90.5→80.6 (-9.9±1.3)"
    assert list(times.columns[-1].cells) == ["better: time"] * 2
    assert list(times.columns[-3].cells)[0] == "0.500 [0.500, 0.500]"


def test_finished_sequences_are_kept_and_not_run_again(tmp_path):
    asked = []

    def asker(side):
        def ask(request):
            asked.append((side, request["seed"], request["number"]))
            return {**answer(number=request["number"], add_median=None if side == "new" else 0.1), "seed": request["seed"]}

        return ask

    def run(seeds):
        requests = [{"scene": "boards", "object": "jug", "seed": seed} for seed in seeds]
        return list(run_in_turn(requests, asker("old"), asker("new"), ComparisonFolder(tmp_path, {"short": True})))

    first = run([0])
    assert asked == [("old", 0, 0), ("new", 0, 0), ("new", 0, 1), ("old", 0, 1)]
    assert [is_new for _, is_new in first] == [True, True]
    assert [some.old.first for some, _ in first] == [1, 0] and [some.new.first for some, _ in first] == [0, 1]
    asked.clear()
    second = run([0, 1])
    assert [is_new for _, is_new in second] == [False, False, True, True]
    assert [some for some, _ in second[:2]] == [some for some, _ in first]
    assert {seed for _, seed, _ in asked} == {1}
    with pytest.raises(ValueError, match="short is true, and now false"):
        ComparisonFolder(tmp_path, {"short": False})
    lines = (tmp_path / "comparison.csv").read_text().splitlines()
    (tmp_path / "comparison.csv").write_text("\n".join(lines[:-1]))
    with pytest.raises(ValueError, match="two lines a sequence"):
        ComparisonFolder(tmp_path, {"short": True})


def stub(*arguments, name="stub"):
    return RevisionWorker(REPOSITORY, name, [sys.executable, str(STUB), *arguments])


def test_other_frames_of_two_processes_are_noticed(tmp_path):
    package = str(REPOSITORY / "pose_tracker_ros")
    request = {"scene": "boards", "object": "jug", "seed": 0}
    for number, (checksums, same) in enumerate(((("abc", "abc"), True), (("abc", "other"), False))):
        with stub(package, checksums[0]) as old, stub(package, checksums[1]) as new:
            old.wait_until_ready()
            folder = ComparisonFolder(tmp_path / str(number), {})
            ((pair, _),) = run_in_turn([request], old.ask, new.ask, folder)
        assert pair.same_frames == same
        assert len(compare([pair])) == (2 if same else 0)


def test_workers_that_fail_are_reported_by_name():
    with stub("/elsewhere", "abc") as worker, pytest.raises(ValueError, match="runs that in /elsewhere"):
        worker.wait_until_ready()
    with stub("", "abc", name="revision 1a2b") as old, pytest.raises(ValueError, match="1a2b cannot.* or a later one"):
        old.wait_until_ready()
    with stub(str(REPOSITORY), "abc", name="revision 1a2b") as worker:
        with pytest.raises(ValueError, match="revision 1a2b: no set of the name fog"):
            worker.ask({"scene": "fog"})
        with pytest.raises(ValueError, match="revision 1a2b has ended by itself: no memory left"):
            worker.ask({"scene": "die"})
        with pytest.raises(ValueError, match="has ended by itself"):
            worker.ask({"scene": "boards"})


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A git repository whose first commit is empty, whose second is this code, and whose working tree differs from it."""
    if not shutil.which("git"):
        pytest.skip("needs git")
    folder = tmp_path_factory.mktemp("repository")

    def git(*arguments):
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "-m", "empty")
    without = shutil.ignore_patterns("__pycache__", "*.safetensors")
    for name in ("pose_tracker_ros", "config", "models/demo_jug"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=without)
    (folder / ".gitignore").write_text("__pycache__/\n/build/\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "all")
    with (folder / "pose_tracker_ros/frame.py").open("a") as file:
        file.write("\nCHANGED = True\n")
    return folder


def test_a_revision_is_checked_out_beside_the_working_tree_and_removed(repository):
    with checked_out(repository, "HEAD") as folder:
        assert folder.parent == repository / "build"
        assert "CHANGED" not in (folder / "pose_tracker_ros/frame.py").read_text()
        assert checkout_checksum(folder) != checkout_checksum(repository)
    assert not folder.exists() and "CHANGED" in (repository / "pose_tracker_ros/frame.py").read_text()
    with checked_out(repository, ".") as folder:
        assert folder == repository
    with pytest.raises(ValueError, match="revision that git knows .*'nonsense'"), checked_out(repository, "nonsense"):
        pass


def test_a_checksum_of_a_checkout_is_that_of_what_results_depend_on(repository):
    before = checkout_checksum(repository)
    (repository / "pose_tracker_ros/commands/new.py").write_text("")
    (repository / "README.md").write_text("")
    assert checkout_checksum(repository) == before
    weights = repository / "models/demo_jug/new.safetensors"
    weights.write_text("")
    assert checkout_checksum(repository) != before
    weights.unlink()
    assert checkout_checksum(repository) == before


def test_a_revision_that_is_too_old_is_answered_in_a_sentence(repository):
    with checked_out(repository, "HEAD~1") as folder:
        with pytest.raises(ValueError, match="which revision old cannot; it needs this revision or a later one"):
            RevisionWorker(folder, "revision old")
        assert list((repository / "build").iterdir()) == [folder]
    assert not list((repository / "build").iterdir())


def test_a_commit_against_the_working_tree(repository, tmp_path):
    """The whole program, on a scene of 12 frames, from another folder than the repository."""
    output = tmp_path / "out"
    arguments = ["HEAD", "bracket", "--scene", "jerks", "--short", "--set", "network=never"]
    arguments += ["--set-new", "contour=false", "--output", str(output)]
    done = subprocess.run(
        [sys.executable, "-m", "pose_tracker_ros.commands.compare_revision", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    old, new = csv.DictReader((output / "comparison.csv").open())
    assert (old["side"], new["side"], old["name"], old["frames"]) == ("old", "new", "jerks, bracket, seed 0", "12")
    assert old["checksum"] == new["checksum"] and old["add_median"] != new["add_median"]
    settings = json.loads((output / "comparison.json").read_text())
    assert settings["new"]["code"] == checkout_checksum(repository) != settings["old"]["code"]
    assert "jerks, bracket, seed 0: AUC" in done.stdout and "ratio of times" in done.stdout
    assert not list((repository / "build").iterdir())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "either --scene or --sequence"),
        (["--scene", "jerks", "--sequence", "somewhere"], "either --scene or --sequence"),
        (["--scene", "fog"], "flat-on-support"),
        (["--sequence", "somewhere", "--short"], "--short with --scene"),
        (["--sequence", "somewhere"], "no such file or folder"),
        (["--scene", "jerks", "--set-old", "nonsense"], "name=value"),
    ],
)
def test_wrong_arguments_get_one_sentence(arguments, expected, tmp_path):
    app = command.typer.Typer()
    app.command()(command.compare_revision)
    result = CliRunner().invoke(app, [".", *arguments, "--output", str(tmp_path)])
    assert result.exit_code == 1
    assert expected in result.output


def test_a_worker_runs_real_sequences(eoat_video, monkeypatch):
    mesh = eoat_video.parent / "models" / "006_mustard_bottle" / "textured.obj"
    mesh.parent.mkdir(parents=True)
    trimesh.creation.box(extents=(0.1, 0.2, 0.06)).export(mesh)
    monkeypatch.chdir(eoat_video.parent)
    reader = with_absolute_paths(Path("mustard0"), ["models_folder=models", "depth_folder=depth"])
    assert reader == [f"models_folder={eoat_video.parent / 'models'}", "depth_folder=depth"]
    request = {"sequence": str(eoat_video), "reader": reader, "options": {"network": "never"}}
    requests = [request, {**request, "number": 1}, {**request, "number": 2}, {**request, "object": "cup"}, {"ask": "name"}]
    answers = io.StringIO()
    serve(io.StringIO("\n".join(map(json.dumps, requests))), answers)
    first, second, again, beyond, unknown, ask = map(json.loads, answers.getvalue().splitlines())
    assert [(run["group"], run["number"], run["count"]) for run in (first, second)] == [
        ("true start", 0, 2),
        ("start off", 1, 2),
    ]
    assert (first["object"], len(first["ms"])) == ("006_mustard_bottle", 3)
    assert first["checksum"] == second["checksum"] == again["checksum"] and again["add"] == second["add"]
    assert "below 2, got 2" in beyond["error"] and "006_mustard_bottle" in unknown["error"]
    assert "package" in ask["error"]
