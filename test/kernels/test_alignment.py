"""The normal equations against plain NumPy and finite differences; steps against linear algebra and SciPy."""

from itertools import product

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pose_tracker_ros.geometry import apply_residual, make_pose, so3_exp, transform_points
from pose_tracker_ros.kernels import alignment
from pose_tracker_ros.kernels.alignment import BIAS, OFFSET, SHIFT, STATE

CAMERA = np.array([300.0, 310.0, 79.5, 59.5])
CENTER = np.array([0.02, -0.01, 0.6])
NOISE_AT_METRE, SURFACE, LIMIT, SHARED = 0.0033, 0.001, 0.02, 7.0
NEAREST, FARTHEST = 0.1, 0.606
CONTOUR_LIMIT, CONTOUR_SHARED = 4.0, 9.0
FLOW_PX, FLOW_LIMIT, FLOW_SHARED = 0.5, 4.0, 11.0
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
    depth[1::5] = 0.607
    state = np.concatenate([[0.002, -0.001, 0.003], [0.03, -0.02, 0.01], [0.7, -0.4], [0.2], [0.001]])
    depth_T_color = make_pose(so3_exp(np.array([0.0, 0.02, 0.01])), np.array([0.01, 0.0, 0.002]))
    return np.float32(points), np.float32(normals), depth, state, depth_T_color


def add_depth(points, normals, depth, state, depth_T_color):
    hessian, gradient, weights = np.zeros((STATE, STATE)), np.zeros(STATE), np.zeros(len(points), np.float32)
    noise = np.array([NOISE_AT_METRE, SURFACE, LIMIT, SHARED, NEAREST, FARTHEST])
    arrays = (points, normals, depth, CAMERA, depth_T_color, noise, weights)
    cost = alignment.add_depth(*arrays, CENTER, state, hessian, gradient)
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
    believed = (depth[row, column] >= NEAREST) & (depth[row, column] <= FARTHEST)
    valid = believed & (facing < -0.2 * np.linalg.norm(ray, axis=1))
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
    borders = generator.normal(0.3, 1.0, count), generator.uniform(0.5, 12, count)
    state = np.concatenate([[0.001, -0.001, 0.002], [0.02, -0.01, 0.03], [0.7, -0.4], [0.2], [0.001]])
    return points, np.column_stack([places, normals, *borders]), state


def add_contour(points, lines, state):
    hessian, gradient, weights = np.zeros((STATE, STATE)), np.zeros(STATE), np.zeros(len(points), np.float32)
    arrays = (points, lines, CAMERA, CONTOUR_LIMIT, CONTOUR_SHARED, weights)
    cost = alignment.add_contour(*arrays, CENTER, state, hessian, gradient)
    return cost, hessian, gradient, weights


def test_the_contour_costs_what_numpy_says():
    points, lines, state = contour_scene()
    cost, *_ = add_contour(points, lines, state)
    places, normals, means, variances = lines[:, :2], lines[:, 2:4], lines[:, 4], lines[:, 5]
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


def flow_scene(seed=0, count=50):
    """Points of the surface, found again beside where they are, some of them far away; and a state."""
    generator = np.random.default_rng(seed)
    points = CENTER + generator.uniform(-0.05, 0.05, (count, 3))
    seen = CAMERA[:2] * points[:, :2] / points[:, 2:] + CAMERA[2:] + generator.normal(0, 1.0, (count, 2))
    seen[::7] += 20
    state = np.concatenate([[0.001, -0.001, 0.002], [0.02, -0.01, 0.03], [0.7, -0.4], [0.2], [0.001]])
    return np.float32(points), np.float32(seen), state


def add_flow(points, seen, state):
    hessian, gradient, weights = np.zeros((STATE, STATE)), np.zeros(STATE), np.zeros(len(points), np.float32)
    arrays = (points, seen, CAMERA, np.array([FLOW_PX, FLOW_LIMIT, FLOW_SHARED]), weights)
    return alignment.add_flow(*arrays, CENTER, state, hessian, gradient), hessian, gradient, weights


