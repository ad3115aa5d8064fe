"""What diagnostics say, in which units."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from pose_tracker_ros.nodes.tracker_diagnostics import StageTimes, error_values, health
from pose_tracker_ros.tracking import TrackResult, TrackState
from pose_tracker_ros.tracking.alignment import CommonErrors


def test_times_are_medians_in_milliseconds():
    times = StageTimes()
    assert times.summary_ms() == {}
    for milliseconds in (1.0, 2.0, 30.0):
        times.add({"step": milliseconds * 1e-3})
    assert list(times.summary_ms()) == ["step"]
    assert times.summary_ms()["step"][0] == pytest.approx(2.0)
    assert 2.0 < times.summary_ms()["step"][1] <= 30.0


def test_errors_of_the_camera_have_their_units():
    errors = CommonErrors(np.array([1.5, -2.5, 0.3, 0.0021]), np.eye(4))
    result = TrackResult(TrackState.TRACKING, "seen", np.eye(4), np.eye(6), 1.0, errors, {})
    assert error_values(result) == {
        "colour shift x (px)": "1.50",
        "colour shift y (px)": "-2.50",
        "outline offset (px)": "0.30",
        "depth bias (mm)": "2.10",
    }
    assert error_values(None) == {}


def test_what_is_missing_goes_before_the_state():
    assert health(TrackState.TRACKING, "seen", None) == (DiagnosticStatus.OK, "tracking: seen")
    assert health(TrackState.OCCLUDED, "hidden", None) == (DiagnosticStatus.WARN, "occluded: hidden")
    assert health(TrackState.LOST, "left the image", None)[0] == DiagnosticStatus.ERROR
    assert health(TrackState.TRACKING, "seen", "waiting for color") == (DiagnosticStatus.STALE, "waiting for color")
