"""Which depth image goes with which colour image, and when: streams as cameras send them, worked out by hand."""

import numpy as np
import pytest
from live_nodes import stamped
from message_filters import ApproximateTimeSynchronizer, SimpleFilter

from pose_tracker_ros.nodes.messages import seconds
from pose_tracker_ros.nodes.nearest_time import NearestTimeSynchronizer
from pose_tracker_ros.nodes.waiting_colors import WaitingColors

START = 1000.0


def put_out(events, slop=0.02, queue_size=10, singles=True):
    """What comes out after every message (arrival, is_color, stamp) in the order of arrival: (color, depth or None, arrival)."""
    inputs = SimpleFilter(), SimpleFilter()
    out, now = [], [0.0]

    def add(color, depth=None):
        out.append((round(seconds(color.header.stamp) - START, 4), depth and round(seconds(depth.header.stamp) - START, 4), now[0]))

    synchronizer = NearestTimeSynchronizer(inputs, queue_size, slop, add if singles else None)
    assert isinstance(synchronizer, ApproximateTimeSynchronizer)
    synchronizer.registerCallback(add)
    for arrival, is_color, stamp in sorted(events):
        now[0] = arrival
        inputs[0 if is_color else 1].signalMessage(stamped(START + stamp))
    return out


def stream(is_color, rate, count, late=0.005, offset=0.0, lost=(), first=0):
    stamps = {n: offset + n / rate for n in range(first, count)}
    return [(stamp + late, is_color, stamp) for n, stamp in stamps.items() if n not in lost]


def apart_of(out):
    """Seconds between the stamps of the pairs."""
    return [abs(color - depth) for color, depth, _ in out if depth is not None]


