"""The estimator's Gauss-Newton loop over one view of the object: what each factor adds, and the steps that follow.

The state (10,) is
  0..2   translation of the object's centre, metres, camera axes, since the rendering
  3..5   turn about it, rotation vector in camera axes
  6, 7   shift of the colour image against depth, pixels: what depth alone would put at p is seen in colour at p + shift
  8      how much too large the outline is seen, pixels
  9      what the depth camera reads too much, metres
Functions add to the Gauss-Newton ``hessian`` (10, 10), of which only the lower triangle counts, and to the ``gradient``
(10,) of the cost, and return the cost, which is half of a sum of squares where no residual is an outlier.
"""

from __future__ import annotations

from math import atan2, cos, sin, sqrt

import numpy as np

from pose_tracker_ros.kernels.compilation import helper, kernel

STATE = 10
TURN, SHIFT, OFFSET, BIAS = 3, 6, 8, 9
# Surfaces that a depth camera sees flatter than this, as a cosine (78 degrees), are not measured but guessed.
GRAZING = 0.2
# What is nearer to a camera than this, metres, has no projection.
NEAREST_M = 1e-3
# Residuals are added up in groups of so many: their rows, 6 kB, stay in the fastest cache.
BLOCK = 64
# Neighbours in whose errors something may be common: points of a patch, both ways, and lines.
PATCH, RUN = 7, 12
# A motion is fitted to the residuals, which makes them smaller.
DETERMINED = 6
# Types of a factor's arrays, and of where it is added up.
PRIOR = "float64[:, ::1], float64[::1]"
DEPTH = "float32[:, ::1], float32[:, ::1], float32[:, ::1], float64[::1], float64[:, ::1], float64[::1], float32[::1]"
CONTOUR = "float64[:, ::1], float64[:, ::1], float64[::1], float64, float64, float32[::1]"
FLOW = "float32[:, ::1], float32[:, ::1], float64[::1], float64[::1], float32[::1]"
PLACE = "float64[::1], float64[::1], float64[:, ::1], float64[::1]"
# What each factor sees of the state.
DEPTH_SEES, CONTOUR_SEES, FLOW_SEES = (0, 1, 2, 3, 4, 5, SHIFT, SHIFT + 1, BIAS), (0, 1, 2, 3, 4, 5, OFFSET), (0, 1, 2, 3, 4, 5)
# A step that raises the cost is shortened to this share, so often before the state is taken to be the best.
SHORTER, TRIES = 0.3, 3
# A step with all entries smaller than this changes nothing that matters: metres, radians, pixels (poses are
# good to 0.4 mm at best).
SETTLED_M, SETTLED_RAD, SETTLED_PX = 2e-5, 2e-4, 0.01


@kernel("void(float64[::1], float64[:, ::1])")
def rotate(vector, matrix):
    """Fill a rotation matrix (3, 3) by a rotation vector (3,), radians (Rodrigues' formula)."""
    x, y, z = vector[0], vector[1], vector[2]
    angle = sqrt(x * x + y * y + z * z)
    a, b = (1.0, 0.5) if angle < 1e-9 else (sin(angle) / angle, (1 - cos(angle)) / (angle * angle))
    matrix[0, 0], matrix[0, 1], matrix[0, 2] = 1 - b * (y * y + z * z), b * x * y - a * z, b * x * z + a * y
    matrix[1, 0], matrix[1, 1], matrix[1, 2] = b * x * y + a * z, 1 - b * (x * x + z * z), b * y * z - a * x
    matrix[2, 0], matrix[2, 1], matrix[2, 2] = b * x * z - a * y, b * y * z + a * x, 1 - b * (x * x + y * y)


@helper
def _entries(matrix):
    """The upper left 3 x 3 as numbers, which need not be read again in a loop that fills arrays."""
    return (
        (matrix[0, 0], matrix[0, 1], matrix[0, 2]),
        (matrix[1, 0], matrix[1, 1], matrix[1, 2]),
        (matrix[2, 0], matrix[2, 1], matrix[2, 2]),
    )


