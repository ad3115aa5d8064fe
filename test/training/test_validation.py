"""The log keeps what was written, and the closed loop tells networks that track from those that don't."""

import csv

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pose_tracker_ros.networks.architectures import create_network
from pose_tracker_ros.networks.weights import load_weights
from pose_tracker_ros.objects import generic_weights_path, load_object
from pose_tracker_ros.training.logs import EVENTS_FOLDER, Pace, TrainingLog
from pose_tracker_ros.training.train import TrainConfig
from pose_tracker_ros.training.validation import ClosedLoop

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_network_that_tracks_scores_and_one_that_does_not_is_lost():
    model = load_object("cube")
    network, info = load_weights(generic_weights_path())
    loop = ClosedLoop([model], TrainConfig(closed_loop_frames=20), torch.device("cpu"))
    trained = loop.score(network, info)
    torch.manual_seed(0)
    untrained = loop.score(create_network(info.architecture, info.max_translation, info.max_rotation), info)
    assert trained.add_auc > 0.85
    assert trained.times_lost == 0
    assert untrained.add_auc < 0.5
    assert loop.score(network, info) == trained
    assert torch.get_num_threads() == 1


def rows_of(folder):
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_run_that_goes_on_writes_over_the_steps_that_it_does_again(tmp_path):
    with TrainingLog(tmp_path, ("loss", "add_auc"), 0) as log:
        for step in (1, 2, 3):
            log.write(step, loss=step / 2)
    # Cut off in the middle of a row, as by a power failure.
    with (tmp_path / "log.csv").open("a") as file:
        file.write("4,12")
    with TrainingLog(tmp_path, ("loss", "add_auc"), 2) as log:
        log.write(3, loss=9.0, add_auc=0.5)
    rows = rows_of(tmp_path)
    assert [(int(row["step"]), float(row["loss"])) for row in rows] == [(1, 0.5), (2, 1.0), (3, 9.0)]
    assert [row["add_auc"] for row in rows] == ["", "", "0.5"]
    events = EventAccumulator(str(tmp_path / EVENTS_FOLDER)).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 0.5), (2, 1.0), (3, 9.0)]


def test_a_log_of_other_columns_is_kept_apart(tmp_path):
    (tmp_path / "log.csv").write_text("1,2,3\n")
    with TrainingLog(tmp_path, ("loss",), 0) as log:
        log.write(1, loss=1.0)
    assert (tmp_path / "log_older.csv").read_text() == "1,2,3\n"
    assert len(rows_of(tmp_path)) == 1


def test_pace_counts_pairs_and_averages_the_loss():
    pace = Pace()
    for loss in (1.0, 3.0):
        with pace.waiting():
            pace.add(10, loss)
    row = pace.row()
    assert row["loss"] == 2.0
    assert row["pairs_per_s"] > 0
    assert 0 <= row["waiting"] <= 1
    pace.add(10, 5.0)
    assert pace.row()["loss"] == 5.0
