"""Outlines against differences of the mask; borders on lines: unbiased, and as uncertain as what they are made of."""

import cv2
import numpy as np
import pytest

from pose_tracker_ros.geometry import make_pose, so3_exp, transform_points
from pose_tracker_ros.kernels import contour
from pose_tracker_ros.kernels.contour import CHORD, LEAST_VARIANCE, PLACES, SEGMENTS, SHORTEST, WINDOW
from pose_tracker_ros.kernels.shared import BINS

UNIFORM = (PLACES**2 - 1) / 12
SURE = 0.99


def border(samples, segment_px=1.0):
    samples = np.atleast_2d(np.asarray(samples, np.float64))
    lines = np.empty((len(samples), 6))
    contour.find_borders(np.ascontiguousarray(samples), segment_px, lines)
    return lines[0, 4], lines[0, 5]


def step_at(place, inside=SURE, outside=1 - SURE):
    """Samples of a line whose border is ``place`` segments, an odd number of halves, outward of its middle."""
    return np.where(np.arange(SEGMENTS) - (SEGMENTS - 1) / 2 < place, inside, outside)


@pytest.mark.parametrize("value", [0.5, 0.05, 0.95])
def test_flat_evidence_has_no_mean_and_says_nothing(value):
    """The variance of all places, which any line has, is no information."""
    mean, variance = border(np.full(SEGMENTS, value))
    assert mean == pytest.approx(0, abs=1e-9)
    assert variance > 100 * UNIFORM


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


@pytest.mark.parametrize("segment_px", [1.0, 2.5])
def test_borders_have_mean_and_variance_of_where_soft_steps_agree_with_the_segments_around(segment_px):
    generator = np.random.default_rng(3)
    samples = np.vstack([generator.random((20, SEGMENTS)), generator.integers(0, 2, (20, SEGMENTS)), np.full((1, SEGMENTS), 0.5)])
    lines = np.full((len(samples), 6), 7.0)
    contour.find_borders(samples, segment_px, lines)
    step = -np.tanh((np.arange(WINDOW) - (WINDOW - 1) / 2) / (2 * contour.SLOPE))
    likelihood = np.exp(contour.WEIGHT * (2 * np.lib.stride_tricks.sliding_window_view(samples, WINDOW, axis=1) - 1) @ step)
    probability, places = likelihood / likelihood.sum(axis=1, keepdims=True), np.arange(PLACES) - (PLACES - 1) / 2
    mean = probability @ places
    variance = np.maximum(np.sum(probability * (places - mean[:, None]) ** 2, axis=1), LEAST_VARIANCE)
    variance /= np.maximum(1 - variance / UNIFORM, contour.LEAST_KNOWN)
    assert lines[:, 4] == pytest.approx(segment_px * mean, rel=1e-9, abs=1e-9)
    assert lines[:, 5] == pytest.approx(segment_px**2 * variance, rel=1e-9)
    assert (lines[:, :4] == 7).all()


@pytest.mark.parametrize(("left", "top"), [(22, -5), (-8, 10), (25, 11)])
def test_colours_are_counted_inside_a_mask_and_around_it(left, top):
    generator = np.random.default_rng(0)
    color = generator.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    mask, scale = np.zeros((12, 14), bool), 3
    mask[2:9, 1:10] = True
    mask[5, 4] = False
    around = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
    shares = np.empty((2, BINS**3), np.float32)
    contour.count_colors(color, mask, around, left, top, scale, shares[0], shares[1])
    label = cv2.erode(mask.view(np.uint8), np.ones((3, 3), np.uint8)) + 2 * ((around > 2) & (around <= 12))
    counts = np.zeros_like(shares)
    for row in range(12):
        for column in range(14):
            place = (top + scale * row, left + scale * column)
            if label[row, column] and 0 <= place[0] < 40 and 0 <= place[1] < 60:
                red, green, blue = color[place].astype(int) // (256 // BINS)
                counts[label[row, column] - 1, (red * BINS + green) * BINS + blue] += 1
    assert counts.sum(axis=1).min() >= 5
    assert shares == pytest.approx(counts / counts.sum(axis=1, keepdims=True), rel=1e-6)


