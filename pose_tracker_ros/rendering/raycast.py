"""Ray casting on the CPU with Embree: headless, no GL driver, exact depth."""

from __future__ import annotations

import cv2
import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.objects import Mesh, texture_pyramid
from pose_tracker_ros.rendering.protocol import UNKNOWN_COLOR, Rendering, empty_rendering
from pose_tracker_ros.rendering.texture_level import pyramid_level, texels_per_metre

MAX_OUTLINE_PX = 1e5


class RaycastRenderer:
    """Renders one mesh by casting a ray through every pixel in which its bounding box can be seen.

    Not to be used after ``fork()``: Embree's thread pool does not survive it. Start workers with spawn.
    """

    def __init__(self, mesh: Mesh, threads: int = 0) -> None:
        """``threads``: threads to cast with, 0 for all."""
        # Loaded late: it takes seconds, and whoever imports scenes, as a training does, need not cast rays.
        import open3d as o3d

        self._mesh = mesh
        self._threads = threads
        self._tensor = o3d.core.Tensor
        self._scene = o3d.t.geometry.RaycastingScene(nthreads=threads)
        self._scene.add_triangles(
            self._tensor(np.ascontiguousarray(mesh.vertices, dtype=np.float32)),
            self._tensor(np.ascontiguousarray(mesh.faces, dtype=np.uint32)),
        )
        low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
        self._corners = np.array(
            [[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
        )
        self._corner_normals = corner_values(mesh.normals, mesh.faces)
        if mesh.vertex_colors is not None:
            self._corner_colors = corner_values(mesh.vertex_colors, mesh.faces)
        if mesh.texture is not None:
            self._corner_uv = corner_values(mesh.uv, mesh.faces)
            self._pyramid = texture_pyramid(mesh.texture)
            self._texels_per_metre = texels_per_metre(mesh)

    def render(self, camera: PinholeCamera, camera_T_object: np.ndarray, color: bool = True) -> Rendering:
        """See :class:`pose_tracker_ros.rendering.Renderer`."""
        rendering = empty_rendering(camera)
        pixels = self._touched_pixels(camera, camera_T_object)
        if len(pixels) == 0:
            return rendering
        rotation = camera_T_object[:3, :3].astype(np.float32)
        directions = _directions(camera, pixels)
        rays = np.empty((len(pixels), 6), np.float32)
        rays[:, :3] = (-rotation.T @ camera_T_object[:3, 3]).astype(np.float32)
        rays[:, 3:] = directions @ rotation
        hits = self._scene.cast_rays(self._tensor(rays), nthreads=self._threads)

        # The rays have z = 1 in the camera frame, so the ray parameter is the depth.
        depth = hits["t_hit"].numpy()
        hit = np.flatnonzero(np.isfinite(depth))
        if len(hit) == 0:
            return rendering
        pixels, depth = pixels.take(hit), depth.take(hit)
        triangles = hits["primitive_ids"].numpy().take(hit)
        barycentric = _barycentric(hits["primitive_uvs"].numpy().take(hit, axis=0))
        normal = interpolate(self._corner_normals, triangles, barycentric) @ rotation.T
        normal /= np.maximum(np.sqrt(np.einsum("ij,ij->i", normal, normal)), np.float32(1e-9))[:, None]
        facing = np.einsum("ij,ij->i", normal, directions.take(hit, axis=0))
        normal *= np.where(facing > 0, np.float32(-1), np.float32(1))[:, None]

        rendering.mask.reshape(-1)[pixels] = True
        rendering.depth.reshape(-1)[pixels] = depth
        rendering.normal.reshape(-1, 3)[pixels] = normal
        if color:
            albedo = self._albedo(triangles, barycentric, camera.fx, float(depth.mean()))
            rendering.color.reshape(-1, 3)[pixels] = albedo
        return rendering

    def _touched_pixels(self, camera: PinholeCamera, camera_T_object: np.ndarray) -> np.ndarray:
        """Indices (N,) into the flat image of all pixels in which the object's bounding box can be seen."""
        corners = self._corners @ camera_T_object[:3, :3].T + camera_T_object[:3, 3]
        if np.all(corners[:, 2] <= 0):
            return np.empty(0, np.int64)
        touched = np.zeros((camera.height, camera.width), np.uint8)
        outline = camera.project(corners)
        # Behind the camera, or so near to it that coordinates overflow, a box has no outline in the image.
        if np.any(corners[:, 2] <= 1e-3) or np.abs(outline).max() > MAX_OUTLINE_PX:
            touched[:] = 1
        else:
            outline = cv2.convexHull(np.rint(outline).astype(np.int32))
            cv2.fillConvexPoly(touched, outline, 1)
            # Corners were rounded to whole pixels: one more all around.
            cv2.polylines(touched, [outline], isClosed=True, color=1, thickness=3)
        return np.flatnonzero(touched)

    def _albedo(
        self, triangles: np.ndarray, barycentric: np.ndarray, focal_px: float, mean_depth_m: float
    ) -> np.ndarray:
        mesh = self._mesh
        if mesh.texture is not None:
            level = min(pyramid_level(self._texels_per_metre, focal_px, mean_depth_m), len(self._pyramid) - 1)
            return sample_texture(self._pyramid[level], interpolate(self._corner_uv, triangles, barycentric))
        if mesh.vertex_colors is not None:
            return np.rint(interpolate(self._corner_colors, triangles, barycentric)).astype(np.uint8)
        return np.full((len(triangles), 3), UNKNOWN_COLOR, np.uint8)


def _directions(camera: PinholeCamera, pixels: np.ndarray) -> np.ndarray:
    """Rays (N, 3) float32 with z = 1 through pixels given as indices (N,) into the flat image."""
    rows, columns = np.divmod(pixels.astype(np.int32), np.int32(camera.width))
    directions = np.empty((len(pixels), 3), np.float32)
    directions[:, 0] = (columns.astype(np.float32) - np.float32(camera.cx)) / np.float32(camera.fx)
    directions[:, 1] = (rows.astype(np.float32) - np.float32(camera.cy)) / np.float32(camera.fy)
    directions[:, 2] = 1
    return directions


def _barycentric(uv: np.ndarray) -> np.ndarray:
    return np.column_stack([1 - uv[:, 0] - uv[:, 1], uv])


def corner_values(values: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Per-vertex ``values`` (V, C) of the three corners of each face (F, 3 * C), so that one look-up finds them."""
    return values[faces].reshape(len(faces), -1)


def interpolate(corner_values: np.ndarray, triangles: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
    """Values (N, C) at points given by their ``triangles`` (N,) and ``barycentric`` (N, 3) in these."""
    values = corner_values.take(triangles, axis=0)
    channels = values.shape[1] // 3
    result = values[:, :channels] * barycentric[:, :1]
    result += values[:, channels : 2 * channels] * barycentric[:, 1:2]
    result += values[:, 2 * channels :] * barycentric[:, 2:]
    return result


def sample_texture(texture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Bilinear, repeating texture look-up (N, 3) uint8; uv (N, 2) with v upwards."""
    height, width = texture.shape[:2]
    # cv2.remap is limited to 32767 columns, so the points are laid out in a block.
    columns = 1024
    padded = np.zeros((-(-len(uv) // columns) * columns, 2), np.float32)
    padded[: len(uv)] = uv
    u = (padded[:, 0] % 1.0) * width - 0.5
    v = ((1.0 - padded[:, 1]) % 1.0) * height - 0.5
    colors = cv2.remap(
        texture, u.reshape(-1, columns), v.reshape(-1, columns), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
    )
    return colors.reshape(-1, 3)[: len(uv)]