@pytest.mark.parametrize("rate", [60, 90, 120])
@pytest.mark.parametrize("late", [0.001, 0.008, 0.012, 0.03])
def test_faster_depth_gives_every_colour_its_own(rate, late):
    """Also where colour, which is larger, comes before or long before its depth; from the first image on."""
    out = put_out(stream(True, 30, 20) + stream(False, rate, 20 * rate // 30, late, first=-rate // 30))
    assert len(out) == 20 and max(apart_of(out)) < 1e-3
    assert all(arrival <= color + max(late, 0.005) + 1e-4 for color, _, arrival in out)


@pytest.mark.parametrize("late", [0.001, 0.012])
def test_faster_colour_leaves_every_depth_to_its_own_and_goes_on_alone_at_once(late):
    out = put_out(stream(True, 60, 40) + stream(False, 30, 20, late))
    pairs = [(color, depth) for color, depth, _ in out if depth is not None]
    assert len(pairs) == 20 and all(abs(color - depth) < 1e-3 for color, depth in pairs)
    # As soon as the rates are known.
    singles = [(color, arrival) for color, depth, arrival in out if depth is None and color > 0.3]
    assert len(singles) == 11 and all(arrival <= color + 0.0051 for color, arrival in singles)


@pytest.mark.parametrize("offset", [-0.0145, -0.012, -0.004, 0.0007, 0.003, 0.012, 0.0145])
@pytest.mark.parametrize("late", [0.002, 0.02])
def test_streams_that_are_apart_pair_without_waiting_for_the_next_image(offset, late):
    out = put_out(stream(True, 30, 20) + stream(False, 30, 20, late, offset))
    settled = [one for one in out if one[0] > 0.25]
    assert [depth - color for color, depth, _ in settled] == pytest.approx([offset] * 12, abs=2e-4)
    assert all(arrival <= color + max(0.005, offset + late) + 1e-4 for color, _, arrival in settled)


@pytest.mark.parametrize("offset", [0.0155, 0.017, 0.019])
def test_streams_that_are_half_a_period_apart_still_pair(offset):
    """Nearest is the depth before, or the one after, and neither is taken for none."""
    out = put_out(stream(True, 30, 20) + stream(False, 30, 20, 0.02, offset))
    assert len(apart_of([one for one in out if one[0] > 0.25])) == 12


def test_jitter_of_stamps_shifts_nothing():
    jitter = np.random.default_rng(0).normal(0, 0.002, (2, 60))
    events = [(arrival, kind, stamp + jitter[0, n]) for n, (arrival, kind, stamp) in enumerate(stream(True, 30, 30))]
    events += [(arrival, kind, stamp + jitter[1, n]) for n, (arrival, kind, stamp) in enumerate(stream(False, 60, 60, 0.012))]
    out = put_out(events)
    assert len(apart_of(out)) >= 29 and max(apart_of(out)) < 0.0083


def test_equal_stamps_pair_at_once_whatever_the_rate():
    stamps = [0.0, 0.7, 0.71, 2.5, 2.9]
    out = put_out([(stamp + late, is_color, stamp) for stamp in stamps for is_color, late in ((True, 0.001), (False, 0.002))])
    assert [(color, depth, round(arrival - color, 4)) for color, depth, arrival in out] == [(s, s, 0.002) for s in stamps]


def test_stamps_that_are_zero_pair_in_their_order():
    out = put_out([(0.1 * n + 0.01 * late, late == 0, -START) for n in range(3) for late in (0, 1)])
    assert len(out) == 3 and all(depth == color for color, depth, _ in out)


def test_lost_images_shift_nothing():
    events = stream(True, 30, 30, lost=(7, 19)) + stream(False, 60, 60, 0.008, lost=(20, 21, 50))
    out = put_out(events)
    own = [one for one in out if one[1] is not None and abs(one[0] - one[1]) < 1e-3]
    assert len(own) == 26
    # What lost its own takes the next within the slop.
    assert max(apart_of(out)) < 0.0168


def test_nothing_pairs_beyond_the_slop():
    assert not put_out(stream(True, 30, 20) + stream(False, 30, 20, offset=0.012), slop=0.01)


@pytest.mark.parametrize("singles", [False, True])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_whatever_is_lost_both_images_of_a_stamp_that_come_are_paired(singles, share):
    """A network that loses images makes a stream look slower than it is, and changes that all the time."""
    generator = np.random.default_rng(round(share * 10))
    lost = [set(np.flatnonzero(generator.random(200) < share)) for _ in range(2)]
    out = put_out(stream(True, 8, 200, lost=lost[0]) + stream(False, 8, 200, 0.012, lost=lost[1]), singles=singles)
    both = set(range(200)) - lost[0] - lost[1]
    assert {round(color * 8) for color, depth, _ in out if depth == color} == both


@pytest.mark.parametrize(("singles", "most_lost"), [(False, 0), (True, 2)])
def test_a_change_of_rate_loses_no_pair(singles, most_lost):
    """Who sends when the last image has been answered is steady until it is not: colour may look faster for an image."""
    stamps = np.cumsum([0.05] * 20 + [0.08] * 20 + [0.033] * 20 + [0.21, 0.3, 0.05] * 4)
    out = put_out([(stamp + late, is_color, stamp) for stamp in stamps for is_color, late in ((True, 0.004), (False, 0.009))], singles=singles)
    assert len(apart_of(out)) >= len(stamps) - most_lost


def test_a_bag_that_begins_again_is_paired_as_before():
    first = stream(True, 30, 10) + stream(False, 60, 20, 0.008)
    again = [(arrival + 1.0, is_color, stamp) for arrival, is_color, stamp in first]
    out = put_out(first + again)
    assert len(out) == 20 and max(apart_of(out)) < 1e-3


def test_a_slow_irregular_camera_does_not_wait_for_its_next_image():
    stamps = [0.0, 0.31, 0.55, 1.2, 1.5]
    events = [(stamp + 0.005, True, stamp) for stamp in stamps] + [(stamp + 0.009, False, stamp + 0.003) for stamp in stamps]
    out = put_out(events)
    assert [round(depth - color, 4) for color, depth, _ in out] == [0.003] * 5
    assert all(arrival == pytest.approx(color + 0.009) for color, _, arrival in out[2:])


def test_colour_without_depth_goes_on_in_the_order_of_stamps():
    colors = WaitingColors(1 / 32, 1 / 64, 10)
    images = [stamped(stamp) for stamp in (1.0, 1.1, 1.2)]
    for image in images:
        colors.add(image, 0.0)
    assert colors.single(images[1]) == []
    assert colors.paired(images[0], 0.0) == []
    assert colors.look() == [images[1]]
    assert colors.single(images[2]) == [images[2]]
