"""First poses from masks on real frames: tracking from them must end where tracking from the truth ends."""

import numpy as np
import pytest

from pose_tracker_ros.datasets import open_sequence
from pose_tracker_ros.datasets.object_models import load_tracked_object
from pose_tracker_ros.evaluation.metrics import add_errors, adds_errors
from pose_tracker_ros.evaluation.track import track_frames
from pose_tracker_ros.geometry import rotation_angle
from pose_tracker_ros.initialization.hypotheses import HypothesisInitializer
from pose_tracker_ros.initialization.initializer import initialize
from pose_tracker_ros.objects import ObjectModel, load_mesh
from pose_tracker_ros.rendering.raycast import RaycastRenderer
from pose_tracker_ros.tracking import Tracker, TrackerConfig
from pose_tracker_ros.tracking.config import OFFLINE

GEOMETRY = TrackerConfig(network="never", **OFFLINE)


def tracked(model, frames, first):
    estimates = list(track_frames(Tracker([model], GEOMETRY), model.name, frames, first))
    assert all(estimate.camera_T_object is not None for estimate in estimates)
    return np.stack([estimate.camera_T_object for estimate in estimates])


@pytest.mark.parametrize(
    ("sequence", "name"),
    [
        ("0000", "061_foam_brick"),
        ("0001", "003_cracker_box"),
        ("0001", "004_sugar_box"),
        ("0001", "006_mustard_bottle"),
    ],
)
def test_ycb_video_frames(shared_data, sequence, name):
    frames = list(open_sequence(shared_data / "ycbv_frames" / "data" / sequence))
    mesh = next((shared_data / "ycbv_models" / name).glob("*.obj"))
    model = ObjectModel.from_mesh(name, load_mesh(mesh))
    points = model.sample_points(500)
    answer = initialize(HypothesisInitializer(model), frames[0], frames[0].masks[name])
    assert answer.accepted
    from_mask = tracked(model, frames, answer.camera_T_object)
    from_truth = tracked(model, frames, frames[0].truth[name])
    # The brick's sides differ in print alone, which is below the image's noise: it may be found turned.
    errors = adds_errors if "brick" in name else add_errors
    assert errors(from_mask, from_truth, points)[-1] < 0.005
    truth = np.stack([frame.truth[name] for frame in frames])
    assert adds_errors(from_mask, truth, points).max() < 0.01


def test_a_wrong_turn_is_refused(shared_data):
    """Cut by the image's border and overexposed, a can looks as well upside down."""
    frame = next(iter(open_sequence(shared_data / "ycbv_frames" / "data" / "0003")))
    name = "005_tomato_soup_can"
    model = ObjectModel.from_mesh(name, load_mesh(next((shared_data / "ycbv_models" / name).glob("*.obj"))))
    answer = initialize(HypothesisInitializer(model), frame, frame.masks[name])
    turn = np.degrees(rotation_angle(answer.camera_T_object[:3, :3] @ frame.truth[name][:3, :3].T))
    assert not answer.accepted or turn < 20


@pytest.mark.parametrize("name", ["dragon", "cube"])
def test_realsense_frames(shared_data, name):
    """Their masks come from the truth, which is some pixels off, as masks are."""
    sequence = open_sequence(shared_data / "rbt" / "test" / "000001")
    model = load_tracked_object(name, sequence)
    frames = list(sequence)[:12]
    mask = RaycastRenderer(model.mesh).render(frames[0].camera, frames[0].truth[name]).mask
    answer = initialize(HypothesisInitializer(model), frames[0], mask)
    assert answer.accepted
    from_mask = tracked(model, frames, answer.camera_T_object)[-1:]
    from_truth = tracked(model, frames, frames[0].truth[name])[-1:]
    points = model.sample_points(500)
    # Any picture may be on the cube's faces, so that it may be found turned.
    errors = adds_errors if name == "cube" else add_errors
    assert errors(from_mask, from_truth, points)[0] < 0.006
