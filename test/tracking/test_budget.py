"""What a frame has time for."""

import pytest

from pose_tracker_ros.tracking import budget
from pose_tracker_ros.tracking.budget import RESERVED, Budget


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is moved."""
    now = [0.0]
    monkeypatch.setattr(budget.time, "perf_counter", lambda: now[0])
    return now


def test_a_step_is_begun_only_if_it_fits_at_its_last_cost(clock):
    limited = Budget()

    def step():
        with limited.spent_on("look"):
            clock[0] += 0.012

    limited.begin(33.0 / (1 - RESERVED))
    assert limited.fits("look") and limited.cost_s("look") == 0.0
    step()
    assert limited.cost_s("look") == pytest.approx(0.012)
    assert limited.left_s == pytest.approx(0.021)
    assert limited.fits("look") and not limited.fits("look", reserve_s=0.010) and limited.fits("other", reserve_s=0.010)
    step()
    assert not limited.fits("look")


def test_some_steps_fit_only_together(clock):
    limited = Budget()
    limited.begin(16.0 / (1 - RESERVED))
    with limited.spent_on("turn"):
        clock[0] += 0.006
    assert limited.fits("turn") and not limited.fits("turn", 2)


def test_without_a_limit_everything_fits(clock):
    free = Budget()
    free.begin(0.0)
    with free.spent_on("look"):
        clock[0] = 1e6
    assert free.fits("look", reserve_s=free.left_s / 2)


def test_one_slow_step_does_not_forbid_all_others(clock):
    limited = Budget()
    with limited.spent_on("look"):
        clock[0] += 0.2
    refused = 0
    while limited.begin(33.0) or not limited.fits("look"):
        refused += 1
    assert 60 < refused < 120