@helper
def _turned(matrix, x, y, z):
    return (
        matrix[0][0] * x + matrix[0][1] * y + matrix[0][2] * z,
        matrix[1][0] * x + matrix[1][1] * y + matrix[1][2] * z,
        matrix[2][0] * x + matrix[2][1] * y + matrix[2][2] * z,
    )


@helper
def _tukey(residual, deviation, limit, shared):
    """Weight, precision and cost of a residual with Tukey's biweight, which is zero beyond ``limit``; ``shared`` residuals
    have one error."""
    precision = 1 / (deviation * deviation * shared)
    scaled = residual / limit
    remains = max(0.0, 1 - scaled * scaled)
    return remains * remains, precision, limit * limit / 6 * precision * (1 - remains * remains * remains)


@helper
def _add_rows(rows, count, seen, hessian, gradient):
    """Add the first ``count`` columns of rows (STATE + 2, BLOCK): Jacobian, residual, and weight, which is zeroed after them.

    ``seen``: places of the state in order, whose rows are not all zero.
    Blocks, since sums along a row are what compilers do several of at once. Where ``hessian`` is empty, the gradient alone.
    """
    weighted = np.empty(BLOCK)
    rows[STATE + 1, count:] = 0.0
    for place in range(len(seen)):
        a = seen[place]
        for i in range(BLOCK):
            weighted[i] = rows[a, i] * rows[STATE + 1, i]
        for other in range(min(place + 1, hessian.shape[0])):
            b, total = seen[other], 0.0
            for i in range(BLOCK):
                total += weighted[i] * rows[b, i]
            hessian[a, b] += total
        total = 0.0
        for i in range(BLOCK):
            total += weighted[i] * rows[STATE, i]
        gradient[a] += total


@kernel(
    "int64(boolean[:, ::1], float32[:, ::1], float32[:, :, ::1], float64[::1], int64, float32[:, ::1], float32[:, ::1])"
)
def choose_points(mask, depth, normal, camera, step, points, normals):
    """Every ``step``-th pixel of a rendering both ways: fills points and normals (., 3) in its camera; returns how many.

    mask, depth (h, w), metres; normal (h, w, 3); camera fx, fy, cx, cy (4,). What does not fit is left out. They come
    in square patches, see :func:`spread_depth`.
    """
    count, patch = 0, PATCH * step
    for top in range(0, mask.shape[0], patch):
        for left in range(0, mask.shape[1], patch):
            for row in range(top, min(top + patch, mask.shape[0]), step):
                for column in range(left, min(left + patch, mask.shape[1]), step):
                    if not mask[row, column] or count == len(points):
                        continue
                    z = depth[row, column]
                    points[count, 0] = (column - camera[2]) / camera[0] * z
                    points[count, 1] = (row - camera[3]) / camera[1] * z
                    points[count, 2] = z
                    for axis in range(3):
                        normals[count, axis] = normal[row, column, axis]
                    count += 1
    return count


