"""The search around a doubted pose ends nearer to the truth than it began, and stays where all is well."""

from dataclasses import replace

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
    model = models["cube"]
    motion = search(crop_at(model, frame_of(model, START), START))
    assert np.linalg.norm(motion[:3]) < 0.05 * model.diameter_m
    assert np.linalg.norm(motion[3:]) < np.radians(5)


def test_the_longer_nothing_was_seen_the_farther_it_looks(models):
    model = models["spanner"]
    start = apply_residual(START, np.array([0.3, 0.2, 0.0]) * model.diameter_m, np.zeros(3), model.center_m)
    crop = crop_at(model, frame_of(model, START), start)
    wide = np.array([0.25 * model.diameter_m] * 3 + [0.4] * 3)
    poses = [
        apply_residual(start, found[:3], found[3:], model.center_m) for found in (search(crop), search(crop, wide))
    ]
    near, far = (pose_errors(pose, START)[0] for pose in poses)
    assert far < 0.1 * model.diameter_m < near


def test_colours_decide_between_two_alike(models):
    """Two cubes side by side, equally far from the guess: that in the object's colours is taken."""
    model = models["cube"]
    offset = np.array([0.55 * model.diameter_m, 0.0, 0.0])
    poses = [apply_residual(START, side * offset, np.zeros(3), model.center_m) for side in (-1, 1)]
    left, right = (frame_of(model, pose) for pose in poses)
    both = replace(left, depth=np.minimum(left.depth, right.depth))
    crop = crop_at(model, both, START)
    across = np.arange(crop.depth.shape[1]) / crop.depth.shape[1]
    for side, likeness in ((-1, across < 0.5), (1, across >= 0.5)):
        likeness = np.broadcast_to(likeness.astype(np.float32), crop.depth.shape)
        found = search(crop, np.array([0.2 * model.diameter_m] * 3 + [0.2] * 3), likeness)
        assert np.sign(found[0]) == side and abs(found[0]) > 0.3 * model.diameter_m


def test_behind_the_camera_there_is_nothing_to_search(models):
    crop = crop_at(models["cube"], frame_of(models["cube"], START), START)
    empty = crop._replace(rendering=crop.rendering._replace(mask=np.zeros_like(crop.rendering.mask)))
    assert not search(empty).any()
