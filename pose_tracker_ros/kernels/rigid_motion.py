"""The rigid motion that a residual network's pixels tell of, and what it looks at again where that motion leads.

In plain torch, for training and any device: :mod:`pose_tracker_ros.networks.rigid_fit`, ``measured_depth`` and
``refining``. Points are relative to the object's centre, in diameters; image motion is in crop widths.
"""

from __future__ import annotations

import numpy as np

from pose_tracker_ros.kernels.compilation import helper, kernel

# Typical size of the motion of pixels: what networks predict is in units of it, and the log of deviations relative to it.
MOTION_SCALE = 0.1
LEAST_LOG_DEVIATION, MOST_LOG_DEVIATION = -6.0, 3.0
# Standard deviation of measured depth with errors of sensor and matching, diameters.
MEASURED_DEVIATION = 0.015
# A measurement this many deviations away from the prediction is of something else: an occluder, the background.
GATE_DEVIATIONS = 3.0
# Largest disagreement between predicted and observed depth that is told apart, diameters.
DEPTH_LIMIT = 0.5
# Errors beyond so many deviations count less than squared; added to the information; nearest depth, diameters.
ROBUST_SCALE, DAMPING, NEAREST_D = 2.0, 1e-3, 0.05
FIT_ITERATIONS = 3
# Rows of what is known of a point: its pixel (column, row), the point, and whether the object is drawn there.
POINT_ROWS = 6


@helper
def _rotation_matrix(vector, matrix):
    """Rodrigues' formula."""
    x, y, z = vector[0], vector[1], vector[2]
    angle = np.sqrt(x * x + y * y + z * z + 1e-16)
    sine, half = np.sin(angle) / angle, np.sin(angle / 2) / angle
    versine = 2 * half * half
    matrix[0, 0], matrix[1, 1], matrix[2, 2] = 1 - versine * (y * y + z * z), 1 - versine * (x * x + z * z), 1 - versine * (x * x + y * y)
    matrix[0, 1], matrix[1, 0] = versine * x * y - sine * z, versine * x * y + sine * z
    matrix[0, 2], matrix[2, 0] = versine * x * z + sine * y, versine * x * z - sine * y
    matrix[1, 2], matrix[2, 1] = versine * y * z - sine * x, versine * y * z + sine * x


@helper
def _rotation_vector(matrix, vector):
    """The vector of a rotation by less than pi."""
    vector[0], vector[1], vector[2] = matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]
    norm = np.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)
    angle = np.arctan2(norm, matrix[0, 0] + matrix[1, 1] + matrix[2, 2] - 1)
    factor = angle / norm if angle > 1e-4 else 0.5
    for axis in range(3):
        vector[axis] *= factor


@helper
def _limited(vector, length):
    """Factor that shortens a vector to at most a length."""
    norm = np.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)
    return length / norm if norm > length else 1.0


@helper
def _measured(observed, column, row):
    """Depth at the nearest pixel, and whether there is one."""
    u, v = int(np.rint(column)), int(np.rint(row))
    if u < 0 or v < 0 or u >= observed.shape[2] or v >= observed.shape[1]:
        return 0.0, False
    return observed[3, v, u], observed[4, v, u] > 0.5


@kernel("void(float32[:, :, ::1], float64[::1], int64, boolean, float64[:, ::1])")
def surface_points(rendered, geometry, stride, whole_cells, points):
    """One point of every cell of a rendering (C, R, R), as ``rigid_fit.surface_points`` has them.

    geometry (8,): fx, fy, cx, cy of the crop's camera, the object's centre in it and its diameter, metres.
    Fills points (POINT_ROWS, N).
    """
    fx, fy, cx, cy, diameter = geometry[0], geometry[1], geometry[2], geometry[3], geometry[7]
    middle, cells = stride // 2, rendered.shape[1] // stride
    for number in range(cells * cells):
        top, left = number // cells * stride, number % cells * stride
        row, column = top + middle, left + middle
        nearest = 4 * stride * stride
        if whole_cells:
            for i in range(stride):
                for j in range(stride):
                    distance = (i - middle) ** 2 + (j - middle) ** 2
                    if distance < nearest and rendered[4, top + i, left + j] > 0.5:
                        row, column, nearest = top + i, left + j, distance
        z = rendered[3, row, column] + geometry[6] / diameter
        points[0, number], points[1, number] = column, row
        points[2, number] = (column - cx) / fx * z - geometry[4] / diameter
        points[3, number] = (row - cy) / fy * z - geometry[5] / diameter
        points[4, number] = rendered[3, row, column]
        points[5, number] = rendered[4, row, column] > 0.5


