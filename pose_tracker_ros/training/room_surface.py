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
# The signed distance is cut off at so many voxels.
TRUNCATION = 4.0
# A view must show the surface in so much of the image, nowhere nearer than this.
LEAST_SHOWN, NEAREST_M = 0.85, 0.3
TRIES = 20


def fuse(frames: Iterable[Frame], voxel_m: float) -> Mesh:
    """The surface that frames with ``world_T_camera`` show, coloured (Curless and Levoy, SIGGRAPH 1996, by Open3D).

    Raises ValueError for depth that is not registered to colour, and where no surface was measured.
    """
    volume = o3d.pipelines.integration.ScalableTSDFVolume(
        voxel_m, TRUNCATION * voxel_m, o3d.pipelines.integration.TSDFVolumeColorType.RGB8
    )
    for frame in frames:
        frame.require_registered("fusing a surface")
        step = max(1, round(frame.camera.width / FUSED_WIDTH))
        depth = np.ascontiguousarray(frame.depth[::step, ::step])
        color = np.ascontiguousarray(cv2.blur(frame.color, (step, step))[::step, ::step])
        image = o3d.geometry.RGBDImage.create_from_color_and_depth(
            o3d.geometry.Image(color),
            o3d.geometry.Image(depth),
            depth_scale=1.0,
            depth_trunc=FARTHEST_M,
            convert_rgb_to_intensity=False,
        )
        height, width = depth.shape
        lengths = (value / step for value in (frame.camera.fx, frame.camera.fy, frame.camera.cx, frame.camera.cy))
        volume.integrate(
            image, o3d.camera.PinholeCameraIntrinsic(width, height, *lengths), invert(frame.world_T_camera)
        )
    mesh = volume.extract_triangle_mesh()
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
