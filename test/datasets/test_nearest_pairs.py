import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pose_tracker_ros.datasets.nearest_pairs import NearestPairs

GAP = 0.02


def pairs_of(firsts, seconds, order=None):
    """Stamps of all pairs; measurements come in the given ``order``, default by stamp, the first sensor before the second."""
    events = [(stamp, 0) for stamp in firsts] + [(stamp, 1) for stamp in seconds]
    pairs, found = NearestPairs(GAP), []
    for number in order if order is not None else sorted(range(len(events)), key=lambda i: events[i]):
        stamp, sensor = events[number]
        found += pairs.push_second(stamp, stamp) if sensor else pairs.push_first(stamp, stamp)
    found += pairs.finish()
    return [(first.stamp, second and second.stamp) for first, second in found]


@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("latency", [0.0, 0.03])
def test_faster_depth_goes_with_the_image_of_its_own_stamp(times, latency):
    colors = np.arange(40) / 30
    depths = np.arange(40 * times) / (30 * times)
    arrivals = np.concatenate([colors + latency, depths])
    order = np.argsort(arrivals, kind="stable")
    assert all(color == pytest.approx(depth, abs=1e-9) for color, depth in pairs_of(colors, depths, order))


def test_every_image_of_faster_colour_is_kept_and_depth_used_once():
    colors, depths = np.arange(40) / 60, np.arange(20) / 30
    found = pairs_of(colors, depths)
    assert [color for color, _ in found] == list(colors)
    assert [depth for _, depth in found if depth is not None] == pytest.approx(list(depths))
    assert all(depth is None or abs(color - depth) < 1e-9 for color, depth in found)


def test_sensors_that_are_not_triggered_together_are_paired_by_the_smaller_distance():
    colors, depths = 1 + np.arange(20) / 30, 1.012 + np.arange(20) / 30
    assert pairs_of(colors, depths) == list(zip(colors, depths))


def test_what_has_no_partner_comes_alone():
    assert pairs_of([1.0, 1.1, 1.2], [1.0, 1.15, 1.205]) == [(1.0, 1.0), (1.1, None), (1.2, 1.205)]
    assert pairs_of([1.0, 1.1], []) == [(1.0, None), (1.1, None)]


def test_a_sensor_that_stops_does_not_hold_everything_up():
    pairs, given_out = NearestPairs(GAP), 0
    for number in range(200):
        given_out += len(list(pairs.push_first(number / 30, None)))
    assert given_out >= 169


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=25, unique=True),
    st.lists(st.integers(0, 400), max_size=25, unique=True),
    st.randoms(use_true_random=False),
)
def test_pairs_do_not_depend_on_the_order_of_arrival(firsts, seconds, random):
    """As long as no more wait than are kept, and a sensor's own come in order."""
    firsts, seconds = sorted(stamp / 200 for stamp in firsts), sorted(stamp / 200 for stamp in seconds)
    places = [0] * len(firsts) + [1] * len(seconds)
    random.shuffle(places)
    counters = [iter(range(len(firsts))), iter(range(len(firsts), len(firsts) + len(seconds)))]
    found = pairs_of(firsts, seconds, [next(counters[place]) for place in places])
    assert [first for first, _ in found] == firsts
    used = [second for _, second in found if second is not None]
    assert len(used) == len(set(used)) and all(second is None or abs(first - second) < GAP + 1e-9 for first, second in found)
    assert found == pairs_of(firsts, seconds)
