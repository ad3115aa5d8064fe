"""Ctrl-C while a node starts: the short form of the command that does it a hundred times."""

from typer.testing import CliRunner

from pose_tracker_ros.commands import interrupt_starts
from pose_tracker_ros.commands.interrupt_starts import Ended, _interrupted


def test_a_start_that_is_interrupted_ends_without_a_word_and_leaves_nothing():
    for delay in (0.2, 0.8, 2.0):
        ended = _interrupted("tracker", delay, start_s=3.0)
        assert ended.seconds is not None
        assert not ended.has_traceback, ended.output
        assert ended.orphans == 0


def test_what_is_left_is_found(monkeypatch):
    """A program that says how it was interrupted, and one that leaves another one behind."""
    program = "import subprocess, sys, time; {}; time.sleep(30)"
    child = "subprocess.Popen(['sleep', '30'], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)"
    command = [*interrupt_starts.PYTHON[:1], "-c"]
    monkeypatch.setitem(interrupt_starts.WAYS, "tracker", [*command, program.format(child)])
    ended = _interrupted("tracker", 1.0, start_s=3.0)
    assert ended.has_traceback
    assert ended.orphans == 1
    assert ended.phase == 1


def test_what_a_start_said_that_does_not_hear_is_kept(monkeypatch):
    """Also where a program that it leaves behind holds its output open."""
    child = "subprocess.Popen(['sleep', '30'], start_new_session=True)"
    program = f"import signal, subprocess, time; signal.signal(signal.SIGINT, signal.SIG_IGN); {child}; print('deaf'); time.sleep(30)"
    monkeypatch.setitem(interrupt_starts.WAYS, "tracker", [*interrupt_starts.PYTHON[:1], "-c", program])
    monkeypatch.setattr(interrupt_starts, "LONGEST_END_S", 1.0)
    ended = _interrupted("tracker", 1.0, start_s=3.0)
    assert ended.seconds is None
    assert ended.output == "deaf\n"
    assert ended.orphans == 1


def test_an_unknown_way_is_refused():
    app = interrupt_starts.typer.Typer()
    app.command()(interrupt_starts.interrupt_starts)
    result = CliRunner().invoke(app, ["--way", "bus"])
    assert result.exit_code == 1
    assert Ended(0, 1.0, 0, "Traceback (most recent call last)").has_traceback


def test_tracebacks_of_ros2_launch_are_told_from_those_of_nodes():
    of_launch = Ended(0, 1.0, 0, "[INFO] [launch]: ...\nTraceback (most recent call last):", launched=True)
    of_a_node = Ended(0, 1.0, 0, "[tracker_node-1] Traceback (most recent call last):\n", launched=True)
    assert (of_launch.has_traceback, of_launch.has_traceback_of_launch) == (False, True)
    assert (of_a_node.has_traceback, of_a_node.has_traceback_of_launch) == (True, False)