@kernel(
    "void(float32[:, :, ::1], float64[::1], float64[:, ::1], float32[:, ::1], float32[:, ::1], boolean, float64[::1], float64[:, ::1])"
)
def fit_rigid_motion(observed, geometry, points, output, rigid, measures_depth, residual, information):
    """The rigid motion that explains a network's output best: robust, weighted Gauss-Newton.

    observed (5, R, R), geometry and points as of ``surface_points``; output (6, N): motion of every point beyond ``rigid``
    (3, N), in MOTION_SCALE, and the logarithm of its deviation; measures_depth: take in the depth that is observed where
    the points went. Fills residual (6,), the motion of the centre in metres and the rotation vector about it, and information
    (6, 6) as of ``Residual``.
    """
    total, width = points.shape[1], observed.shape[2]
    fx, fy, cx, cy, diameter = geometry[0], geometry[1], geometry[2], geometry[3], geometry[7]
    x0, y0, z0 = geometry[4] / diameter, geometry[5] / diameter, geometry[6] / diameter
    # Of the points on the object: themselves, where they went, and how precisely that is known.
    seen = np.empty((9, total))
    count = 0
    for n in range(total):
        if points[5, n] < 0.5:
            continue
        for axis in range(3):
            seen[axis, count] = points[2 + axis, n]
            log_deviation = min(max(output[3 + axis, n], LEAST_LOG_DEVIATION), MOST_LOG_DEVIATION)
            seen[3 + axis, count] = rigid[axis, n] + MOTION_SCALE * output[axis, n]
            seen[6 + axis, count] = np.exp(-log_deviation) / MOTION_SCALE
        if measures_depth:
            column, row = points[0, n] + seen[3, count] * width, points[1, n] + seen[4, count] * width
            depth, is_measured = _measured(observed, column, row)
            measured, precision = depth - points[4, n], seen[8, count] ** 2
            limit = GATE_DEVIATIONS * np.sqrt(1 / precision + MEASURED_DEVIATION**2)
            if is_measured and abs(measured - seen[5, count]) < limit:
                weight = 1 / MEASURED_DEVIATION**2
                seen[5, count] = (seen[5, count] * precision + weight * measured) / (precision + weight)
                seen[8, count] = np.sqrt(precision + weight)
        seen[3, count] += points[0, n] / width
        seen[4, count] += points[1, n] / width
        seen[5, count] += points[4, n]
        count += 1

    translation, rotation, turn, product = np.zeros(3), np.eye(3), np.empty((3, 3)), np.empty((3, 3))
    normal, gradient, row_of = np.empty((6, 6)), np.empty(6), np.empty(6)
    for _ in range(FIT_ITERATIONS):
        normal[:] = 0.0
        gradient[:] = 0.0
        for n in range(count):
            px, py, pz = seen[0, n], seen[1, n], seen[2, n]
            rx = rotation[0, 0] * px + rotation[0, 1] * py + rotation[0, 2] * pz
            ry = rotation[1, 0] * px + rotation[1, 1] * py + rotation[1, 2] * pz
            rz = rotation[2, 0] * px + rotation[2, 1] * py + rotation[2, 2] * pz
            x, y, z = rx + translation[0] + x0, ry + translation[1] + y0, max(rz + translation[2] + z0, NEAREST_D)
            for axis in range(3):
                # Derivatives by the point; those by the turn are its cross product with them.
                if axis == 0:
                    gx, gy, gz = fx / width / z, 0.0, -fx / width * x / (z * z)
                    error = seen[3, n] - (fx * x / z + cx) / width
                elif axis == 1:
                    gx, gy, gz = 0.0, fy / width / z, -fy / width * y / (z * z)
                    error = seen[4, n] - (fy * y / z + cy) / width
                else:
                    gx, gy, gz = 0.0, 0.0, 1.0
                    error = seen[5, n] - rz - translation[2]
                row_of[0], row_of[1], row_of[2] = gx, gy, gz
                row_of[3], row_of[4], row_of[5] = ry * gz - rz * gy, rz * gx - rx * gz, rx * gy - ry * gx
                scaled = seen[6 + axis, n] * error
                weight = seen[6 + axis, n] ** 2 / np.sqrt(1 + (scaled / ROBUST_SCALE) ** 2)
                for i in range(6):
                    gradient[i] += weight * error * row_of[i]
                    for j in range(i + 1):
                        normal[i, j] += weight * row_of[i] * row_of[j]
        for i in range(6):
            for j in range(i):
                normal[j, i] = normal[i, j]
        information[:] = normal
        for i in range(6):
            normal[i, i] += DAMPING
        step = np.linalg.solve(normal, gradient)
        translation += step[:3]
        _rotation_matrix(step[3:], turn)
        for i in range(3):
            for j in range(3):
                product[i, j] = turn[i, 0] * rotation[0, j] + turn[i, 1] * rotation[1, j] + turn[i, 2] * rotation[2, j]
        rotation[:] = product
    residual[:3] = translation * diameter
    _rotation_vector(rotation, residual[3:])