@kernel(f"float64({DEPTH}, {PLACE})")
def add_depth(points, normals, depth, camera, depth_T_color, noise, weights, center, state, hessian, gradient):
    """Point-to-plane distances of rendered points to what the depth camera measured in their pixels.

    points, normals (N, 3): in the colour camera, at the rendering; center (3,): of the object, there; depth (H, W): metres,
    0 = none, of a camera fx, fy, cx, cy (4,) of its own; depth_T_color (4, 4); noise (6,): standard deviation of depth at
    one metre, which grows with the square, that of the mesh, metres, limit of Tukey's biweight, metres, how many points
    have one error, and in what range above 0 depths are believed, metres. Fills weights (N,), 0 for points without a
    measurement.

    Projective data association (Blais and Levine 1995), point to plane (Chen and Medioni 1992).
    """
    matrix = np.empty((3, 3))
    rotate(state[TURN : TURN + 3], matrix)
    rotation, to_depth = _entries(matrix), _entries(depth_T_color)
    fx, fy, cx, cy = camera[0], camera[1], camera[2], camera[3]
    noise_at_metre, surface_noise, limit, shared, least, most = noise[0], noise[1], noise[2], noise[3], noise[4], noise[5]
    shift_x, shift_y, bias = state[SHIFT], state[SHIFT + 1], state[BIAS]
    height, width = depth.shape
    # The object's centre in the depth camera.
    there_x, there_y, there_z = _turned(to_depth, center[0] + state[0], center[1] + state[1], center[2] + state[2])
    there_x, there_y, there_z = there_x + depth_T_color[0, 3], there_y + depth_T_color[1, 3], there_z + depth_T_color[2, 3]
    # In rows, and without branches, compilers do several points at once; only pixels are looked up one by one.
    rows, seen, cost = np.zeros((STATE + 2, BLOCK)), np.empty((12, BLOCK)), 0.0
    for first in range(0, len(points), BLOCK):
        group = slice(first, first + BLOCK)
        point, normal, weight = points[group], normals[group], weights[group]
        for i in range(len(point)):
            for axis in range(3):
                seen[axis, i], seen[3 + axis, i] = point[i, axis] - center[axis], normal[i, axis]
        for i in range(len(point)):
            ax, ay, az = _turned(rotation, seen[0, i], seen[1, i], seen[2, i])
            x, y, z = _turned(to_depth, ax, ay, az)
            x, y, z = x + there_x, y + there_y, z + there_z
            seen[0, i], seen[1, i], seen[2, i], seen[6, i], seen[7, i], seen[8, i] = ax, ay, az, x, y, z
            away = max(z, NEAREST_M)
            seen[9, i], seen[10, i] = np.rint(fx * x / away + cx - shift_x), np.rint(fy * y / away + cy - shift_y)
        for i in range(len(point)):
            z, column, row, measured = seen[8, i], seen[9, i], seen[10, i], 0.0
            if (z >= NEAREST_M) & (0 <= column) & (column < width) & (0 <= row) & (row < height):
                measured = depth[np.uint64(np.int64(row)), np.uint64(np.int64(column))]
            seen[11, i] = measured if (least <= measured) & (measured <= most) else 0.0
        for i in range(len(point)):
            ax, ay, az, x, y, z = seen[0, i], seen[1, i], seen[2, i], seen[6, i], seen[7, i], seen[8, i]
            ray_x, ray_y, measured = (seen[9, i] + shift_x - cx) / fx, (seen[10, i] + shift_y - cy) / fy, seen[11, i] - bias
            nx, ny, nz = _turned(rotation, seen[3, i], seen[4, i], seen[5, i])
            ux, uy, uz = _turned(to_depth, nx, ny, nz)
            facing = ux * ray_x + uy * ray_y + uz
            counts = (seen[11, i] > 0) & (facing <= -GRAZING * sqrt(ray_x * ray_x + ray_y * ray_y + 1))
            residual = ux * (measured * ray_x - x) + uy * (measured * ray_y - y) + uz * (measured - z)
            deviation = surface_noise - noise_at_metre * measured * measured * facing if counts else 1.0
            share, precision, part = _tukey(residual, deviation, limit, shared)
            cost += part if counts else 0.0
            weight[i] = share if counts else 0.0
            rows[0, i], rows[1, i], rows[2, i] = -nx, -ny, -nz
            rows[3, i], rows[4, i], rows[5, i] = ny * az - nz * ay, nz * ax - nx * az, nx * ay - ny * ax
            rows[SHIFT, i], rows[SHIFT + 1, i], rows[BIAS, i] = ux * measured / fx, uy * measured / fy, -facing
            rows[STATE, i], rows[STATE + 1, i] = residual, weight[i] * precision
        _add_rows(rows, len(point), DEPTH_SEES, hessian, gradient)
    return cost


