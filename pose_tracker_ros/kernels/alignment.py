"""Normal equations of one object's motion: what residuals add to them, and the step that solves them.

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
NEAREST_M = 1e-3


@helper
def _rotation(vector, matrix):
    """Rodrigues' formula."""
    x, y, z = vector[0], vector[1], vector[2]
    angle = sqrt(x * x + y * y + z * z)
    a, b = (1.0, 0.5) if angle < 1e-9 else (sin(angle) / angle, (1 - cos(angle)) / (angle * angle))
    matrix[0, 0], matrix[0, 1], matrix[0, 2] = 1 - b * (y * y + z * z), b * x * y - a * z, b * x * z + a * y
    matrix[1, 0], matrix[1, 1], matrix[1, 2] = b * x * y + a * z, 1 - b * (x * x + z * z), b * y * z - a * x
    matrix[2, 0], matrix[2, 1], matrix[2, 2] = b * x * z - a * y, b * y * z + a * x, 1 - b * (x * x + y * y)


@helper
def _turned(matrix, x, y, z):
    return (
        matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z,
        matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z,
        matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z,
    )


@helper
def _accumulate(jacobian, residual, deviation, limit, shared, hessian, gradient, weights, index):
    """One residual with Tukey's biweight, zero beyond ``limit``; ``shared`` residuals have one error. Returns its cost."""
    precision = 1 / (deviation * deviation * shared)
    scaled = residual / limit
    largest = limit * limit / 6 * precision
    if abs(scaled) >= 1:
        weights[index] = 0.0
        return largest
    remains = 1 - scaled * scaled
    weights[index] = remains * remains
    weight = remains * remains * precision
    for a in range(STATE):
        scaled_entry = weight * jacobian[a]
        gradient[a] += scaled_entry * residual
        for b in range(a + 1):
            hessian[a, b] += scaled_entry * jacobian[b]
    return largest * (1 - remains * remains * remains)


@kernel(
    "float64(float32[:, ::1], float32[:, ::1], float64[::1], float32[:, ::1], float64[::1], float64[:, ::1], "
    "float64, float64, float64, float64, float64[::1], float64[:, ::1], float64[::1], float32[::1])"
)
def add_depth(
    points,
    normals,
    center,
    depth,
    camera,
    depth_T_color,
    noise_at_metre,
    surface_noise,
    limit,
    shared,
    state,
    hessian,
    gradient,
    weights,
):
    """Point-to-plane distances of rendered points to what the depth camera measured in their pixels.

    points, normals (N, 3): in the colour camera, at the rendering; center (3,): of the object, likewise; depth (H, W): metres,
    0 = none, of a camera fx, fy, cx, cy (4,) of its own; depth_T_color (4, 4); noise_at_metre: standard deviation of
    depth at one metre, it grows with the square; surface_noise: that of the mesh, metres; limit: of Tukey's biweight,
    metres; shared: so many points have one error. Fills weights (N,), 0 for points without a measurement.

    Projective data association (Blais and Levine 1995), point to plane (Chen and Medioni 1992).
    """
    rotation = np.empty((3, 3))
    _rotation(state[TURN : TURN + 3], rotation)
    fx, fy, cx, cy = camera[0], camera[1], camera[2], camera[3]
    shift_x, shift_y, bias = state[SHIFT], state[SHIFT + 1], state[BIAS]
    height, width = depth.shape
    jacobian = np.zeros(STATE)
    cost = 0.0
    for i in range(points.shape[0]):
        weights[i] = 0.0
        ax, ay, az = _turned(rotation, points[i, 0] - center[0], points[i, 1] - center[1], points[i, 2] - center[2])
        x, y, z = _turned(depth_T_color, ax + center[0] + state[0], ay + center[1] + state[1], az + center[2] + state[2])
        x, y, z = x + depth_T_color[0, 3], y + depth_T_color[1, 3], z + depth_T_color[2, 3]
        if z < NEAREST_M:
            continue
        column, row = int(np.rint(fx * x / z + cx - shift_x)), int(np.rint(fy * y / z + cy - shift_y))
        if column < 0 or row < 0 or column >= width or row >= height or depth[row, column] <= 0:
            continue
        measured = depth[row, column] - bias
        ray_x, ray_y = (column + shift_x - cx) / fx, (row + shift_y - cy) / fy
        nx, ny, nz = _turned(rotation, normals[i, 0], normals[i, 1], normals[i, 2])
        ux, uy, uz = _turned(depth_T_color, nx, ny, nz)
        facing = ux * ray_x + uy * ray_y + uz
        if facing > -GRAZING * sqrt(ray_x * ray_x + ray_y * ray_y + 1):
            continue
        residual = ux * (measured * ray_x - x) + uy * (measured * ray_y - y) + uz * (measured - z)
        deviation = surface_noise - noise_at_metre * measured * measured * facing
        jacobian[0], jacobian[1], jacobian[2] = -nx, -ny, -nz
        jacobian[3], jacobian[4], jacobian[5] = ny * az - nz * ay, nz * ax - nx * az, nx * ay - ny * ax
        jacobian[SHIFT], jacobian[SHIFT + 1] = ux * measured / fx, uy * measured / fy
        jacobian[BIAS] = -facing
        cost += _accumulate(jacobian, residual, deviation, limit, shared, hessian, gradient, weights, i)
    return cost


