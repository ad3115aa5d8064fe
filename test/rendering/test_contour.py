"""Exact outlines: areas, what is an outline, and the flaws of soft silhouettes that they do not have."""

import numpy as np
import pytest
import torch
from shapes import cube, sphere, square

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import make_pose, random_rotation
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.rendering import create_renderer
from pose_tracker_ros.rendering.contour import MeshEdges, silhouette_coverage
from pose_tracker_ros.rendering.soft import (
    RasterizationSettings,
    SoftMesh,
    intrinsics_of,
    rasterize,
    recommended_blur_radius,
    soft_silhouette,
    transform_vertices,
)

CAMERA = PinholeCamera(128, 128, 300.0, 310.0, 62.7, 64.2)
SETTINGS = RasterizationSettings((128, 128))


def coverage_of(mesh, pose, camera=CAMERA):
    soft = SoftMesh.from_mesh(mesh, torch.float64)
    points = transform_vertices(torch.as_tensor(pose)[None], soft.vertices)
    edges = MeshEdges.from_faces(mesh.vertices, mesh.faces)
    size = RasterizationSettings((camera.height, camera.width))
    return silhouette_coverage(points, soft.faces, edges, intrinsics_of(camera, dtype=torch.float64), size)[0].numpy()


def true_coverage(mesh, pose, camera=CAMERA, factor=8):
    """Share of each pixel that 8 x 8 rays hit, or factor by factor."""
    mask = create_renderer("raycast", mesh).render(camera.scaled(factor), pose).mask
    return mask.reshape(camera.height, factor, camera.width, factor).mean(axis=(1, 3))


@pytest.mark.parametrize("mesh", [load_object("demo_jug").mesh, sphere(0.1), cube(0.12)], ids=["jug", "ball", "cube"])
def test_the_covered_area_is_right_to_a_thousandth(mesh):
    generator = np.random.default_rng(2)
    for _ in range(3):
        pose = make_pose(random_rotation(generator), np.array([0.01, 0.0, 0.6]))
        coverage, expected = coverage_of(mesh, pose), true_coverage(mesh, pose)
        assert coverage.sum() == pytest.approx(expected.sum(), rel=1e-3)
        outline = (expected > 0.01) & (expected < 0.99)
        assert np.sqrt(np.mean((coverage - expected)[outline] ** 2)) < 0.08
        assert np.abs(coverage - expected)[~outline].mean() < 1e-3


def test_a_soft_silhouette_is_wider_than_the_object_and_this_is_not():
    """At 256 px and sigma 1e-4 the soft one is 5 to 12 per cent too large in area."""
    mesh, camera = sphere(0.1, 3), PinholeCamera(256, 256, 300.0, 300.0, 127.5, 127.5)
    pose = make_pose(np.eye(3), np.array([0.0, 0.0, 0.8]))
    hard = true_coverage(mesh, pose, camera, 4).sum()
    soft = SoftMesh.from_mesh(mesh, torch.float64)
    points = transform_vertices(torch.as_tensor(pose)[None], soft.vertices)
    settings = RasterizationSettings((256, 256), recommended_blur_radius(1e-4), 100)
    intrinsics = intrinsics_of(camera, dtype=torch.float64)
    alpha = soft_silhouette(rasterize(points, soft.faces, intrinsics, settings), 1e-4)
    assert 1.05 < (alpha > 0.5).sum().item() / hard < 1.12
    assert coverage_of(mesh, pose, camera).sum() / hard == pytest.approx(1, abs=1e-3)


def test_a_straight_edge_covers_in_proportion_and_with_slope_one():
    """A square whose right edge is at column 80.3 covers 80 % of pixel 80 (from 79.5 to 80.5)."""
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    edges = MeshEdges.from_faces(np.eye(4, 3), faces.numpy())
    place = torch.tensor(80.3, dtype=torch.float64, requires_grad=True)
    zero, one = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
    corners = [(20.2 * one, 30.4 * one), (place, 30.4 * one), (place, 90.4 * one), (20.2 * one, 90.4 * one)]
    points = torch.stack([torch.stack([x, y, one]) for x, y in corners])[None]
    pixels = torch.stack([one, one, zero, zero])
    coverage = silhouette_coverage(points, faces, edges, pixels, SETTINGS)[0]
    assert coverage[60, 79:82].detach().numpy() == pytest.approx([1.0, 0.8, 0.0])
    assert coverage[60, 19:22].detach().numpy() == pytest.approx([0.0, 0.3, 1.0])
    assert coverage[30, 50].item() == pytest.approx(0.1) and coverage[90, 50].item() == pytest.approx(0.9)
    coverage[60, 80].backward()
    assert place.grad.item() == pytest.approx(1.0)


def test_edges_in_front_of_the_object_itself_are_no_outline():
    """A small box before a large one: the coverage is that of the large one alone."""
    large, small = cube(0.2), cube(0.05)
    both = type(large)(
        np.concatenate([large.vertices, small.vertices + np.float32([0, 0, -0.15])]),
        np.concatenate([large.faces, small.faces + len(large.vertices)]),
        np.concatenate([large.normals, small.normals]),
    )
    pose = make_pose(np.eye(3), np.array([0.003, 0.001, 0.9]))
    assert np.array_equal(coverage_of(both, pose), coverage_of(large, pose))


def test_seams_are_merged_and_open_edges_are_outlines():
    assert MeshEdges.from_faces(cube(1).vertices, cube(1).faces).ends.shape == (18, 2)
    sheet = MeshEdges.from_faces(square(1).vertices, square(1).faces)
    assert sheet.ends.shape == (5, 2) and sheet.opposite.shape == (5, 2)
    pose = make_pose(np.eye(3), np.array([0.0, 0.0, 0.7]))
    assert coverage_of(square(0.1), pose).sum() == pytest.approx(0.1**2 * 300 * 310 / 0.7**2, rel=1e-3)


def test_out_of_sight_nothing_is_covered():
    for place in ([0, 0, -0.5], [3, 0, 0.5]):
        assert not coverage_of(cube(0.1), make_pose(np.eye(3), np.array(place, float))).any()
