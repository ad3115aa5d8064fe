"""What moves as expected is looked at closely at once; what does not, from coarse to fine."""

import numpy as np
import pytest
from tracking_scenes import START, frame_of

from pose_tracker_ros.geometry import apply_residual, pose_errors
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.tracking import Tracker, TrackerConfig, estimator
from pose_tracker_ros.tracking.alignment import CLOSELY, COARSE_TO_FINE
from pose_tracker_ros.tracking.config import OFFLINE

STEP, TURN = np.array([0.004, 0.001, -0.002]), np.radians([0.5, 1.5, -0.5])
# Farther than the fine level looks.
JUMP = np.array([0.03, 0.0, 0.0])


@pytest.fixture
def looks(monkeypatch):
    """The levels of every look since it was emptied."""
    seen, align = [], estimator.align

    def recorded(frame, model, renderer, prior, noise, largest_px, levels, *rest):
        seen.append(levels)
        return align(frame, model, renderer, prior, noise, largest_px, levels, *rest)

    monkeypatch.setattr(estimator, "align", recorded)
    return seen


def test_it_is_enough_until_the_object_jumps(looks):
    model, pose, by_frame = load_object("demo_jug"), START, []
    tracker = Tracker([model], TrackerConfig(network="never", search=False, **OFFLINE))
    tracker.start("demo_jug", START)
    for number in range(8):
        looks.clear()
        result = tracker.step(frame_of(model, pose, number / 30, index=number))["demo_jug"]
        by_frame.append(tuple(looks))
        # The jump is found or held, as elsewhere tested; here it counts how it was looked for.
        assert number == 7 or pose_errors(result.camera_T_object, pose)[0] < 0.002
        step = STEP + JUMP if number == 6 else STEP
        pose = apply_residual(pose, step, TURN, model.center_m)
    assert by_frame[0] == (COARSE_TO_FINE,)
    assert by_frame[5] == by_frame[6] == (CLOSELY,)
    assert by_frame[7] == (CLOSELY, COARSE_TO_FINE)