@kernel("float64(float32[:, ::1], float32[:, ::1], float64[::1], float32[::1])")
def shown_share(points, normals, noise, weights):
    """Mean square of the residuals of :func:`add_depth` that count, along z, as a share of the variance that depth is taken to have.

    Tukey's ``weights`` tell the squares; the rest is :func:`add_depth`'s. At most 1, and 1 where none counts.
    """
    noise_at_metre, surface_noise, limit, total, count = noise[0], noise[1], noise[2], 0.0, 0
    for i in range(len(points)):
        if weights[i] > 0:
            x, y, z = points[i]
            facing = normals[i, 0] * x / z + normals[i, 1] * y / z + normals[i, 2]
            deviation = facing * (surface_noise + noise_at_metre * z * z)
            total += limit * limit * (1 - sqrt(weights[i])) / (deviation * deviation)
            count += 1
    return min(total / count, 1.0) if count else 1.0


@kernel(f"float64({CONTOUR}, {PLACE})")
def add_contour(points, lines, camera, limit, shared, weights, center, state, hessian, gradient):
    """Where the outline is across its lines, against where an image shows that the object ends.

    points (L, 3): of the outline, in the colour camera, at the rendering; lines (L, 6): the pixel of the colour image that
    each was seen in, its outward unit normal there, and mean and variance of the border found on the line, pixels outward;
    center (3,); camera fx, fy, cx, cy (4,), the colour camera's; limit: of Tukey's biweight, standard deviations; shared:
    so many lines have one error. Fills weights (L,).
    """
    rotation = np.empty((3, 3))
    rotate(state[TURN : TURN + 3], rotation)
    fx, fy, cx, cy = camera[0], camera[1], camera[2], camera[3]
    rows, count, cost = np.zeros((STATE + 2, BLOCK)), 0, 0.0
    for i in range(points.shape[0]):
        weights[i] = 0.0
        ax, ay, az = _turned(rotation, points[i, 0] - center[0], points[i, 1] - center[1], points[i, 2] - center[2])
        x, y, z = ax + center[0] + state[0], ay + center[1] + state[1], az + center[2] + state[2]
        if z < NEAREST_M:
            continue
        u, v = lines[i, 2], lines[i, 3]
        moved = u * (fx * x / z + cx - lines[i, 0]) + v * (fy * y / z + cy - lines[i, 1])
        gx, gy = u * fx / z, v * fy / z
        gz = -(gx * x + gy * y) / z
        deviation = sqrt(lines[i, 5])
        residual = lines[i, 4] - state[OFFSET] - moved
        weights[i], precision, part = _tukey(residual, deviation, limit * deviation, shared)
        cost += part
        if weights[i] == 0:
            continue
        rows[0, count], rows[1, count], rows[2, count] = -gx, -gy, -gz
        rows[3, count], rows[4, count], rows[5, count] = gy * az - gz * ay, gz * ax - gx * az, gx * ay - gy * ax
        rows[OFFSET, count] = -1.0
        rows[STATE, count], rows[STATE + 1, count] = residual, weights[i] * precision
        count += 1
        if count == BLOCK:
            _add_rows(rows, count, CONTOUR_SEES, hessian, gradient)
            count = 0
    _add_rows(rows, count, CONTOUR_SEES, hessian, gradient)
    return cost


