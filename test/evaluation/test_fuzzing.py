"""The short form of ``pose-tracker fuzz``, and that it finds faults when there are some."""

import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.evaluation.fuzzing import FuzzKind, all_kinds, mesh_kinds, runner
from pose_tracker_ros.evaluation.fuzzing.mutations import MUTATIONS, mutated

SHORT = 3


@pytest.mark.parametrize("name", all_kinds())
def test_whole_files_are_read(name, tmp_path):
    kind = all_kinds()[name]
    kind.read(kind.write(tmp_path))


def test_two_kinds_of_one_name_are_refused(monkeypatch):
    monkeypatch.setattr(mesh_kinds, "OTHER", FuzzKind("csv", _write, str), raising=False)
    with pytest.raises(ValueError, match="'csv' twice"):
        all_kinds()


def test_damaged_files_end_in_sentences():
    result = CliRunner().invoke(app, ["fuzz", "--count", str(SHORT * len(all_kinds())), "--seed", "7"])
    assert result.exit_code == 0, result.output
    assert f"{SHORT * len(all_kinds())} damaged files, seed 7" in result.output


def test_damage_is_the_same_for_the_same_seed_and_changes_files(tmp_path):
    data = b"v 1.5 2\nf 1 2 3\n" * 40
    for mutation in MUTATIONS:
        changed = [mutation(data, np.random.default_rng(seed)) for seed in range(8)]
        assert any(one != data for one in changed)
        mutation(b"", np.random.default_rng(0))
    assert mutated(data, np.random.default_rng(3)) == mutated(data, np.random.default_rng(3))


def _write(folder: Path) -> Path:
    (folder / "a.txt").write_text("1")
    return folder / "a.txt"


def _fail(error):
    def read(path):
        raise error

    return read


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ValueError("expected a number in a.txt, got nothing"), ""),
        (OSError("short"), "no sentence"),
        (KeyError("x"), "KeyError"),
        (RecursionError("maximum recursion depth exceeded"), "no sentence"),
        (MemoryError(), "MemoryError"),
    ],
    ids=["sentence", "short", "other", "recursion", "memory"],
)
def test_faults_are_told_from_refusals(error, fault):
    outcome = runner._read_one(FuzzKind("kind", _write, _fail(error)), 0, 0)
    assert fault in outcome.fault and bool(outcome.fault) == bool(fault)


def test_a_process_that_dies_is_a_fault_of_its_file(monkeypatch, tmp_path):
    script = tmp_path / "dies"
    script.write_text(f"#!{sys.executable}\nimport os\nos.abort()\n")
    script.chmod(0o755)
    monkeypatch.setattr(runner.sys, "executable", str(script))
    (first, second) = runner.fuzz(["csv"], 2, 0)
    assert (first.number, second.number) == (0, 1) and "ended with -6" in first.fault