def test_the_flow_costs_what_numpy_says():
    points, seen, state = flow_scene()
    cost, _, _, weights = add_flow(points, seen, state)
    moved = (points - CENTER) @ so3_exp(state[3:6]).T + CENTER + state[:3]
    apart = np.linalg.norm(seen - (CAMERA[:2] * moved[:, :2] / moved[:, 2:] + CAMERA[2:]), axis=1)
    remains = np.maximum(0, 1 - (apart / FLOW_LIMIT) ** 2)
    assert cost == pytest.approx(np.sum(FLOW_LIMIT**2 / 6 * (1 - remains**3)) / (FLOW_PX**2 * FLOW_SHARED), rel=1e-5)
    assert weights == pytest.approx(remains**2, abs=1e-4)
    assert 0 < np.count_nonzero(weights == 0) < len(points) / 2


def test_the_gradient_of_the_flow_is_that_of_its_cost_and_its_spread_is_its_hessian():
    points, seen, state = flow_scene(1)
    state[3:6] = 0
    _, hessian, gradient, weights = add_flow(points, seen, state)
    for index in range(STATE):
        ahead, behind = state.copy(), state.copy()
        ahead[index] += STEPS[index]
        behind[index] -= STEPS[index]
        numeric = (add_flow(points, seen, ahead)[0] - add_flow(points, seen, behind)[0]) / (2 * STEPS[index])
        assert gradient[index] == pytest.approx(numeric, rel=2e-3, abs=1e-3), index
    assert not gradient[SHIFT:].any()
    spread = np.eye(STATE)
    factor = (points, seen, CAMERA, np.array([FLOW_PX, FLOW_LIMIT, FLOW_SHARED]), weights)
    alignment.spread_flow(factor, CENTER, state, spread)
    assert spread == pytest.approx(np.eye(STATE) + np.tril(hessian) + np.tril(hessian, -1).T)


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


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-7, 1e-3, 1.0, np.pi, 5.0])
def test_a_rotation_is_that_of_scipy(angle):
    vector, matrix = angle * np.array([0.48, -0.6, 0.64]), np.empty((3, 3))
    alignment.rotate(vector, matrix)
    assert matrix == pytest.approx(Rotation.from_rotvec(vector).as_matrix(), abs=1e-14)


def moved_points(points, state):
    return (points - CENTER) @ so3_exp(state[3:6]).T + CENTER + state[:3]


def depth_residuals(points, normals, depth, start, depth_T_color):
    """Residuals (N,) as a function of the state, with pixels and normals as at the ``start``; and their information there."""
    fx, fy, cx, cy = CAMERA
    seen = transform_points(depth_T_color, moved_points(points, start))
    column = np.rint(fx * seen[:, 0] / seen[:, 2] + cx - start[SHIFT]).astype(int)
    row = np.rint(fy * seen[:, 1] / seen[:, 2] + cy - start[SHIFT + 1]).astype(int)
    normal, measured = normals @ so3_exp(start[3:6]).T @ depth_T_color[:3, :3].T, depth[row, column].astype(float)

    def rays(state):
        return np.column_stack([(column + state[SHIFT] - cx) / fx, (row + state[SHIFT + 1] - cy) / fy, np.ones(len(points))])

    def residuals(state):
        behind = rays(state) * (measured - state[BIAS])[:, None] - transform_points(depth_T_color, moved_points(points, state))
        return np.sum(normal * behind, axis=1)

    deviation = SURFACE - NOISE_AT_METRE * (measured - start[BIAS]) ** 2 * np.sum(normal * rays(start), axis=1)
    return residuals, depth_twin(points, normals, depth, start, depth_T_color)[1] / (deviation**2 * SHARED)


def contour_residuals(points, lines, start):
    def residuals(state):
        moved = moved_points(points, state)
        off = CAMERA[:2] * moved[:, :2] / moved[:, 2:] + CAMERA[2:] - lines[:, :2]
        return lines[:, 4] - state[OFFSET] - np.sum(lines[:, 2:4] * off, axis=1)

    remains = np.maximum(0, 1 - (residuals(start) / CONTOUR_LIMIT) ** 2 / lines[:, 5])
    return residuals, remains**2 / (lines[:, 5] * CONTOUR_SHARED)


