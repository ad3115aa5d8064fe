"""Kernels of the pixel likelihood against their twins in plain NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
from kernels import evidence_twins as twins

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.kernels import evidence as kernels

CAMERA = PinholeCamera(72, 72, 130.0, 132.0, 30.0, 41.0)
NOISE = np.array([0.0012, 0.0004, 0.0007, 0.002, 16.0, 0.4, 0.12, 15.0, 60.0, 40.0])
RINGS = np.array([[0.7, 3.2], [1.5, 6.5]])
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
    def surface(self) -> tuple[np.ndarray, np.ndarray, int, int]:
        """Pixels, deviations, count and total of the kernel."""
        pixels, deviations = np.full((72 * 72, 2), -1, np.int32), np.zeros(72 * 72, np.float32)
        intrinsics = np.array([CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy])
        total, count, _ = kernels.surface_pixels(
            self.mask, self.rendered, self.normal, intrinsics, self.window, NOISE, pixels, deviations
        )
        return pixels, deviations, count, total

    @cached_property
    def ring(self) -> tuple[np.ndarray, np.ndarray, int]:
        """Distance, pixels and count of the kernel."""
        distance, pixels = np.zeros((72, 72), np.int32), np.full((72 * 72, 2), -1, np.int32)
        count = kernels.ring_pixels(self.mask, self.window, RINGS.min(), RINGS.max(), distance, pixels)
        return distance, pixels, count

    @cached_property
    def planes(self) -> np.ndarray:
        planes = np.empty((4, kernels.PLANE_NUMBERS))
        distance, pixels, count = self.ring
        kernels.surrounding_planes(self.depth, distance, pixels, count, RINGS, 30.0, NOISE, planes)
        return planes

    @property
    def chosen(self) -> np.ndarray:
        """Pixels (R, R) bool that the twins look at."""
        return twins.interior(self.mask) & twins.in_window(self.mask.shape, self.window)

    @property
    def deviation(self) -> np.ndarray:
        """Of depth (R, R) by the twin, 1 where nothing is drawn."""
        found = twins.deviations(self.rendered.astype(np.float64), self.normal, self.rays, NOISE)
        return np.where(self.mask, found, 1.0)


def test_ring_pixels_are_those_at_a_distance():
    crop = Crop(0)
    distance, pixels, count = crop.ring
    expected = twins.silhouette_distance(crop.mask)
    low, high = RINGS.min(), RINGS.max()
    near = expected <= high
    assert distance[near] / 1000 == pytest.approx(expected[near], rel=1e-9)
    assert (distance[~near] > 1000 * high).all()
    listed = np.zeros_like(crop.mask)
    listed[tuple(pixels[:count].T)] = True
    assert listed.sum() == count > 300
    assert np.array_equal(listed, (expected > low) & near & twins.in_window(crop.mask.shape, crop.window))


def test_nothing_surrounds_nothing():
    distance, pixels = np.zeros((8, 8), np.int32), np.zeros((64, 2), np.int32)
    assert kernels.ring_pixels(np.zeros((8, 8), bool), np.array([0, 0, 8, 8]), 0.5, 3.0, distance, pixels) == 0
    assert (distance > 3000).all()


def test_surface_pixels_are_inside_and_have_deviations():
    crop = Crop(0)
    pixels, deviations, count, total = crop.surface
    assert total == twins.interior(crop.mask).sum() > count
    assert np.array_equal(pixels[:count], np.argwhere(crop.chosen))
    assert deviations[:count] == pytest.approx(crop.deviation[crop.chosen], rel=1e-5)


@SEEDS
def test_planes_are_those_of_general_solvers(seed):
    crop = Crop(seed)
    distance, pixels, count = crop.ring
    expected = twins.surrounding_planes(crop.depth, distance / 1000, pixels[:count], RINGS, 30.0, NOISE)
    assert (expected[:, 9] > 0.05).sum() >= 3
    assert crop.planes == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_rings_without_depth_have_no_planes():
    crop = Crop(0)
    distance, pixels, count = crop.ring
    planes = np.ones((4, kernels.PLANE_NUMBERS))
    nothing = np.zeros_like(crop.depth)
    kernels.surrounding_planes(nothing, distance, pixels, count, RINGS, 30.0, NOISE, planes)
    assert not planes.any()


@SEEDS
def test_depth_ratio(seed):
    crop = Crop(seed)
    pixels, deviations, count, total = crop.surface
    stride = -(-count // kernels.BIAS_PIXELS)
    chosen = np.zeros_like(crop.mask)
    chosen[tuple(pixels[:count:stride].T)] = True
    result = kernels.depth_ratio(pixels, deviations, count, total, crop.rendered, crop.depth, crop.planes, 5e-4, NOISE)
    expected = twins.depth_ratio(
        chosen, total / stride, crop.deviation, crop.rendered, crop.depth, crop.planes, 5e-4, NOISE
    )
    assert stride > 1 and expected[0] > 1
    assert result == pytest.approx(expected, abs=2e-5)


def test_the_common_bias_is_found_roughly():
    crop = Crop(0)
    pixels, deviations, count, total = crop.surface
    _, bias = kernels.depth_ratio(
        pixels, deviations, count, total, crop.rendered, crop.depth, crop.planes, 0.0, NOISE
    )
    assert 0.3 * BIAS < bias < 1.3 * BIAS


def test_color_density():
    crop = Crop(0)
    _, pixels, count = crop.ring
    density = np.zeros(kernels.BINS**3, np.float32)
    kernels.color_density(crop.color, pixels, count, density)
    rows, columns = pixels[:count].T
    assert density == pytest.approx(twins.color_density(crop.color[rows, columns]), rel=1e-4, abs=1e-4)
    assert density.mean() == pytest.approx(1, rel=1e-5)
    kernels.color_density(crop.color, pixels, 0, density)
    assert (density == 1).all()


@SEEDS
def test_color_gains(seed):
    crop = Crop(seed)
    pixels, deviations, count, _ = crop.surface
    gains = np.zeros(6)
    used, cost = kernels.color_gains(
        pixels, deviations, count, crop.rendered, crop.depth, 0.0, crop.paint, crop.color, NOISE, gains
    )
    rows, columns = pixels[: count : -(-count // kernels.GAIN_PIXELS)].T
    seen = ~twins.hidden(crop.depth, crop.rendered, crop.deviation, NOISE)[rows, columns]
    rows, columns = rows[seen], columns[seen]
    assert used == len(rows) < count
    expected, expected_cost = twins.color_gains(crop.paint[rows, columns].astype(float), crop.color[rows, columns].astype(float), NOISE)
    assert gains == pytest.approx(expected, rel=1e-6)
    assert cost == pytest.approx(expected_cost, rel=1e-6) and cost > 0.1


@SEEDS
@pytest.mark.parametrize("known", [kernels.UNKNOWN, kernels.PAINTED, kernels.LEARNT])
def test_weigh_pixels(seed, known):
    crop = Crop(seed)
    pixels, deviations, count, total = crop.surface
    gains = np.array([1.1, 0.9, 1.0, 5.0, -4.0, 2.0])
    around = twins.color_density(crop.color[~crop.mask]).astype(np.float32)
    learnt = twins.color_density(crop.color[crop.mask]).astype(np.float32)
    surface, occluder = np.zeros(crop.mask.shape, np.float32), np.zeros(crop.mask.shape, np.float32)
    ratio, visible, speaking, hidden = kernels.weigh_pixels(
        pixels, deviations, count, total, crop.rendered, crop.depth, crop.planes, BIAS, crop.paint, crop.color, known,
        gains, learnt, around, NOISE, surface, occluder,
    )  # fmt: skip
    bins = np.ravel_multi_index(tuple(np.moveaxis(crop.color >> kernels.BIN_SHIFT, -1, 0)), (kernels.BINS,) * 3)
    painted = np.clip(gains[:3] * crop.paint + gains[3:], 0, 255)
    density = {
        kernels.UNKNOWN: None,
        kernels.PAINTED: twins.student_density(crop.color - painted, NOISE[kernels.COLOR]),
        kernels.LEARNT: learnt[bins],
    }[known]
    expected_surface, expected_occluder, expected_ratio = twins.weigh_pixels(
        crop.chosen, total, crop.deviation, crop.rendered, crop.depth, crop.planes, BIAS, density, around[bins], NOISE
    )
    assert surface == pytest.approx(expected_surface, abs=1e-4)
    assert occluder == pytest.approx(expected_occluder, abs=1e-4)
    assert ratio == pytest.approx(expected_ratio, abs=1e-5)
    is_hidden = twins.hidden(crop.depth, crop.rendered + BIAS, crop.deviation, NOISE)
    assert hidden == (crop.chosen & is_hidden).sum() > 50
    assert speaking == (crop.chosen & ~is_hidden & (crop.depth > 0)).sum()
    assert visible == speaking + (crop.chosen & (crop.depth == 0)).sum()
    assert (ratio == 0) == (known == kernels.UNKNOWN)
