"""Rigid transforms on numpy arrays.

``a_T_b`` is the 4x4 matrix that takes points in frame b to frame a:
``x_a = a_T_b @ x_b``. Rotations act on column vectors, rotation vectors are in
radians, quaternions are (x, y, z, w).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial.transform import Rotation


def so3_exp(rotation_vector: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) of rotation vectors (..., 3) in radians."""
    rotation_vector = np.asarray(rotation_vector, dtype=np.float64)
    flat = Rotation.from_rotvec(rotation_vector.reshape(-1, 3)).as_matrix()
    return flat.reshape(*rotation_vector.shape[:-1], 3, 3)


def so3_log(rotation: np.ndarray) -> np.ndarray:
    """Rotation vectors (..., 3) in radians, of norm <= pi, of rotation matrices (..., 3, 3)."""
    rotation = np.asarray(rotation, dtype=np.float64)
    if rotation.ndim == 2 and np.trace(rotation) > 0:
        return _rotation_vector(*rotation.ravel().tolist())
    flat = Rotation.from_matrix(rotation.reshape(-1, 3, 3)).as_rotvec()
    return flat.reshape(*rotation.shape[:-2], 3)


def _rotation_vector(xx, xy, xz, yx, yy, yz, zx, zy, zz) -> np.ndarray:
    """Of one matrix's entries, not near half a turn: where most are, scipy would take 80 us."""
    x, y, z = zy - yz, xz - zx, yx - xy
    sine, cosine = math.sqrt(x * x + y * y + z * z) / 2, (xx + yy + zz - 1) / 2
    factor = 0.5 if sine < 1e-9 else math.atan2(sine, cosine) / (2 * sine)
    return np.array([factor * x, factor * y, factor * z])


def make_pose(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """4x4 transform from a 3x3 rotation matrix and a translation (3,) in metres."""
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = translation
    return pose


def invert(a_T_b: np.ndarray) -> np.ndarray:
    """``b_T_a`` of one rigid transform (4, 4) or of a batch (..., 4, 4)."""
    rotation_transposed = np.swapaxes(a_T_b[..., :3, :3], -1, -2)
    b_T_a = np.zeros_like(a_T_b, dtype=np.float64)
    b_T_a[..., :3, :3] = rotation_transposed
    b_T_a[..., :3, 3] = -np.einsum("...ij,...j->...i", rotation_transposed, a_T_b[..., :3, 3])
    b_T_a[..., 3, 3] = 1.0
    return b_T_a


def transform_points(a_T_b: np.ndarray, points_b: np.ndarray) -> np.ndarray:
    """Points (N, 3) of frame b in frame a."""
    return points_b @ a_T_b[:3, :3].T + a_T_b[:3, 3]


def is_pose(matrix: np.ndarray, tolerance: float = 1e-3) -> bool:
    """True for a finite 4x4 rigid transform whose rotation is orthonormal and right-handed."""
    matrix = np.asarray(matrix)
    if matrix.shape != (4, 4) or not np.all(np.isfinite(matrix)):
        return False
    rotation = matrix[:3, :3]
    return (
        np.allclose(rotation @ rotation.T, np.eye(3), atol=tolerance)
        and np.linalg.det(rotation) > 0
        and np.allclose(matrix[3], [0, 0, 0, 1], atol=tolerance)
    )


def quaternion_from_matrix(rotation: np.ndarray) -> np.ndarray:
    """Quaternions (..., 4) as x, y, z, w with w >= 0 of rotation matrices (..., 3, 3)."""
    rotation = np.asarray(rotation, dtype=np.float64)
    flat = Rotation.from_matrix(rotation.reshape(-1, 3, 3)).as_quat(canonical=True)
    return flat.reshape(*rotation.shape[:-2], 4)


def matrix_from_quaternion(quaternion: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) of quaternions (..., 4) x, y, z, w of any non-zero norm.

    Raises ValueError when a quaternion is zero or not finite.
    """
    quaternion = np.asarray(quaternion, dtype=np.float64)
    norms = np.linalg.norm(quaternion, axis=-1)
    if not np.all(np.isfinite(norms)) or np.any(norms < 1e-9):
        raise ValueError(f"expected a quaternion (x, y, z, w) of non-zero length, got {quaternion.tolist()}")
    flat = Rotation.from_quat(quaternion.reshape(-1, 4)).as_matrix()
    return flat.reshape(*quaternion.shape[:-1], 3, 3)


def rotation_angle(rotation: np.ndarray) -> np.ndarray:
    """Angle in radians, 0..pi, of rotation matrices (..., 3, 3)."""
    return np.linalg.norm(so3_log(rotation), axis=-1)


def rotation_towards(direction: np.ndarray) -> np.ndarray:
    """The smallest rotation (3, 3) that takes the optical axis z to a direction (3,) of any length: an object there looks
    turned by it."""
    direction = direction / np.linalg.norm(direction)
    axis = np.cross([0.0, 0.0, 1.0], direction)
    sine = np.linalg.norm(axis)
    return np.eye(3) if sine < 1e-9 else so3_exp(axis / sine * np.arctan2(sine, direction[2]))


def apply_residual(
    camera_T_object: np.ndarray,
    translation: np.ndarray,
    rotation_vector: np.ndarray,
    center: np.ndarray | None = None,
) -> np.ndarray:
    """Move a pose by a decoupled residual: the centre by ``translation``, about it by ``rotation_vector``.

    With the centre at the object origin this is the update of se(3)-TrackNet (arXiv 2007.13866):
    ``t' = t + translation`` and ``R' = exp(rotation_vector) R``, both in camera axes.

    Parameters: ``camera_T_object`` (4, 4); ``translation`` (3,) metres; ``rotation_vector`` (3,)
    radians; ``center`` (3,) metres in the object frame, default the origin.
    """
    center = np.zeros(3) if center is None else center
    rotation = so3_exp(rotation_vector) @ camera_T_object[:3, :3]
    center_in_camera = camera_T_object[:3, :3] @ center + camera_T_object[:3, 3]
    return make_pose(rotation, center_in_camera + translation - rotation @ center)


def residual_between(
    pose_from: np.ndarray, pose_to: np.ndarray, center: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The (translation, rotation_vector) with which ``apply_residual`` takes one pose to the other."""
    center = np.zeros(3) if center is None else center
    from_center = pose_from[:3, :3] @ center + pose_from[:3, 3]
    to_center = pose_to[:3, :3] @ center + pose_to[:3, 3]
    return to_center - from_center, so3_log(pose_to[:3, :3] @ pose_from[:3, :3].T)


def pose_errors(estimate: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Translation error in metres and rotation error in radians between two poses (4, 4)."""
    translation = float(np.linalg.norm(estimate[:3, 3] - truth[:3, 3]))
    return translation, float(rotation_angle(estimate[:3, :3] @ truth[:3, :3].T))


def random_unit_vector(generator: np.random.Generator) -> np.ndarray:
    """A direction (3,) uniform on the sphere."""
    vector = generator.normal(size=3)
    return vector / np.linalg.norm(vector)


def random_rotation(generator: np.random.Generator) -> np.ndarray:
    """A rotation matrix (3, 3) uniform over SO(3)."""
    return Rotation.from_quat(generator.normal(size=4)).as_matrix()
