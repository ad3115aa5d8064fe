"""The stereo camera's defects, against what the model says they are."""

from __future__ import annotations

import numpy as np
import pytest

from pose_tracker_ros.simulation.depth_noise import BASELINE_M, DISPARITY_STEP_PX, HOLE_SHARE, DepthNoise

HEIGHT, WIDTH, FOCAL = 240, 320, 600.0
DEVIATION_M = 0.0012


def make(deviation: float = DEVIATION_M, seed: int = 0) -> DepthNoise:
    return DepthNoise(HEIGHT, WIDTH, FOCAL, deviation, seed)


def wall(depth: float) -> np.ndarray:
    return np.full((HEIGHT, WIDTH), depth, np.float32)


def measure(depth: np.ndarray, number: int = 0, **options: float) -> np.ndarray:
    return make(**options).apply(depth, np.random.default_rng(number))


@pytest.mark.parametrize("depth", [0.6, 1.2, 1.8])
def test_noise_grows_with_the_square_of_the_depth(depth):
    measured = measure(wall(depth))
    error = measured[measured > 0] - depth
    expected = DEVIATION_M * (depth / 0.6) ** 2
    # Rounding to disparity steps adds the variance of a uniform distribution.
    step = depth**2 * DISPARITY_STEP_PX / (FOCAL * BASELINE_M)
    assert error.std() == pytest.approx(np.hypot(expected, step / np.sqrt(12)), rel=0.1)
    assert abs(error.mean()) < expected / 4


def test_disparity_comes_in_steps():
    measured = measure(wall(0.8))
    steps = FOCAL * BASELINE_M / measured[measured > 0] / DISPARITY_STEP_PX
    assert steps == pytest.approx(np.rint(steps), abs=1e-3)
    assert len(np.unique(np.rint(steps))) > 3


def test_neighbouring_errors_are_alike():
    error = np.where((measured := measure(wall(0.6))) > 0, measured - 0.6, 0)
    together = np.corrcoef(error[:, :-1].ravel(), error[:, 1:].ravel())[0, 1]
    apart = np.corrcoef(error[:, :-40].ravel(), error[:, 40:].ravel())[0, 1]
    assert together > 0.2 and abs(apart) < 0.1


def test_about_two_percent_is_missing_in_patches():
    shares, patches = [], []
    for number in range(20):
        missing = measure(wall(0.8), number) == 0
        shares.append(missing.mean())
        patches.append(np.mean(missing[:, 1:][missing[:, :-1]]))
    assert np.mean(shares) == pytest.approx(HOLE_SHARE, rel=0.3)
    assert np.mean(patches) > 0.5


def test_edges_are_lost_and_nothing_flies_between_them():
    depth = wall(1.5)
    depth[60:180, 100:200] = 0.6
    measured = measure(depth)
    assert not measured[100:140, 99:101].any() and not measured[100:140, 199:201].any()
    near, far = np.abs(measured - 0.6) < 0.02, np.abs(measured - 1.5) < 0.08
    assert np.all(near | far | (measured == 0))


@pytest.mark.parametrize(("angle_deg", "seen"), [(60, True), (75, True), (84, False)])
def test_what_is_grazed_is_not_seen(angle_deg, seen):
    """A plane turned by an angle from head-on about the image's vertical, by its equation."""
    slope = np.tan(np.radians(angle_deg))
    ray = (np.arange(WIDTH) - WIDTH / 2) / FOCAL
    depth = np.tile(0.6 / (1 - slope * ray), (HEIGHT, 1)).astype(np.float32)
    middle = np.mean([measure(depth, number)[:, WIDTH // 2 - 4 : WIDTH // 2 + 4] > 0 for number in range(4)])
    assert middle > 0.9 if seen else middle < 0.05


def test_the_shadow_falls_to_the_left_of_what_is_nearer():
    depth = wall(1.5)
    depth[:, 150:] = 0.6
    left = np.mean([np.mean(measure(depth, number)[:, 139:149] == 0) for number in range(4)])
    depth = depth[:, ::-1].copy()
    right = np.mean([np.mean(measure(depth, number)[:, -149:-139] == 0) for number in range(4)])
    assert left > 0.9 and right < 0.2


def test_what_has_no_depth_gets_none():
    depth = wall(0.7)
    depth[50:100, 50:100] = 0
    assert not measure(depth)[50:100, 50:100].any()
    assert not measure(wall(0)).any()


def test_without_deviation_depth_is_true():
    assert np.array_equal(measure(wall(0.7), deviation=0.0), wall(0.7))


def test_the_same_generator_gives_the_same_frame_and_another_one_does_not():
    assert np.array_equal(measure(wall(0.7), 1), measure(wall(0.7), 1))
    assert not np.array_equal(measure(wall(0.7), 1), measure(wall(0.7), 2))
    assert not np.array_equal(measure(wall(0.7), 1), measure(wall(0.7), 1, seed=5))


def test_the_true_depth_is_left_alone_and_the_type_kept():
    depth = wall(0.7)
    measured = measure(depth)
    assert np.array_equal(depth, wall(0.7))
    assert measured.dtype == np.float32 and np.isfinite(measured).all()


def test_crops_of_any_size_are_taken():
    crop = DepthNoise(128, 96, 300.0, DEVIATION_M, 0).apply(
        np.full((128, 96), 0.6, np.float32), np.random.default_rng(0)
    )
    assert crop.shape == (128, 96)
    assert crop[crop > 0].std() == pytest.approx(DEVIATION_M, rel=0.25)
