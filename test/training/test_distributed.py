"""Two processes that share batches take the steps of one that has them whole."""

import csv
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.training.distributed import Processes
from pose_tracker_ros.training.pairs import PairStream, loader
from pose_tracker_ros.training.scene import SceneConfig
from pose_tracker_ros.training.stored_pairs import StoredPairs, write_pairs
from pose_tracker_ros.training.train import CHECKPOINT_NAME, TrainConfig, _stream, train

pytestmark = pytest.mark.usefixtures("one_thread")
REPOSITORY = Path(__file__).resolve().parents[2]
SHARED_TRAINING = Path(__file__).with_name("shared_training.py")
GRADIENTS = ["compact/pixels", "compact/points", "published/mse"]
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


def start_two_processes(*arguments):
    """torchrun that starts the script twice."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    # Each has one thread; more would only wait for each other.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*torchrun, *map(str, (SHARED_TRAINING, *arguments))], env=environment, cwd=REPOSITORY, **pipes)


def write_options(config, path):
    """A file of the options of a training."""
    path.write_text(yaml.safe_dump({"resolution": SCENE.resolution, **vars(config)}))
    return path


@pytest.fixture(scope="module")
def shared(dataset, tmp_path_factory):
    """What two processes print, the folder of a training that stopped half-way and went on, and of one that SIGTERM ended.

    All in one start, since processes take as long to begin as to do all of it. torchrun passes SIGTERM on to both, and to
    their workers.
    """
    folder = tmp_path_factory.mktemp("shared")
    options = write_options(CONFIG, folder / "options.yaml")
    endless_config = replace(CONFIG, steps=100_000, workers=1, checkpoint_minutes=60.0)
    endless = write_options(endless_config, folder / "endless.yaml")
    process = start_two_processes(dataset, options, folder / "run", endless, folder / "endless", *GRADIENTS)
    log = folder / "endless" / "log.csv"
    for _ in range(1500):
        if log.is_file() and len(log.read_text().splitlines()) > 3:
            break
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    process.terminate()
    stdout, _ = process.communicate(timeout=60)
    return stdout, folder / "run", folder / "endless"


def losses_of(folder):
    with (folder / "log.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def test_the_gradient_of_shared_batches_is_that_of_the_whole(shared):
    """In double precision, so that nothing but rounding of the fifteenth digit may differ."""
    numbers = [line.split()[1:] for line in shared[0].splitlines() if line.startswith("of ")]
    assert [pair for pair, *_ in numbers] == GRADIENTS
    for pair, gradient, buffers in numbers:
        assert float(gradient) < 1e-9 and float(buffers) < 1e-12, pair


def test_two_processes_end_where_one_ends_though_interrupted(dataset, shared, tmp_path):
    """In single precision a ReLU that rounding flips moves the gradient of so small a batch by up to a hundredth."""
    train([load_object("cube")], SCENE, CONFIG, tmp_path, dataset=dataset)
    one, two = (torch.load(folder / CHECKPOINT_NAME, weights_only=True) for folder in (tmp_path, shared[1]))
    assert one["step"] == two["step"] == BATCHES
    assert losses_of(shared[1]) == pytest.approx(losses_of(tmp_path), rel=2e-3)


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


class FirstOfTwo(Processes):
    """A process whose partner has nothing to say."""

    def from_first(self, data):
        return data


def test_a_batch_that_cannot_be_shared_is_refused_in_a_sentence(tmp_path, monkeypatch):
    first = FirstOfTwo(0, 2, torch.device("cpu"))
    monkeypatch.setattr("pose_tracker_ros.training.train.joined_processes", lambda device: nullcontext(first))
    options = write_options(replace(CONFIG, batch_size=7), tmp_path / "options.yaml")
    arguments = ["train", "cube", "--no-install", "--config", options, "--output", tmp_path / "run"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 1
    assert "that 2 processes can share equally, got 7; take 8" in " ".join(result.output.split())


def test_two_processes_and_their_workers_stop_together(shared):
    """The step is ended and saved all the same."""
    done = torch.load(shared[2] / CHECKPOINT_NAME, weights_only=True)["step"]
    assert done >= 3
    assert shared[0].count(f"after step {done}") == 1
