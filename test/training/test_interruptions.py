"""Signals, crashes, full disks and dead workers end a run as they should, and the next run goes on."""

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from threading import Thread

import pytest
import torch
from dying_worker import BadlyEndingStream, DyingStream
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.training.checkpoints import SAME_SIGNAL_S, Interrupted, interruptible, prepare_folder
from pose_tracker_ros.training.pairs import loaded, loader, worker_errors
from pose_tracker_ros.training.scene import SceneConfig
from pose_tracker_ros.training.train import TrainConfig, train

pytestmark = pytest.mark.usefixtures("one_thread")
REPOSITORY = Path(__file__).resolve().parents[2]
SCENE = SceneConfig(resolution=32)
QUICK = TrainConfig(
    steps=100_000,
    batch_size=4,
    workers=0,
    device="cpu",
    checkpoint_minutes=0,
    log_every=1,
    validation_pairs=8,
    closed_loop_frames=0,
)


def arguments_of(folder, config):
    options = [f"--set={name}={value}" for name, value in {"resolution": 32, **vars(config)}.items()]
    return ["train", "cube", "--no-install", "--output", str(folder), *options]


def start_training(folder, config):
    command = [sys.executable, "-m", "pose_tracker_ros", *arguments_of(folder, config)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True
    )


def wait_for_rows(folder, count, process=None):
    path = folder / "log.csv"
    for _ in range(1200):
        if path.is_file() and len(path.read_text().splitlines()) > count:
            return
        assert process is None or process.poll() is None, process.communicate()[0]
        time.sleep(0.1)
    raise AssertionError("no row was logged within two minutes")


def steps_done(folder):
    return torch.load(folder / "checkpoint.pt", weights_only=True)["step"]


def steps_logged(folder):
    with (folder / "log.csv").open() as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


def check_that_it_goes_on(folder):
    done = steps_done(folder)
    train([load_object("cube")], SCENE, replace(QUICK, steps=done + 2), folder)
    assert steps_done(folder) == done + 2
    assert steps_logged(folder) == list(range(1, done + 3))


@pytest.mark.parametrize(("number", "code", "workers"), [(signal.SIGINT, 130, 1), (signal.SIGKILL, -9, 0)])
def test_a_stopped_run_goes_on(tmp_path, number, code, workers):
    """A step is saved at once on Ctrl-C; kill -9 costs what was done since the last checkpoint."""
    config = replace(QUICK, workers=workers, checkpoint_minutes=0.0 if number == signal.SIGKILL else 60.0)
    process = start_training(tmp_path, config)
    wait_for_rows(tmp_path, 3, process)
    # A terminal sends Ctrl-C to all processes in it, workers too.
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == code, output
    assert "Traceback" not in output
    done, logged = steps_done(tmp_path), steps_logged(tmp_path)
    if number == signal.SIGKILL:
        assert logged[-1] - 1 <= done <= logged[-1] + 1
    else:
        assert done == logged[-1]
        assert f"after step {done}" in output
    check_that_it_goes_on(tmp_path)


def test_a_run_that_is_told_to_end_saves_its_step(tmp_path):
    """SIGTERM, sent once rows say that the command listens for it."""

    def send():
        wait_for_rows(tmp_path, 3)
        os.kill(os.getpid(), signal.SIGTERM)

    sender = Thread(target=send)
    sender.start()
    result = CliRunner().invoke(app, arguments_of(tmp_path, replace(QUICK, checkpoint_minutes=60.0)))
    sender.join()
    assert result.exit_code == 143, result.output
    assert f"after step {steps_done(tmp_path)}" in result.output
    assert steps_done(tmp_path) == steps_logged(tmp_path)[-1]
    check_that_it_goes_on(tmp_path)


def test_an_interrupted_run_leaves_no_workers(tmp_path):
    """Even while its traceback is kept: at exit, some versions of torch wait for ever for workers that are left."""
    sender = Thread(target=lambda: (wait_for_rows(tmp_path, 2), os.kill(os.getpid(), signal.SIGTERM)))
    sender.start()
    with pytest.raises(Interrupted) as stopped:
        train([load_object("cube")], SCENE, replace(QUICK, workers=1), tmp_path)
    sender.join()
    assert stopped.value.signal == signal.SIGTERM
    assert not active_children()


def test_workers_that_end_badly_do_not_hide_what_ended_the_run():
    with pytest.raises(Interrupted), loaded(loader(BadlyEndingStream(), workers=2)) as batches:
        for _ in range(2):
            next(batches)
        raise Interrupted(1, signal.SIGTERM)
    assert not active_children()


@pytest.fixture
def ctrl_c():
    """Acts as at a terminal: a program that is started in the background may have been told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_the_first_signal_is_noted_its_echo_too_and_a_later_one_acts():
    with pytest.raises(KeyboardInterrupt), interruptible() as interruption:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert interruption.signal == signal.SIGINT
        time.sleep(SAME_SIGNAL_S + 0.1)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second Ctrl-C was not heard")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_full_disk_is_named_and_leaves_the_last_checkpoint(tmp_path):
    model = load_object("cube")
    train([model], SCENE, replace(QUICK, steps=1), tmp_path)
    # Whatever is written to /dev/full finds no space.
    (tmp_path / "checkpoint.partial").symlink_to("/dev/full")
    with pytest.raises(OSError, match="no space is left"):
        train([model], SCENE, replace(QUICK, steps=3), tmp_path)
    assert steps_done(tmp_path) == 1


def test_folders_without_room_or_right_are_refused_before_anything_is_rendered(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="name another folder"):
        train([load_object("cube")], SCENE, QUICK, tmp_path / "file" / "run")
    huge = torch.nn.Linear(10_000_000, 10_000_000, device="meta")
    with pytest.raises(OSError, match="MB of free space"):
        prepare_folder(tmp_path, huge)


@pytest.mark.parametrize("killed", [False, True])
def test_a_dead_worker_is_named(killed):
    batches = iter(loader(DyingStream(killed), workers=1))
    with pytest.raises(ChildProcessError, match="ended unexpectedly"), worker_errors():
        for _ in range(5):
            next(batches)


def test_an_interruption_tells_its_step():
    assert str(Interrupted(7, signal.SIGTERM)) == "interrupted after step 7"