def flow_residuals(points, seen, start):
    def residuals(state):
        moved = moved_points(points, state)
        return (seen - (CAMERA[:2] * moved[:, :2] / moved[:, 2:] + CAMERA[2:])).ravel()

    remains = np.maximum(0, 1 - np.sum(residuals(start).reshape(-1, 2) ** 2, axis=1) / FLOW_LIMIT**2)
    return residuals, np.repeat(remains**2, 2) / (FLOW_PX**2 * FLOW_SHARED)


@pytest.mark.parametrize(
    "scene_of, add, twin",
    [(depth_scene, add_depth, depth_residuals), (contour_scene, add_contour, contour_residuals), (flow_scene, add_flow, flow_residuals)],
    ids=["depth", "contour", "flow"],
)
@pytest.mark.parametrize("count", [0, 1, 64, 150])
def test_hessian_and_gradient_are_those_of_weighted_residuals(scene_of, add, twin, count):
    """Derivatives by differences, of turns after the state's."""
    scene = scene_of(2, count)
    state = next(one for one in scene if one.shape == (STATE,))
    (residuals, information), (hessian, gradient) = twin(*scene), add(*scene)[1:3]
    ends = [[residuals(moved_by(state, sign * step)) for step in np.diag(STEPS)] for sign in (1, -1)]
    jacobian = np.subtract(*ends).T / (2 * STEPS)
    expected = (information[:, None] * jacobian).T @ jacobian
    size = np.sqrt(np.diag(expected)) + 1e-9
    assert np.tril(hessian) / np.outer(size, size) == pytest.approx(np.tril(expected) / np.outer(size, size), abs=1e-5)
    scale = size * np.sqrt(np.sum(information * residuals(state) ** 2)) + 1e-9
    assert gradient / scale == pytest.approx((information * residuals(state)) @ jacobian / scale, abs=1e-5)


def scene_of_solve(seed=0):
    """Arguments of the loop whose factors have the scenes above, and a prior about a place beside its start."""
    generator = np.random.default_rng(seed)
    points, normals, depth, _, depth_T_color = depth_scene(seed, 300)
    outline, lines, _ = contour_scene(seed)
    noise = np.array([NOISE_AT_METRE, SURFACE, LIMIT, SHARED, NEAREST, FARTHEST])
    information = np.diag([0.01**-2] * 3 + [0.1**-2] * 3 + [2.0**-2] * 2 + [0.3**-2, 0.001**-2])
    mean = generator.normal(size=STATE) / np.sqrt(np.diag(information)) / 10
    of_depth = (points, normals, depth, CAMERA, depth_T_color, noise, np.zeros(len(points), np.float32))
    of_contour = (outline, lines, CAMERA, CONTOUR_LIMIT, CONTOUR_SHARED, np.zeros(len(lines), np.float32))
    points, seen, _ = flow_scene(seed)
    of_flow = (points, seen, CAMERA, np.array([FLOW_PX, FLOW_LIMIT, FLOW_SHARED]), np.zeros(len(points), np.float32))
    return (information, mean), of_depth, of_contour, of_flow


def without(factor):
    """A factor without its points."""
    return tuple(array[:0] if i in {0, 1, len(factor) - 1} else array for i, array in enumerate(factor))


def normal_equations(state, prior, of_depth, of_contour, of_flow):
    """Cost, Hessian and gradient of the sum of all factors."""
    hessian, gradient = np.tril(prior[0]), prior[0] @ (state - prior[1])
    cost = 0.5 * (state - prior[1]) @ gradient
    cost += alignment.add_depth(*of_depth, CENTER, state, hessian, gradient)
    cost += alignment.add_contour(*of_contour, CENTER, state, hessian, gradient)
    cost += alignment.add_flow(*of_flow, CENTER, state, hessian, gradient)
    return cost, np.tril(hessian) + np.tril(hessian, -1).T, gradient


def moved_by(state, step):
    moved = state + step
    moved[3:6] = (Rotation.from_rotvec(step[3:6]) * Rotation.from_rotvec(state[3:6])).as_rotvec()
    return moved


