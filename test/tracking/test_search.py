"""The search around a doubted pose ends nearer to the truth than it began, and stays where all is well."""

import numpy as np
import pytest
from tracking_scenes import START, crop_at, frame_of

from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.geometry import apply_residual, pose_errors
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.tracking.search import search


@pytest.fixture(scope="module")
def models():
    return {"cube": load_object("cube"), "spanner": benchmark_objects()[-1]}


def searched(model, frame, pose):
    motion = search(crop_at(model, frame, pose))
    return apply_residual(pose, motion[:3], motion[3:], model.center_m)


@pytest.mark.parametrize("name", ["cube", "spanner"])
@pytest.mark.parametrize("side", [-1, 1])
def test_beside_the_object_it_is_found_again(models, name, side):
    model = models[name]
    offset = side * np.array([0.8, 0.5, 0.1]) * 0.12 * model.diameter_m
    start = apply_residual(START, offset, np.array([0.0, 0.1, 0.1]), model.center_m)
    before = pose_errors(start, START)[0]
    after = pose_errors(searched(model, frame_of(model, START), start), START)[0]
    assert after < 0.6 * before


def test_what_is_right_stays(models):
    assert not search(crop_at(models["cube"], frame_of(models["cube"], START), START)).any()


def test_behind_the_camera_there_is_nothing_to_search(models):
    crop = crop_at(models["cube"], frame_of(models["cube"], START), START)
    empty = crop._replace(rendering=crop.rendering._replace(mask=np.zeros_like(crop.rendering.mask)))
    assert not search(empty).any()
