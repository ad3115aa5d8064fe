"""Kernels of the pixel likelihood against their twins in plain NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import pytest
from kernels import evidence_twins as twins

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.kernels import evidence as kernels
from pose_tracker_ros.kernels import surroundings
from pose_tracker_ros.kernels.shared import BIN_SHIFT, BINS

CAMERA = PinholeCamera(72, 72, 130.0, 132.0, 30.0, 41.0)
NOISE = np.array([0.0033, 0.0007, 0.002, 16.0, 0.4, 0.12, 15.0, 60.0, 40.0])
DIAMETER_PX = 44.0
BIAS = 0.0013
SEEDS = pytest.mark.parametrize("seed", range(3))


@dataclass(frozen=True)
class Crop:
    """A ball before two planes, partly hidden, partly unmeasured, in colours at random; a part is outside of the image."""

    seed: int

    @cached_property
    def _generator(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)

    @cached_property
    def window(self) -> np.ndarray:
        return np.array([24, 0, 72, 66])

    @cached_property
    def rays(self) -> np.ndarray:
        return CAMERA.rays().astype(np.float64)

    @cached_property
    def _rendered(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        center, radius = np.array([0.05, -0.03, 0.62]), 0.1
        along, squared = self.rays @ center, np.sum(self.rays**2, axis=-1)
        root = along**2 - squared * (center @ center - radius**2)
        mask = root > 0
        depth = np.where(mask, (along - np.sqrt(np.maximum(root, 0))) / squared, 0)
        normal = np.where(mask[..., None], (self.rays * depth[..., None] - center) / radius, 0)
        return mask, depth.astype(np.float32), normal.astype(np.float32)

    mask = property(lambda self: self._rendered[0])
    rendered = property(lambda self: self._rendered[1])
    normal = property(lambda self: self._rendered[2])

    @cached_property
    def depth(self) -> np.ndarray:
        generator = self._generator
        across, along = twins.coordinates(self.mask.shape)
        behind = np.where(across + 0.3 * along < 0.05, 1 / (1.3 + 0.2 * across), 1 / (1.55 - 0.3 * along))
        depth = np.where(self.mask, self.rendered + BIAS + generator.normal(0, 0.0012, self.mask.shape), behind)
        depth += generator.normal(0, 0.001, depth.shape)
        depth[:, 30:36] = 0.5
        depth[generator.random(depth.shape) < 0.1] = 0
        depth[generator.random(depth.shape) < 0.05] = 0.7
        return depth.astype(np.float32)

    @cached_property
    def color(self) -> np.ndarray:
        scene = np.array([200, 60, 40]) * self.mask[..., None] + np.array([30, 90, 200]) * ~self.mask[..., None]
        noisy = scene + self._generator.normal(0, 25, (*self.mask.shape, 3))
        return np.clip(noisy, 0, 255).astype(np.uint8)

    @cached_property
    def paint(self) -> np.ndarray:
        ground = np.where((np.indices(self.mask.shape).sum(axis=0) // 6 % 2)[..., None], [170, 80, 60], [90, 40, 30])
        return (ground * self.mask[..., None]).astype(np.uint8)

    @cached_property
    def distance(self) -> np.ndarray:
        return cv2.distanceTransform((~self.mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)

    @cached_property
    def around(self) -> tuple[np.ndarray, np.ndarray]:
        """Planes and colours of the kernel."""
        planes = np.ones((surroundings.MOST_PLANES, surroundings.PLANE_NUMBERS))
        colors = np.ones(BINS**3, np.float32)
        surroundings.look_around(
            self.distance, DIAMETER_PX, self.window, self.depth, self.color, *NOISE[:2], planes, colors
        )
        return planes, colors

    @property
    def chosen(self) -> np.ndarray:
        """Pixels (R, R) bool that the twins look at."""
        return twins.interior(self.mask) & twins.in_window(self.mask.shape, self.window)

    @property
    def ring(self) -> np.ndarray:
        """Pixels (R, R) bool around the silhouette."""
        away = self.distance / DIAMETER_PX
        near = (away > surroundings.RING_LOW) & (away <= surroundings.RING_HIGH)
        return near & twins.in_window(self.mask.shape, self.window)

    @property
    def deviation(self) -> np.ndarray:
        """Of depth (R, R) by the twin, 1 where nothing is drawn."""
        return np.where(self.mask, twins.deviations(self.rendered + BIAS, self.normal, self.rays, NOISE), 1.0)

    @cached_property
    def common(self) -> np.ndarray:
        """Pixels (R, R) bool from which the twins find what all have in common."""
        rows, columns = np.nonzero(self.chosen)
        stride = -(-len(rows) // kernels.COMMON_PIXELS)
        assert stride > 1
        result = np.zeros_like(self.mask)
        result[rows[::stride], columns[::stride]] = True
        return result

    def depth_ratio(self) -> tuple[float, float]:
        """Ratio and shift by the twin."""
        total = twins.interior(self.mask).sum() * self.common.sum() / self.chosen.sum()
        return twins.depth_ratio(
            self.common, total, self.deviation, self.rendered, self.depth, self.around[0], BIAS, NOISE
        )

    def weigh(self, known: int, learnt: np.ndarray) -> tuple[tuple, np.ndarray, np.ndarray]:
        """What the kernel returns, surface and occluder."""
        surface, occluder = np.zeros(self.mask.shape, np.float32), np.zeros(self.mask.shape, np.float32)
        camera = np.array([CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy])
        result = kernels.weigh_pixels(
            self.mask, self.rendered, self.normal, self.paint, camera, self.window, self.depth, self.color, *self.around,
            known, learnt, BIAS, NOISE, surface, occluder,
        )  # fmt: skip
        return result, surface, occluder


@SEEDS
def test_planes_are_those_of_general_solvers(seed):
    crop = Crop(seed)
    expected = twins.surrounding_planes(crop.depth, crop.ring, NOISE)
    assert (expected[:, 3] > 0.05).all()
    assert crop.around[0] == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_colours_around_are_those_of_the_ring():
    crop = Crop(0)
    assert crop.ring.sum() > 200
    assert crop.around[1] == pytest.approx(twins.color_density(crop.color[crop.ring]), rel=1e-4, abs=1e-4)


def test_a_ring_without_depth_has_no_planes_and_nothing_surrounds_nothing():
    crop = Crop(0)
    planes, colors = np.ones((2, surroundings.PLANE_NUMBERS)), np.zeros(BINS**3, np.float32)
    nothing = np.zeros_like(crop.depth)
    surroundings.look_around(crop.distance, DIAMETER_PX, crop.window, nothing, crop.color, *NOISE[:2], planes, colors)
    assert not planes.any() and colors.std() > 0
    far = np.full_like(crop.distance, 1e9)
    surroundings.look_around(far, DIAMETER_PX, crop.window, crop.depth, crop.color, *NOISE[:2], planes, colors)
    assert not planes.any() and (colors == 1).all()


def test_color_density():
    crop = Crop(0)
    surface = np.random.default_rng(0).random(crop.mask.shape).astype(np.float32)
    density = np.zeros(BINS**3, np.float32)
    assert surroundings.color_density(crop.color, surface, 0.7, density) == (surface > 0.7).sum()
    assert density == pytest.approx(twins.color_density(crop.color[surface > 0.7]), rel=1e-4, abs=1e-4)
    assert density.mean() == pytest.approx(1, rel=1e-5)
    assert surroundings.color_density(crop.color, surface, 2.0, density) == 0
    assert (density == 1).all()


def test_the_common_bias_is_found_roughly():
    crop = Crop(0)
    ratio, shift = twins.depth_ratio(
        crop.common, 1.0, crop.deviation, crop.rendered, crop.depth, crop.around[0], 0.0, NOISE
    )
    assert 0.3 * BIAS < shift < 1.3 * BIAS and ratio > 1


@SEEDS
@pytest.mark.parametrize("known", [kernels.UNKNOWN, kernels.PAINTED, kernels.LEARNT])
def test_weigh_pixels(seed, known):
    crop = Crop(seed)
    learnt = twins.color_density(crop.color[crop.mask]).astype(np.float32)
    (depth_ratio, color_ratio, total, visible, speaking, hidden), surface, occluder = crop.weigh(known, learnt)
    expected_ratio, shift = crop.depth_ratio()
    assert depth_ratio == pytest.approx(expected_ratio, abs=2e-5) and depth_ratio > 1
    is_hidden = twins.hidden(crop.depth, crop.rendered + BIAS, crop.deviation, NOISE)
    assert total == twins.interior(crop.mask).sum() > crop.chosen.sum()
    assert hidden == (crop.chosen & is_hidden).sum() > 50
    assert speaking == (crop.chosen & ~is_hidden & (crop.depth > 0)).sum()
    assert visible == speaking + (crop.chosen & (crop.depth == 0)).sum()
    seen = crop.common & ~is_hidden
    gains, cost = twins.light(crop.paint[seen].astype(float), crop.color[seen].astype(float), NOISE)
    assert cost > 0.1
    bins = np.ravel_multi_index(tuple(np.moveaxis(crop.color >> BIN_SHIFT, -1, 0)), (BINS,) * 3)
    painted = np.clip(gains[:3] * crop.paint + gains[3:], 0, 255)
    density = {
        kernels.UNKNOWN: None,
        kernels.PAINTED: twins.student_density(crop.color - painted, NOISE[kernels.COLOR]),
        kernels.LEARNT: learnt[bins],
    }[known]
    expected_surface, expected_occluder, expected_ratio = twins.weigh_pixels(
        crop.chosen, total, crop.deviation, crop.rendered, crop.depth, crop.around[0], BIAS, shift, density,
        crop.around[1][bins], NOISE,
    )  # fmt: skip
    if known == kernels.PAINTED:
        expected_ratio -= cost / NOISE[kernels.COLORS]
    assert surface == pytest.approx(expected_surface, abs=2e-4)
    assert occluder == pytest.approx(expected_occluder, abs=2e-4)
    assert color_ratio == pytest.approx(expected_ratio, abs=2e-5)
    assert (color_ratio == 0) == (known == kernels.UNKNOWN)
