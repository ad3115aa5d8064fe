"""Two processes that share batches take the steps of one that has them whole."""

import csv
import os
import subprocess
import sys
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
import yaml

from pose_tracker_ros.objects import load_object
from pose_tracker_ros.training.distributed import Processes
from pose_tracker_ros.training.pairs import PairStream, loader
from pose_tracker_ros.training.scene import SceneConfig
from pose_tracker_ros.training.stored_pairs import StoredPairs, write_pairs
from pose_tracker_ros.training.train import CHECKPOINT_NAME, TrainConfig, _stream, train

pytestmark = pytest.mark.usefixtures("one_thread")
REPOSITORY = Path(__file__).resolve().parents[2]
SHARED_GRADIENT = Path(__file__).with_name("shared_gradient.py")
SCENE = SceneConfig(resolution=32)
BATCHES = 4
CONFIG = TrainConfig(
    steps=BATCHES,
    batch_size=8,
    workers=0,
    device="cpu",
    precision="float32",
    learning_rate=1e-4,
    warmup_steps=0,
    schedule="constant",
    log_every=1,
    validation_pairs=8,
    closed_loop_frames=0,
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    model = load_object("cube")
    stream = PairStream([model], SCENE, CONFIG.batch_size, seed=3, first_batch=0, curriculum=BATCHES)
    return write_pairs(tmp_path_factory.mktemp("pairs") / "set", islice(loader(stream, 0), BATCHES), [model], SCENE, {})


def start_two_processes(*command):
    """torchrun that starts a command twice."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    # Each has one thread; more would only wait for each other.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*torchrun, *map(str, command)], env=environment, cwd=REPOSITORY, **pipes)


def in_two_processes(*command):
    """Outcome of a command that torchrun starts twice."""
    process = start_two_processes(*command)
    stdout, stderr = process.communicate(timeout=150)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def training(config, output):
    """Arguments of a training of the cube."""
    path = output.with_suffix(".yaml")
    path.write_text(yaml.safe_dump({"resolution": SCENE.resolution, **vars(config)}))
    return ["-m", "pose_tracker_ros", "train", "cube", "--no-install", "--config", path, "--output", output]


def losses_of(folder):
    with (folder / "log.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize(("network", "loss"), [("compact", "pixels"), ("compact", "points"), ("published", "mse")])
def test_the_gradient_of_shared_batches_is_that_of_the_whole(dataset, network, loss):
    """In double precision, so that nothing but rounding of the fifteenth digit may differ."""
    done = in_two_processes(SHARED_GRADIENT, dataset, network, loss)
    assert done.returncode == 0, done.stderr
    numbers = dict(line.split() for line in done.stdout.splitlines() if line.startswith(("difference", "buffers")))
    assert float(numbers["difference"]) < 1e-9
    assert float(numbers["buffers"]) < 1e-12


def test_two_processes_end_where_one_ends_though_interrupted(dataset, tmp_path):
    """In single precision a ReLU that rounding flips moves the gradient of so small a batch by up to a hundredth."""
    train([load_object("cube")], SCENE, CONFIG, tmp_path / "one", dataset=dataset)
    for steps in (2, BATCHES):
        done = in_two_processes(*training(replace(CONFIG, steps=steps), tmp_path / "two"), "--dataset", dataset)
        assert done.returncode == 0, done.stderr
    one, two = (torch.load(tmp_path / name / CHECKPOINT_NAME, weights_only=True) for name in ("one", "two"))
    assert one["step"] == two["step"] == BATCHES

    assert losses_of(tmp_path / "two") == pytest.approx(losses_of(tmp_path / "one"), rel=2e-3)


def test_processes_render_pairs_of_their_own():
    first, second = (
        next(iter(_stream([load_object("cube")], SCENE, CONFIG, 0, None, Processes(rank, 2, torch.device("cpu")))))
        for rank in (0, 1)
    )
    assert len(first.rotation) == len(second.rotation) == CONFIG.batch_size // 2
    assert not torch.equal(first.rotation, second.rotation)


def test_shares_of_stored_batches_make_the_whole(dataset):
    whole = StoredPairs(dataset).read(0)
    shares = [
        next(iter(_stream([load_object("cube")], SCENE, CONFIG, 0, dataset, Processes(rank, 2, torch.device("cpu")))))
        for rank in (0, 1)
    ]
    together = torch.cat([share.rotation for share in shares])
    assert sorted(together.tolist()) == sorted(whole.rotation.tolist())


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path):
    done = in_two_processes(*training(replace(CONFIG, batch_size=7), tmp_path / "run"))
    assert done.returncode != 0
    assert "batch_size" in done.stderr
    assert "Traceback" not in done.stderr.split("torch/distributed")[0]


def test_two_processes_and_their_workers_stop_together(tmp_path):
    """torchrun passes SIGTERM on to all of them, workers too; the step is ended and saved all the same."""
    config = replace(CONFIG, steps=100_000, workers=1, checkpoint_minutes=60.0)
    process = start_two_processes(*training(config, tmp_path / "run"))
    log = tmp_path / "run" / "log.csv"
    for _ in range(1000):
        if log.is_file() and len(log.read_text().splitlines()) > 3:
            break
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    process.terminate()
    output = process.communicate(timeout=60)[0]
    done = torch.load(tmp_path / "run" / CHECKPOINT_NAME, weights_only=True)["step"]
    assert done >= 3
    assert output.count(f"after step {done}") == 1
