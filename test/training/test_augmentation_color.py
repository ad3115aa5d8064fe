"""Each defect of the colour image has the effect, and the strength, that it is named for."""

import colorsys

import cv2
import numpy as np
import pytest

from pose_tracker_ros.camera import crop_camera
from pose_tracker_ros.training.augmentation import FirstOf, Observation, augment
from pose_tracker_ros.training.augmentation.color import (
    BlackLevel,
    Brightness,
    ColorBlur,
    ColorNoise,
    HsvJitter,
    LowerResolution,
    MotionBlur,
    Saturation,
    WhiteBalance,
)

SIZE = 64
CAMERA = crop_camera(np.array([0.0, 0.0, 0.6]), 0.2, SIZE)
ORANGE = (200.0, 120.0, 60.0)


def observation(color=ORANGE, depth=0.6):
    """A uniform colour, or an image, at a uniform depth."""
    image = np.zeros((SIZE, SIZE, 3), np.float32)
    image[:] = color
    return Observation(
        image, np.full((SIZE, SIZE), depth, np.float32), np.ones((SIZE, SIZE), bool), max(depth, 0.1), CAMERA
    )


def point():
    """One white pixel in the middle of black."""
    image = np.zeros((SIZE, SIZE, 3), np.float32)
    image[SIZE // 2, SIZE // 2] = 255
    return observation(image)


def samples(step, given, count=300, seed=0):
    generator = np.random.default_rng(seed)
    return [step(given, generator) for _ in range(count)]


ALL = [HsvJitter(), Brightness(), BlackLevel(), WhiteBalance(), Saturation(), ColorNoise(), ColorBlur(), MotionBlur()]


@pytest.mark.parametrize("step", [*ALL, LowerResolution()], ids=lambda step: type(step).__name__)
def test_only_colour_changes_as_often_as_the_probability_says_and_the_given_stays(step):
    given = observation(np.random.default_rng(1).uniform(60, 200, (SIZE, SIZE, 3)))
    before = given.color.copy()
    changed = 0
    for result in samples(step, given, 400):
        assert result.depth is given.depth
        assert result.color.dtype == np.float32
        changed += not np.array_equal(result.color, before)
    assert np.array_equal(given.color, before)
    # HSV jitter draws for each of three channels.
    probability = 1 - (1 - step.probability) ** 3 if isinstance(step, HsvJitter) else step.probability
    assert changed / 400 == pytest.approx(probability, abs=0.08)


def hsv(color):
    """Hue, saturation, value in OpenCV's 8-bit units, by the standard library."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(np.asarray(color) / 255))
    return np.array([hue * 180, saturation * 255, value * 255])


def test_hsv_jitter_moves_each_channel_by_up_to_fifteen():
    moves = np.array(
        [hsv(result.color[0, 0].astype(float)) - hsv(ORANGE) for result in samples(HsvJitter(), observation(), 500)]
    )
    moves[:, 0] = (moves[:, 0] + 90) % 180 - 90
    assert np.all(np.abs(moves) < 15.1)
    assert np.all(np.abs(moves).max(axis=0) > 13)
    # Uniform within the limits, for the half of the draws that move a channel.
    for channel in moves.T:
        moved = channel[np.abs(channel) > 1e-3]
        assert len(moved) / len(channel) == pytest.approx(0.5, abs=0.08)
        assert moved.std() == pytest.approx(15 / np.sqrt(3), rel=0.12)


def test_hsv_jitter_leaves_pixels_without_depth():
    given = observation()
    given.depth[:, : SIZE // 2] = 0
    result = HsvJitter(probability=1.0)(given, np.random.default_rng(0))
    assert np.array_equal(result.color[:, : SIZE // 2], given.color[:, : SIZE // 2])
    assert np.abs(result.color[:, SIZE // 2 :] - given.color[:, SIZE // 2 :]).max() > 1


def test_brightness_is_one_factor_for_all_colours():
    ratios = np.array([result.color[0, 0] / ORANGE for result in samples(Brightness(), observation())])
    assert np.ptp(ratios, axis=1).max() < 1e-5
    assert 0.5 <= ratios.min() < 0.55
    assert 1.45 < ratios.max() <= 1.5
    assert ratios.mean() == pytest.approx(1.0, abs=0.05)


def test_black_level_is_added_and_white_balance_multiplies_channel_by_channel():
    offsets = np.array([result.color[0, 0] - ORANGE for result in samples(BlackLevel(), observation())])
    assert np.ptp(offsets, axis=1).max() < 1e-4
    assert 13 < np.abs(offsets).max() <= 15.001
    ratios = np.array([result.color[0, 0] / ORANGE for result in samples(WhiteBalance(), observation())])
    assert 0.85 <= ratios.min() < 0.87
    assert 1.13 < ratios.max() <= 1.15001
    assert np.abs(np.corrcoef(ratios.T) - np.eye(3)).max() < 0.2


def test_saturation_scales_the_distance_from_grey():
    grey = np.mean(ORANGE)
    for result in samples(Saturation(probability=1.0), observation(), 50):
        color = result.color[0, 0]
        assert color.mean() == pytest.approx(grey, abs=0.01)
        factors = (color - grey) / (np.array(ORANGE) - grey)
        assert np.ptp(factors) < 0.01
        assert 0.3 <= factors.mean() <= 1.5


def test_noise_has_a_deviation_up_to_the_limit_and_no_mean():
    deviations = []
    for result in samples(ColorNoise(probability=1.0), observation(), 200):
        noise = result.color - np.float32(ORANGE)
        deviations.append(noise.std())
        assert abs(noise.mean()) < 0.1
        # Independent from pixel to pixel and from channel to channel.
        assert abs(np.corrcoef(noise[:, 1:, 0].ravel(), noise[:, :-1, 0].ravel())[0, 1]) < 0.08
        assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.08
    assert max(deviations) < 2.1
    assert np.mean(deviations) == pytest.approx(1.0, abs=0.12)


def test_published_noise_is_only_where_depth_is():
    nothing = observation(depth=0.0)
    assert np.array_equal(ColorNoise(probability=1.0)(nothing, np.random.default_rng(0)).color, nothing.color)
    everywhere = ColorNoise(probability=1.0, measured_only=False)(nothing, np.random.default_rng(0))
    assert not np.array_equal(everywhere.color, nothing.color)


def test_blur_has_the_width_of_its_kernel_and_keeps_the_light():
    widths = set()
    for result in samples(ColorBlur(probability=1.0), point(), 60):
        spread = result.color[..., 0]
        assert spread.sum() == pytest.approx(255, rel=1e-4)
        widths.add(int((spread.max(axis=0) > 0).sum()))
        assert widths <= {3, 5, 7}
    assert widths == {3, 5, 7}
    wide = ColorBlur(probability=1.0, kernels=(), sigma=(1.5, 1.5))(point(), np.random.default_rng(0)).color[..., 0]
    columns = np.arange(SIZE) - SIZE // 2
    assert (wide.sum(axis=0) * columns**2).sum() / wide.sum() == pytest.approx(1.5**2, rel=0.05)


def test_motion_blur_smears_along_one_line():
    angles = []
    for result in samples(MotionBlur(probability=1.0, length=(9, 9)), point(), 60):
        rows, columns = np.nonzero(result.color[..., 0])
        assert 255 == pytest.approx(result.color[..., 0].sum(), rel=1e-4)
        variances, axes = np.linalg.eigh(np.cov(np.stack([columns, rows])))
        # A line of nine pixels: long one way, less than a pixel wide the other.
        assert variances[1] > 4
        assert variances[0] < 0.3
        angles.append(np.degrees(np.arctan2(axes[1, 1], axes[0, 1])) % 180)
    assert np.histogram(angles, bins=4, range=(0, 180))[0].min() > 0


def test_motion_blur_keeps_stripes_along_it_and_blurs_those_across():
    stripes = np.zeros((SIZE, SIZE, 3), np.float32)
    stripes[:, ::2] = 255
    contrasts = [result.color[..., 0].std() for result in samples(MotionBlur(probability=1.0), observation(stripes))]
    assert max(contrasts) > 100
    assert min(contrasts) < 40


def test_lower_resolution_removes_what_is_fine_and_keeps_what_is_coarse():
    fine = observation(np.random.default_rng(0).choice([0.0, 255.0], (SIZE, SIZE, 1)))
    coarse = observation(cv2.resize(np.float32([[0, 255], [255, 0]]), (SIZE, SIZE))[..., None])
    step = LowerResolution(probability=1.0, high=0.5)
    for given, low, high in ((fine, 0.2, 0.75), (coarse, 0.95, 1.01)):
        for result in samples(step, given, 20):
            assert low < result.color.std() / given.color.std() < high
            assert result.color.mean() == pytest.approx(given.color.mean(), rel=0.05)


def test_steps_follow_one_another_and_of_alternatives_only_one_happens():
    brighter, darker = Brightness(low=2.0, high=2.0), Brightness(low=0.5, high=0.5)
    generator = np.random.default_rng(0)
    assert augment(observation(), (brighter, brighter), generator).color[0, 0] == pytest.approx(np.array(ORANGE) * 4)
    maybe = Brightness(probability=0.3, low=2.0, high=2.0)
    ratios = [result.color[0, 0, 0] / ORANGE[0] for result in samples(FirstOf(steps=(maybe, darker)), observation())]
    assert set(np.round(ratios, 3)) == {0.5, 2.0}
    assert np.mean(np.array(ratios) > 1) == pytest.approx(0.3, abs=0.08)
