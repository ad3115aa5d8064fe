"""Starts beside the truth, and the interval of a share."""

import numpy as np
import pytest
from scipy.stats import binomtest
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.evaluation.basin import OFFSETS_D, TURNS_DEG, basin_starts, spread_over, wilson_interval
from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.evaluation.tracking_benchmark import benchmark_sequence
from pose_tracker_ros.tracking import TrackResult, TrackState


class Stubborn:
    """A tracker that stays where it was told to start, and believes it."""

    def __init__(self, state):
        self.state, self.pose = state, None

    def start(self, name, camera_T_object, stamp):
        self.pose = camera_T_object

    def step(self, frame):
        return {"carton": TrackResult(self.state, "", self.pose, np.eye(6), 1.0, None, {})}

    def stop(self, name):
        self.pose = None


@pytest.fixture(scope="module")
def scene():
    model = next(model for model in benchmark_objects() if model.name == "carton")
    return model, list(benchmark_sequence(model, 0, 2, speed=0.0))


@pytest.mark.parametrize("state", [TrackState.TRACKING, TrackState.SEARCHING])
def test_who_stays_at_the_start_has_found_nothing_but_is_wrong_only_where_it_says_to_track(scene, state):
    starts = list(basin_starts(Stubborn(state), *scene, "carton", seed=3))
    assert [(one.offset_d, one.turn_deg) for one in starts] == [(d, deg) for d in OFFSETS_D for deg in TURNS_DEG]
    assert not any(one.found for one in starts if one.offset_d > 0.1)
    assert starts[0].is_false is False
    assert all(one.is_false is (state is TrackState.TRACKING) for one in starts if one.offset_d > 0.2)


@pytest.mark.parametrize("successes, count", [(0, 60), (59, 60), (204, 204), (100, 200)])
def test_the_interval_is_scipys(successes, count):
    expected = binomtest(successes, count).proportion_ci(method="wilson")
    assert wilson_interval(successes, count) == pytest.approx((expected.low, expected.high), abs=1e-4)


def test_starts_are_spread_over_a_sequence_that_is_long_enough():
    assert spread_over(105, 3) == [0, 50, 100]
    with pytest.raises(ValueError, match="at least 5 frames, got 4"):
        spread_over(4, 2)


def test_the_command_prints_a_cell_for_each_offset_and_turn_and_writes_every_start(tmp_path):
    options = ["--basin", "--repeat", "1", "--set", "network=never", "--set", "search=false", "--output", str(tmp_path)]
    done = CliRunner().invoke(app, ["bench", "bracket", *options], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    assert all(f"{offset:g} d" in done.output for offset in OFFSETS_D)
    rows = (tmp_path / "basin_ours.csv").read_text().splitlines()
    assert len(rows) == 1 + len(OFFSETS_D) * len(TURNS_DEG) and rows[1].startswith("bracket,0.1,10.0,")
