"""Places of an object rated by a kernel, and by its twin in plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from pose_tracker_ros.geometry import invert, make_pose, so3_exp
from pose_tracker_ros.kernels import places
from pose_tracker_ros.kernels.shared import BIN_SHIFT, BINS

CAMERA, DEPTH_CAMERA = np.array([60.0, 62.0, 31.0, 25.0]), np.array([50.0, 48.0, 24.0, 17.0])
BESIDE = make_pose(so3_exp(np.array([0.02, -0.05, 0.03])), np.array([0.05, -0.01, 0.02]))


def pixel_of(point, camera, shape):
    """Row and column of a point in front of the camera, None outside of the image."""
    column, row = (int(round(v)) for v in camera[:2] * point[:2] / point[2] + camera[2:])
    return (row, column) if point[2] >= places.NEAREST_M and 0 <= row < shape[0] and 0 <= column < shape[1] else None


def rate(color, depth, depth_camera, color_T_depth, log_ratios, points, ring, tolerances, place):
    """Score and centre (3,) of the place that a pixel of depth shows."""
    measured = depth[place]
    if measured == 0:
        return -np.inf, np.zeros(3)
    back = np.array([*((np.array(place[::-1]) - depth_camera[2:]) / depth_camera[:2]), 1.0]) * measured
    center = color_T_depth[:3, :3] @ back + color_T_depth[:3, 3] - points[0]
    depth_T_color = invert(color_T_depth)

    def difference(offset):
        there = depth_T_color[:3, :3] @ (center + offset) + depth_T_color[:3, 3]
        pixel = pixel_of(there, depth_camera, depth.shape)
        return (None, None) if pixel is None else (pixel, depth[pixel] - there[2])

    def rated(offset, tolerance):
        pixel, off = difference(offset)
        if pixel is None or (depth[pixel] > 0 and off < -tolerance):
            return 0.0
        score = 0.0 if depth[pixel] == 0 else places.AGREES if off < tolerance else places.FARTHER
        in_color = pixel_of(center + offset, CAMERA, color.shape)
        bins = None if in_color is None else color[in_color].astype(int) >> BIN_SHIFT
        return score if bins is None else score + log_ratios[int(bins @ [BINS**2, BINS, 1])]

    first = sum(rated(*one) for one in zip(points[: places.FIRST_POINTS], tolerances))
    if len(points) > places.FIRST_POINTS and first < places.HOPELESS * places.FIRST_POINTS:
        total = places.HOPELESS * len(points)
    else:
        total = sum(rated(*one) for one in zip(points, tolerances))
    around = [difference(offset) for offset in ring]
    going_on = sum(
        pixel is not None and depth[pixel] > 0 and abs(off) < tolerance
        for (pixel, off), tolerance in zip(around, tolerances[len(points) :])
    )
    return total / len(points) + places.GOES_ON * going_on / len(ring), center


@pytest.mark.parametrize("apart", [False, True], ids=["registered", "a depth camera of its own"])
def test_the_kernel_is_its_twin(apart):
    generator = np.random.default_rng(4)
    color = generator.integers(0, 256, (50, 64, 3), np.uint8)
    depth = generator.choice([0.6, 0.62, 0.9], (36, 48) if apart else (50, 64)).astype(np.float32)
    depth[generator.random(depth.shape) < 0.1] = 0
    depth[10:25, 10:25] = 0.6
    depth_camera, color_T_depth = (DEPTH_CAMERA, BESIDE) if apart else (CAMERA, np.eye(4))
    log_ratios = generator.normal(0, 0.7, BINS**3).astype(np.float32)
    points = generator.normal(0, 0.05, (24, 3)) * [1, 1, 0.2]
    ring = generator.normal(0, 0.08, (7, 3)) * [1, 1, 0.2]
    tolerances = generator.uniform(0.01, 0.04, len(points) + len(ring))
    grid = np.array([-2, -1, 3])
    scores, centers = np.empty((14, 17), np.float32), np.zeros((14, 17, 3), np.float32)
    places.rate_places(
        *(color, depth, CAMERA, depth_camera, color_T_depth, np.ascontiguousarray(invert(color_T_depth))),
        *(log_ratios, points, ring, tolerances, grid, scores, centers),
    )
    rated = 0
    for i, j in np.ndindex(scores.shape):
        place = int(grid[0] + i * grid[2]), int(grid[1] + j * grid[2])
        if not (0 <= place[0] < depth.shape[0] and 0 <= place[1] < depth.shape[1]):
            assert scores[i, j] == -np.inf
            continue
        score, center = rate(
            color, depth, depth_camera, color_T_depth, log_ratios, points, ring, tolerances, place
        )
        assert scores[i, j] == pytest.approx(score, abs=1e-5)
        if np.isfinite(score):
            assert centers[i, j] == pytest.approx(center, abs=1e-6)
            rated += scores[i, j] != pytest.approx(places.HOPELESS, abs=1e-3)
    assert rated > 20
