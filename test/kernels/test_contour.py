"""Borders on lines: unbiased, and as uncertain as what they are made of; colours against counting."""

import numpy as np
import pytest

from pose_tracker_ros.kernels import contour
from pose_tracker_ros.kernels.contour import BINS, LEAST_VARIANCE, PLACES, SEGMENTS

UNIFORM = (PLACES**2 - 1) / 12
SURE = 0.99


def border(samples, segment_px=1.0):
    samples = np.atleast_2d(np.asarray(samples, np.float64))
    means, variances = np.empty(len(samples)), np.empty(len(samples))
    contour.find_borders(np.ascontiguousarray(samples), segment_px, means, variances)
    return means[0], variances[0]


def step_at(place, inside=SURE, outside=1 - SURE):
    """Samples of a line whose border is ``place`` segments, an odd number of halves, outward of its middle."""
    return np.where(np.arange(SEGMENTS) - (SEGMENTS - 1) / 2 < place, inside, outside)


@pytest.mark.parametrize("value", [0.5, 0.05, 0.95])
def test_flat_evidence_has_no_mean_and_the_variance_of_not_knowing(value):
    mean, variance = border(np.full(SEGMENTS, value))
    assert mean == pytest.approx(0, abs=1e-9)
    assert variance == pytest.approx(UNIFORM, rel=1e-6)


@pytest.mark.parametrize("place", [-3.5, -0.5, 0.5, 2.5])
def test_a_clear_step_is_found_where_it_is(place):
    mean, variance = border(step_at(place))
    assert mean == pytest.approx(place, abs=0.05)
    assert LEAST_VARIANCE <= variance < 1.2 * LEAST_VARIANCE


@pytest.mark.parametrize("place", [-1.5, 0.5])
@pytest.mark.parametrize("sides", [(SURE, 0.5), (0.5, 1 - SURE)])
def test_one_side_is_enough_to_hold_the_step(place, sides):
    """Evidence on one side only, nothing on the other: the border is where it ends, and less sure."""
    mean, variance = border(step_at(place, *sides))
    assert abs(mean - place) < 0.15
    assert LEAST_VARIANCE <= variance < UNIFORM / 4


def test_both_sides_mirror_each_other():
    outward, inward = border(step_at(2.5, 0.8, 0.4)), border(1 - step_at(2.5, 0.8, 0.4)[::-1])
    assert inward[0] == pytest.approx(-outward[0], abs=1e-9)
    assert inward[1] == pytest.approx(outward[1])


def test_lengths_are_those_of_the_segments():
    mean, variance = border(step_at(1.5))
    wide_mean, wide_variance = border(step_at(1.5), segment_px=5.0)
    assert (wide_mean, wide_variance) == pytest.approx((5 * mean, 25 * variance))


def test_colours_are_counted_where_the_label_says():
    generator = np.random.default_rng(0)
    color = generator.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    label = generator.integers(0, 3, (12, 14)).astype(np.uint8)
    left, top, scale = 22, -5, 3
    counts = np.zeros((2, BINS**3), np.float32)
    contour.count_colors(color, label, left, top, scale, counts[0], counts[1])
    expected = np.zeros_like(counts)
    for row in range(12):
        for column in range(14):
            place = (top + scale * row, left + scale * column)
            if label[row, column] and 0 <= place[0] < 40 and 0 <= place[1] < 60:
                red, green, blue = color[place].astype(int) // (256 // BINS)
                expected[label[row, column] - 1, (red * BINS + green) * BINS + blue] += 1
    assert np.array_equal(counts, expected) and counts.sum() > 50


def test_lines_are_sampled_from_the_inside_out_and_end_at_the_image():
    color = np.zeros((50, 80, 3), np.uint8)
    color[:, 40:] = 255
    posterior = np.full(BINS**3, 0.5, np.float32)
    posterior[0], posterior[-1] = 0.9, 0.2
    samples = np.empty((2, SEGMENTS))
    places, normals = np.array([[39.5, 20.0], [0.0, 20.0]]), np.array([[1.0, 0.0], [-1.0, 0.0]])
    contour.sample_colors(color, posterior, places, normals, 2.0, samples)
    both_dark, both_light = 0.81 / (0.81 + 0.01), 0.04 / (0.04 + 0.64)
    assert samples[0, : SEGMENTS // 2] == pytest.approx(both_dark, rel=1e-5)
    assert samples[0, SEGMENTS // 2 + 1 :] == pytest.approx(both_light, rel=1e-5)
    assert samples[1, : SEGMENTS // 2] == pytest.approx(both_dark, rel=1e-5)
    assert np.all(samples[1, SEGMENTS // 2 + 1 :] == 0.5)
