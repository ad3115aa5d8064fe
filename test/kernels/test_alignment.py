"""The normal equations against plain NumPy and finite differences; steps against linear algebra and SciPy."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pose_tracker_ros.geometry import make_pose, so3_exp
from pose_tracker_ros.kernels import alignment
from pose_tracker_ros.kernels.alignment import BIAS, OFFSET, SHIFT, STATE

CAMERA = np.array([300.0, 310.0, 79.5, 59.5])
CENTER = np.array([0.02, -0.01, 0.6])
NOISE_AT_METRE, SURFACE, LIMIT, SHARED = 0.0033, 0.001, 0.02, 7.0
CONTOUR_LIMIT, CONTOUR_SHARED = 4.0, 9.0
# Finite differences of metres, radians, pixels, pixel, metres.
STEPS = np.array([1e-5] * 3 + [1e-4] * 3 + [1e-3] * 3 + [1e-5])


def depth_scene(seed=0, count=80):
    """Points and normals on a bumpy surface before the camera, and a depth image of a plane near them."""
    generator = np.random.default_rng(seed)
    points = CENTER + generator.uniform(-0.05, 0.05, (count, 3)) * [1, 1, 0.1]
    normals = np.array([0.1, -0.2, -1.0]) + generator.normal(0, 0.1, (count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    depth = np.full((120, 160), 0.602, np.float32)
    depth[::3, ::4] = 0
    state = np.concatenate([[0.002, -0.001, 0.003], [0.03, -0.02, 0.01], [0.7, -0.4], [0.2], [0.001]])
    depth_T_color = make_pose(so3_exp(np.array([0.0, 0.02, 0.01])), np.array([0.01, 0.0, 0.002]))
    return np.float32(points), np.float32(normals), depth, state, depth_T_color


def add_depth(points, normals, depth, state, depth_T_color):
    hessian, gradient, weights = np.zeros((STATE, STATE)), np.zeros(STATE), np.zeros(len(points), np.float32)
    noise = (NOISE_AT_METRE, SURFACE, LIMIT, SHARED)
    arrays = (points, normals, CENTER, depth, CAMERA, depth_T_color)
    cost = alignment.add_depth(*arrays, *noise, state, hessian, gradient, weights)
    return cost, hessian, gradient, weights


def depth_twin(points, normals, depth, state, depth_T_color):
    """Cost and residual terms of the same, vectorised: measured pixels, residuals and Tukey's weights."""
    turn = so3_exp(state[3:6])
    moved = (points - CENTER) @ turn.T + CENTER + state[:3]
    seen = moved @ depth_T_color[:3, :3].T + depth_T_color[:3, 3]
    fx, fy, cx, cy = CAMERA
    column = np.rint(fx * seen[:, 0] / seen[:, 2] + cx - state[SHIFT]).astype(int)
    row = np.rint(fy * seen[:, 1] / seen[:, 2] + cy - state[SHIFT + 1]).astype(int)
    measured = depth[row, column] - state[BIAS]
    ray = np.column_stack(
        [(column + state[SHIFT] - cx) / fx, (row + state[SHIFT + 1] - cy) / fy, np.ones(len(points))]
    )
    normal = normals @ turn.T @ depth_T_color[:3, :3].T
    residual = np.sum(normal * (measured[:, None] * ray - seen), axis=1)
    facing = np.sum(normal * ray, axis=1)
    valid = (depth[row, column] > 0) & (facing < -0.2 * np.linalg.norm(ray, axis=1))
    weight = np.where(valid & (np.abs(residual) < LIMIT), (1 - (residual / LIMIT) ** 2) ** 2, 0)
    precision = 1 / ((SURFACE - NOISE_AT_METRE * measured**2 * facing) ** 2 * SHARED)
    rho = LIMIT**2 / 6 * (1 - np.maximum(0, 1 - (residual / LIMIT) ** 2) ** 3)
    return float(np.sum((rho * precision)[valid])), weight


@pytest.mark.parametrize("seed", range(3))
def test_depth_costs_what_numpy_says(seed):
    scene = depth_scene(seed)
    cost, _, _, weights = add_depth(*scene)
    expected, expected_weights = depth_twin(*scene)
    assert cost == pytest.approx(expected, rel=1e-5)
    assert weights == pytest.approx(expected_weights, abs=1e-4)
    assert np.count_nonzero(weights) > 20


