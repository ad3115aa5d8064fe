"""How long colour waits for its depth, and in which order images go on."""

import pytest
from live_nodes import stamped

from pose_tracker_ros.nodes.waiting_colors import WaitingColors

# Sums of powers of two are exact.
SLOP_S, PERIOD_S = 1 / 32, 1 / 64


def waiting_for(*stamps, most=10):
    colors = WaitingColors(SLOP_S, PERIOD_S, most)
    images = [stamped(stamp) for stamp in stamps]
    for image in images:
        colors.add(image, 0.0)
    return colors, images


def test_an_image_is_given_up_after_the_slop_and_only_once():
    colors, (image,) = waiting_for(1.0)
    assert colors.look() == []
    assert colors.look() == [image]
    assert len(colors) == 0 and colors.look() == []


def test_a_pair_takes_the_images_before_it_along():
    colors, images = waiting_for(1.0, 1.1, 1.2)
    assert colors.paired(images[1], 0.0) == images[:1]
    assert [colors.look(), colors.look()] == [[], images[2:]]


def test_depth_that_comes_after_its_colour_was_given_up_makes_no_second_frame_but_more_patience():
    colors, images = waiting_for(1.0, 1.1)
    assert [colors.look(), colors.look()] == [[], images]
    assert colors.paired(images[0], 1 / 16) is None
    assert colors.patience_s == pytest.approx(SLOP_S + 1 / 16)
    colors.add(stamped(1.2), 0.2)
    assert [len(colors.look()) for _ in range(6)] == [0, 0, 0, 0, 0, 1]


def test_stamps_that_jump_back_are_images_like_others():
    colors, (_, early) = waiting_for(5.0, 1.0)
    assert colors.paired(early, 0.0) == []


def test_no_more_are_remembered_than_asked_for():
    colors, images = waiting_for(1.0, 1.1, 1.2, most=2)
    assert len(colors) == 2 and colors.paired(images[0], 0.0) is None