def test_lines_are_sampled_from_the_inside_out_and_end_at_the_image():
    color = np.zeros((50, 80, 3), np.uint8)
    color[:, 40:] = 255
    posterior = np.full(BINS**3, 0.5, np.float32)
    posterior[0], posterior[-1] = 0.9, 0.2
    samples = np.empty((2, SEGMENTS))
    lines = np.array([[39.5, 20.0, 1.0, 0.0, 0, 0], [0.0, 20.0, -1.0, 0.0, 0, 0]])
    contour.sample_colors(color, posterior, lines, 2.0, samples)
    both_dark, both_light = 0.81 / (0.81 + 0.01), 0.04 / (0.04 + 0.64)
    assert samples[0, : SEGMENTS // 2] == pytest.approx(both_dark, rel=1e-5)
    assert samples[0, SEGMENTS // 2 + 1 :] == pytest.approx(both_light, rel=1e-5)
    assert samples[1, : SEGMENTS // 2] == pytest.approx(both_dark, rel=1e-5)
    assert np.all(samples[1, SEGMENTS // 2 + 1 :] == 0.5)


@pytest.mark.parametrize("segment_px", [0.7, 1.0, 2.6])
def test_segments_say_what_their_pixels_do_one_independent_of_the_other(segment_px):
    """Some colours are surely the object's, some surely not, and lines leave the image on all sides."""
    generator = np.random.default_rng(4)
    color = generator.integers(0, 256, (20, 30, 3), np.uint8)
    posterior = generator.random(BINS**3, np.float32)
    posterior[::5], posterior[1::5] = 0, 1
    angles = generator.uniform(0, 2 * np.pi, 60)
    lines = np.column_stack([generator.uniform(-3, [32, 23], (60, 2)), np.cos(angles), np.sin(angles), np.zeros((60, 2))])
    samples = np.empty((60, SEGMENTS))
    contour.sample_colors(color, posterior, lines, segment_px, samples)
    pixels = max(1, round(segment_px))
    along = segment_px / pixels * (np.arange(SEGMENTS * pixels) + 0.5) - segment_px * SEGMENTS / 2
    columns, rows = np.rint(lines[:, :2, None] + lines[:, 2:4, None] * along).astype(int).swapaxes(0, 1)
    inside = (rows >= 0) & (rows < 20) & (columns >= 0) & (columns < 30)
    bins = color[rows.clip(0, 19), columns.clip(0, 29)] // (256 // BINS) @ [BINS**2, BINS, 1]
    value = np.where(inside, posterior[bins].astype(float), 0.5).reshape(60, SEGMENTS, pixels)
    on, off = value.prod(axis=2), (1 - value).prod(axis=2)
    unclear = on + off == 0
    assert samples == pytest.approx(np.where(unclear, 0.5, on / np.where(unclear, 1, on + off)), abs=1e-12)
    assert not inside.all() and unclear.any() == (pixels > 1)


def outline_of(mask, count):
    pixels, borders = np.empty((2 * count, 2), np.int64), np.empty((2 * count, 4))
    found = contour.trace_outline(np.ascontiguousarray(mask), count, pixels, borders)
    return pixels[:found], borders[:found]


def sides_of(mask):
    """Sides where a mask ends, the object to the right: row and column of the corner where they begin, that above and to the left of
    the pixel of the same numbers, and direction (right, down, left, up)."""
    padded = np.pad(mask, 1).astype(int)
    down, right = np.diff(padded, axis=0)[:, 1:-1], np.diff(padded, axis=1)[1:-1]
    places = [np.argwhere(change) for change in (down == 1, right == -1, down == -1, right == 1)]
    begins = ((0, 0), (0, 0), (0, 1), (1, 0))
    return {(row + i, column + j, way) for way, (i, j) in enumerate(begins) for row, column in places[way].tolist()}


def traced(mask, count):
    """Rows (N, 6) of pixels and borders of the outlines, walked from side to side; to the left first, so that pixels that touch
    at a corner are one object."""
    towards, rest, outlines = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)]), sides_of(mask), []
    while rest:
        side = min(rest, key=lambda one: (one[2], one))
        outline = []
        while side in rest:
            rest.remove(side)
            outline.append(side)
            row, column = side[:2] + towards[side[2]]
            ahead = [(row, column, (side[2] + turn) % 4) for turn in (-1, 0, 1)]
            side = next((one for one in ahead if one in rest), None)
        outlines.append(np.array(outline))
    outlines = [one for one in outlines if len(one) >= SHORTEST]
    found, every = [], max(1, round(sum(map(len, outlines)) / count))
    for outline in outlines:
        chords = np.roll(outline, -CHORD - 1, axis=0) - np.roll(outline, CHORD, axis=0)
        for (*corner, way), chord in list(zip(outline, chords[:, :2]))[::every]:
            length = np.hypot(*chord)
            if length > CHORD:
                middle = corner + towards[way] / 2 - 0.5
                pixel = middle + towards[(way + 1) % 4] / 2
                found.append([*pixel, *middle[::-1], chord[0] / length, -chord[1] / length])
    return np.array(found).reshape(-1, 6)


def blob(seed, size=48):
    """A mask at random with holes and thin places, in its image and at its edge."""
    smooth = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(size, size + 7)), (0, 0), 2.5)
    return smooth > 0.02


