"""An object seen from everywhere, small: what a masked crop is compared with before anything is refined."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import trimesh

from pose_tracker_ros.camera import crop_camera
from pose_tracker_ros.geometry import make_pose, so3_exp
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering.raycast import RaycastRenderer

SIZE = 32
MARGIN = 1.3
# Templates are rendered this far away, in diameters: perspective as in a typical picture.
DISTANCE_DIAMETERS = 4.0


class Templates(NamedTuple):
    """K small views of an object of diameter d, its visible part centred.

    rotations: (K, 3, 3), of camera_T_object for an object on the optical axis.
    offsets: (K, 2) right and down, from the centre of the visible part to the object's centre, in diameters.
    mask: (K, P) float32, 1 on the object; depth: (K, P) float32 relative to the object's centre in diameters;
    color: (K, P, 3) float32 0..1; P = SIZE * SIZE pixels.
    """

    rotations: np.ndarray
    offsets: np.ndarray
    mask: np.ndarray
    depth: np.ndarray
    color: np.ndarray


def view_rotations(subdivisions: int) -> np.ndarray:
    """Rotations (V, 3, 3) that look at an object from the vertices of a subdivided icosahedron (42, 162, 642)."""
    directions = np.asarray(trimesh.creation.icosphere(subdivisions=subdivisions).vertices)
    rotations = []
    for forward in -directions:
        helper = np.array([0.0, 0.0, 1.0]) if abs(forward[2]) < 0.9 else np.array([0.0, 1.0, 0.0])
        right = np.cross(forward, helper)
        right /= np.linalg.norm(right)
        rotations.append(np.stack([right, np.cross(forward, right), forward]))
    return np.array(rotations)


def make_templates(model: ObjectModel, subdivisions: int = 2, in_plane: int = 16) -> Templates:
    """Render an object from everywhere, and turn every view ``in_plane`` times about the optical axis."""
    renderer = RaycastRenderer(model.mesh)
    center = np.array([0.0, 0.0, DISTANCE_DIAMETERS * model.diameter_m])
    camera = crop_camera(center, MARGIN * model.diameter_m, 2 * SIZE)
    rotations, offsets, masks, depths, colors = [], [], [], [], []
    for rotation in view_rotations(subdivisions):
        rendering = renderer.render(camera, make_pose(rotation, center - rotation @ model.center_m))
        depth = np.where(rendering.mask, (rendering.depth - center[2]) / model.diameter_m, 0).astype(np.float32)
        layers = np.dstack([rendering.mask.astype(np.float32), depth, rendering.color.astype(np.float32) / 255])
        layers[~rendering.mask] = 0
        rows, columns = np.nonzero(rendering.mask)
        middle = np.array([columns.mean(), rows.mean()]) if len(rows) else np.full(2, SIZE - 0.5)
        for turn in range(in_plane):
            angle = 2 * np.pi * turn / in_plane
            turned, matrix = _turned(layers, middle, angle)
            roll = so3_exp(np.array([0.0, 0.0, angle]))
            rotations.append(roll @ rotation)
            center_px = matrix @ [SIZE - 0.5, SIZE - 0.5, 1.0]
            offsets.append((center_px - (SIZE - 1) / 2) * MARGIN / SIZE)
            masks.append(turned[..., 0].ravel())
            depths.append(turned[..., 1].ravel())
            colors.append(turned[..., 2:].reshape(-1, 3))
    return Templates(
        *(np.array(item) for item in (rotations, offsets)),
        *(np.array(item, np.float32) for item in (masks, depths, colors)),
    )


def _turned(layers: np.ndarray, middle: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Layers turned by ``angle`` (x towards y), ``middle`` moved to the centre and halved; and the matrix that did it."""
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = 0.5 * np.array([[cosine, -sine], [sine, cosine]])
    matrix = np.column_stack([turn, (SIZE - 1) / 2 - turn @ middle])
    # Averages over 2x2 pixels, as halving does; channels beyond four are not supported in one call.
    smooth = cv2.blur(layers, (2, 2), anchor=(0, 0))
    shifted = matrix.copy()
    shifted[:, 2] += turn @ np.array([0.5, 0.5])
    parts = [
        cv2.warpAffine(part, shifted, (SIZE, SIZE), flags=cv2.INTER_LINEAR)
        for part in (smooth[..., :2].copy(), smooth[..., 2:].copy())
    ]
    turned = np.dstack(parts)
    inside = turned[..., :1] > 0.5
    # Means over the object's border are divided by how much of the object was in them.
    turned[..., 1:] = np.where(inside, turned[..., 1:] / np.maximum(turned[..., :1], 0.5), 0)
    turned[..., :1] = inside
    return turned, matrix
