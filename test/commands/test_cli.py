"""The command that has all others below it."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from pose_tracker_ros.cli import COMMANDS, app


def test_the_help_names_every_command_and_what_it_does():
    output = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    assert all(name in output for name in COMMANDS) and "follow a known object" in output
    assert "Compile the kernels for this machine" in output


def test_what_is_no_command_is_refused():
    done = CliRunner().invoke(app, ["trak"])
    assert done.exit_code == 2 and "No such command 'trak'" in done.output


@pytest.mark.parametrize("name", ["warm-up", "run"])
def test_commands_that_report_compiling_do_not_begin_it_by_being_imported(name):
    program = (
        "import sys; from typer.testing import CliRunner; from pose_tracker_ros.cli import app; "
        f"assert CliRunner().invoke(app, ['{name}', '--help']).exit_code == 0; "
        "print([name for name in ('torch', 'pose_tracker_ros.kernels.compilation') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "setting, answer", [("netwrk=never", "unknown option netwrk"), ("network_passes=2", "network_passes is no more")]
)
def test_the_demo_refuses_a_wrong_option_before_it_starts_anything(tmp_path, setting, answer):
    done = CliRunner().invoke(app, ["demo", "--output", str(tmp_path / "out"), "--set", setting])
    assert done.exit_code == 1 and answer in done.output
    assert not (tmp_path / "out").exists()