def is_settled(step):
    least = [alignment.SETTLED_M] * 3 + [alignment.SETTLED_RAD] * 3 + [alignment.SETTLED_PX] * 3 + [alignment.SETTLED_M]
    return np.all(np.abs(step) < least)


def solve_twin(state, iterations, *factors):
    """Gauss-Newton steps in plain NumPy, each shortened until it lowers the cost; one that is settled is the last, and not looked at."""
    cost, hessian, gradient = normal_equations(state, *factors)
    for _ in range(iterations):
        step = -np.linalg.solve(hessian, gradient)
        if is_settled(step):
            return cost, moved_by(state, step), hessian
        for share in alignment.SHORTER ** np.arange(alignment.TRIES):
            if is_settled(share * step):
                return cost, state, hessian
            moved = moved_by(state, share * step)
            there = normal_equations(moved, *factors)
            if there[0] <= cost:
                break
        else:
            break
        state, (cost, hessian, gradient) = moved, there
    return cost, state, hessian


@pytest.mark.parametrize("iterations", [0, 1, 4])
@pytest.mark.parametrize("used", list(product([True, False], repeat=3)))
def test_the_loop_is_that_of_numpy_with_any_factors(iterations, used):
    prior, *factors = scene_of_solve()
    factors = [factor if is_used else without(factor) for factor, is_used in zip(factors, used)]
    state, hessian = np.zeros(STATE), np.empty((STATE, STATE))
    cost = alignment.solve(prior, *factors, CENTER, iterations, state, hessian)
    expected = solve_twin(np.zeros(STATE), iterations, prior, *factors)
    assert cost == pytest.approx(expected[0], rel=1e-6, abs=1e-9)
    assert state == pytest.approx(expected[1], rel=1e-5, abs=1e-8)
    assert hessian == pytest.approx(expected[2], rel=1e-5, abs=1e-3)
    assert iterations == 0 or np.abs(state).max() > 1e-3


def test_a_prior_alone_is_met_at_once():
    prior, *factors = scene_of_solve()
    state, hessian = np.zeros(STATE), np.empty((STATE, STATE))
    nothing = [without(factor) for factor in factors]
    alignment.solve(prior, *nothing, CENTER, 2, state, hessian)
    assert state == pytest.approx(prior[1], abs=1e-9)
    assert np.array_equal(hessian, prior[0])


def test_steps_lower_the_cost_where_the_plain_ones_would_not():
    """From a start so far off that depth loses most of its points."""
    prior, of_depth, of_contour, of_flow = scene_of_solve(1)
    factors = of_depth, of_contour, without(of_flow)
    state, hessian = np.array([0, 0, 0.015, 0.2, 0, 0, 0, 0, 0, 0.0]), np.empty((STATE, STATE))
    before = normal_equations(state, prior, *factors)[0]
    costs = []
    for iterations in range(5):
        after = state.copy()
        costs.append(alignment.solve(prior, *factors, CENTER, iterations, after, hessian))
    assert costs[0] == pytest.approx(before)
    assert np.all(np.diff(costs) <= 0) and costs[-1] < costs[0]


def test_the_spread_of_gradients_is_that_of_groups_of_neighbours():
    _, of_depth, of_contour, _ = scene_of_solve()
    state = np.full(STATE, 1e-3)
    for spread, add, factor, alike, size in (
        (alignment.spread_depth, alignment.add_depth, of_depth, (0, 1, 6), alignment.PATCH**2),
        (alignment.spread_contour, alignment.add_contour, of_contour, (0, 1, 5), alignment.RUN),
    ):
        found, expected, count = np.zeros((STATE, STATE)), np.zeros((STATE, STATE)), 0
        groups = spread(factor, CENTER, state, found)
        for first in range(0, len(factor[0]), size):
            part = [array[first : first + size] if i in alike else array for i, array in enumerate(factor)]
            score = np.zeros(STATE)
            add(*part, CENTER, state, np.zeros((STATE, STATE)), score)
            expected += np.outer(score, score)
            count += bool(part[-1].any())
        assert groups == count > 1
        assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("size_m", "rel"), [(0.001, 1e-4), (0.008, 1e-9)])
