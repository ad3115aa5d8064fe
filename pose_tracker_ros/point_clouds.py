"""Surfaces of point clouds, for objects that were scanned and never meshed."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from pose_tracker_ros.mesh_files import Part, Surface

MOST_POINTS = 50_000
LEAST_POINTS = 100
NEIGHBOURS = 20
OCTREE_DEPTH = 8
# Where fewer points support it, Poisson's surface is made up.
LEAST_DENSITY = 0.02


def reconstructed(surface: Surface) -> Part:
    """A surface about the points of a file (screened Poisson, Kazhdan and Hoppe 2013), in the colours of the nearest points.

    Raises ValueError where the points are too few or don't give a surface.
    """
    # Loaded late: it takes seconds and 100 MB, and most files have a surface already.
    import open3d as o3d

    points = surface.points[np.all(np.isfinite(surface.points), axis=1)]
    colors = None if surface.point_colors is None else surface.point_colors[np.all(np.isfinite(surface.points), axis=1)]
    if len(points) < LEAST_POINTS or not np.ptp(points, axis=0).max() > 0:
        raise ValueError(f"expected at least {LEAST_POINTS} points at different places for a surface, got {len(points)}")
    # Of length one and about the origin, for the library's thresholds and its precision.
    middle, extent = points.mean(axis=0), float(np.ptp(points, axis=0).max())
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector((points - middle) / extent))
    if len(points) > MOST_POINTS:
        cloud = cloud.farthest_point_down_sample(MOST_POINTS) if len(points) < 4 * MOST_POINTS else cloud.voxel_down_sample(0.004)
    cloud.estimate_normals(o3d.geometry.KDTreeSearchParamKNN(NEIGHBOURS))
    cloud.orient_normals_consistent_tangent_plane(NEIGHBOURS)
    mesh, density = o3d.geometry.TriangleMesh.create_from_point_cloud_poisson(cloud, depth=OCTREE_DEPTH, n_threads=1)
    density = np.asarray(density)
    mesh.remove_vertices_by_mask(density < np.quantile(density, LEAST_DENSITY))
    vertices = np.asarray(mesh.vertices) * extent + middle
    faces = np.asarray(mesh.triangles, dtype=np.int64)
    if len(faces) < 4:
        raise ValueError("expected points on the surface of a body, but they give no surface; mesh them in MeshLab")
    if colors is None:
        return Part(vertices, faces)
    return Part(vertices, faces, vertex_colors=colors[cKDTree(points).query(vertices)[1]])
