"""An object that moves and stops at once is found where it stopped, not where it would have gone on to."""

import numpy as np
import pytest
from tracking_scenes import START, frame_of, noisy

from pose_tracker_ros.geometry import apply_residual, pose_errors
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.tracking import Tracker, TrackerConfig
from pose_tracker_ros.tracking.config import OFFLINE

MOVING, STANDING = 6, 4


@pytest.mark.parametrize("is_noisy", [False, True], ids=["perfect images", "noisy images"])
@pytest.mark.parametrize("step_deg", [6, 14, 22])
def test_a_turn_that_ends_at_once_is_not_gone_on_with(step_deg, is_noisy):
    model, pose, random = load_object("demo_jug"), START, np.random.default_rng(0)
    tracker = Tracker([model], TrackerConfig(network="never", search=False, **OFFLINE))
    tracker.start("demo_jug", START)
    errors = []
    for number in range(MOVING + STANDING):
        frame = frame_of(model, pose, number / 30, index=number)
        result = tracker.step(noisy(frame, random) if is_noisy else frame)["demo_jug"]
        errors.append(np.degrees(pose_errors(result.camera_T_object, pose)[1]))
        if number < MOVING - 1:
            turn = np.radians([0.0, step_deg * min(1.0, (number + 1) / MOVING), 0.0])
            pose = apply_residual(pose, np.zeros(3), turn, model.center_m)
    assert max(errors[:MOVING]) < 1.0
    # The same image again is no new evidence: it takes up to two frames until it contradicts the motion.
    assert max(errors[-STANDING + 2 :]) < 1.0