@kernel(
    "void(float32[:, :, ::1], float64[::1], float64[:, ::1], float32[:, ::1], float64[::1], float64, float64, "
    "float32[:, ::1], float32[:, :, ::1], float32[:, ::1])"
)
def look_again(observed, geometry, points, output, residual, max_translation, max_rotation, rigid, places, facts):
    """Where points go by a fit, shortened to the range (diameters, radians) in which the network was trained.

    observed, geometry, points and output as of ``fit_rigid_motion``, after ``residual`` (6,). Fills rigid (3, N), the motion of
    the points, 0 off the object; places (rows, columns, 2) to look features up at, -1 to 1 across and down the crop; and
    facts (9, N): motion and log deviation of the first look, both as it said, less the rigid motion; difference of observed
    and expected depth, whether it is known, and whether the object is there.
    """
    width, rows, columns = observed.shape[2], places.shape[0], places.shape[1]
    fx, fy, cx, cy, diameter = geometry[0], geometry[1], geometry[2], geometry[3], geometry[7]
    translation = residual[:3] * (_limited(residual[:3], max_translation * diameter) / diameter)
    rotation = np.empty((3, 3))
    _rotation_matrix(residual[3:] * _limited(residual[3:], max_rotation), rotation)
    for n in range(rows * columns):
        px, py, pz, drawn = points[2, n], points[3, n], points[4, n], points[5, n]
        x = rotation[0, 0] * px + rotation[0, 1] * py + rotation[0, 2] * pz + translation[0]
        y = rotation[1, 0] * px + rotation[1, 1] * py + rotation[1, 2] * pz + translation[1]
        z = rotation[2, 0] * px + rotation[2, 1] * py + rotation[2, 2] * pz + translation[2]
        from_camera = max(z + geometry[6] / diameter, NEAREST_D)
        column = fx * (x + geometry[4] / diameter) / from_camera + cx
        row = fy * (y + geometry[5] / diameter) / from_camera + cy
        across, down, away = drawn * (column - points[0, n]) / width, drawn * (row - points[1, n]) / width, drawn * (z - pz)
        rigid[0, n], rigid[1, n], rigid[2, n] = across, down, away
        depth, is_measured = _measured(observed, points[0, n] + across * width, points[1, n] + down * width)
        difference = min(max(depth - pz - away, -DEPTH_LIMIT), DEPTH_LIMIT) * is_measured * drawn
        for axis in range(3):
            facts[axis, n] = output[axis, n] - rigid[axis, n] / MOTION_SCALE
            facts[3 + axis, n] = min(max(output[3 + axis, n], LEAST_LOG_DEVIATION), MOST_LOG_DEVIATION)
        facts[6, n], facts[7, n], facts[8, n] = difference / MOTION_SCALE, is_measured, drawn
        places[n // columns, n % columns, 0] = (n % columns + across * columns + 0.5) * (2 / columns) - 1
        places[n // columns, n % columns, 1] = (n // columns + down * columns + 0.5) * (2 / rows) - 1