@pytest.mark.parametrize("count", [4000, 150])
@pytest.mark.parametrize("seed", range(4))
def test_the_outline_is_that_of_a_walk_along_the_sides_where_the_mask_changes(seed, count):
    """All sides, and every few of them, of a mask some of whose pixels touch at corners only."""
    mask = blob(seed) ^ (np.random.default_rng(seed).random((48, 55)) < 0.01)
    found = np.hstack(outline_of(mask, count))
    assert found == pytest.approx(traced(mask, count))
    assert len(found) > (0.7 * len(sides_of(mask)) if count == 4000 else 0.5 * count)
    assert len(outline_of(mask & False, count)[0]) == 0


def test_normals_of_a_ring_are_radial_and_places_are_spread_evenly():
    rows, columns = np.indices((128, 128)) - np.array([64.2, 60.3])[:, None, None]
    radius = np.hypot(rows, columns)
    _, borders = outline_of((radius < 45) & (radius > 15), 240)
    offset = borders[:, :2] - [60.3, 64.2]
    radius = np.linalg.norm(offset, axis=1)
    cosine = np.sum(offset * borders[:, 2:], axis=1) / radius
    outer = radius > 30
    assert np.all(cosine[outer] > 0.97) and np.all(cosine[~outer] < -0.93)
    assert abs(np.mean(radius[outer] - 45)) < 0.1 and abs(np.mean(radius[~outer] - 15)) < 0.1
    sectors = np.histogram(np.arctan2(offset[outer, 1], offset[outer, 0]), 8, (-np.pi, np.pi))[0]
    assert 160 <= len(borders) <= 360 and sectors.min() > 0.7 * sectors.max()


def test_what_does_not_fit_is_left_out_and_spots_have_no_outline():
    pixels, borders = np.empty((5, 2), np.int64), np.empty((5, 4))
    assert contour.trace_outline(blob(0), 100, pixels, borders) == 5
    spot = np.zeros((9, 9), bool)
    spot[4:6, 4:6] = True
    assert len(outline_of(spot, 100)[0]) == 0


