"""Weights that were trained on procedural shapes alone follow objects that they have never seen."""

import numpy as np
import pytest

from pose_tracker_ros.datasets import open_sequence
from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.evaluation.metrics import add_errors
from pose_tracker_ros.evaluation.protocol import ScoredObject, evaluate_track, summarize
from pose_tracker_ros.evaluation.track import perturbed, track_frames
from pose_tracker_ros.evaluation.tracking_benchmark import benchmark_sequence
from pose_tracker_ros.networks.weights import load_weights
from pose_tracker_ros.objects import ObjectModel, generic_weights_path, load_mesh
from pose_tracker_ros.tracking import Tracker, TrackerConfig
from pose_tracker_ros.tracking.config import OFFLINE

GEOMETRY, ALWAYS = (TrackerConfig(network=use, **OFFLINE) for use in ("never", "always"))


@pytest.fixture(scope="module")
def objects():
    return {model.name: model for model in benchmark_objects()}


def summary(model, sequence, config=None):
    """Of a run that starts 2 cm and 10 degrees off, with the weights that an object without its own gets."""
    tracker = Tracker.load([model], config or TrackerConfig(**OFFLINE))
    first = perturbed(model, sequence.annotation(0).truth[model.name], 0.02, 10.0)
    errors = evaluate_track(
        list(track_frames(tracker, model.name, sequence, first)), sequence.annotations(), ScoredObject.from_model(model)
    )
    return summarize([errors], model.name)


def test_they_are_for_any_object_and_saw_none():
    _, info = load_weights(generic_weights_path())
    assert not info.objects
    assert info.pairs > 100_000


@pytest.mark.parametrize("name", ["carton", "drill", "bowl", "bracket", "spanner"])
def test_unseen_objects_are_followed_behind_something(objects, name):
    found = summary(objects[name], benchmark_sequence(objects[name], 1, 75))
    assert found.losses == 0
    assert found.adds_auc > 0.96


def test_a_real_mug_keeps_its_handle_where_it_is(shared_data):
    """YCB-Video, five frames: the handle is half hidden, and depth and outline tell the turn by little.

    So geometry alone turns it a little from the true pose (ADD 4.4 mm for 2.0), and leaves it as it was told from a bad start (medians of eight:
    10.7 mm for 5.2).
    """
    frames = list(open_sequence(shared_data / "ycbv_frames" / "data" / "0000"))
    mesh = shared_data / "ycbv_models" / "025_mug" / "textured.obj"
    model = ObjectModel.from_mesh("025_mug", load_mesh(mesh))
    truth, points = np.stack([frame.truth["025_mug"] for frame in frames]), model.sample_points(500)

    def median_error(config, first):
        rows = track_frames(Tracker.load([model], config), model.name, frames, first)
        return np.median(add_errors(np.stack([row.camera_T_object for row in rows]), truth, points))

    bad = [perturbed(model, truth[0], 0.02, 10.0, seed) for seed in range(8)]
    for starts in ([truth[0]], bad):
        always, never = (np.median([median_error(config, first) for first in starts]) for config in (ALWAYS, GEOMETRY))
        assert always < 0.006
        assert never > 1.3 * always
