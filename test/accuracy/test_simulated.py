"""The demo's jug in the simulator: behind a sweeping bar, through a blackout, and with parts of the tracker off."""

from dataclasses import replace

import numpy as np
import pytest

from pose_tracker_ros.evaluation.protocol import ScoredObject, evaluate_track, summarize
from pose_tracker_ros.evaluation.track import perturbed, track_frames
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.simulation.demo import simulate
from pose_tracker_ros.simulation.demo_config import SimulationConfig
from pose_tracker_ros.tracking import Tracker, TrackerConfig
from pose_tracker_ros.tracking.config import OFFLINE

PLAIN = SimulationConfig(frames=75, bar_width_px=0, blank_frames=0)


@pytest.fixture(scope="module")
def jug():
    return load_object("demo_jug")


def run(model, simulation, tracker_config=None):
    """Errors of a run that starts 2 cm and 10 degrees off."""
    sequence = simulate(model, simulation)
    tracker = Tracker.load([model], tracker_config or TrackerConfig(**OFFLINE))
    first = perturbed(model, sequence.annotation(0).truth[model.name], 0.02, 10.0)
    estimates = list(track_frames(tracker, model.name, sequence, first))
    return evaluate_track(estimates, sequence.annotations(), ScoredObject.from_model(model))


def test_a_bar_50_px_wide_sweeping_across_does_not_lose_it(jug):
    bar = replace(PLAIN, bar_width_px=50, bar_first_frame=10, bar_sweep_frames=60)
    errors = run(jug, bar)
    assert not errors.failed.any()
    assert summarize([errors], "bar").add_auc > 0.92


def test_ten_blank_frames_do_not_lose_it(jug):
    errors = run(jug, replace(PLAIN, speed_mm=2.7, speed_deg=1.0, blank_first_frame=40, blank_frames=10))
    assert not errors.failed.any()
    assert np.median(errors.add[52:]) < 0.01


def test_fast_motion_is_followed_and_the_network_is_no_worse_where_it_is_asked(jug):
    fast = replace(
        PLAIN, frames=100, speed_mm=22.0, speed_deg=9.5, bar_width_px=50, bar_first_frame=20, bar_sweep_frames=60
    )
    area = {
        name: summarize([run(jug, fast, config)], name).add_auc
        for name, config in (
            ("never", TrackerConfig(network="never", **OFFLINE)),
            ("when needed", TrackerConfig(network="when_needed", **OFFLINE)),
            ("network alone", TrackerConfig(network="always", point_to_plane=False, contour=False, **OFFLINE)),
        )
    }
    assert area["when needed"] > area["never"] - 0.005
    assert area["never"] > 0.9 and area["when needed"] > area["network alone"]