def test_the_share_of_the_variance_that_residuals_show_is_that_of_those_that_count(size_m, rel):
    """Small residuals, of less than the expected variance; large ones, which show no more than all of it."""
    points, normals, *_ = depth_scene()
    generator, noise = np.random.default_rng(0), np.array([NOISE_AT_METRE, SURFACE, LIMIT, SHARED, NEAREST, FARTHEST])
    residual = generator.normal(0, size_m, len(points))
    weights = np.float32(np.maximum(0, 1 - (residual / LIMIT) ** 2) ** 2)
    weights[::3] = 0
    z = points[:, 2]
    deviation = (SURFACE + NOISE_AT_METRE * z**2) * np.sum(normals * points, axis=1) / z
    expected = min(np.mean((residual / deviation)[weights > 0] ** 2), 1.0)
    assert alignment.shown_share(points, normals, noise, weights) == pytest.approx(expected, rel=rel)
    assert (expected < 1) == (size_m == 0.001)
    assert alignment.shown_share(points, normals, noise, np.zeros_like(weights)) == 1


def test_the_covariance_is_what_the_spread_of_gradients_makes_of_the_state():
    _, *factors = scene_of_solve()
    generator, state = np.random.default_rng(2), np.full(STATE, 1e-3)
    roots = generator.normal(size=(2, STATE, STATE))
    posterior, prior = roots @ roots.transpose(0, 2, 1)
    spread = prior.copy()
    alignment.spread_flow(factors[2], CENTER, state, spread)
    for spread_of, factor in zip((alignment.spread_depth, alignment.spread_contour), factors):
        groups = spread_of(factor, CENTER, state, part := np.zeros((STATE, STATE)))
        spread += part * groups / max(groups - alignment.DETERMINED, 1)
    found = alignment.covariance(posterior, prior, *factors, CENTER, state)
    assert found == pytest.approx(posterior @ spread @ posterior, rel=1e-9)


def test_motions_are_known_whose_information_is_more_in_every_direction():
    root = np.random.default_rng(3).normal(size=(STATE, STATE))
    information, limit = root @ root.T + np.eye(STATE), np.zeros((STATE, STATE))
    limit[:6, :6] = np.diag([1.0] * 3 + [0.25] * 3)
    most = np.linalg.eigvals(np.linalg.solve(information, limit)).real.max()
    for share, known in ((0.99, True), (1.01, False)):
        assert alignment.is_known(information, share / most, 0.25 * share / most) is known


@pytest.mark.parametrize("size", [0.0, 1e-5, 1.0])
def test_the_twist_between_poses_is_that_which_moves_one_to_the_other(size):
    generator = np.random.default_rng(4)
    pose, twist = make_pose(so3_exp(generator.normal(size=3)), generator.normal(size=3)), size * generator.normal(size=6)
    moved = alignment.moved_pose(pose, twist, CENTER)
    assert moved == pytest.approx(apply_residual(pose, twist[:3], twist[3:], CENTER), abs=1e-12)
    assert alignment.twist_between(pose, moved, CENTER) == pytest.approx(twist, abs=1e-12)


@pytest.mark.parametrize("step", [1, 3])
def test_points_are_every_few_pixels_of_the_surface(step):
    generator = np.random.default_rng(0)
    mask, depth = generator.random((20, 31)) < 0.6, generator.uniform(0.4, 0.8, (20, 31)).astype(np.float32)
    normal = generator.normal(size=(20, 31, 3)).astype(np.float32)
    points, normals = np.empty((620, 3), np.float32), np.empty((620, 3), np.float32)
    count = alignment.choose_points(mask, depth, normal, CAMERA, step, points, normals)
    rows, columns = np.nonzero(mask[::step, ::step])
    in_patches = np.lexsort([columns, rows, columns // alignment.PATCH, rows // alignment.PATCH])
    rows, columns = step * rows[in_patches], step * columns[in_patches]
    rays = np.column_stack([(columns - CAMERA[2]) / CAMERA[0], (rows - CAMERA[3]) / CAMERA[1], np.ones(len(rows))])
    assert points[:count] == pytest.approx(depth[rows, columns, None] * rays, rel=1e-6)
    assert np.array_equal(normals[:count], normal[rows, columns])
