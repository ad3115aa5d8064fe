"""Normal distributions of some numbers, and the Kalman filter of an object's motion; see :class:`pose_tracker_ros.tracking.motion.Motion`."""

from __future__ import annotations

import numpy as np

from pose_tracker_ros.kernels.compilation import kernel

MATRIX = "float64[:, ::1]"


@kernel(f"{MATRIX}(float64[:, :])")
def inverse(matrix):
    """Of a covariance or information (N, N): such matrices need no pivots (Gauss and Jordan). Raises ValueError for singular ones.

    NumPy, whose library is made for large ones, takes ten times as long.
    """
    result = np.ascontiguousarray(matrix).copy()
    for k in range(len(result)):
        pivot = result[k, k]
        if pivot == 0:
            raise ValueError("expected a matrix that is not singular")
        result[k, k] = 1.0
        for column in range(len(result)):
            result[k, column] /= pivot
        for row in range(len(result)):
            if row != k:
                share, result[row, k] = result[row, k], 0.0
                for column in range(len(result)):
                    result[row, column] -= share * result[k, column]
    return result


@kernel(f"UniTuple({MATRIX}, 3)({MATRIX}, {MATRIX}, {MATRIX}, {MATRIX}, float64)")
def predict(pose, both, rate, acceleration, seconds):
    """Covariances (6, 6) of pose, pose with velocity, and velocity ``seconds`` later, with white noise ``acceleration`` (6, 6)."""
    pose = pose + seconds * (both + both.T) + seconds**2 * rate + seconds**3 / 3 * acceleration
    both = both + seconds * rate + seconds**2 / 2 * acceleration
    return pose, both, rate + seconds * acceleration


@kernel(f"Tuple((float64[::1], {MATRIX}, {MATRIX}, {MATRIX}))(float64[::1], {MATRIX}, {MATRIX}, {MATRIX}, float64[::1], {MATRIX})")
def correct(velocity, pose, both, rate, correction, information):
    """Velocity (6,) and covariances after an image of ``information`` (6, 6), symmetric but for rounding, by which the
    pose is ``correction`` (6,) beyond the prediction."""
    known = inverse(pose)
    gain, posterior = np.ascontiguousarray((known @ both).T), inverse(known + (information + information.T) / 2)
    learnt = np.ascontiguousarray(gain.T)
    return velocity + gain @ correction, posterior, posterior @ learnt, rate - gain @ (pose - posterior) @ learnt