def test_the_gradient_of_depth_is_that_of_its_cost():
    """Of a flat depth image, where another pixel measures the same: lateral motion changes no plane."""
    points, normals, depth, state, _ = depth_scene()
    depth[:] = 0.602
    normals[:] = [0, 0, -1]
    state[3:6] = 0
    scene = (points, normals, depth, state, np.eye(4))
    _, hessian, gradient, _ = add_depth(*scene)
    for index in (0, 1, 2, 3, 4, 5, BIAS):
        ahead, behind = state.copy(), state.copy()
        ahead[index] += STEPS[index]
        behind[index] -= STEPS[index]
        costs = [add_depth(points, normals, depth, one, np.eye(4))[0] for one in (ahead, behind)]
        assert gradient[index] == pytest.approx((costs[0] - costs[1]) / (2 * STEPS[index]), rel=0.12), index
    assert np.all(np.diag(hessian) >= 0) and hessian[2, 2] > 0


def contour_scene(seed=0, count=60):
    generator = np.random.default_rng(seed)
    points = CENTER + generator.uniform(-0.05, 0.05, (count, 3))
    angles = generator.uniform(0, 2 * np.pi, count)
    normals = np.column_stack([np.cos(angles), np.sin(angles)])
    places = np.column_stack([CAMERA[0] * points[:, 0], CAMERA[1] * points[:, 1]]) / points[:, 2:] + CAMERA[2:]
    means, variances = generator.normal(0.3, 1.0, count), generator.uniform(0.5, 12, count)
    state = np.concatenate([[0.001, -0.001, 0.002], [0.02, -0.01, 0.03], [0.7, -0.4], [0.2], [0.001]])
    return points, np.ascontiguousarray(places), normals, means, variances, state


def add_contour(points, places, normals, means, variances, state):
    hessian, gradient, weights = np.zeros((STATE, STATE)), np.zeros(STATE), np.zeros(len(points), np.float32)
    arrays = (points, places, normals, means, variances, CENTER, CAMERA)
    cost = alignment.add_contour(*arrays, CONTOUR_LIMIT, CONTOUR_SHARED, state, hessian, gradient, weights)
    return cost, hessian, gradient, weights


def test_the_contour_costs_what_numpy_says():
    points, places, normals, means, variances, state = contour_scene()
    cost, *_ = add_contour(points, places, normals, means, variances, state)
    moved = (points - CENTER) @ so3_exp(state[3:6]).T + CENTER + state[:3]
    pixels = CAMERA[:2] * moved[:, :2] / moved[:, 2:] + CAMERA[2:]
    scaled = (means - state[OFFSET] - np.sum(normals * (pixels - places), axis=1)) / np.sqrt(variances)
    rho = CONTOUR_LIMIT**2 / 6 * (1 - np.maximum(0, 1 - (scaled / CONTOUR_LIMIT) ** 2) ** 3)
    assert cost == pytest.approx(float(np.sum(rho)) / CONTOUR_SHARED, rel=1e-9)


def test_the_gradient_of_the_contour_is_that_of_its_cost():
    *scene, state = contour_scene(1)
    state[3:6] = 0
    _, hessian, gradient, _ = add_contour(*scene, state)
    for index in range(STATE):
        ahead, behind = state.copy(), state.copy()
        ahead[index] += STEPS[index]
        behind[index] -= STEPS[index]
        numeric = (add_contour(*scene, ahead)[0] - add_contour(*scene, behind)[0]) / (2 * STEPS[index])
        assert gradient[index] == pytest.approx(numeric, rel=1e-3, abs=1e-4), index
    assert gradient[SHIFT] == gradient[BIAS] == 0
    assert np.all(np.linalg.eigvalsh(np.tril(hessian) + np.tril(hessian, -1).T) > -1e-6 * hessian.max())


def test_a_step_solves_the_normal_equations():
    generator = np.random.default_rng(0)
    root = generator.normal(size=(STATE, STATE))
    hessian, gradient, step = root @ root.T + np.eye(STATE), generator.normal(size=STATE), np.empty(STATE)
    assert alignment.solve_step(hessian.copy(), gradient, step)
    assert step == pytest.approx(-np.linalg.solve(hessian, gradient))
    hessian[4, 4] = -1
    assert not alignment.solve_step(hessian, gradient, step)


@pytest.mark.parametrize("size", [0.0, 1e-12, 0.01, 1.0])
def test_turns_follow_each_other_and_the_rest_adds_up(size):
    generator = np.random.default_rng(1)
    state, step = generator.normal(size=STATE), size * generator.normal(size=STATE)
    state[3:6] *= 0.3
    moved = np.empty(STATE)
    alignment.move_state(state, step, moved)
    turn = Rotation.from_rotvec(step[3:6]) * Rotation.from_rotvec(state[3:6])
    assert moved[3:6] == pytest.approx(turn.as_rotvec(), abs=1e-9)
    rest = [0, 1, 2, 6, 7, 8, 9]
    assert moved[rest] == pytest.approx((state + step)[rest])
