"""Each defect of the depth image has the effect, and the strength, that it is named for."""

import numpy as np
import pytest

from pose_tracker_ros.camera import crop_camera
from pose_tracker_ros.training.augmentation import Observation
from pose_tracker_ros.training.augmentation.depth import (
    DepthBias,
    DepthBlur,
    DepthHoles,
    DepthNoise,
    DepthQuantisation,
    EdgeDropout,
    ForegroundFattening,
    Misregistration,
    NoDepth,
    StereoNoise,
)

SIZE = 128
DISTANCE = 0.6
WALL = np.float32(1.0)
INSIDE = (slice(40, 90), slice(30, 100))


def observation(distance=DISTANCE):
    """A box before a wall, with a part of the image that was not measured."""
    camera = crop_camera(np.array([0.0, 0.0, distance]), 0.2, SIZE)
    depth = np.full((SIZE, SIZE), WALL, np.float32)
    depth[INSIDE] = distance
    depth[:10] = 0
    return Observation(np.full((SIZE, SIZE, 3), 99, np.float32), depth, depth == np.float32(distance), distance, camera)


def samples(step, given, count=200, seed=0):
    generator = np.random.default_rng(seed)
    return [step(given, generator) for _ in range(count)]


def always(step_class, **options):
    return step_class(probability=1.0, **options)


NOISY = [DepthNoise(), DepthBlur(), StereoNoise(), DepthBias(), DepthQuantisation()]
ALL = [*NOISY, Misregistration(), ForegroundFattening(), EdgeDropout(), DepthHoles(), NoDepth(0.3)]


@pytest.mark.parametrize("step", ALL, ids=lambda step: type(step).__name__)
def test_only_depth_changes_as_often_as_the_probability_says_and_stays_a_measurement(step):
    given = observation()
    before = given.depth.copy()
    changed = 0
    for result in samples(step, given, 300):
        assert result.color is given.color
        assert result.depth.dtype == np.float32
        assert np.isfinite(result.depth).all()
        assert (result.depth >= 0).all()
        changed += not np.array_equal(result.depth, before)
    assert np.array_equal(given.depth, before)
    # Shifts of less than half a pixel, empty parts of an edge and very small holes show nothing.
    assert changed / 300 == pytest.approx(step.probability, abs=0.1)


@pytest.mark.parametrize("step", NOISY, ids=lambda step: type(step).__name__)
def test_noise_makes_no_measurement_where_there_is_none(step):
    for result in samples(step, observation(), 20):
        assert (result.depth[:10] == 0).all()
        assert (result.depth[10:] > 0).all()


def test_noise_is_independent_and_has_deviations_up_to_five_millimetres():
    deviations = []
    for result in samples(always(DepthNoise), observation()):
        noise = (result.depth - observation().depth)[INSIDE]
        deviations.append(noise.std())
        assert abs(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]) < 0.08
    assert max(deviations) < 0.0052
    assert np.mean(deviations) == pytest.approx(0.0025, rel=0.15)


def test_stereo_noise_is_shared_by_neighbours_and_grows_with_the_square_of_the_distance():
    deviations = {}
    for distance in (0.6, 1.2):
        given = observation(distance)
        noises = [(r.depth - given.depth)[INSIDE] for r in samples(always(StereoNoise, cell_px=(4.0, 6.0)), given, 300)]
        deviations[distance] = np.mean([noise.std() for noise in noises])
        assert np.mean([np.corrcoef(n[:, 1:].ravel(), n[:, :-1].ravel())[0, 1] for n in noises]) > 0.7
    assert deviations[1.2] / deviations[0.6] == pytest.approx(4.0, rel=0.2)
    # Interpolation between independent values takes some of the deviation, which is 2 mm on average.
    assert 0.0009 < deviations[0.6] < 0.002


def test_blur_mixes_over_steps_and_is_not_darkened_by_missing_depth():
    for result in samples(always(DepthBlur), observation(), 30):
        assert result.depth[60, 60] == pytest.approx(DISTANCE, abs=1e-4)
        assert DISTANCE + 0.05 < result.depth[60, 29] < WALL - 0.05
        assert result.depth[10, 60] == pytest.approx(WALL, abs=1e-4)