@kernel(f"float64({FLOW}, {PLACE})")
def add_flow(points, seen, camera, noise, weights, center, state, hessian, gradient):
    """Points of the surface against the pixels in which they were found again.

    points (N, 3): in the colour camera, at the rendering; seen (N, 2): pixels of the colour image, of a camera fx, fy, cx, cy
    (4,); noise (3,): standard deviation of a pixel's column and row, Tukey's limit of their distance, pixels, and how many
    points have one error; center (3,). Fills weights (N,).
    """
    rotation = np.empty((3, 3))
    rotate(state[TURN : TURN + 3], rotation)
    fx, fy, cx, cy = camera[0], camera[1], camera[2], camera[3]
    rows, count, cost = np.zeros((STATE + 2, BLOCK)), 0, 0.0
    for i in range(points.shape[0]):
        weights[i] = 0.0
        ax, ay, az = _turned(rotation, points[i, 0] - center[0], points[i, 1] - center[1], points[i, 2] - center[2])
        x, y, z = ax + center[0] + state[0], ay + center[1] + state[1], az + center[2] + state[2]
        if z < NEAREST_M:
            continue
        across, along = seen[i, 0] - (fx * x / z + cx), seen[i, 1] - (fy * y / z + cy)
        weights[i], precision, part = _tukey(sqrt(across * across + along * along), noise[0], noise[1], noise[2])
        cost += part
        if weights[i] == 0:
            continue
        for axis in range(2):
            gx, gy = (fx / z, 0.0) if axis == 0 else (0.0, fy / z)
            gz = -(gx * x + gy * y) / z
            rows[0, count], rows[1, count], rows[2, count] = -gx, -gy, -gz
            rows[3, count], rows[4, count], rows[5, count] = gy * az - gz * ay, gz * ax - gx * az, gx * ay - gy * ax
            rows[STATE, count], rows[STATE + 1, count] = across if axis == 0 else along, weights[i] * precision
            count += 1
        if count == BLOCK:
            _add_rows(rows, count, FLOW_SEES, hessian, gradient)
            count = 0
    _add_rows(rows, count, FLOW_SEES, hessian, gradient)
    return cost


@helper
def _add_outer(score, spread):
    for a in range(STATE):
        for b in range(STATE):
            spread[a, b] += score[a] * score[b]


@kernel(f"int64(Tuple(({DEPTH})), float64[::1], float64[::1], float64[:, ::1])")
def spread_depth(factor, center, state, spread):
    """Add to ``spread`` (10, 10) the outer products of the gradients of groups of neighbours; returns how many there are.

    How far the gradient of :func:`add_depth`, whose first arguments are ``factor``, spreads as residuals show it, whatever
    the errors within a group have in common (Liang and Zeger, Biometrika 1986).
    """
    points, normals, depth, camera, depth_T_color, noise, weights = factor
    groups, size, no_hessian = 0, PATCH * PATCH, np.zeros((0, STATE))
    for first in range(0, len(points), size):
        group, score = slice(first, first + size), np.zeros(STATE)
        place = (center, state, no_hessian, score)
        add_depth(points[group], normals[group], depth, camera, depth_T_color, noise, weights[group], *place)
        _add_outer(score, spread)
        groups += score.any()
    return groups


@kernel(f"int64(Tuple(({CONTOUR})), float64[::1], float64[::1], float64[:, ::1])")
def spread_contour(factor, center, state, spread):
    """As :func:`spread_depth`, of :func:`add_contour`; groups are neighbours along the outline."""
    points, lines, camera, limit, shared, weights = factor
    groups, no_hessian = 0, np.zeros((0, STATE))
    for first in range(0, len(points), RUN):
        group, score = slice(first, first + RUN), np.zeros(STATE)
        place = (center, state, no_hessian, score)
        add_contour(points[group], lines[group], camera, limit, shared, weights[group], *place)
        _add_outer(score, spread)
        groups += score.any()
    return groups


@kernel(f"void(Tuple(({FLOW})), float64[::1], float64[::1], float64[:, ::1])")
def spread_flow(factor, center, state, spread):
    """Add to ``spread`` (10, 10) what :func:`add_flow` says that its gradient spreads.

    What all points are off by together, with the pose that they were first seen at, does not show in their residuals.
    """
    points, seen, camera, noise, weights = factor
    part = np.zeros((STATE, STATE))
    add_flow(points, seen, camera, noise, weights, center, state, part, np.zeros(STATE))
    for a in range(STATE):
        for b in range(STATE):
            spread[a, b] += part[max(a, b), min(a, b)]