@kernel(
    "float64(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[::1], float64[::1], float64[::1], float64[::1], "
    "float64, float64, float64[::1], float64[:, ::1], float64[::1], float32[::1])"
)
def add_contour(
    points,
    places,
    normals,
    means,
    variances,
    center,
    camera,
    limit,
    shared,
    state,
    hessian,
    gradient,
    weights,
):
    """Where the outline is across its lines, against where an image shows that the object ends.

    points (L, 3): of the outline, in the colour camera, at the rendering; places, normals (L, 2): pixels of the colour image
    that they were seen in and outward unit normals; means, variances (L,): of the border found on each line, pixels
    outward of its place; center (3,); camera fx, fy, cx, cy (4,), the colour camera's; limit: of Tukey's biweight,
    standard deviations; shared: so many lines have one error. Fills weights (L,).
    """
    rotation = np.empty((3, 3))
    _rotation(state[TURN : TURN + 3], rotation)
    fx, fy, cx, cy = camera[0], camera[1], camera[2], camera[3]
    jacobian = np.zeros(STATE)
    cost = 0.0
    for i in range(points.shape[0]):
        weights[i] = 0.0
        ax, ay, az = _turned(rotation, points[i, 0] - center[0], points[i, 1] - center[1], points[i, 2] - center[2])
        x, y, z = ax + center[0] + state[0], ay + center[1] + state[1], az + center[2] + state[2]
        if z < NEAREST_M:
            continue
        u, v = normals[i, 0], normals[i, 1]
        moved = u * (fx * x / z + cx - places[i, 0]) + v * (fy * y / z + cy - places[i, 1])
        gx, gy = u * fx / z, v * fy / z
        gz = -(gx * x + gy * y) / z
        jacobian[0], jacobian[1], jacobian[2] = -gx, -gy, -gz
        jacobian[3], jacobian[4], jacobian[5] = gy * az - gz * ay, gz * ax - gx * az, gx * ay - gy * ax
        jacobian[OFFSET] = -1.0
        deviation = sqrt(variances[i])
        residual = means[i] - state[OFFSET] - moved
        cost += _accumulate(jacobian, residual, deviation, limit * deviation, shared, hessian, gradient, weights, i)
    return cost


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


@kernel("void(float64[::1], float64[::1], float64[::1])")
def move_state(state, step, moved):
    """Fill ``moved`` (10,) with the state after a step: sums, but for turns, of which the step's comes second."""
    one, other, product = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    _rotation(state[TURN : TURN + 3], one)
    _rotation(step[TURN : TURN + 3], other)
    for a in range(3):
        for b in range(3):
            product[a, b] = other[a, 0] * one[0, b] + other[a, 1] * one[1, b] + other[a, 2] * one[2, b]
    for a in range(STATE):
        moved[a] = state[a] + step[a]
    x, y, z = product[2, 1] - product[1, 2], product[0, 2] - product[2, 0], product[1, 0] - product[0, 1]
    sine = sqrt(x * x + y * y + z * z) / 2
    cosine = (product[0, 0] + product[1, 1] + product[2, 2] - 1) / 2
    factor = 0.5 if sine < 1e-9 else atan2(sine, cosine) / (2 * sine)
    moved[3], moved[4], moved[5] = factor * x, factor * y, factor * z
