"""Cameras and poses in PyTorch3D's convention, and back.

PyTorch3D multiplies row vectors, ``X_view = X_world R + T``, in frames with x left, y up, z forward; its NDC have
the shorter image side from -1 to 1, x left and y up, and pixel i is sampled at i + 0.5. Here vectors are columns, the
frame is the optical one (x right, y down, z forward) and pixel centres are at integers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import make_pose

OPTICAL_FROM_PYTORCH3D = np.diag([-1.0, -1.0, 1.0])


class PyTorch3DCamera(NamedTuple):
    """Arguments of PyTorch3D's PerspectiveCameras for one camera, in NDC.

    R (3, 3) for row vectors, T (3,) metres, focal_length (2,) and principal_point (2,) in NDC, image_size
    (height, width).
    """

    R: np.ndarray
    T: np.ndarray
    focal_length: np.ndarray
    principal_point: np.ndarray
    image_size: tuple[int, int]


def to_pytorch3d(camera: PinholeCamera, camera_T_world: np.ndarray) -> PyTorch3DCamera:
    """The camera at a pose (4, 4) in PyTorch3D's convention; every point falls on the same pixel."""
    half = min(camera.width, camera.height) / 2
    center = np.array([camera.cx + 0.5, camera.cy + 0.5])
    return PyTorch3DCamera(
        R=camera_T_world[:3, :3].T @ OPTICAL_FROM_PYTORCH3D,
        T=OPTICAL_FROM_PYTORCH3D @ camera_T_world[:3, 3],
        focal_length=np.array([camera.fx, camera.fy]) / half,
        principal_point=(np.array([camera.width, camera.height]) / 2 - center) / half,
        image_size=(camera.height, camera.width),
    )


def from_pytorch3d(camera: PyTorch3DCamera) -> tuple[PinholeCamera, np.ndarray]:
    """Pinhole camera and camera_T_world (4, 4) of a camera in PyTorch3D's convention."""
    height, width = camera.image_size
    half = min(width, height) / 2
    fx, fy = np.asarray(camera.focal_length, dtype=np.float64) * half
    cx, cy = np.array([width, height]) / 2 - np.asarray(camera.principal_point) * half - 0.5
    rotation = OPTICAL_FROM_PYTORCH3D @ np.asarray(camera.R, dtype=np.float64).T
    pose = make_pose(rotation, OPTICAL_FROM_PYTORCH3D @ np.asarray(camera.T, dtype=np.float64))
    return PinholeCamera(int(width), int(height), float(fx), float(fy), float(cx), float(cy)), pose


def field_of_view_focal(fov_deg: float = 60.0) -> float:
    """Focal length in NDC of PyTorch3D's FoVPerspectiveCameras: ``1 / tan(fov / 2)`` of the shorter side."""
    return float(1 / np.tan(np.radians(fov_deg) / 2))


def look_at(
    distance: float,
    elevation_deg: float = 0.0,
    azimuth_deg: float = 0.0,
    at: np.ndarray = (0.0, 0.0, 0.0),
    up: np.ndarray = (0.0, 1.0, 0.0),
) -> tuple[np.ndarray, np.ndarray]:
    """R (3, 3) and T (3,) of PyTorch3D's look_at_view_transform: a camera on a sphere looks at its centre.

    The camera is at ``at + distance (cos e sin a, sin e, cos e cos a)``.
    Raises ValueError when it looks along ``up``, which leaves its roll open.
    """
    elevation, azimuth = np.radians(elevation_deg), np.radians(azimuth_deg)
    direction = np.array([np.cos(elevation) * np.sin(azimuth), np.sin(elevation), np.cos(elevation) * np.cos(azimuth)])
    position = np.asarray(at, dtype=np.float64) + distance * direction
    x = np.cross(np.asarray(up, dtype=np.float64), -direction)
    length = np.linalg.norm(x)
    if length < 1e-6 * np.linalg.norm(up) or not distance > 0:
        raise ValueError(
            f"expected a camera that does not look along up {tuple(up)} from a positive distance, got distance "
            f"{distance}, elevation {elevation_deg} and azimuth {azimuth_deg}; choose another up or elevation"
        )
    x = x / length
    R = np.column_stack([x, np.cross(-direction, x), -direction])
    return R, -R.T @ position


def look_at_pose(
    distance: float, elevation_deg: float = 0.0, azimuth_deg: float = 0.0, **options: object
) -> np.ndarray:
    """camera_T_world (4, 4), optical frame, of the camera of :func:`look_at`; ``options`` are its at and up."""
    R, T = look_at(distance, elevation_deg, azimuth_deg, **options)
    return make_pose(OPTICAL_FROM_PYTORCH3D @ R.T, OPTICAL_FROM_PYTORCH3D @ T)