@kernel(
    f"float64[:, ::1](float64[:, ::1], float64[:, ::1], Tuple(({DEPTH})), Tuple(({CONTOUR})), Tuple(({FLOW})), float64[::1], float64[::1])"
)
def covariance(posterior, prior, depth, contour, flow, center, state):
    """(10, 10) of the state, honest where the factors' noise is not: the "sandwich" of White (Econometrica 1982).

    What factors weigh decides the estimate; how far that may be off, the spread that residuals of neighbours show.
    ``posterior`` (10, 10): the information's inverse; ``prior`` (10, 10): spread of its gradient; the rest is :func:`solve`'s.
    """
    spread, of_depth, of_contour = prior.copy(), np.zeros((STATE, STATE)), np.zeros((STATE, STATE))
    spread_flow(flow, center, state, spread)
    groups = spread_depth(depth, center, state, of_depth)
    spread += of_depth * (groups / max(groups - DETERMINED, 1))
    groups = spread_contour(contour, center, state, of_contour)
    spread += of_contour * (groups / max(groups - DETERMINED, 1))
    return posterior @ spread @ posterior


@kernel("boolean(float64[:, ::1], float64[::1], float64[::1])")
def solve_step(hessian, gradient, step):
    """Fill ``step`` (10,) with minus the solution of ``hessian`` and ``gradient``, by Cholesky, whose factor replaces the
    lower triangle. False, and no step, where it is not positive definite."""
    for a in range(STATE):
        for b in range(a + 1):
            value = hessian[a, b]
            for k in range(b):
                value -= hessian[a, k] * hessian[b, k]
            if a > b:
                hessian[a, b] = value / hessian[b, b]
            elif value > 0:
                hessian[a, a] = sqrt(value)
            else:
                return False
    for a in range(STATE):
        value = -gradient[a]
        for k in range(a):
            value -= hessian[a, k] * step[k]
        step[a] = value / hessian[a, a]
    for a in range(STATE - 1, -1, -1):
        value = step[a]
        for k in range(a + 1, STATE):
            value -= hessian[k, a] * step[k]
        step[a] = value / hessian[a, a]
    return True


@kernel("boolean(float64[:, ::1], float64, float64)")
def is_known(information, in_translation, in_turn):
    """Whether a state's information (10, 10) about each motion is more than so much, the squares of 1/m and of 1/rad."""
    rest, unused = information.copy(), np.zeros(STATE)
    for a in range(SHIFT):
        rest[a, a] -= in_translation if a < TURN else in_turn
    return solve_step(rest, unused, unused)


@helper
def _vector_of(matrix, vector):
    """Fill the rotation vector (3,), less than half a turn, of a matrix (3, 3)."""
    x, y, z = matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]
    sine = sqrt(x * x + y * y + z * z) / 2
    cosine = (matrix[0, 0] + matrix[1, 1] + matrix[2, 2] - 1) / 2
    factor = 0.5 if sine < 1e-9 else atan2(sine, cosine) / (2 * sine)
    vector[0], vector[1], vector[2] = factor * x, factor * y, factor * z


@kernel("void(float64[::1], float64[::1], float64[::1])")
def move_state(state, step, moved):
    """Fill ``moved`` (10,) with the state after a step: sums, but for turns, of which the step's comes second."""
    one, other, product = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    rotate(state[TURN : TURN + 3], one)
    rotate(step[TURN : TURN + 3], other)
    for a in range(3):
        for b in range(3):
            product[a, b] = other[a, 0] * one[0, b] + other[a, 1] * one[1, b] + other[a, 2] * one[2, b]
    for a in range(STATE):
        moved[a] = state[a] + step[a]
    _vector_of(product, moved[TURN:SHIFT])


@kernel("float64[::1](Array(float64, 2, 'A', True), Array(float64, 2, 'A', True), Array(float64, 1, 'A', True))")
def twist_between(one, other, center_m):
    """The twist (6,) by which :func:`moved_pose` takes one pose (4, 4) to another, less than half a turn away."""
    turn, twist = np.zeros((3, 3)), np.empty(SHIFT)
    for a in range(3):
        twist[a] = other[a, 3] - one[a, 3]
        for b in range(3):
            twist[a] += (other[a, b] - one[a, b]) * center_m[b]
            for c in range(3):
                turn[a, b] += other[a, c] * one[b, c]
    _vector_of(turn, twist[TURN:])
    return twist


