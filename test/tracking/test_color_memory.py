"""Colours that were the object's support a pose, those of its surroundings do not, and ignorance says nothing."""

import numpy as np
import pytest
from tracking_scenes import START, crop_at, frame_of

from pose_tracker_ros.objects import load_object
from pose_tracker_ros.tracking.color_memory import ENOUGH_FRAMES, ColorMemory

STILL = np.zeros(6)


@pytest.fixture(scope="module")
def jug():
    return load_object("demo_jug")


@pytest.fixture(scope="module")
def crop(jug):
    return crop_at(jug, frame_of(jug, START), START)


@pytest.fixture(scope="module")
def memory(crop):
    memory = ColorMemory()
    for _ in range(ENOUGH_FRAMES):
        memory.remember(crop)
    return memory


def test_the_object_has_its_colours(memory, crop):
    assert memory.support(crop, STILL) == 1.0


def test_something_of_the_same_shape_in_the_wall_s_colour_has_not(memory, crop):
    wall = np.where(crop.rendering.mask[..., None], np.uint8(90), crop.color)
    assert memory.support(crop._replace(color=wall), STILL) < 0.3


def test_a_pose_beside_the_object_has_them_in_part(memory, jug):
    crop = crop_at(jug, frame_of(jug, START), START)
    beside = np.array([0.5 * jug.diameter_m, 0, 0, 0, 0, 0])
    # Without depth only colours tell.
    assert memory.support(crop._replace(depth=np.zeros_like(crop.depth)), beside) < 0.7


def test_what_hides_the_object_says_nothing(memory, jug):
    behind_bar = crop_at(jug, frame_of(jug, START, bar=(160, 185)), START)
    assert memory.support(behind_bar, STILL) > 0.9


def test_before_anything_is_known_all_colours_are_right(crop):
    assert ColorMemory().support(crop, STILL) == 1.0


def test_a_grey_camera_leaves_the_judgement_to_depth(crop):
    grey = crop._replace(color=np.full_like(crop.color, 128))
    memory = ColorMemory()
    for _ in range(ENOUGH_FRAMES):
        memory.remember(grey)
    assert memory.support(grey, STILL) == 1.0


def test_it_gets_used_to_another_light(memory, crop):
    dark = crop._replace(color=(crop.color * 0.6).astype(np.uint8))
    fresh = ColorMemory()
    for _ in range(ENOUGH_FRAMES):
        fresh.remember(crop)
    before = fresh.support(dark, STILL)
    for _ in range(20):
        fresh.remember(dark)
    assert fresh.support(dark, STILL) > max(0.9, before)
