"""message_filters of underlay/ (or the real one, where ROS 2 is sourced) against cases worked out by hand."""

import pytest
from builtin_interfaces.msg import Time
from message_filters import ApproximateTimeSynchronizer, SimpleFilter, TimeSynchronizer
from std_msgs.msg import Header

MILLISECOND = 1_000_000


class Message:
    """Something with a header and a name."""

    def __init__(self, name, milliseconds):
        self.name = name
        nanoseconds = int(milliseconds * MILLISECOND)
        self.header = Header(stamp=Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9))


def pairs_of(sequence, *, queue_size=10, slop=0.010, inputs=2):
    """Names of the combinations that come out when messages (input, name, milliseconds) come in one after the other.

    With slop None stamps have to be equal.
    """
    filters = [SimpleFilter() for _ in range(inputs)]
    if slop is None:
        synchronizer = TimeSynchronizer(filters, queue_size)
    else:
        synchronizer = ApproximateTimeSynchronizer(filters, queue_size, slop)
    out = []
    synchronizer.registerCallback(lambda *messages: out.append("".join(message.name for message in messages)))
    for which, name, milliseconds in sequence:
        filters[which].signalMessage(Message(name, milliseconds))
    return out


def test_equal_stamps_pair_whatever_comes_first():
    assert pairs_of([(0, "A", 0), (1, "a", 0), (1, "b", 33), (0, "B", 33)]) == ["Aa", "Bb"]


@pytest.mark.parametrize(("apart_ms", "expected"), [(9.999, ["Aa"]), (10.0, []), (10.001, [])])
def test_spread_must_be_below_the_slop(apart_ms, expected):
    assert pairs_of([(0, "A", 100), (1, "a", 100 + apart_ms)]) == expected


def test_nearest_partner_wins_and_is_used_once():
    # b is 2 ms from A, a is 6 ms from A; c finds A gone and waits in vain.
    assert pairs_of([(1, "a", 94), (1, "b", 102), (0, "A", 100), (1, "c", 100)]) == ["Ab"]


def test_first_match_is_taken_though_a_better_one_follows():
    # Greedy: a (8 ms off) pairs at once, so that b (0 ms off) is left over.
    assert pairs_of([(0, "A", 100), (1, "a", 108), (1, "b", 100)]) == ["Aa"]


def test_full_queue_drops_the_oldest_stamps():
    late = [(0, name, 100 * i) for i, name in enumerate("ABCD")] + [(1, name, 100 * i) for i, name in enumerate("abcd")]
    assert pairs_of(late, queue_size=2) == ["Cc", "Dd"]
    assert pairs_of(late, queue_size=4) == ["Aa", "Bb", "Cc", "Dd"]


def test_message_older_than_a_full_queue_is_not_matched():
    assert pairs_of([(1, "a", 0), (0, "B", 100), (0, "C", 200), (0, "A", 0)], queue_size=2) == []


def test_camera_and_slower_depth_stream():
    color = [(0, name, 33.3 * i) for i, name in enumerate("ABCDEF")]
    depth = [(1, name, 66.6 * i + 4) for i, name in enumerate("abc")]
    stream = sorted(color + depth, key=lambda message: message[2])
    assert pairs_of(stream) == ["Aa", "Cb", "Ec"]


def test_three_inputs_need_all_within_the_slop():
    # A-a and A-x are 8 ms apart each, but a-x are 16 ms apart; y closes the gap.
    assert pairs_of([(1, "a", 92), (2, "x", 108), (0, "A", 100), (2, "y", 101)], inputs=3) == ["Aay"]


def test_without_slop_only_equal_stamps_pair():
    stream = [(0, "A", 0), (1, "a", 0.001), (1, "b", 33), (0, "B", 33), (1, "c", 66), (1, "d", 99), (0, "C", 66)]
    assert pairs_of(stream, slop=None) == ["Bb", "Cc"]
    assert pairs_of(stream, slop=None, queue_size=1) == ["Bb"]


def test_callback_gets_its_extra_arguments():
    source, got = SimpleFilter(), []
    source.registerCallback(lambda *arguments: got.append(arguments), "extra", 7)
    source.signalMessage("message")
    assert got == [("message", "extra", 7)]