def test_lines_are_where_nothing_is_clearly_nearer():
    generator = np.random.default_rng(0)
    camera, depth_camera = np.array([150.0, 155.0, 30.2, 22.7]), np.array([290.0, 300.0, 50.0, 40.0])
    depth_T_color = make_pose(so3_exp(np.array([0.02, -0.03, 0.01])), np.array([0.01, 0.0, 0.02]))
    pixels = generator.integers(0, 40, (80, 2))
    angles = generator.uniform(0, 2 * np.pi, 80)
    borders = np.column_stack([pixels[:, ::-1] + 0.5, np.cos(angles), np.sin(angles)])
    rendered = generator.uniform(0.5, 0.6, (40, 40)).astype(np.float32)
    rendered[generator.random((40, 40)) < 0.3] = 0
    rendered[tuple(pixels.T)] = generator.uniform(0.5, 0.6, 80)
    depth = generator.choice(np.float32([0, 0.2, 0.48, 0.54, 0.6]), (90, 110), p=[0.4, 0.02, 0.02, 0.28, 0.28])
    shift = np.array([1.6, -2.2])
    points, lines = np.empty((80, 3)), np.empty((80, 6))
    arrays = (pixels, borders, 80, rendered, np.zeros((40, 40, 3), np.float32), camera, np.array([20.0, -5.0, 2.0]))
    kept = contour.place_lines(*arrays, depth, depth_camera, depth_T_color, np.array([0.3, 0.53]), 0.02, shift, points, lines)

    z = rendered[tuple(pixels.T)].astype(np.float64)
    expected = np.column_stack([(borders[:, :2] - camera[2:]) / camera[:2] * z[:, None], z])
    seen = transform_points(depth_T_color, expected)
    places = np.rint(depth_camera[:2] * seen[:, :2] / seen[:, 2:] + depth_camera[2:] - shift).astype(int)
    free = []
    for (column, row), own, point, before in zip(places, pixels, seen, z):
        around = rendered[max(own[0] - 2, 0) : own[0] + 3, max(own[1] - 2, 0) : own[1] + 3]
        nearest = np.min(around[around > 0]) + point[2] - before
        near = [
            depth[np.clip(row + along, 0, 89), np.clip(column + across, 0, 109)]
            for along in (-3, 0, 3)
            for across in (-3, 0, 3)
        ]
        free.append(not any(0.3 <= value < min(nearest - 0.02, 0.53) for value in near))
    assert kept == np.sum(free) and 20 < kept < 75
    assert points[:kept] == pytest.approx(expected[free])
    assert lines[:kept, :2] == pytest.approx((2 * borders[:, :2] + [20, -5])[free])
    assert np.array_equal(lines[:kept, 2:4], borders[free, 2:])


def turned_away(rendered, normals, camera, row, column, across, down):
    """How much farther than a pixel the outline beside it is, of a circle through it and the pixel inside of it."""
    inside = (row, column - int(np.sign(across))) if abs(across) >= abs(down) else (row - int(np.sign(down)), column)
    if min(inside) < 0 or max(inside) >= len(rendered) or not rendered[inside]:
        return 0.0
    places = np.array([(row, column), inside])
    rays = np.column_stack([(places[:, ::-1] - camera[2:]) / camera[:2], [1, 1]])
    sines = -np.sum(rays * normals[tuple(places.T)], axis=1) / np.linalg.norm(rays, axis=1)
    depths = rendered[tuple(places.T)].astype(float)
    if depths[0] <= depths[1] or not 0 < sines[0] < sines[1]:
        return 0.0
    radius = (depths[0] - depths[1]) / (sines[1] - sines[0])
    beyond_px = radius * (1 - np.cos(np.arcsin(sines[0]))) * camera[0] / depths[0]
    return radius * sines[0] if beyond_px <= 1 else 0.0


def test_points_are_where_circles_end_but_not_beyond_edges():
    generator = np.random.default_rng(1)
    camera, window, nothing = np.array([150.0, 155.0, 20.2, 19.7]), np.array([20.0, -5.0, 2.0]), np.zeros((40, 40), np.float32)
    pixels, angles = generator.integers(0, 40, (300, 2)), generator.uniform(0, 2 * np.pi, 300)
    borders = np.column_stack([pixels[:, ::-1] + 0.5, np.cos(angles), np.sin(angles)])
    rendered = generator.uniform(0.55, 0.56, (40, 40)).astype(np.float32)
    rendered[generator.random((40, 40)) < 0.3] = 0
    rendered[tuple(pixels.T)] = 0.56
    normals = np.dstack([generator.normal(size=(40, 40, 2)), -generator.random((40, 40))])
    normals = (normals / np.linalg.norm(normals, axis=2, keepdims=True)).astype(np.float32)
    points, lines = np.empty((300, 3)), np.empty((300, 6))
    measured = nothing, camera, np.eye(4), np.array([0.3, 0.9]), 0.02, np.zeros(2)
    assert contour.place_lines(pixels, borders, 300, rendered, normals, camera, window, *measured, points, lines) == 300
    farther = [turned_away(rendered, normals, camera, *pixel, *border[2:]) for pixel, border in zip(pixels, borders)]
    assert 30 < np.count_nonzero(farther) < 270
    assert points[:, 2] == pytest.approx(rendered[tuple(pixels.T)] + farther, abs=1e-6)
    assert points[:, :2] / points[:, 2:] == pytest.approx((borders[:, :2] - camera[2:]) / camera[:2])