def test_bias_moves_everything_alike_by_a_centimetre_for_most_cameras():
    offsets = []
    for result in samples(always(DepthBias), observation(), 2000):
        difference = (result.depth - observation().depth)[10:]
        assert np.ptp(difference) < 1e-6
        offsets.append(difference[50, 60])
    assert np.mean(offsets) == pytest.approx(0, abs=0.0008)
    assert np.std(offsets) == pytest.approx(np.sqrt(0.7 * 0.008**2 + 0.3 * 0.001**2), rel=0.06)
    # Calibrated cameras stay within 2 mm, of the others a fifth does.
    assert np.mean(np.abs(offsets) < 0.002) == pytest.approx(0.3 * 0.954 + 0.7 * 0.197, abs=0.04)


def test_quantisation_leaves_multiples_of_a_step():
    ramp = observation()
    ramp.depth[10:] = np.linspace(0.5, 0.6, (SIZE - 10) * SIZE, dtype=np.float32).reshape(-1, SIZE)
    levels = []
    for result in samples(always(DepthQuantisation), ramp, 50):
        found = np.unique(result.depth[10:])
        steps = np.diff(found)
        assert np.ptp(steps) < 1e-5
        assert np.abs(result.depth - ramp.depth).max() <= steps[0] / 2 + 1e-6
        levels.append(len(found))
    # 0.1 m in steps of 4 to 0.5 mm.
    assert 26 <= min(levels) < 32
    assert 100 < max(levels) <= 202


def test_misregistration_shifts_depth_against_colour_by_some_pixels():
    def middle(depth):
        rows, columns = np.nonzero(depth == np.float32(DISTANCE))
        return np.array([columns.mean(), rows.mean()])

    given = observation()
    given.depth[:10] = WALL
    shifts = np.array(
        [middle(result.depth) - middle(given.depth) for result in samples(always(Misregistration), given)]
    )
    assert shifts.std(axis=0) == pytest.approx([3.5, 3.5], rel=0.2)
    assert shifts.mean(axis=0) == pytest.approx([0, 0], abs=0.8)


def test_fattening_widens_the_foreground_by_one_or_two_pixels_and_never_the_wall():
    given = observation()
    areas = set()
    for result in samples(always(ForegroundFattening), given, 40):
        assert (result.depth[given.mask] == np.float32(DISTANCE)).all()
        near = result.depth == np.float32(DISTANCE)
        areas.add((int(near.any(axis=1).sum()), int(near.any(axis=0).sum())))
    assert areas == {(52, 72), (54, 74)}


def test_edges_are_lost_beside_steps_only_and_in_about_half_of_the_image():
    given = observation()
    near_edge = np.zeros((SIZE, SIZE), bool)
    for row, column in ((40, 30), (40, 99), (89, 30), (89, 99)):
        near_edge[max(row - 4, 0) : row + 5] = True
        near_edge[:, column - 4 : column + 5] = True
    near_edge[:16] = True
    at_edge = np.zeros_like(near_edge)
    at_edge[40:90, 29:31] = True
    shares = []
    for result in samples(always(EdgeDropout), given):
        lost = (given.depth > 0) & (result.depth == 0)
        assert not (lost & ~near_edge).any()
        shares.append(lost[at_edge].mean())
    assert np.mean(shares) == pytest.approx(0.5, abs=0.06)


def test_a_slope_is_no_edge():
    slope = observation()
    slope.depth[:] = np.linspace(0.5, 0.7, SIZE, dtype=np.float32)
    for result in samples(always(EdgeDropout), slope, 30):
        assert (result.depth > 0).all()


def test_holes_are_blobs_of_a_twelfth_of_the_image_on_average():
    given = observation()
    shares, neighbours = [], []
    for result in samples(always(DepthHoles), given):
        lost = (result.depth == 0)[10:]
        shares.append(lost.mean())
        if lost.any():
            neighbours.append(lost[:, 1:][lost[:, :-1]].mean())
        assert np.array_equal(result.depth[10:][~lost], given.depth[10:][~lost])
    assert np.mean(shares) == pytest.approx(0.08, abs=0.02)
    assert 0.12 < max(shares) < 0.35
    # The pixel beside a lost one is lost more often than chance would have it.
    assert np.mean(neighbours) > 0.6


def test_no_depth_is_none_at_all():
    assert not always(NoDepth)(observation(), np.random.default_rng(0)).depth.any()
