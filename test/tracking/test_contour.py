"""The contour alignment against poses that are known exactly, and without any depth."""

import numpy as np
import pytest
from tracking_scenes import START, crop_at, frame_of

from pose_tracker_ros.geometry import apply_residual, residual_between
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.tracking.contour import OFFSETS, align, color_evidence, outline_of


@pytest.fixture(scope="module")
def jug():
    return load_object("demo_jug")


def aligned(model, frame, start, rounds=6, keep_depth=False):
    """Rendering and alignment in turn, as the tracker's frames do it."""
    pose = start
    for _ in range(rounds):
        crop = crop_at(model, frame, pose)
        if not keep_depth:
            crop = crop._replace(depth=np.zeros_like(crop.depth))
        motion = np.zeros(6)
        for _ in range(2):
            motion = align(crop, outline_of(crop), color_evidence(crop), motion).motion
        pose = apply_residual(pose, motion[:3], motion[3:], model.center_m)
    return residual_between(START, pose, model.center_m)


@pytest.mark.parametrize("offset_mm", [(5, 0, 0), (0, -6, 0), (0, 0, 20), (0, 0, -20), (4, 4, 10)])
def test_the_outline_finds_back_sideways_and_in_depth(jug, offset_mm):
    start = apply_residual(START, np.array(offset_mm) * 1e-3, np.zeros(3), jug.center_m)
    translation, _ = aligned(jug, frame_of(jug, START), start)
    assert np.abs(translation[:2]).max() < 0.001
    assert abs(translation[2]) < 0.006


def test_the_outline_finds_the_turn_in_the_image(jug):
    start = apply_residual(START, np.zeros(3), np.radians([0.0, 0.0, 6.0]), jug.center_m)
    translation, rotation = aligned(jug, frame_of(jug, START), start)
    assert np.degrees(abs(rotation[2])) < 0.7
    assert np.abs(translation[:2]).max() < 0.001


def test_what_hides_the_object_does_not_pull(jug):
    start = apply_residual(START, np.array([0.004, -0.004, 0.0]), np.zeros(3), jug.center_m)
    translation, _ = aligned(jug, frame_of(jug, START, bar=(160, 185)), start, keep_depth=True)
    assert np.abs(translation[:2]).max() < 0.002


def test_outline_lies_on_the_border_with_normals_outward(jug):
    crop = crop_at(jug, frame_of(jug, START), START)
    outline = outline_of(crop)
    pixels = crop.camera.project(outline.points)
    mask = crop.rendering.mask
    for distance, inside in ((-1.5, True), (1.5, False)):
        columns, rows = np.rint(pixels + distance * outline.normals).astype(int).T
        assert np.mean(mask[rows, columns] == inside) > 0.9
    assert np.all(outline.known[:, np.abs(OFFSETS) <= 1])


def test_equal_colours_tell_nothing(jug):
    crop = crop_at(jug, frame_of(jug, START), START)
    crop = crop._replace(color=np.full_like(crop.color, 90))
    measured = align(crop, outline_of(crop), color_evidence(crop), np.zeros(6))
    clear = align(
        *(lambda c: (c, outline_of(c), color_evidence(c)))(crop_at(jug, frame_of(jug, START), START)), np.zeros(6)
    )
    assert np.abs(measured.motion[:3]).max() < 0.002
    assert np.linalg.inv(measured.information)[0, 0] > 4 * np.linalg.inv(clear.information)[0, 0]


def test_certainty_is_limited_by_what_all_points_share(jug):
    crop = crop_at(jug, frame_of(jug, START), START)
    covariance = np.linalg.inv(align(crop, outline_of(crop), color_evidence(crop), np.zeros(6)).information)
    pixel_m = crop.center[2] / crop.camera.fx
    assert 0.4 * pixel_m <= np.sqrt(covariance[0, 0]) < 2 * pixel_m
    assert covariance[2, 2] > covariance[0, 0]


def test_nothing_rendered_gives_no_information(jug):
    crop = crop_at(jug, frame_of(jug, START), START)
    empty = crop._replace(rendering=crop.rendering._replace(mask=np.zeros_like(crop.rendering.mask)))
    assert color_evidence(empty) is None
    outline = outline_of(empty)
    assert len(outline.points) == 0
    assert not align(crop, outline, color_evidence(crop), np.zeros(6)).information.any()
