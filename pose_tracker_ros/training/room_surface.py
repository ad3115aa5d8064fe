"""The surface of a mapped place, fused from posed RGB-D frames, and views of it from where no camera was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import open3d as o3d

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import invert, make_pose, so3_exp
from pose_tracker_ros.objects import Mesh
from pose_tracker_ros.rendering.raycast import RaycastRenderer
from pose_tracker_ros.training.camera_views import POINTS, CameraView

# Frames are fused at about this width, up to this distance.
FUSED_WIDTH, FARTHEST_M = 320, 5.0
# The signed distance is cut off at so many voxels; a voxel that one frame has seen counts.
TRUNCATION, LEAST_WEIGHT = 4.0, 0.5
BLOCK_VOXELS, FIRST_BLOCKS = 8, 20_000
# A view must show the surface in so much of the image, nowhere nearer than this.
LEAST_SHOWN, NEAREST_M = 0.85, 0.3
TRIES = 20


def fuse(frames: Iterable[Frame], voxel_m: float) -> Mesh:
    """The surface that frames with ``world_T_camera`` show, coloured (Curless and Levoy, SIGGRAPH 1996, by Open3D).

    Raises ValueError for depth that is not registered to colour, and where no surface was measured.
    """
    grid = o3d.t.geometry.VoxelBlockGrid(
        ("tsdf", "weight", "color"), (o3d.core.float32,) * 3, ((1), (1), (3)), voxel_m, BLOCK_VOXELS, FIRST_BLOCKS
    )
    for frame in frames:
        frame.require_registered("fusing a surface")
        step = max(1, round(frame.camera.width / FUSED_WIDTH))
        color = cv2.blur(frame.color, (step, step))[::step, ::step].astype(np.float32) / 255
        images = [
            o3d.t.geometry.Image(o3d.core.Tensor(np.ascontiguousarray(array)))
            for array in (frame.depth[::step, ::step], color)
        ]
        intrinsics = o3d.core.Tensor(np.diag([1 / step, 1 / step, 1.0]) @ frame.camera.matrix)
        extrinsics = o3d.core.Tensor(invert(frame.world_T_camera))
        blocks = grid.compute_unique_block_coordinates(images[0], intrinsics, extrinsics, 1.0, FARTHEST_M, TRUNCATION)
        grid.integrate(blocks, *images, intrinsics, intrinsics, extrinsics, 1.0, FARTHEST_M, TRUNCATION)
    mesh = grid.extract_triangle_mesh(LEAST_WEIGHT).to_legacy()
    if not len(mesh.triangles):
        raise ValueError(
            "expected frames with depth to fuse a surface of, got none that show any; set synthetic_views=0"
        )
    mesh.compute_vertex_normals()
    return Mesh(
        vertices=np.asarray(mesh.vertices, np.float32),
        faces=np.asarray(mesh.triangles, np.int32),
        normals=np.asarray(mesh.vertex_normals, np.float32),
        vertex_colors=np.rint(255 * np.asarray(mesh.vertex_colors)).astype(np.uint8),
    )


class SyntheticViews:
    """Views of a surface by cameras near those that some views were taken with."""

    def __init__(
        self,
        surface: Mesh,
        camera: PinholeCamera,
        views: Sequence[CameraView],
        offset_m: float,
        turn_deg: float,
        seed: int,
    ) -> None:
        """``offset_m`` and ``turn_deg``: standard deviations, per axis, of what a camera is moved and turned."""
        self._renderer = RaycastRenderer(surface, threads=1)
        self._camera, self._poses = camera, [view.map_T_camera for view in views]
        self._offset_m, self._turn_rad = offset_m, np.radians(turn_deg)
        self._generator = np.random.default_rng(seed)

    def next(self) -> CameraView | None:
        """Another view; None where a camera finds no place from which to see the surface."""
        return next(filter(None, (self._attempt() for _ in range(TRIES))), None)

    def _attempt(self) -> CameraView | None:
        generator = self._generator
        pose = self._poses[generator.integers(len(self._poses))] @ make_pose(
            so3_exp(generator.normal(0, self._turn_rad, 3)), generator.normal(0, self._offset_m, 3)
        )
        rendering = self._renderer.render(self._camera, invert(pose))
        seen = rendering.mask
        if seen.mean() < LEAST_SHOWN or rendering.depth[seen].min() < NEAREST_M:
            return None
        color = rendering.color
        # Nothing is known about holes, so they look like nothing in particular.
        color[~seen] = generator.integers(0, 256, 3)
        points = self._camera.back_project(rendering.depth)[seen]
        chosen = generator.choice(len(points), POINTS, replace=False)
        return CameraView(color, pose, points[chosen].astype(np.float32))