@kernel("float64[:, ::1](Array(float64, 2, 'A', True), Array(float64, 1, 'A', True), Array(float64, 1, 'A', True))")
def moved_pose(camera_T_object, state, center_m):
    """The pose (4, 4) after the motion of a state (10,) or twist (6,) about the object's ``center_m`` (3,), as ``apply_residual`` says."""
    turn, moved = np.empty((3, 3)), np.zeros((4, 4))
    rotate(state[TURN:SHIFT].copy(), turn)
    moved[3, 3] = 1.0
    for a in range(3):
        moved[a, 3] = camera_T_object[a, 3] + state[a]
        for b in range(3):
            moved[a, b] = turn[a, 0] * camera_T_object[0, b] + turn[a, 1] * camera_T_object[1, b] + turn[a, 2] * camera_T_object[2, b]
            moved[a, 3] += (camera_T_object[a, b] - moved[a, b]) * center_m[b]
    return moved


@helper
def _add_prior(information, mean, state, hessian, gradient):
    """A normal distribution of the state by its information (10, 10) and mean (10,)."""
    cost = 0.0
    for a in range(STATE):
        value = 0.0
        for b in range(STATE):
            hessian[a, b] += information[a, b]
            value += information[a, b] * (state[b] - mean[b])
        gradient[a] += value
        cost += 0.5 * (state[a] - mean[a]) * value
    return cost


@helper
def _is_settled(step):
    for a in range(STATE):
        least = SETTLED_M if a < TURN or a == BIAS else SETTLED_RAD if a < SHIFT else SETTLED_PX
        if abs(step[a]) >= least:
            return False
    return True


@kernel(
    f"float64(Tuple(({PRIOR})), Tuple(({DEPTH})), Tuple(({CONTOUR})), Tuple(({FLOW})), float64[::1], int64, float64[::1], "
    "float64[:, ::1])"
)
def solve(prior, depth, contour, flow, center, iterations, state, hessian):
    """Minimise the cost of all factors from ``state`` (10,) on by at most so many steps that each lower it; returns the cost.

    A step that is settled is the last, and is taken without a look: the cost of so near a state differs by how pixels are rounded.

    The prior is normal: information (10, 10) and mean (10,). The other factors are the first arguments
    of :func:`add_depth`, :func:`add_contour` and :func:`add_flow`; without points or lines they say nothing. Fills ``state`` with the best one, ``hessian`` (10,
    10) with the information there, and the weights.
    """
    gradient, moved, step = np.zeros(STATE), state.copy(), np.zeros(STATE)
    there, there_gradient, factor = np.zeros((STATE, STATE)), np.zeros(STATE), np.zeros((STATE, STATE))
    cost, attempt = 0.0, -1
    # Attempt -1 only looks at where the state begins.
    for attempt in range(-1, iterations):
        if attempt >= 0 and _is_settled(step):
            state[:] = moved
            break
        accepted = False
        for _ in range(TRIES):
            there[:] = 0.0
            there_gradient[:] = 0.0
            moved_cost = _add_prior(*prior, moved, there, there_gradient)
            moved_cost += add_depth(*depth, center, moved, there, there_gradient)
            moved_cost += add_contour(*contour, center, moved, there, there_gradient)
            moved_cost += add_flow(*flow, center, moved, there, there_gradient)
            accepted = attempt < 0 or moved_cost <= cost
            if accepted:
                break
            for a in range(STATE):
                step[a] *= SHORTER
            if _is_settled(step):
                break
            move_state(state, step, moved)
        if not accepted:
            break
        cost = moved_cost
        state[:], hessian[:], gradient[:] = moved, there, there_gradient
        factor[:] = hessian
        if not solve_step(factor, gradient, step):
            break
        move_state(state, step, moved)
    for a in range(STATE):
        for b in range(a):
            hessian[b, a] = hessian[a, b]
    return cost
