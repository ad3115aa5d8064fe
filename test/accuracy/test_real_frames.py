"""Real RealSense frames with a textureless dragon and a cube of unknown pictures, followed from the given first pose.

The true poses come from a tag board; on fast frames they are up to 24 mm away from what the depth camera sees.
"""

import json

import numpy as np
import pytest

from pose_tracker_ros.datasets import open_sequence
from pose_tracker_ros.datasets.object_models import load_tracked_object
from pose_tracker_ros.evaluation.metrics import add_errors
from pose_tracker_ros.evaluation.protocol import object_points
from pose_tracker_ros.evaluation.track import perturbed, track_frames
from pose_tracker_ros.tracking import Tracker

SLOW_PX = 3.0
SLOW_MEDIAN_M = 0.010


@pytest.fixture(scope="module")
def sequence(shared_data):
    return open_sequence(shared_data / "rbt" / "test" / "000001")


@pytest.fixture(scope="module")
def slow(shared_data):
    motion = json.loads((shared_data / "rbt" / "test" / "000001" / "image_motion_px.json").read_text())
    return np.array([motion[str(number)] < SLOW_PX for number in range(len(motion))])


@pytest.mark.parametrize("name", ["dragon", "cube"])
@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.02, 10.0)], ids=["true start", "2 cm, 10 deg off"])
def test_followed_without_loss(sequence, slow, name, offset):
    model = load_tracked_object(name, sequence)
    frames = list(sequence)
    first = perturbed(model, frames[0].truth[name], *offset)
    estimates = list(track_frames(Tracker.load(model), frames, first))
    assert all(estimate.camera_T_object is not None for estimate in estimates)
    truth = np.stack([frame.truth[name] for frame in frames])
    errors = add_errors(np.stack([e.camera_T_object for e in estimates]), truth, object_points(model))
    assert errors.max() < 0.045
    assert np.median(errors[slow]) <= SLOW_MEDIAN_M
